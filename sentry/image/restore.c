/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/image/restore.h"

#include <errno.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "netstack/base/base.pb-c.h"
#include "netstack/dgram/dgram.pb-c.h"
#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"
#include "netstack/tcp/tcp.pb-c.h"
#include "sentry/core/errmap.h"
#include "sentry/core/log.h"
#include "sentry/core/values.h"
#include "sentry/image/image.h"
#include "sentry/image/json.h"
#include "sentry/launch/launch.h"
#include "sentry/link/link.h"
#include "sentry/sock/sock.h"

/* LINUX: a string of the environment has at most 32 pages. */
#define ENV_BYTES_MAX (131072 - 64)
#define KIND_UDP 1 /* enum sock_kind, as it is in images */

/* A socket of the image that a program held. */
struct held {
	uint64_t id;
	uint32_t kind;
	int backlog;
	bool child; /* waits in a listener's queue */
	struct nst_sock *ep;
};

struct restore {
	struct image im;
	bool clone;
	nst_time now, outage;
	struct held *v; /* by id */
	size_t n, room;
	uint64_t *children;
	size_t nchildren;
	int *fds;
	size_t nfds;
	struct json_object *list; /* what the program is told */
};

/* ---- which sockets there are ---- */

static int add_held(struct restore *rs, const Cordon__NstSock *sk, int backlog)
{
	if (!sk)
		return 0;
	if (rs->n == rs->room) {
		size_t room = rs->room ? rs->room * 2 : 64;
		struct held *v = reallocarray(rs->v, room, sizeof *v);

		if (!v)
			return -ENOMEM;
		rs->v = v;
		rs->room = room;
	}
	rs->v[rs->n++] =
	    (struct held){.id = sk->id, .kind = sk->kind, .backlog = backlog};
	return 0;
}

static int add_children(struct restore *rs, const uint64_t *ids, size_t n)
{
	uint64_t *v;

	if (!n)
		return 0;
	v = reallocarray(rs->children, rs->nchildren + n, sizeof *v);
	if (!v)
		return -ENOMEM;
	memcpy(v + rs->nchildren, ids, n * sizeof *v);
	rs->children = v;
	rs->nchildren += n;
	return 0;
}

static int see_tcp(struct restore *rs, const Cordon__NstTcp *m)
{
	int rc = add_children(rs, m->accept_queue, m->n_accept_queue);

	if (!rc)
		rc = add_children(rs, m->fo_children, m->n_fo_children);
	/* Nobody had it any more: netstack finishes it by itself. */
	return rc || m->orphan ? rc : add_held(rs, m->sk, m->backlog);
}

