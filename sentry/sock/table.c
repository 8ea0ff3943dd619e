/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of a sandbox: found by the cookie of the guest end, by id, or by
 * walking them all. The table holds one reference from sock_new to sock_close.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/nst_stack.h"
#include "sentry/core/errmap.h"
#include "sentry/loop/loop.h"
#include "sentry/sock/sock_priv.h"

int sock_table_new(struct sandbox *sb)
{
	struct sock_table *tb = calloc(1, sizeof *tb);

	if (!tb)
		return -ENOMEM;
	tb->sb = sb;
	tb->jobs_tail = &tb->jobs;
	tb->listen_fd = tb->listen_name = -1;
	tb->probe_dgram = tb->probe_stream = tb->diag_fd = -1;
	/* Ids appear in abstract names, which other sandboxes may share. */
	sb->env.random(sb->env.ctx, &tb->next_id, sizeof tb->next_id);
	tb->next_id &= ~(uint64_t)UINT32_MAX;
	tb->next_id |= 1;
	sb->socks = tb;
	return 0;
}

void sock_table_free(struct sandbox *sb)
{
	struct sock_table *tb = sb->socks;

	if (!tb)
		return;
	/* Each time the head: sock_close takes it off, and may close others. */
	for (struct sock *s = tb->all; s; s = tb->all)
		sock_close(s, true); /* NOLINT(clang-analyzer-unix.Malloc) */
	while (tb->jobs) {
		struct sock *s = tb->jobs;

		tb->jobs = s->job_next;
		sock_put(s);
	}
	backing_fini(sb);
	sb->socks = NULL;
	free(tb);
}

static void link_id(struct sock_table *tb, struct sock *s)
{
	struct sock **head = &tb->by_id[s->id % SOCK_BUCKETS];

	s->id_next = *head;
	s->id_pprev = head;
	if (s->id_next)
		s->id_next->id_pprev = &s->id_next;
	*head = s;
}

static void unlink_id(struct sock *s)
{
	if (!s->id_pprev)
		return;
	*s->id_pprev = s->id_next;
	if (s->id_next)
		s->id_next->id_pprev = s->id_pprev;
	s->id_pprev = NULL;
}

static void unlink_cookie(struct sock *s)
{
	if (!s->cookie_pprev)
		return;
	*s->cookie_pprev = s->cookie_next;
	if (s->cookie_next)
		s->cookie_next->cookie_pprev = s->cookie_pprev;
	s->cookie_pprev = NULL;
}

static void unlink_all(struct sock *s)
{
	*s->all_pprev = s->all_next;
	if (s->all_next)
		s->all_next->all_pprev = s->all_pprev;
	s->all_pprev = NULL;
}

struct sock *sock_new(struct sandbox *sb, int domain, int type, int proto)
{
	struct sock_table *tb = sb->socks;
	struct sock *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->sb = sb;
	s->owner.events = type == SOCK_STREAM ? stream_events : datagram_events;
	s->refs = 1;
	s->domain = domain;
	s->type = type;
	s->proto = proto;
	s->send_fd = s->name_fd = s->spare_fd = s->hint_fd = -1;
	s->listen.push_fd = s->dg.back_name_fd = -1;
	s->id = tb->next_id++;
	link_id(tb, s);
	s->all_next = tb->all;
	s->all_pprev = &tb->all;
	if (s->all_next)
		s->all_next->all_pprev = &s->all_next;
	tb->all = s;
	tb->count++;
	if (tb->count > tb->peak)
		tb->peak = tb->count;
	return s;
}

void sock_set_id(struct sock *s, uint64_t id)
{
	unlink_id(s);
	s->id = id;
	link_id(s->sb->socks, s);
}

void sock_renumber(struct sock *s)
{
	sock_set_id(s, s->sb->socks->next_id++);
}

static int open_stream(struct sock *s, uint8_t family)
{
	enum nst_err e;

	e = nst_tcp_new(s->sb->stack, family, &s->owner, sandbox_now(s->sb),
			&s->tcp);
	return -errno_of(e);
}

int sock_open(struct sock *s)
{
	uint8_t family = s->domain == AF_INET6 ? 6 : 4;
	enum nst_dgram_kind kind = NST_DGRAM_UDP;

	if (s->type == SOCK_STREAM)
		return open_stream(s, family);
	if (s->type == SOCK_RAW)
		kind = NST_DGRAM_RAW;
	else if (s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6)
		kind = NST_DGRAM_PING;
	return -errno_of(nst_dgram_new(s->sb->stack, kind, family,
				       (uint8_t)s->proto, &s->owner,
				       &s->dgram));
}

struct nst_sock *sock_nst(const struct sock *s)
{
	return s->tcp ? nst_tcp_sock(s->tcp) : nst_dgram_sock(s->dgram);
}

void sock_get(struct sock *s)
{
	s->refs++;
}

void sock_put(struct sock *s)
{
	if (--s->refs == 0)
		free(s);
}

static void close_endpoint(struct sock *s, bool abort)
{
	nst_time now = sandbox_now(s->sb);

	if (s->tcp && abort)
		nst_tcp_abort(s->tcp, now);
	else if (s->tcp)
		nst_tcp_close(s->tcp, now);
	if (s->dgram)
		nst_dgram_close(s->dgram, now);
	s->tcp = NULL;
	s->dgram = NULL;
}

void sock_close(struct sock *s, bool abort)
{
	if (s->dead)
		return;
	s->dg.closing = true;
	if (s->dgram)
		datagram_drain_guest(s);
	s->dead = true;
	trap_fail_parked(s, EBADF);
	listener_unlink(s);
	stream_drop_end(s);
	if (s->type != SOCK_STREAM)
		datagram_fini(s);
	if (s->name_fd >= 0)
		close(s->name_fd);
	s->name_fd = -1;
	backing_unreserve(s);
	close_endpoint(s, abort);
	owner_forget(s->sb, &s->owner);
	unlink_cookie(s);
	unlink_id(s);
	unlink_all(s);
	s->sb->socks->count--;
	sock_put(s);
}

struct sock *sock_by_cookie(struct sandbox *sb, uint64_t cookie)
{
	struct sock *s = sb->socks->by_cookie[cookie % SOCK_BUCKETS];

	while (s && s->cookie != cookie)
		s = s->cookie_next;
	return s;
}

struct sock *sock_by_id(struct sandbox *sb, uint64_t id)
{
	struct sock *s = sb->socks->by_id[id % SOCK_BUCKETS];

	while (s && s->id != id)
		s = s->id_next;
	return s;
}

void sock_set_cookie(struct sock *s, uint64_t cookie)
{
	struct sock **head = &s->sb->socks->by_cookie[cookie % SOCK_BUCKETS];

	unlink_cookie(s);
	s->cookie = cookie;
	if (!cookie)
		return;
	s->cookie_next = *head;
	s->cookie_pprev = head;
	if (s->cookie_next)
		s->cookie_next->cookie_pprev = &s->cookie_next;
	*head = s;
}

struct sock *sock_next(struct sandbox *sb, struct sock *after)
{
	return after ? after->all_next : sb->socks->all;
}
