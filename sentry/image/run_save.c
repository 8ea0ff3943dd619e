/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/image/run_save.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "netstack/dgram/dgram.fields.h"
#include "netstack/nst_save.h"
#include "sentry/control/control.h"
#include "sentry/control/text.h"
#include "sentry/core/errmap.h"
#include "sentry/gateway/gateway_save.h"
#include "sentry/image/image.h"
#include "sentry/launch/launch.h"
#include "sentry/link/netem_image.h"
#include "sentry/sock/sock_save.h"
#include "sentry/sock/unaccepted.h"
#include "sentry/sock/unread.h"

#define BUFFER_BYTES ((size_t)256 << 10)

/* Records on their way into the memory file. */
struct out {
	int fd, err;
	uint64_t records, bytes;
	unsigned missed; /* sockets with bytes that are nowhere */
	size_t used;
	uint8_t *buf;
};

static bool flush(struct out *o)
{
	for (size_t at = 0; at < o->used && !o->err;) {
		ssize_t n = write(o->fd, o->buf + at, o->used - at);

		if (n >= 0)
			at += (size_t)n;
		else if (errno != EINTR)
			o->err = -errno;
	}
	o->used = 0;
	return !o->err;
}

/* nst_save_sink.put: one record. */
static bool put(void *ctx, const void *data, size_t bytes)
{
	struct out *o = ctx;
	const uint8_t *p = data;

	o->records++;
	o->bytes += bytes;
	while (bytes) {
		size_t n = BUFFER_BYTES - o->used;

		n = n < bytes ? n : bytes;
		memcpy(o->buf + o->used, p, n);
		o->used += n;
		p += n;
		bytes -= n;
		if (o->used == BUFFER_BYTES && !flush(o))
			return false;
	}
	return true;
}

/* ---- what is saved ---- */

static int save_stack(const struct nst_stack *st,
		      const struct nst_save_sink *sink)
{
	return st ? -errno_of(nst_stack_save(st, sink)) : 0;
}

static int save_guest_stack(struct sandbox *sb,
			    const struct nst_save_sink *sink)
{
	struct unaccepted u;
	int rc = unaccepted_put_back(sb, &u);

	if (!rc)
		rc = save_stack(sb->stack, sink);
	unaccepted_take(&u);
	return rc;
}

static bool put_datagram(struct save_out *o, const struct sock_unread *u)
{
	Cordon__DgramRx *m = save_message(o, &cordon__dgram_rx__descriptor);

	if (!m)
		return false;
	m->owner = u->id;
	m->in = save_object(o, &save_nst_dgram_in, u->datagram);
	m->data = save_borrow(u->datagram->data, u->datagram->bytes);
	save_record(o, NST_SAVE_DGRAM_RX, m);
	return !o->failed;
}

static bool put_unread(void *ctx, const struct sock_unread *u)
{
	struct save_out *o = ctx;
	Cordon__UnreadBytes *m;

	if (u->datagram)
		return put_datagram(o, u);
	m = save_message(o, &cordon__unread_bytes__descriptor);
	if (!m)
		return false;
	m->id = u->id;
	m->to_guest = save_borrow(u->to_guest.p, u->to_guest.n);
	m->from_guest = save_borrow(u->from_guest.p, u->from_guest.n);
	m->shut = u->shut;
	save_record(o, (enum nst_save_record)SOCK_SAVE_UNREAD, m);
	return !o->failed;
}

static int save_unread(struct sandbox *sb, const struct nst_save_sink *sink)
{
	struct out *out = sink->ctx;
	struct save_out o;
	int rc;

	save_out_init(&o, &sb->env, sink);
	rc = sock_unread_each(sb, put_unread, &o, &out->missed);
	save_out_fini(&o);
	return rc == -ECANCELED ? -ENOMEM : rc;
}

static int save_gateway_stack(struct sandbox *sb,
			      const struct nst_save_sink *sink)
{
	return sb->gw ? save_stack(gateway_stack(sb->gw), sink) : 0;
}

static int save_gateway(struct sandbox *sb, const struct nst_save_sink *sink)
{
	return sb->gw ? gateway_save(sb->gw, sink) : 0;
}

static int save_netem_out(struct sandbox *sb, const struct nst_save_sink *sink)
{
	return netem_image_save(sb, NETEM_OUT, sink);
}

static int save_netem_in(struct sandbox *sb, const struct nst_save_sink *sink)
{
	return netem_image_save(sb, NETEM_IN, sink);
}

