/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/control/client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "sentry/control/peer.h"
#include "sentry/control/place.h"
#include "sentry/core/log.h"

/* A sentry that is stopped takes connections, but does not answer. */
#define PS_MS 1000
/* With so many callers that they queue. */
#define BUSY_TRIES 50
#define BUSY_WAIT_US 10000

/* ---- finding one by the beginning of its id ---- */

struct search {
	const char *prefix;
	const struct control_dir *dir; /* looked through now */
	bool exact;
	unsigned found, dir_no, in_dir;
	char id[VALUE_ID_BYTES];
	char all[256]; /* those that were found, for people */
};

static int match(void *arg, const char *id)
{
	struct search *s = arg;
	bool exact = !strcmp(id, s->prefix);
	size_t at = strlen(s->all);

	if (strncmp(id, s->prefix, strlen(s->prefix)) != 0 || s->exact)
		return 0;
	if (exact)
		s->found = 0;
	s->exact = exact;
	s->found++;
	s->in_dir = s->dir_no;
	snprintf(s->id, sizeof s->id, "%s", id);
	snprintf(s->all + at, sizeof s->all - at, "%s%s", at ? ", " : "", id);
	return 0;
}

static int search_all(struct search *s)
{
	struct control_dir d;

	for (s->dir_no = 0; s->dir_no < CONTROL_DIRS; s->dir_no++) {
		if (control_dir_open(s->dir_no, false, &d))
			continue;
		control_dir_sweep(&d);
		control_dir_each(&d, match, s);
		control_dir_close(&d);
	}
	if (s->found == 1)
		return 0;
	if (s->found)
		log_error("%s is the beginning of several: %s", s->prefix,
			  s->all);
	else
		log_error("no sandbox %s is running; see cordon ps", s->prefix);
	return s->found ? -ENOTUNIQ : -ENOENT;
}

/* A connected socket whose other end is a sentry; -errno. */
static int connect_to(const struct control_dir *d, const char *id,
		      const char **why)
{
	int fd = control_dir_connect(d, id);

	for (int i = 0; fd == -EAGAIN && i < BUSY_TRIES; i++) {
		usleep(BUSY_WAIT_US);
		fd = control_dir_connect(d, id);
	}
	*why = "it is busy";
	if (fd == -EAGAIN)
		return fd;
	*why = "it has just ended";
	if (fd < 0)
		return fd;
	*why = control_peer_refused(fd, false);
	if (!*why)
		return fd;
	close(fd);
	return -EPERM;
}

static int connect_by_prefix(struct search *s)
{
	struct control_dir d;
	const char *why;
	int rc = search_all(s);

	if (!rc)
		rc = control_dir_open(s->in_dir, false, &d);
	if (rc)
		return rc;
	rc = connect_to(&d, s->id, &why);
	control_dir_close(&d);
	if (rc < 0)
		log_error("%s cannot be asked: %s", s->id, why);
	return rc;
}

/* ---- one request ---- */

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* Until there is something to read: 0, -ETIMEDOUT. */
static int await(int fd, int timeout_ms)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	long long end = now_ms() + timeout_ms;

	for (;;) {
		long long left = timeout_ms < 0 ? -1 : end - now_ms();
		int rc =
		    poll(&p, 1, left < 0 && timeout_ms >= 0 ? 0 : (int)left);

		if (rc > 0)
			return 0;
		if (rc == 0)
			return -ETIMEDOUT;
		if (errno != EINTR)
			return -errno;
	}
}

static int receive(int fd, struct json_object **reply, struct control_fds *fds)
{
	char *buf = malloc(CONTROL_MSG_BYTES);
	const char *why;
	size_t len;

	if (!buf)
		return -ENOMEM;
	int rc = control_recv(fd, buf, &len, fds);
	if (rc == 1)
		*reply = control_parse(buf, len, &why);
	free(buf);
	if (rc != 1)
		return rc ? rc : -ECONNRESET;
	rc = *reply ? control_unwrap(reply, fds) : -EPROTO;
	if (!rc)
		return 0;
	control_fds_close(fds);
	json_object_put(*reply);
	*reply = NULL;
	return rc;
}