static int see_record(struct restore *rs, struct image_walk *w)
{
	const ProtobufCMessage *m = image_walk_message(w);

	if (!m)
		return -EBADMSG;
	if (w->type == NST_SAVE_STACK)
		rs->now = ((const Cordon__NstStack *)m)->now;
	if (w->type == NST_SAVE_TCP)
		return see_tcp(rs, (const Cordon__NstTcp *)m);
	if (w->type == NST_SAVE_DGRAM)
		return add_held(rs, ((const Cordon__NstDgram *)m)->s, 0);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static struct held *find(struct restore *rs, uint64_t id)
{
	_Static_assert(offsetof(struct held, id) == 0, "by_id");
	return rs->n ? bsearch(&id, rs->v, rs->n, sizeof *rs->v, by_id) : NULL;
}

static int see_all(struct restore *rs, char *why)
{
	struct image_walk w;
	int rc = 0;

	image_walk_init(&w, &rs->im);
	while (!rc && image_walk_next(&w)) {
		if (!strcmp(image_walk_part(&w), IMAGE_PART_GUEST))
			rc = see_record(rs, &w);
		else
			rc = image_fail(why, -EINVAL,
					"was saved with --net nat: its "
					"connections end in a gateway that is "
					"gone; only those over a tap can be "
					"restored");
	}
	if (w.in.err)
		rc = image_fail(why, -EBADMSG, "is broken: %s", w.why);
	else if (rc == -ENOMEM)
		image_fail(why, rc, "is too long for the memory");
	image_walk_fini(&w);
	if (rs->n)
		qsort(rs->v, rs->n, sizeof *rs->v, by_id);
	for (size_t i = 0; i < rs->nchildren; i++) {
		struct held *h = find(rs, rs->children[i]);

		if (h)
			h->child = true;
	}
	return rc;
}

/* ---- before the sandbox ---- */

static nst_time since(int64_t saved_at)
{
	struct timespec ts;
	nst_time now;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = ts.tv_sec * NST_SEC + ts.tv_nsec;
	return saved_at > 0 && saved_at < now ? now - saved_at : 0;
}

int restore_open(const char *path, bool clone, struct restore **out)
{
	struct restore *rs = calloc(1, sizeof *rs);
	char why[IMAGE_WHY] = "out of memory";
	int rc = rs ? image_read(&rs->im, path, why) : -ENOMEM;

	*out = rs;
	if (!rc) {
		rs->clone = clone || rs->im.header->clone;
		rs->outage = since(rs->im.header->saved_at);
		rs->list = json_object_new_array();
		rc = see_all(rs, why);
	}
	if (rc)
		log_error("%s %s", path, why);
	return rc;
}

void restore_clock(struct restore *rs, struct sandbox *sb)
{
	sandbox_clock_stop(sb, rs->now);
	sandbox_clock_start(sb);
}

/* ---- the stack ---- */

struct loading {
	struct restore *rs;
	struct sandbox *sb;
};

static bool load_nic(void *ctx, struct nst_nic_config *cfg)
{
	const struct loading *l = ctx;
	struct link *link = l->sb->link;

	return link && link->carry && link->carry(link, true, cfg);
}

static void *load_sock(void *ctx, struct nst_sock *s, uint64_t id)
{
	const struct loading *l = ctx;
	struct held *h = find(l->rs, id);

	if (h)
		h->ep = s;
	return NULL;
}

/* The link knows its interface by the number that it had in the new stack. */
static bool same_nic(const struct sandbox *sb, const struct nst_stack *st)
{
	struct nst_nic_info info;

	return !sb->ifindex || (nst_nic_get(st, sb->ifindex, &info) == NST_OK &&
				!strcmp(info.name, "eth0"));
}

static int load_stack(struct restore *rs, struct sandbox *sb)
{
	struct loading l = {rs, sb};
	const struct nst_load how = {.env = &sb->env,
				     .ctx = &l,
				     .nic = load_nic,
				     .sock = load_sock,
				     .outage = rs->outage,
				     .clone = rs->clone};
	const uint8_t *p = rs->im.records;
	struct nst_stack *st, *old = sb->stack;
	char why[NST_SAVE_WHY];
	enum nst_err e = nst_stack_load(&how, &p, rs->im.end, &st, why);

	if (e) {
		log_error("the image cannot be restored: %s%s", why,
			  e == NST_E_NODEV ? "; use --net tap:NAME" : "");
		return -errno_of(e);
	}
	if (!same_nic(sb, st)) {
		log_error("the image has no eth0; use --net none");
		old = st;
	} else {
		sb->stack = st;
	}
	if (sb->link)
		sb->link->quiet = true;
	nst_stack_free(old);
	if (sb->link)
		sb->link->quiet = false;
	return sb->stack == st ? 0 : -ENODEV;
}

/* ---- sockets ---- */

/* Does its other end belong to this stack? It is without its program then. */
static bool is_local(const struct sandbox *sb, struct nst_sock *ep)
{
	struct nst_sockaddr to;

	return nst_sock_remote(ep, &to) == NST_OK &&
	       nst_addr_is_local(sb->stack, &to.addr);
}

static bool can_be_handed(const struct sandbox *sb, const struct held *h)
{
	struct nst_tcp *tp = nst_sock_tcp(h->ep);

	if (!tp)
		return h->kind == KIND_UDP;
	switch (nst_tcp_state(tp)) {
	case NST_TCP_LISTEN:
		return true;
	case NST_TCP_CLOSE:
	case NST_TCP_SYN_SENT:
	case NST_TCP_SYN_RCVD:
		return false;
	default:
		return !is_local(sb, h->ep);
	}
}

static void give_up(struct sandbox *sb, const struct held *h)
{
	struct nst_tcp *tp = nst_sock_tcp(h->ep);

	if (tp)
		nst_tcp_abort(tp, sandbox_now(sb));
	else
		nst_dgram_close(nst_sock_dgram(h->ep), sandbox_now(sb));
}

static void add_addr(struct json_object *o, const char *name,
		     const struct nst_sockaddr *a)
{
	char addr[VALUE_TEXT_BYTES], text[VALUE_TEXT_BYTES + 16];

	value_addr_text(&a->addr, addr);
	snprintf(text, sizeof text, a->addr.family == 6 ? "[%s]:%u" : "%s:%u",
		 a->addr.family ? addr : "*", a->port);
	json_object_object_add(o, name, json_object_new_string(text));
}

static void tell(struct restore *rs, const struct held *h, size_t fd)
{
	struct json_object *o = json_object_new_object();
	struct nst_tcp *tp = nst_sock_tcp(h->ep);
	struct nst_sockaddr a;

	json_object_object_add(o, "fd", json_object_new_uint64(fd));
	json_object_object_add(o, "id", json_object_new_uint64(h->id));
	json_object_object_add(o, "proto",
			       json_object_new_string(tp ? "tcp" : "udp"));
	if (tp)
		json_object_object_add(o, "state",
				       json_object_new_string(image_tcp_state(
					   (uint32_t)nst_tcp_state(tp))));
	nst_sock_local(h->ep, &a);
	add_addr(o, "local", &a);
	if (nst_sock_remote(h->ep, &a) == NST_OK)
		add_addr(o, "remote", &a);
	json_object_array_add(rs->list, o);
}

static int take_one(struct restore *rs, struct sandbox *sb,
		    const struct held *h)
{
	int fd;

	tell(rs, h, LAUNCH_HAND_FIRST + rs->nfds);
	fd = sock_around(sb, h->ep, h->backlog, (pid_t)sb->guest_pid,
			 LAUNCH_HAND_FIRST + (int)rs->nfds);
	if (fd < 0) {
		log_error("cannot make a socket again: %s", strerror(-fd));
		return fd;
	}
	rs->fds[rs->nfds++] = fd;
	return 0;
}

int restore_stack(struct restore *rs, struct sandbox *sb)
{
	int rc = load_stack(rs, sb);

	rs->fds = calloc(rs->n + 1, sizeof *rs->fds);
	if (!rc && !rs->fds)
		rc = -ENOMEM;
	for (size_t i = 0; !rc && i < rs->n; i++) {
		const struct held *h = &rs->v[i];

		if (h->child || !h->ep)
			continue;
		if (can_be_handed(sb, h))
			rc = take_one(rs, sb, h);
		else
			give_up(sb, h);
	}
	return rc;
}

int restore_hand(struct restore *rs, struct sandbox *sb)
{
	const char *text = json_object_to_json_string_ext(
	    rs->list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	int rc = -E2BIG;

	if (text && strlen(text) < ENV_BYTES_MAX)
		rc = launch_hand(sb->guest, text, rs->fds, rs->nfds);
	if (rc) {
		log_error("cannot hand %zu sockets to the program: %s",
			  rs->nfds, strerror(-rc));
		return rc;
	}
	for (size_t i = 0; i < rs->nfds; i++)
		close(rs->fds[i]);
	rs->nfds = 0;
	sandbox_lock(sb);
	nst_stack_resumed(sb->stack, sandbox_now(sb));
	sandbox_unlock(sb);
	return 0;
}

void restore_free(struct restore *rs)
{
	if (!rs)
		return;
	for (size_t i = 0; i < rs->nfds; i++)
		close(rs->fds[i]);
	json_object_put(rs->list);
	image_free(&rs->im);
	free(rs->children);
	free(rs->fds);
	free(rs->v);
	free(rs);
}
