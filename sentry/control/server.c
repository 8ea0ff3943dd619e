/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread: accepts, receives, answers, one message at a time. A
 * client may send several, each within CLIENT_SECONDS of the last answer.
 */
#include "sentry/control/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sentry/control/command.h"
#include "sentry/control/peer.h"
#include "sentry/control/place.h"
#include "sentry/core/log.h"

#define CLIENTS_MAX 16
#define CLIENT_SECONDS 10
/* With no descriptor left, accept() is tried again after this. */
#define ACCEPT_PAUSE_MS 100

struct client {
	int fd; /* -1: free */
	nst_time deadline;
};

struct control {
	struct sandbox *sb;
	struct control_place place;
	int listen_fd, stop_fd;
	pthread_t thread;
	bool started;
	bool accept_later;
	struct client clients[CLIENTS_MAX];
	char buf[CONTROL_MSG_BYTES];
};

static void client_close(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* ---- answers ---- */

int control_fail(struct control_reply *reply, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reply->error, sizeof reply->error, fmt, ap);
	va_end(ap);
	return err;
}

static int run_command(struct sandbox *sb, const struct control_command *table,
		       struct json_object *request, struct control_reply *reply)
{
	const char *why, *name = control_command_of(request, &why);

	if (!name)
		return control_fail(reply, -EINVAL, "%s", why);
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table->run(sb, request, reply);
	return control_fail(reply, -ENOSYS, "unknown command \"%.64s\"", name);
}

/* The frame of every reply; a failed command's results are dropped. */
static void finish(struct control_reply *reply, int rc)
{
	const char *why = reply->error[0] ? reply->error : strerror(-rc);

	if (rc) {
		json_object_put(reply->body);
		reply->body = json_object_new_object();
		control_fds_close(&reply->fds);
		json_object_object_add(reply->body, "error",
				       json_object_new_string(why));
		json_object_object_add(reply->body, "errno",
				       json_object_new_int(-rc));
	}
	json_object_object_add(reply->body, "version",
			       json_object_new_int(CONTROL_VERSION));
	json_object_object_add(reply->body, "ok", json_object_new_boolean(!rc));
}

void control_answer(struct sandbox *sb, const struct control_command *table,
		    const char *text, size_t len, struct control_reply *reply)
{
	const char *why;
	struct json_object *request = control_parse(text, len, &why);
	int rc;

	reply->body = json_object_new_object();
	if (request)
		rc = run_command(sb, table, request, reply);
	else
		rc = control_fail(reply, -EINVAL, "%s", why);
	json_object_put(request);
	finish(reply, rc);
}

/* Sends and forgets a reply. False: the client is not listening. */
static bool reply_send(int fd, struct control_reply *reply)
{
	int rc = control_send(fd, reply->body, &reply->fds, true);

	if (rc == -EMSGSIZE || rc == -ENOSPC || rc == -ENOMEM) {
		control_fail(reply, rc, "the answer is too long");
		finish(reply, rc);
		rc = control_send(fd, reply->body, NULL, false);
	}
	json_object_put(reply->body);
	control_fds_close(&reply->fds);
	control_fds_close(&reply->got);
	return rc == 0;
}

static bool reply_error(int fd, int err, const char *why)
{
	struct control_reply reply = {.body = json_object_new_object()};

	control_fail(&reply, err, "%s", why);
	finish(&reply, err);
	return reply_send(fd, &reply);
}

/* One message of a client; false: it is to be closed. */
static bool serve(struct control *ct, int fd)
{
	struct control_reply reply = {.client = fd};
	size_t len;
	int rc = control_recv(fd, ct->buf, &len, &reply.got);

	switch (rc) {
	case 1:
		control_answer(ct->sb, control_commands, ct->buf, len, &reply);
		return reply_send(fd, &reply);
	case -EAGAIN:
		return true;
	case -EMSGSIZE:
		return reply_error(fd, rc,
				   "a message of more than 65536 bytes");
	case -E2BIG:
		return reply_error(fd, rc,
				   "more descriptors than 8, or than "
				   "there is room for");
	default:
		return false;
	}
}

/* ---- clients ---- */

static struct client *free_client(struct control *ct)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		if (ct->clients[i].fd < 0)
			return &ct->clients[i];
	return NULL;
}

static nst_time patience(const struct control *ct)
{
	return sandbox_now(ct->sb) + CLIENT_SECONDS * NST_SEC;
}

