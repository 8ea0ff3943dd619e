/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/control/wire.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define PLAIN (JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)

void control_fds_close(struct control_fds *fds)
{
	for (size_t i = 0; i < fds->n; i++)
		if (fds->fd[i] >= 0)
			close(fds->fd[i]);
	fds->n = 0;
}

/* ---- receiving ---- */

static void collect(struct msghdr *h, struct control_fds *fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		size_t bytes = c->cmsg_len - CMSG_LEN(0);

		/* The buffer has room for no more than CONTROL_FDS. */
		memcpy(fds->fd + fds->n, CMSG_DATA(c), bytes);
		fds->n += bytes / sizeof(int);
	}
}

/* An empty message looks like end of file. */
static bool is_end(int sock)
{
	struct pollfd p = {.fd = sock, .events = POLLRDHUP};

	return poll(&p, 1, 0) != 0;
}

int control_recv(int sock, char *buf, size_t *len, struct control_fds *fds)
{
	_Alignas(
	    struct cmsghdr) char ctl[CMSG_SPACE(CONTROL_FDS * sizeof(int))];
	struct iovec iov = {buf, CONTROL_MSG_BYTES};
	struct msghdr h = {.msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = ctl,
			   .msg_controllen = sizeof ctl};
	ssize_t n;

	fds->n = 0;
	do
		n = recvmsg(sock, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	collect(&h, fds);
	*len = (size_t)n;
	if (n == 0 && fds->n == 0 && is_end(sock))
		return 0;
	if (!(h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return 1;
	control_fds_close(fds);
	return h.msg_flags & MSG_TRUNC ? -EMSGSIZE : -E2BIG;
}

/* ---- sending ---- */

static int send_text(int sock, const char *text, size_t len,
		     const struct control_fds *fds)
{
	_Alignas(
	    struct cmsghdr) char ctl[CMSG_SPACE(CONTROL_FDS * sizeof(int))] = {
	    0};
	struct iovec iov = {(void *)text, len};
	struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	if (fds && fds->n) {
		size_t bytes = fds->n * sizeof(int);

		h.msg_control = ctl;
		h.msg_controllen = CMSG_SPACE(bytes);
		struct cmsghdr *c = CMSG_FIRSTHDR(&h);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(bytes);
		memcpy(CMSG_DATA(c), fds->fd, bytes);
	}
	do
		n = sendmsg(sock, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

/* A memfd with `text` that can no longer be changed. */
static int sealed(const char *text, size_t len)
{
	int fd = memfd_create("cordon-reply", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t done = 0;

	if (fd < 0)
		return -errno;
	while (done < len) {
		ssize_t n = write(fd, text + done, len - done);

		if (n <= 0)
			break;
		done += (size_t)n;
	}
	if (done == len &&
	    !fcntl(fd, F_ADD_SEALS,
		   F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL))
		return fd;
	close(fd);
	return -ENOSPC;
}

static int send_long(int sock, const char *text, size_t len,
		     const struct control_fds *fds)
{
	struct control_fds all = {.n = 1};
	struct json_object *o = json_object_new_object();
	size_t n;
	int rc = -ENOMEM;

	if (o && fds && fds->n < CONTROL_FDS) {
		memcpy(all.fd + 1, fds->fd, fds->n * sizeof(int));
		all.n += fds->n;
	}
	all.fd[0] = sealed(text, len);
	if (all.fd[0] >= 0 && o) {
		json_object_object_add(o, "version",
				       json_object_new_int(CONTROL_VERSION));
		json_object_object_add(o, "long",
				       json_object_new_int64((int64_t)len));
		text = json_object_to_json_string_length(o, PLAIN, &n);
		rc = text ? send_text(sock, text, n, &all) : -ENOMEM;
	}
	if (all.fd[0] >= 0)
		close(all.fd[0]);
	json_object_put(o);
	return rc;
}

int control_send(int sock, struct json_object *o, const struct control_fds *fds,
		 bool by_memfd)
{
	size_t len;
	const char *text = json_object_to_json_string_length(o, PLAIN, &len);

	if (!text)
		return -ENOMEM;
	if (len <= CONTROL_MSG_BYTES)
		return send_text(sock, text, len, fds);
	if (!by_memfd || len > CONTROL_LONG_BYTES ||
	    (fds && fds->n >= CONTROL_FDS))
		return -EMSGSIZE;
	return send_long(sock, text, len, fds);
}

/* ---- what they say ---- */

struct json_object *control_parse(const char *text, size_t len,
				  const char **why)
{
	struct json_tokener *t = json_tokener_new_ex(CONTROL_DEPTH);
	struct json_object *o = NULL;

	/* As `echo` ends a line. */
	while (len && isspace((unsigned char)text[len - 1]))
		len--;
	*why = "out of memory";
	if (!t || len > INT32_MAX)
		goto out;
	json_tokener_set_flags(t, JSON_TOKENER_STRICT |
				      JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, text, (int)len);
	*why = NULL;
	if (json_tokener_get_error(t) == json_tokener_continue)
		*why = "not JSON: it ends too early";
	else if (json_tokener_get_error(t) != json_tokener_success)
		*why = json_tokener_get_error(t) == json_tokener_error_depth
			   ? "nested too deeply"
			   : "not JSON";
	else if (json_tokener_get_parse_end(t) != len)
		*why = "something follows the JSON object";
	else if (!json_object_is_type(o, json_type_object))
		*why = "not a JSON object";
	if (*why) {
		json_object_put(o);
		o = NULL;
	}
out:
	if (t)
		json_tokener_free(t);
	return o;
}

static struct json_object *member(struct json_object *o, const char *name,
				  enum json_type type)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, name, &v) ||
	    !json_object_is_type(v, type))
		return NULL;
	return v;
}

const char *control_command_of(struct json_object *request, const char **why)
{
	struct json_object *v = member(request, "version", json_type_int);
	struct json_object *c = member(request, "command", json_type_string);

	*why = NULL;
	if (!v)
		*why = "\"version\" is missing or not a number";
	else if (json_object_get_int64(v) != CONTROL_VERSION)
		*why = "unknown version; this cordon speaks version 1";
	else if (!c || strlen(json_object_get_string(c)) !=
			   (size_t)json_object_get_string_len(c))
		*why = "\"command\" is missing or not a string";
	return *why ? NULL : json_object_get_string(c);
}

struct json_object *control_request(const char *command)
{
	struct json_object *o = json_object_new_object();

	if (!o)
		return NULL;
	json_object_object_add(o, "version",
			       json_object_new_int(CONTROL_VERSION));
	json_object_object_add(o, "command", json_object_new_string(command));
	return o;
}

const char *control_error_of(struct json_object *reply)
{
	struct json_object *ok = member(reply, "ok", json_type_boolean);
	struct json_object *e = member(reply, "error", json_type_string);

	if (ok && json_object_get_boolean(ok))
		return NULL;
	return e ? json_object_get_string(e) : "it made no sense";
}

static int read_all(int fd, char *text, size_t len)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, text + done, len - done, (off_t)done);

		if (n <= 0)
			return -EPROTO;
		done += (size_t)n;
	}
	return 0;
}

int control_unwrap(struct json_object **reply, struct control_fds *fds)
{
	struct json_object *v = member(*reply, "long", json_type_int);
	const char *why;

	if (!v)
		return 0;
	int64_t len = json_object_get_int64(v);
	if (fds->n == 0 || len <= 0 || len > CONTROL_LONG_BYTES)
		return -EPROTO;
	char *text = malloc((size_t)len);
	if (!text)
		return -ENOMEM;
	int rc = read_all(fds->fd[0], text, (size_t)len);
	close(fds->fd[0]);
	memmove(fds->fd, fds->fd + 1, --fds->n * sizeof(int));
	struct json_object *o =
	    rc ? NULL : control_parse(text, (size_t)len, &why);
	free(text);
	if (!o)
		return -EPROTO;
	json_object_put(*reply);
	*reply = o;
	return 0;
}
