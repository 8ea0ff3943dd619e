/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/sock/unaccepted.h"

#include <errno.h>
#include <stdlib.h>

#include "sentry/core/values.h"
#include "sentry/sock/sock_priv.h"

/* 2: its very address; 1: its port, on any address; 0: not. */
static int fits(const struct sock *listener, const struct nst_sockaddr *at)
{
	struct nst_sockaddr l;

	nst_sock_local(nst_tcp_sock(listener->tcp), &l);
	if (l.port != at->port)
		return 0;
	if (value_addr_eq(&l.addr, &at->addr))
		return 2;
	return !l.addr.family || value_addr_is_any(&l.addr);
}

/* Where the guest will accept it. The one that it came from; an older cordon
 * did not keep that. */
static struct sock *listener_of(const struct sock_table *tb,
				const struct sock *child)
{
	struct sock *s = sock_by_id(tb->sb, child->parent), *found = NULL;
	struct nst_sockaddr at;
	int best = 0;

	if (s && s->state == SOCK_LISTENING)
		return s;
	nst_sock_local(nst_tcp_sock(child->tcp), &at);
	for (s = tb->listeners; s; s = s->listen.next) {
		int how = s->listen.pushing == child ? 3 : fits(s, &at);

		if (how > best) {
			best = how;
			found = s;
		}
	}
	return found;
}

/* Nobody in the guest has named it, and its end waits to be accepted; or there
 * was no room for that end yet. */
static bool may_wait(const struct sock *s)
{
	if (s->type != SOCK_STREAM || s->state != SOCK_CONNECTED || s->cookie ||
	    nst_tcp_state(s->tcp) == NST_TCP_CLOSE)
		return false;
	return s->send_fd < 0 ? listener_is_pushing(s)
			      : backing_peer_waits(s->sb, s->send_fd);
}

static int by_age(const void *a, const void *b)
{
	const struct unaccepted_one *x = a, *y = b;

	return x->child->id < y->child->id ? -1 : x->child->id > y->child->id;
}

static int collect(struct sandbox *sb, struct unaccepted *u)
{
	struct sock_table *tb = sb->socks;

	u->v = calloc(tb->count + 1, sizeof *u->v);
	if (!u->v)
		return -ENOMEM;
	for (struct sock *s = tb->all; s && tb->listeners; s = s->all_next) {
		struct sock *l = may_wait(s) ? listener_of(tb, s) : NULL;

		if (l)
			u->v[u->n++] = (struct unaccepted_one){l, s};
	}
	qsort(u->v, u->n, sizeof *u->v, by_age);
	return 0;
}

int unaccepted_put_back(struct sandbox *sb, struct unaccepted *u)
{
	int rc;

	*u = (struct unaccepted){NULL, 0};
	rc = sb->socks ? collect(sb, u) : 0;
	for (size_t i = u->n; i-- > 0;)
		nst_tcp_unaccept(u->v[i].listener->tcp, u->v[i].child->tcp);
	return rc;
}

void unaccepted_take(struct unaccepted *u)
{
	for (size_t i = 0; i < u->n; i++) {
		struct sock *c = u->v[i].child;
		struct nst_tcp *tp;

		/* The first in the queue are those that were put there. */
		if (nst_tcp_accept(u->v[i].listener->tcp, &tp) == NST_OK)
			nst_sock_set_user(nst_tcp_sock(tp), &c->owner);
	}
	free(u->v);
	*u = (struct unaccepted){NULL, 0};
}