static void take_client(struct control *ct)
{
	struct client *c = free_client(ct);
	int fd =
	    accept4(ct->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	ct->accept_later = fd < 0 && (errno == EMFILE || errno == ENFILE ||
				      errno == ENOMEM || errno == ENOBUFS);
	if (fd < 0)
		return;
	const char *why = control_peer_refused(fd, true);
	if (why || !c) {
		char text[160];

		snprintf(text, sizeof text, "refused: %s",
			 why ? why : "there are too many clients");
		reply_error(fd, why ? -EPERM : -EBUSY, text);
		close(fd);
		return;
	}
	c->fd = fd;
	c->deadline = patience(ct);
}

/* Fills the array of poll(2): stop, listener, clients. */
static int to_poll(const struct control *ct, struct pollfd *p)
{
	nst_time now = sandbox_now(ct->sb), first = now + 3600 * NST_SEC;

	p[0] = (struct pollfd){.fd = ct->stop_fd, .events = POLLIN};
	p[1] = (struct pollfd){.fd = ct->accept_later ? -1 : ct->listen_fd,
			       .events = POLLIN};
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		const struct client *c = &ct->clients[i];

		p[2 + i] = (struct pollfd){.fd = c->fd, .events = POLLIN};
		if (c->fd >= 0 && c->deadline < first)
			first = c->deadline;
	}
	if (ct->accept_later)
		return ACCEPT_PAUSE_MS;
	return first <= now ? 0 : (int)((first - now) / NST_MS + 1);
}

static void serve_clients(struct control *ct, const struct pollfd *p)
{
	for (size_t i = 0; i < CLIENTS_MAX; i++) {
		struct client *c = &ct->clients[i];

		if (c->fd < 0)
			continue;
		if (p[i].revents) {
			if (serve(ct, c->fd))
				c->deadline = patience(ct);
			else
				client_close(c);
		} else if (sandbox_now(ct->sb) >= c->deadline) {
			client_close(c);
		}
	}
}

static void *control_main(void *arg)
{
	struct control *ct = arg;
	struct pollfd p[2 + CLIENTS_MAX];

	prctl(PR_SET_NAME, "cordon-control");
	for (;;) {
		int timeout = to_poll(ct, p);

		if (poll(p, 2 + CLIENTS_MAX, timeout) < 0)
			continue;
		if (p[0].revents)
			return NULL;
		serve_clients(ct, p + 2);
		ct->accept_later = false;
		if (p[1].revents)
			take_client(ct);
	}
}

/* ---- the thread's life ---- */

static struct control *control_alloc(struct sandbox *sb)
{
	struct control *ct = calloc(1, sizeof *ct);

	if (!ct)
		return NULL;
	ct->sb = sb;
	ct->listen_fd = ct->stop_fd = -1;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		ct->clients[i].fd = -1;
	return ct;
}

static int refuse(const struct sandbox *sb, int rc)
{
	const char *name = sb->opt->name;

	if (name && rc == -EEXIST) {
		log_error("--name %s: a sandbox of this name is running; "
			  "see cordon ps",
			  name);
		return rc;
	}
	log_error("cannot make a control socket: %s; set XDG_RUNTIME_DIR to a "
		  "directory of your own, or clear /tmp/cordon-%u",
		  strerror(-rc), geteuid());
	return name ? rc : 0;
}

int control_open(struct sandbox *sb)
{
	struct control *ct = control_alloc(sb);

	if (!ct)
		return refuse(sb, -ENOMEM);
	ct->listen_fd = control_place_claim(sb->opt->name, &ct->place);
	if (ct->listen_fd >= 0) {
		sb->control = ct;
		return 0;
	}
	int rc = ct->listen_fd;
	free(ct);
	return refuse(sb, rc);
}

int control_start(struct sandbox *sb)
{
	struct control *ct = sb->control;

	if (!ct)
		return 0;
	ct->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (ct->stop_fd < 0)
		return -errno;
	int rc = -pthread_create(&ct->thread, NULL, control_main, ct);
	ct->started = !rc;
	return rc;
}

void control_stop(struct sandbox *sb)
{
	struct control *ct = sb->control;

	if (!ct)
		return;
	if (ct->started) {
		eventfd_write(ct->stop_fd, 1);
		pthread_join(ct->thread, NULL);
	}
	ct->started = false;
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		client_close(&ct->clients[i]);
}

void control_free(struct sandbox *sb)
{
	struct control *ct = sb->control;

	if (!ct)
		return;
	control_stop(sb);
	close(ct->listen_fd);
	control_place_remove(&ct->place);
	if (ct->stop_fd >= 0)
		close(ct->stop_fd);
	free(ct);
	sb->control = NULL;
}

void control_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd),
		     void *arg)
{
	struct control *ct = sb->control;

	if (!ct)
		return;
	fn(arg, &ct->listen_fd);
	for (size_t i = 0; i < CLIENTS_MAX; i++)
		fn(arg, &ct->clients[i].fd);
}

int control_adopt(struct sandbox *sb, const struct control_place *place,
		  int listen_fd, const int *clients, size_t n)
{
	struct control *ct = control_alloc(sb);

	if (!ct)
		return -ENOMEM;
	ct->place = *place;
	ct->listen_fd = listen_fd;
	for (size_t i = 0; i < n && i < CLIENTS_MAX; i++)
		ct->clients[i] = (struct client){clients[i], patience(ct)};
	sb->control = ct;
	return 0;
}

const char *control_id(const struct sandbox *sb)
{
	return sb->control ? sb->control->place.id : "";
}

const struct control_place *control_place(const struct sandbox *sb)
{
	return sb->control ? &sb->control->place : NULL;
}

int control_listen_fd(const struct sandbox *sb)
{
	return sb->control ? sb->control->listen_fd : -1;
}