/* Sends and receives; fds both ways. */
static int exchange(int fd, struct json_object *request, int timeout_ms,
		    struct json_object **reply, struct control_fds *fds)
{
	*reply = NULL;
	int rc = control_send(fd, request, fds, false);
	if (!rc)
		rc = await(fd, timeout_ms);
	fds->n = 0;
	return rc ? rc : receive(fd, reply, fds);
}

static const char *failure(int rc)
{
	switch (rc) {
	case -ETIMEDOUT:
		return "it does not answer (is it stopped?)";
	case -ECONNRESET:
	case -EPIPE:
		return "it has ended";
	case -EPROTO:
		return "it made no sense";
	}
	return strerror(-rc);
}

static int call_fd(int fd, const char *id, struct json_object *request,
		   int timeout_ms, struct json_object **reply,
		   struct control_fds *fds)
{
	int rc = exchange(fd, request, timeout_ms, reply, fds);

	if (rc) {
		log_error("%s: %s", id, failure(rc));
		return rc;
	}
	const char *error = control_error_of(*reply);
	if (!error)
		return 0;
	log_error("%s: %s", id, error);
	json_object_put(*reply);
	*reply = NULL;
	control_fds_close(fds);
	return -EREMOTEIO;
}

int control_call(const char *id, struct json_object *request, int timeout_ms,
		 struct json_object **reply, struct control_fds *fds)
{
	struct search s = {.prefix = id};
	struct control_fds none = {.n = 0};
	struct json_object *r = NULL;
	int rc = -ENOMEM;

	if (!request)
		log_error("out of memory");
	else
		rc = connect_by_prefix(&s);
	if (rc >= 0) {
		int fd = rc;

		rc = call_fd(fd, s.id, request, timeout_ms, &r,
			     fds ? fds : &none);
		close(fd);
	}
	json_object_put(request);
	control_fds_close(&none);
	if (reply)
		*reply = r;
	else
		json_object_put(r);
	return rc;
}

/* ---- all of them ---- */

struct each {
	struct control_dir dir;
	void (*fn)(void *arg, const struct control_seen *s);
	void *arg;
};

static int see(void *arg, const char *id)
{
	struct each *e = arg;
	struct control_seen s = {0};
	struct control_fds got = {.n = 0};
	struct ucred cred = {0};
	socklen_t len = sizeof cred;
	const char *why;
	int fd = connect_to(&e->dir, id, &why);

	/* It has just ended; or somebody pretends to be one. */
	if (fd < 0 && fd != -EAGAIN)
		return 0;
	snprintf(s.id, sizeof s.id, "%s", id);
	struct json_object *request = fd < 0 ? NULL : control_request("ps");
	if (request && exchange(fd, request, PS_MS, &s.reply, &got) == 0 &&
	    control_error_of(s.reply)) {
		json_object_put(s.reply);
		s.reply = NULL;
	}
	control_fds_close(&got);
	json_object_put(request);
	if (fd >= 0)
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len);
	s.pid = cred.pid;
	s.uid = (int)cred.uid;
	e->fn(e->arg, &s);
	json_object_put(s.reply);
	if (fd >= 0)
		close(fd);
	return 0;
}

int control_each(void (*fn)(void *arg, const struct control_seen *s), void *arg)
{
	struct each e = {.fn = fn, .arg = arg};
	int rc = 0;

	for (unsigned n = 0; n < CONTROL_DIRS && !rc; n++) {
		if (control_dir_open(n, false, &e.dir))
			continue;
		control_dir_sweep(&e.dir);
		rc = control_dir_each(&e.dir, see, &e);
		control_dir_close(&e.dir);
	}
	return rc;
}
