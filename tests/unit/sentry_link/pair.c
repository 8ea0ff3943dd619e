/* SPDX-License-Identifier: Apache-2.0 */
/* The pair link between two real netstacks. */
#include "tests/unit/sentry_link/rig.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct two {
	struct rig r;
	struct nst_stack *other;
	uint32_t mine, theirs;
	struct peer client, server, child;
	char path[32];
};

static void two_start(struct two *t, bool capture)
{
	const struct nst_nic_config mine = {.kind = NST_LINK_IP};
	const struct nst_nic_config theirs = {.kind = NST_LINK_IP};
	struct sandbox *sb = &t->r.sb;

	memset(t, 0, sizeof(*t));
	t->r.opt.mtu = 65520;
	rig_init(&t->r);
	if (capture) {
		strcpy(t->path, "/tmp/cordon-pair-XXXXXX");
		close(mkstemp(t->path));
		cr_assert_eq(capture_new(t->path, &sb->cap), 0);
	}
	cr_assert_eq(nst_stack_new(&sb->env, sandbox_now(sb), &t->other),
		     NST_OK);
	cr_assert_eq(pair_link_new(sb, t->other, &mine, &theirs, &sb->link,
				   &t->mine, &t->theirs),
		     0);
	rig_addr(sb->stack, t->mine, "10.0.2.15", 24);
	rig_addr(t->other, t->theirs, "10.0.2.2", 24);
	peer_init(&t->client, sb);
	peer_init(&t->server, sb);
	peer_init(&t->child, sb);
	t->server.accepts = true;
	t->server.child = &t->child;
}

static void two_stop(struct two *t)
{
	struct sandbox *sb = &t->r.sb;

	sb->link->free(sb->link);
	sb->link = NULL;
	nst_stack_free(t->other);
	rig_fini(&t->r);
	if (t->path[0])
		unlink(t->path);
}

/* The guest's connects to the other's listener. */
static void two_connect(struct two *t)
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
	sandbox_unlock(sb); /* settles: the whole handshake */
	cr_assert(t->client.seen & NST_EV_CONNECTED);
	cr_assert_not_null(t->child.tcp);
}

Test(link_pair, names_and_caps)
{
	struct two t;
	struct nst_nic_info i;

	two_start(&t, false);
	cr_assert_eq(nst_nic_get(t.r.sb.stack, t.mine, &i), NST_OK);
	cr_assert_str_eq(i.name, "eth0");
	cr_assert_eq(i.mtu, 65520);
	cr_assert_eq(i.caps, NST_CAP_TSO | NST_CAP_TX_CSUM);
	cr_assert_eq(nst_nic_get(t.other, t.theirs, &i), NST_OK);
	cr_assert_str_eq(i.name, "gw0");
	two_stop(&t);
}

Test(link_pair, carries_a_stream_within_one_unlock)
{
	struct two t;
	uint64_t sent = 0;

	two_start(&t, false);
	two_connect(&t);
	t.child.echo = true;
	while (sent < 8u << 20) {
		uint64_t before = sent;

		sandbox_lock(&t.r.sb);
		sent += peer_send(&t.client, sent, 1u << 20);
		sandbox_unlock(&t.r.sb);
		cr_assert_gt(sent, before, "no progress at %lu", sent);
	}
	cr_assert_eq(t.child.received, sent);
	cr_assert_eq(t.client.received, sent);
	cr_assert_eq(t.child.bad + t.client.bad, 0);
	cr_assert_eq(t.r.sb.link->tx_drops, 0);
	two_stop(&t);
}

/* Payload of all outbound TCP segments, against the pattern. */
static uint64_t outbound_payload(const char *path, uint64_t *bad)
{
	struct cap_file f;
	struct cap_pkt p;
	uint64_t bytes = 0;

	*bad = 0;
	cap_open(&f, path);
	while (cap_next(&f, &p)) {
		uint32_t ihl = (p.data[0] & 15u) * 4;
		uint32_t at = ihl + (uint32_t)(p.data[ihl + 12] >> 4) * 4;

		cr_assert_eq(p.data[0] >> 4, 4);
		if (p.flags != 2)
			continue;
		for (; at < p.caplen; at++)
			*bad += p.data[at] != pattern(bytes++);
	}
	cr_assert_str_eq(f.name[0], "eth0");
	cr_assert_eq(f.linktype[0], CAPTURE_RAW_IP);
	cap_close(&f);
	return bytes;
}