/* In the order in which sentry/save has them, too. */
static const struct {
	const char *kind;
	int (*save)(struct sandbox *sb, const struct nst_save_sink *sink);
} parts[] = {
    {IMAGE_PART_GUEST, save_guest_stack},
    {IMAGE_PART_UNREAD, save_unread},
    {IMAGE_PART_GATEWAY_STACK, save_gateway_stack},
    {IMAGE_PART_GATEWAY, save_gateway},
    {IMAGE_PART_NETEM_OUT, save_netem_out},
    {IMAGE_PART_NETEM_IN, save_netem_in},
};

static void add_part(struct json_object *list, const char *kind,
		     const struct out *o, const struct out *before)
{
	struct json_object *p = json_object_new_object();

	json_object_object_add(p, "kind", json_object_new_string(kind));
	json_object_object_add(
	    p, "records", json_object_new_uint64(o->records - before->records));
	json_object_object_add(
	    p, "bytes", json_object_new_uint64(o->bytes - before->bytes));
	json_object_array_add(list, p);
}

/* Between two events of the stack; under the lock. */
static int save_parts(struct sandbox *sb, struct out *o,
		      struct json_object *list)
{
	const struct nst_save_sink sink = {o, put};
	int rc = 0;

	sandbox_settle(sb);
	nst_gro_end(sb->stack, sandbox_now(sb));
	for (size_t i = 0; !rc && i < sizeof parts / sizeof *parts; i++) {
		struct out before = *o;

		rc = parts[i].save(sb, &sink);
		if (o->err)
			rc = o->err;
		if (o->records > before.records)
			add_part(list, parts[i].kind, o, &before);
	}
	return rc || flush(o) ? rc : o->err;
}

static int64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000LL + ts.tv_nsec / 1000;
}

static int64_t wall_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec * NST_SEC + ts.tv_nsec;
}

/* ---- the reply ---- */

static void add(struct json_object *o, const char *name, struct json_object *v)
{
	json_object_object_add(o, name, v);
}

static void describe(const struct sandbox *sb, struct json_object *body)
{
	struct json_object *argv = json_object_new_array();

	add(body, "cordon", json_object_new_string(CORDON_VERSION));
	add(body, "id", json_object_new_string(control_id(sb)));
	for (char **a = sb->opt->argv; *a; a++)
		json_object_array_add(argv, text_to_json(*a));
	add(body, "argv", argv);
}

static int save_records(struct sandbox *sb, struct out *o,
			struct json_object *body)
{
	struct json_object *list = json_object_new_array();
	int64_t from;
	int rc;

	sandbox_lock_turn(sb);
	from = now_us();
	add(body, "saved_at", json_object_new_int64(wall_clock()));
	rc = save_parts(sb, o, list);
	from = now_us() - from;
	sandbox_unlock(sb);
	add(body, "stall_us", json_object_new_int64(from));
	add(body, "bytes", json_object_new_uint64(o->bytes));
	add(body, "parts", list);
	add(body, "missed", json_object_new_int64(o->missed));
	return rc;
}

static int save_to_memory(struct sandbox *sb, struct control_reply *reply)
{
	struct out o = {.fd = memfd_create("cordon-image", MFD_CLOEXEC)};
	int rc;

	if (o.fd < 0)
		return -errno;
	o.buf = malloc(BUFFER_BYTES);
	rc = o.buf ? save_records(sb, &o, reply->body) : -ENOMEM;
	free(o.buf);
	if (rc) {
		close(o.fd);
		return rc;
	}
	describe(sb, reply->body);
	reply->fds.fd[reply->fds.n++] = o.fd;
	return 0;
}

int image_run_save(struct sandbox *sb, struct json_object *request,
		   struct control_reply *reply)
{
	struct json_object *v;
	bool pause = json_object_object_get_ex(request, "pause", &v) &&
		     json_object_get_boolean(v);
	unsigned n;
	int paused = pause ? launch_pause(sb->guest, &n) : -EALREADY;
	int rc;

	if (paused == -ESRCH)
		return control_fail(reply, paused, "the guest has ended");
	if (paused == -EBUSY)
		return control_fail(reply, paused,
				    "the guest forks faster than it can be "
				    "stopped");
	if (paused && paused != -EALREADY)
		return paused;
	rc = save_to_memory(sb, reply);
	if (!paused)
		(void)launch_resume(sb->guest, &n);
	return rc;
}
