/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/sock/unread.h"

#include <errno.h>
#include <linux/sockios.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "netstack/nst_save.h"
#include "sentry/loop/loop.h"
#include "sentry/sock/dgram_priv.h"
#include "sentry/sock/sock_priv.h"
#include "sentry/trap/trap.h"

struct look {
	struct sock *s;
	bool wanted;     /* the guest's end is still to be looked at */
	bool sure;       /* something is in it */
	unsigned queued; /* of a listener: how many do */
};

struct collect {
	struct sandbox *sb;
	bool (*fn)(void *ctx, const struct sock_unread *u);
	void *ctx;
	struct look *v; /* by address of the socket */
	size_t n;
	uint8_t *buf;
	size_t size;
	int err;
};

static bool has_room(struct collect *c, size_t bytes)
{
	uint8_t *p;

	if (bytes <= c->size)
		return true;
	p = realloc(c->buf, bytes);
	if (!p) {
		c->err = -ENOMEM;
		return false;
	}
	c->buf = p;
	c->size = bytes;
	return true;
}

/* What is unread at an end, or the first part of it that one writer wrote. */
static size_t peek(struct collect *c, int fd, size_t bytes)
{
	ssize_t n;

	if (!bytes || !has_room(c, bytes))
		return 0;
	n = recv(fd, c->buf, bytes, MSG_PEEK | MSG_DONTWAIT);
	return n > 0 ? (size_t)n : 0;
}

static void give(struct collect *c, const struct sock *s,
		 const struct sock_unread *u)
{
	struct sock_unread whole = *u;

	whole.id = nst_sock_id(sock_nst(s));
	if (s->tcp)
		whole.shut = s->shut;
	if (!c->err && !c->fn(c->ctx, &whole))
		c->err = -ECANCELED;
}

static size_t unread_at(int fd)
{
	int n = 0;

	return ioctl(fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

static bool is_listener(const struct sock *s)
{
	return s->tcp && !s->dead && s->state == SOCK_LISTENING;
}

static bool is_pipe(const struct sock *s)
{
	return s->tcp && !s->dead && s->state == SOCK_CONNECTED;
}

/* ---- what the guest wrote ---- */

/* The marker is the sentry's own byte, and the last (stream.c). */
static void from_guest(struct collect *c, const struct sock *s)
{
	size_t n = s->send_fd < 0 ? 0 : unread_at(s->send_fd);

	if (s->pipe.marker && n)
		n--;
	n = peek(c, s->send_fd, n);
	if (n || s->shut)
		give(c, s, &(struct sock_unread){.from_guest = {c->buf, n}});
}

/* ---- what the guest has not read ---- */

static int by_address(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct look *)a)->s;
	uintptr_t y = (uintptr_t)((const struct look *)b)->s;

	return x < y ? -1 : x > y;
}

/* A guest that peeks at an offset goes on where it was. */
static size_t peek_whole(struct collect *c, int dup)
{
	int at = -1, whole = -1;
	socklen_t len = sizeof at;
	size_t n;

	(void)getsockopt(dup, SOL_SOCKET, SO_PEEK_OFF, &at, &len);
	if (at >= 0)
		(void)setsockopt(dup, SOL_SOCKET, SO_PEEK_OFF, &whole,
				 sizeof whole);
	n = peek(c, dup, unread_at(dup));
	if (at >= 0)
		(void)setsockopt(dup, SOL_SOCKET, SO_PEEK_OFF, &at, sizeof at);
	return n;
}

static void give_kept(struct collect *c, const struct sock *s)
{
	const struct dgram_kept *k;

	for (k = s->dg.kept; k; k = k->next)
		give(c, s, &(struct sock_unread){.datagram = &k->in});
}

/* As they were, but for those that there was no memory for. */
static void look_at_datagrams(struct collect *c, struct look *l, int dup)
{
	l->wanted = false;
	datagram_reclaim(l->s, dup);
	give_kept(c, l->s);
	datagram_pump(l->s);
}

static struct look *look_of(struct collect *c, struct sock *s)
{
	const struct look key = {.s = s};

	return s ? bsearch(&key, c->v, c->n, sizeof *c->v, by_address) : NULL;
}

static void look_into(struct collect *c, struct look *l, int dup)
{
	size_t n = peek_whole(c, dup);

	l->wanted = false;
	if (n)
		give(c, l->s, &(struct sock_unread){.to_guest = {c->buf, n}});
}

/*
 * Once round the queue of a listener. The guest may accept meanwhile, then one
 * is last that was not. Nobody waits for room in it: whom would be put back.
 */