/*
 * Data is queued, then its endpoint goes, and a later event frees the memory,
 * before anything is delivered: the true bytes must arrive all the same.
 */
Test(link_pair, packets_outlive_the_ring_they_refer_to)
{
	const struct nst_sockaddr to = test_sa("10.0.2.2", 80);
	struct two t;
	struct sandbox *sb = &t.r.sb;
	struct peer second;
	void *next[8];
	uint64_t bad;
	size_t sent;

	two_start(&t, true);
	peer_init(&second, sb);
	two_connect(&t);
	sandbox_lock(sb);
	sent = peer_send(&t.client, 0, 60000);
	cr_assert_gt(sent, 10000);
	nst_tcp_abort(t.client.tcp, sandbox_now(sb));
	t.client.tcp = NULL;
	cr_assert_eq(nst_tcp_new(sb->stack, 4, &second.owner, sandbox_now(sb),
				 &second.tcp),
		     NST_OK);
	cr_assert_eq(nst_tcp_connect(second.tcp, &to, sandbox_now(sb)),
		     NST_E_INPROGRESS);
	for (int i = 0; i < 8; i++) { /* whoever gets the memory next */
		next[i] = sb->env.alloc(sb->env.ctx, 70000);
		memset(next[i], 0xee, 70000);
	}
	t.child.seen = 0;
	sandbox_unlock(sb);
	cr_assert(t.child.seen & NST_EV_ERR);
	cr_assert_eq(t.child.bad, 0);
	cr_assert_gt(t.child.received, 0);
	for (int i = 0; i < 8; i++)
		sb->env.free(sb->env.ctx, next[i], 70000);
	capture_free(sb->cap);
	sb->cap = NULL;
	cr_assert_geq(outbound_payload(t.path, &bad), 1000);
	cr_assert_eq(bad, 0);
	two_stop(&t);
}

Test(link_pair, captures_both_directions_once)
{
	struct two t;
	struct cap_file f;
	struct cap_pkt p;
	unsigned in = 0, out = 0;
	uint64_t last = 0, bad;

	two_start(&t, true);
	two_connect(&t);
	sandbox_lock(&t.r.sb);
	cr_assert_eq(peer_send(&t.client, 0, 30000), 30000);
	sandbox_unlock(&t.r.sb);
	capture_free(t.r.sb.cap);
	t.r.sb.cap = NULL;
	cap_open(&f, t.path);
	while (cap_next(&f, &p)) {
		in += p.flags == 1;
		out += p.flags == 2;
		cr_assert_geq(p.when, last);
		last = p.when;
		cr_assert_eq(p.caplen, p.origlen);
		/* IPv4 header and TCP checksums are complete. */
		cr_assert_eq(nst_csum_add(0, p.data, 20), 0xffff);
	}
	cr_assert_eq(f.interfaces, 1);
	cr_assert_geq(in, 1);
	cr_assert_geq(out, 3);
	cap_close(&f);
	cr_assert_eq(outbound_payload(t.path, &bad), 30000);
	cr_assert_eq(bad, 0);
	two_stop(&t);
}

Test(link_pair, refuses_what_the_stack_refuses)
{
	const struct nst_nic_config bad = {.kind = NST_LINK_IP, .mtu = 10};
	struct rig r = {.opt.mtu = 1500};
	struct nst_stack *other;
	struct nst_env before;
	struct link *l = NULL;
	uint32_t a, b;

	rig_init(&r);
	before = r.sb.env;
	cr_assert_eq(nst_stack_new(&r.sb.env, 1, &other), NST_OK);
	cr_assert_lt(pair_link_new(&r.sb, other, &bad, &bad, &l, &a, &b), 0);
	cr_assert_null(l);
	cr_assert_eq(memcmp(&before, &r.sb.env, sizeof(before)), 0);
	nst_stack_free(other);
	rig_fini(&r);
}
