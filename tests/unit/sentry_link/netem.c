/* SPDX-License-Identifier: Apache-2.0 */
/* --netem in front of the pair link, in real time: what is exact about it is
 * tested in tests/unit/netstack_netem. */
#include "tests/unit/sentry_link/rig.h"

#include <string.h>
#include <time.h>

#include "sentry/link/netem_link.h"

struct two {
	struct rig r;
	struct nst_stack *other;
	uint32_t mine, theirs;
	struct peer client, server, child;
};

static void settings(struct two *t, int way, const char *text)
{
	struct netem_error err;

	cr_assert_eq(netem_parse(text, &t->r.opt.netem[way], &err), NST_OK);
	t->r.opt.netem_on[way] = true;
}

static void two_start(struct two *t, const char *out, const char *in)
{
	const struct nst_nic_config nic = {.kind = NST_LINK_IP};
	struct sandbox *sb = &t->r.sb;

	memset(t, 0, sizeof(*t));
	t->r.opt.mtu = 1500;
	rig_init(&t->r);
	if (out)
		settings(t, NETEM_OUT, out);
	if (in)
		settings(t, NETEM_IN, in);
	cr_assert_eq(nst_stack_new(&sb->env, sandbox_now(sb), &t->other),
		     NST_OK);
	cr_assert_eq(pair_link_new(sb, t->other, &nic, &nic, &sb->link,
				   &t->mine, &t->theirs),
		     0);
	rig_addr(sb->stack, t->mine, "10.0.2.15", 24);
	rig_addr(t->other, t->theirs, "10.0.2.2", 24);
	peer_init(&t->client, sb);
	peer_init(&t->server, sb);
	peer_init(&t->child, sb);
	t->server.accepts = true;
	t->server.child = &t->child;
	t->child.echo = true;
}

static void two_stop(struct two *t)
{
	struct sandbox *sb = &t->r.sb;

	sandbox_lock(sb);
	sb->link->free(sb->link);
	sb->link = NULL;
	sandbox_unlock(sb);
	nst_stack_free(t->other);
	rig_fini(&t->r);
}

static void connect_both(struct two *t)
{
	const struct nst_sockaddr to = test_sa("10.0.2.2", 80);
	struct sandbox *sb = &t->r.sb;
	nst_time now;

	sandbox_lock(sb);
	now = sandbox_now(sb);
	cr_assert_eq(
	    nst_tcp_new(t->other, 4, &t->server.owner, now, &t->server.tcp),
	    NST_OK);
	cr_assert_eq(nst_sock_bind(nst_tcp_sock(t->server.tcp), &to), NST_OK);
	cr_assert_eq(nst_tcp_listen(t->server.tcp, 8, now), NST_OK);
	cr_assert_eq(
	    nst_tcp_new(sb->stack, 4, &t->client.owner, now, &t->client.tcp),
	    NST_OK);
	cr_assert_eq(nst_tcp_connect(t->client.tcp, &to, now),
		     NST_E_INPROGRESS);
	sandbox_unlock(sb);
}

/* Plays the loop: sleeps until the next deadline, runs timers; the other stack
 * is nobody's gateway here. False: `end` was reached. */
static bool play(struct two *t, nst_time end)
{
	struct sandbox *sb = &t->r.sb;
	nst_time next, now;

	sandbox_lock(sb);
	next = sandbox_next_deadline(sb);
	if (nst_next_deadline(t->other) < next)
		next = nst_next_deadline(t->other);
	now = sandbox_now(sb);
	if (next > now && next < end) {
		struct timespec ts = {0, (long)(next - now)};

		if (next - now >= NST_SEC)
			ts = (struct timespec){1, 0};
		clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL);
	}
	sandbox_run_timers(sb);
	nst_run_timers(t->other, sandbox_now(sb));
	sandbox_unlock(sb);
	return sandbox_now(sb) < end;
}

static nst_time handshake(struct two *t)
{
	nst_time start = sandbox_now(&t->r.sb);

	connect_both(t);
	while (!(t->client.seen & NST_EV_CONNECTED))
		cr_assert(play(t, start + 20 * NST_SEC));
	return sandbox_now(&t->r.sb) - start;
}

Test(link_netem, nothing_set_is_nothing_there)
{
	struct two t;

	two_start(&t, NULL, NULL);
	cr_assert_eq(t.r.sb.link->next(t.r.sb.link), NST_NEVER);
	connect_both(&t);
	cr_assert(t.client.seen & NST_EV_CONNECTED); /* within the unlock */
	two_stop(&t);
}

Test(link_netem, delays_each_way)
{
	struct two t;

	two_start(&t, "delay=20ms", "delay=30ms");
	cr_assert_geq(handshake(&t), 50 * NST_MS);
	two_stop(&t);
	two_start(&t, "delay=20ms", NULL);
	cr_assert_geq(handshake(&t), 20 * NST_MS);
	two_stop(&t);
	two_start(&t, NULL, "delay=20ms");
	cr_assert_geq(handshake(&t), 20 * NST_MS);
	two_stop(&t);
}

/* The stream is whole, whatever happens on the way; it is an echo, so both
 * directions have data. */
Test(link_netem, carries_a_stream_over_a_bad_link)
{
	const uint64_t total = 2u << 20;
	struct two t;
	uint64_t sent = 0;
	nst_time end;

	two_start(&t,
		  "delay=1ms,loss=1%,dup=1%,reorder=2%,by=3p,corrupt=1%,"
		  "rate=200mbit",
		  "delay=1ms,jitter=1ms,loss=1%,rate=200mbit");
	handshake(&t);
	end = sandbox_now(&t.r.sb) + 60 * NST_SEC;
	while (t.client.received < total) {
		sandbox_lock(&t.r.sb);
		sent += peer_send(&t.client, sent, total - sent);
		sandbox_unlock(&t.r.sb);
		cr_assert(play(&t, end), "%lu of %lu", t.client.received,
			  total);
	}
	cr_assert_eq(t.child.bad + t.client.bad, 0);
	cr_assert_gt(nst_counters(t.r.sb.stack)->TcpRetransSegs, 0);
	cr_assert_gt(nst_counters(t.other)->TcpInCsumErrors, 0);
	two_stop(&t);
}

/* RFC 1191: the bad link plays the router that says so, one way only set. */
Test(link_netem, a_narrow_path_is_told)
{
	struct two t;
	uint64_t sent = 0;
	nst_time end;

	two_start(&t, "mtu=1000", NULL);
	handshake(&t);
	end = sandbox_now(&t.r.sb) + 20 * NST_SEC;
	while (t.client.received < 100000) {
		sandbox_lock(&t.r.sb);
		sent += peer_send(&t.client, sent, 100000 - sent);
		sandbox_unlock(&t.r.sb);
		cr_assert(play(&t, end));
	}
	cr_assert_eq(t.client.bad, 0);
	cr_assert_gt(nst_counters(t.r.sb.stack)->IcmpInDestUnreachs, 0);
	two_stop(&t);
}

/* What is inside when the link goes is freed (the rig counts). */
Test(link_netem, goes_with_packets_inside)
{
	struct two t;

	two_start(&t, "delay=10s", "delay=10s");
	connect_both(&t);
	cr_assert_lt(t.r.sb.link->next(t.r.sb.link), NST_NEVER);
	two_stop(&t);
}