static void look_at_queue(struct collect *c, struct look *l, int dup)
{
	struct look *child;
	int g;

	l->wanted = false;
	for (; l->queued && !l->s->listen.pushing; l->queued--) {
		g = loop_accept_now(c->sb->loop, dup);
		if (g < 0)
			return;
		child = look_of(c, sock_of_guest_fd(c->sb, g));
		if (child) {
			look_into(c, child, g);
			listener_requeue(l->s, child->s, g);
		}
		close(g);
	}
}

/* guest_fd_match: goes on to the next, always, unless there was an error. */
static bool look_at(void *arg, int dup)
{
	struct collect *c = arg;
	struct look *l = look_of(c, sock_of_guest_fd(c->sb, dup));

	if (!l || !l->wanted)
		return false;
	if (l->s->dgram)
		look_at_datagrams(c, l, dup);
	else if (is_listener(l->s))
		look_at_queue(c, l, dup);
	else
		look_into(c, l, dup);
	return c->err != 0;
}

/* LINUX: an end knows how much of what it sent is unread; one that is closed,
 * of a connection that was reset, does not. */
static void want(struct look *l)
{
	int queued = 0;

	if (l->s->send_fd >= 0)
		(void)ioctl(l->s->send_fd, SIOCOUTQ, &queued);
	l->sure = queued > 0;
	l->wanted = l->sure || l->s->send_fd < 0;
}

static void want_datagrams(struct collect *c, struct look *l)
{
	l->sure = l->wanted = !datagram_end_empty(l->s);
	if (!l->wanted)
		give_kept(c, l->s);
}

/* NULL: its guest end is in no queue. */
static struct look *queue_of(struct collect *c, const struct sock *s)
{
	struct sock *l = sock_by_id(c->sb, s->parent);

	if (!l || !is_listener(l) || s->cookie || s->send_fd < 0 ||
	    !backing_peer_waits(c->sb, s->send_fd))
		return NULL;
	return look_of(c, l);
}

/* All of the queues in which something is that was found nowhere else. */
static bool want_queues(struct collect *c)
{
	struct look *l;
	bool any = false;

	for (size_t i = 0; i < c->n; i++) {
		l = c->v[i].sure && c->v[i].wanted ? queue_of(c, c->v[i].s)
						   : NULL;
		if (l)
			any = l->wanted = true;
	}
	for (size_t i = 0; i < c->n && any; i++) {
		l = queue_of(c, c->v[i].s);
		if (l)
			l->queued++;
	}
	return any;
}

/* ---- all ---- */

static int list_all(struct collect *c)
{
	struct sandbox *sb = c->sb;

	c->v = calloc(sb->socks->count + 1, sizeof *c->v);
	if (!c->v)
		return -ENOMEM;
	for (struct sock *s = sock_next(sb, NULL); s; s = sock_next(sb, s))
		if (is_pipe(s) || is_listener(s) || (s->dgram && !s->dead))
			c->v[c->n++].s = s;
	qsort(c->v, c->n, sizeof *c->v, by_address);
	return 0;
}

static int scan(struct collect *c)
{
	int rc = guest_fd_scan(c->sb, look_at, c, NULL, NULL);

	if (rc >= 0)
		close(rc);
	return c->err ? c->err : rc == -EMFILE ? rc : 0;
}

/* Without one to look at there is no search. */
static int to_guests(struct collect *c)
{
	bool any = false;
	int rc;

	for (size_t i = 0; i < c->n; i++) {
		if (c->v[i].s->dgram)
			want_datagrams(c, &c->v[i]);
		else if (is_pipe(c->v[i].s))
			want(&c->v[i]);
		any |= c->v[i].wanted;
	}
	rc = any ? scan(c) : 0;
	return !rc && any && want_queues(c) ? scan(c) : rc;
}

int sock_unread_each(struct sandbox *sb,
		     bool (*fn)(void *ctx, const struct sock_unread *u),
		     void *ctx, unsigned *missed)
{
	struct collect c = {.sb = sb, .fn = fn, .ctx = ctx};
	int rc = list_all(&c);

	*missed = 0;
	for (size_t i = 0; !rc && i < c.n; i++) {
		if (is_pipe(c.v[i].s))
			from_guest(&c, c.v[i].s);
		rc = c.err;
	}
	if (!rc)
		rc = to_guests(&c);
	for (size_t i = 0; i < c.n; i++)
		*missed += c.v[i].wanted && c.v[i].sure;
	free(c.v);
	free(c.buf);
	return rc;
}
