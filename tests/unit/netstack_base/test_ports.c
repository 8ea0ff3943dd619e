/* SPDX-License-Identifier: Apache-2.0 */
/* ports*.c and sock_bind.c: who may share a port, who gets a packet. */
#include <string.h>

#include "tests/unit/netstack_base/kit.h"

static struct kit k;

static void up(void)
{
	kit_up(&k, 0);
}

static void down(void)
{
	kit_down(&k);
}

TestSuite(ports, .init = up, .fini = down);

enum how { RA = 1, RP = 2, V6ONLY = 4, LISTEN = 8, IF1 = 16, IF2 = 32 };

struct rule {
	const char *first;
	int first_how;
	const char *second;
	int second_how;
	enum nst_err tcp, udp; /* of the second bind */
};

#define OK NST_OK
#define USE NST_E_ADDRINUSE

/* Answers of Linux 6.18 to the same pairs. */
static const struct rule rules[] = {
    {"0.0.0.0", 0, "0.0.0.0", 0, USE, USE},
    {"0.0.0.0", 0, "127.0.0.1", 0, USE, USE},
    {"127.0.0.1", 0, "0.0.0.0", 0, USE, USE},
    {"127.0.0.1", 0, "127.0.0.1", 0, USE, USE},
    {"127.0.0.1", 0, "127.0.0.2", 0, OK, OK},
    {"127.0.0.1", 0, "10.0.2.15", 0, OK, OK},
    {"0.0.0.0", RA, "0.0.0.0", 0, USE, USE},
    {"0.0.0.0", 0, "0.0.0.0", RA, USE, USE},
    {"0.0.0.0", RA, "0.0.0.0", RA, OK, OK},
    {"0.0.0.0", RA | LISTEN, "0.0.0.0", RA, USE, OK},
    {"0.0.0.0", RA | LISTEN, "127.0.0.1", RA, USE, OK},
    {"127.0.0.2", RA | LISTEN, "127.0.0.1", RA, OK, OK},
    {"0.0.0.0", RP, "0.0.0.0", RP, OK, OK},
    {"0.0.0.0", RP | LISTEN, "0.0.0.0", RP, OK, OK},
    {"0.0.0.0", RP, "0.0.0.0", 0, USE, USE},
    {"0.0.0.0", RP, "0.0.0.0", RA, USE, USE},
    {"0.0.0.0", RA | RP | LISTEN, "0.0.0.0", RA | RP, OK, OK},
    {"::", 0, "::", 0, USE, USE},
    {"::", 0, "0.0.0.0", 0, USE, USE},
    {"0.0.0.0", 0, "::", 0, USE, USE},
    {"::", 0, "127.0.0.1", 0, USE, USE},
    {"127.0.0.1", 0, "::", 0, USE, USE},
    {"::", V6ONLY, "0.0.0.0", 0, OK, OK},
    {"0.0.0.0", 0, "::", V6ONLY, OK, OK},
    {"::", V6ONLY, "::1", 0, USE, USE},
    {"::1", 0, "::", V6ONLY, USE, USE},
    {"::1", 0, "0.0.0.0", 0, OK, OK},
    {"0.0.0.0", 0, "::1", 0, OK, OK},
    {"::1", 0, "fd00::15", 0, OK, OK},
    {"::1", 0, "::1", RA, USE, USE},
    {"::", RA, "0.0.0.0", RA, OK, OK},
    {"::", RP, "0.0.0.0", RP, OK, OK},
    {"0.0.0.0", IF1, "0.0.0.0", IF2, OK, OK},
    {"0.0.0.0", IF1, "0.0.0.0", IF1, USE, USE},
    {"0.0.0.0", IF1, "0.0.0.0", 0, USE, USE},
};

static void prepare(struct nst_sock *s, int how)
{
	kit_set(&k, s, NST_SO_REUSEADDR, (how & RA) != 0);
	kit_set(&k, s, NST_SO_REUSEPORT, (how & RP) != 0);
	if (how & V6ONLY)
		kit_set(&k, s, NST_IPV6_V6ONLY, 1);
	if (how & (IF1 | IF2))
		kit_set(&k, s, NST_SO_BINDTOIFINDEX, how & IF1 ? 1 : 2);
}

Test(ports, sharing_udp)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *r = &rules[i];
		struct nst_dgram *a, *b;

		a = kit_udp(&k, test_addr(r->first).family, NULL);
		b = kit_udp(&k, test_addr(r->second).family, NULL);
		prepare(nst_dgram_sock(a), r->first_how);
		prepare(nst_dgram_sock(b), r->second_how);
		cr_assert_eq(kit_bind(nst_dgram_sock(a), r->first, 80), NST_OK);
		cr_expect_eq(kit_bind(nst_dgram_sock(b), r->second, 80), r->udp,
			     "rule %zu: %s then %s", i, r->first, r->second);
		cr_assert(nst_stack_check(k.st));
		nst_dgram_close(a, k.now);
		nst_dgram_close(b, k.now);
	}
}

Test(ports, sharing_tcp)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		const struct rule *r = &rules[i];
		struct fake_tcp *a, *b;

		a = fake_tcp_new(&k, test_addr(r->first).family, NULL);
		b = fake_tcp_new(&k, test_addr(r->second).family, NULL);
		prepare(&a->s, r->first_how);
		prepare(&b->s, r->second_how);
		cr_assert_eq(kit_bind(&a->s, r->first, 80), NST_OK);
		a->listening = r->first_how & LISTEN;
		cr_expect_eq(kit_bind(&b->s, r->second, 80), r->tcp,
			     "rule %zu: %s then %s", i, r->first, r->second);
		fake_tcp_free(a);
		fake_tcp_free(b);
	}
}

Test(ports, second_listener)
{
	struct fake_tcp *a = fake_tcp_new(&k, 4, NULL);
	struct fake_tcp *b = fake_tcp_new(&k, 4, NULL);

	prepare(&a->s, RA);
	prepare(&b->s, RA);
	cr_assert_eq(kit_bind(&a->s, "0.0.0.0", 80), NST_OK);
	cr_assert_eq(kit_bind(&b->s, "0.0.0.0", 80), NST_OK);
	cr_assert_eq(ports_listen_check(k.st->ports, &a->s), NST_OK);
	a->listening = true;
	cr_assert_eq(ports_listen_check(k.st->ports, &a->s), NST_OK);
	cr_assert_eq(ports_listen_check(k.st->ports, &b->s), NST_E_ADDRINUSE);
	prepare(&a->s, RP);
	prepare(&b->s, RP);
	cr_assert_eq(ports_listen_check(k.st->ports, &b->s), NST_OK);
	fake_tcp_free(a);
	fake_tcp_free(b);
}

/* Children of a gone listener, and TIME-WAIT, keep its port from others. */
Test(ports, children_and_time_wait_hold_the_port)
{
	struct fake_tcp *a = fake_tcp_new(&k, 4, NULL);
	struct fake_tcp *child = fake_tcp_new(&k, 4, NULL);
	struct fake_tcp *b = fake_tcp_new(&k, 4, NULL);
	struct ports_hold tw = {0};

	prepare(&a->s, RA);
	cr_assert_eq(kit_bind(&a->s, "0.0.0.0", 80), NST_OK);
	child->s.local = test_sa("127.0.0.1", 80);
	child->s.opt.reuseaddr = true;
	ports_inherit(k.st->ports, &child->s, &a->s);
	fake_tcp_free(a);
	cr_assert_eq(kit_bind(&b->s, "0.0.0.0", 80), NST_E_ADDRINUSE);
	ports_hold_take(k.st->ports, &tw, &child->s);
	fake_tcp_free(child);
	cr_assert_eq(kit_bind(&b->s, "0.0.0.0", 80), NST_E_ADDRINUSE);
	prepare(&b->s, RA);
	cr_assert_eq(kit_bind(&b->s, "0.0.0.0", 80), NST_OK);
	ports_hold_drop(k.st->ports, &tw);
	ports_hold_drop(k.st->ports, &tw);
	fake_tcp_free(b);
}

Test(ports, bind_order_of_errors)
{
	struct nst_dgram *d4 = kit_udp(&k, 4, NULL), *d6 = kit_udp(&k, 6, NULL);
	struct nst_sock *s4 = nst_dgram_sock(d4), *s6 = nst_dgram_sock(d6);
	struct nst_sockaddr none = {0}, ll = test_sa("fe80::1", 5);

	cr_assert_eq(nst_sock_bind(s4, &none), NST_E_AFNOSUPPORT);
	cr_assert_eq(kit_bind(s4, "::1", 5), NST_E_AFNOSUPPORT);
	cr_assert_eq(kit_bind(s4, "10.9.9.9", 5), NST_E_ADDRNOTAVAIL);
	cr_assert_eq(nst_sock_bind(s6, &ll), NST_E_INVAL);
	ll.addr.scope = 99;
	cr_assert_eq(nst_sock_bind(s6, &ll), NST_E_NODEV);
	ll.addr.scope = KIT_IF;
	cr_assert_eq(nst_sock_bind(s6, &ll), NST_E_ADDRNOTAVAIL);
	kit_set(&k, s6, NST_IPV6_V6ONLY, 1);
	cr_assert_eq(kit_bind(s6, "127.0.0.1", 5), NST_E_INVAL);
	kit_set(&k, s6, NST_IPV6_V6ONLY, 0);
	cr_assert_eq(kit_bind(s6, "127.0.0.1", 5), NST_OK);
	cr_assert_eq(kit_bind(s6, "127.0.0.1", 6), NST_E_INVAL);
	kit_set(&k, s4, NST_IP_FREEBIND, 1);
	cr_assert_eq(kit_bind(s4, "10.9.9.9", 5), NST_OK);
	nst_dgram_close(d4, k.now);
	nst_dgram_close(d6, k.now);
}

Test(ports, groups_and_broadcast_may_be_bound)
{
	static const char *const addr[] = {"224.1.2.3", "255.255.255.255",
					   "10.0.2.255", "127.5.5.5"};

	for (size_t i = 0; i < sizeof(addr) / sizeof(*addr); i++)
		nst_dgram_close(kit_bound(&k, addr[i], 9, NULL), k.now);
}

/* LINUX: binding to an IPv6 address turns IPV6_V6ONLY on. */
Test(ports, ipv6_address_is_ipv6_only)
{
	struct nst_dgram *d = kit_bound(&k, "::1", 5, NULL);

	cr_assert_eq(kit_get(nst_dgram_sock(d), NST_IPV6_V6ONLY), 1);
	nst_dgram_close(d, k.now);
	d = kit_udp(&k, 6, NULL);
	cr_assert_eq(kit_bind(nst_dgram_sock(d), "fd00::16", 5),
		     NST_E_ADDRNOTAVAIL);
	cr_assert_eq(kit_get(nst_dgram_sock(d), NST_IPV6_V6ONLY), 0);
	nst_dgram_close(d, k.now);
}

Test(ports, automatic_ports_are_random_and_in_range)
{
	struct nst_dgram *d[200];
	struct fake_tcp *t[200];
	int ascending = 0;

	for (int i = 0; i < 200; i++) {
		d[i] = kit_bound(&k, "127.0.0.1", 0, NULL);
		cr_assert_geq(kit_port(d[i]), LIMIT_EPHEMERAL_LOW);
		cr_assert_leq(kit_port(d[i]), LIMIT_EPHEMERAL_HIGH);
		if (i)
			ascending += kit_port(d[i]) > kit_port(d[i - 1]);
		t[i] = fake_tcp_new(&k, 4, NULL);
		cr_assert_eq(kit_bind(&t[i]->s, "0.0.0.0", 0), NST_OK);
		cr_assert_eq(t[i]->s.local.port & 1, 1, "odd ones to bind");
		cr_assert_not(t[i]->s.bound_port);
	}
	cr_assert(ascending > 50 && ascending < 150);
	for (int i = 0; i < 200; i++) {
		nst_dgram_close(d[i], k.now);
		fake_tcp_free(t[i]);
	}
}

Test(ports, all_automatic_ports_then_none)
{
	enum { ALL = LIMIT_EPHEMERAL_HIGH - LIMIT_EPHEMERAL_LOW + 1 };
	struct fake_tcp **t = calloc(ALL + 1, sizeof(*t));
	enum nst_err e = NST_OK;
	int n = 0;

	while (n <= ALL && !e) {
		t[n] = fake_tcp_new(&k, 4, NULL);
		e = kit_bind(&t[n]->s, "127.0.0.1", 0);
		n++;
	}
	cr_assert_eq(n, ALL + 1);
	cr_assert_eq(e, NST_E_ADDRINUSE);
	/* Another address is another matter */
	cr_assert_eq(kit_bind(&t[ALL]->s, "127.0.0.2", 0), NST_OK);
	while (n--)
		fake_tcp_free(t[n]);
	free(t);
}

static enum nst_err connect_port(struct fake_tcp *t, const char *to)
{
	struct nst_sockaddr peer = test_sa(to, 443);
	enum nst_err e;

	t->s.local.addr = test_addr(KIT_ADDR4);
	e = ports_bind_connect(k.st->ports, &t->s, &peer, NULL);
	if (e)
		return e;
	t->s.conn.key = (struct flow_key){.local = t->s.local.addr,
					  .remote = peer.addr,
					  .lport = t->s.local.port,
					  .rport = 443,
					  .proto = 6};
	return demux_insert(k.st->demux, &t->s.conn);
}

/* Connections to different peers share ports; to one peer they cannot. */
Test(ports, connect_shares_with_connect)
{
	enum { ALL = LIMIT_EPHEMERAL_HIGH - LIMIT_EPHEMERAL_LOW + 1 };
	struct fake_tcp **t = calloc(ALL + 2, sizeof(*t));
	struct fake_tcp *bound = fake_tcp_new(&k, 4, NULL);
	int n;

	cr_assert_eq(kit_bind(&bound->s, "127.0.0.1", 40000), NST_OK);
	for (n = 0; n < ALL + 2; n++) {
		t[n] = fake_tcp_new(&k, 4, NULL);
		if (connect_port(t[n], "10.1.1.1"))
			break;
		cr_assert_neq(t[n]->s.local.port, 40000);
		if (n < 10000)
			cr_assert_eq(t[n]->s.local.port & 1, 0);
	}
	cr_assert_eq(n, ALL - 1, "the bound one is left out");
	cr_assert_eq(connect_port(t[n], "10.1.1.2"), NST_OK);
	for (; n >= 0; n--)
		fake_tcp_free(t[n]);
	fake_tcp_free(bound);
	free(t);
}

static struct fake_tcp *ranged[16];
static int nranged;

static struct fake_tcp *ranged_new(uint32_t low, uint32_t high)
{
	struct fake_tcp *t = fake_tcp_new(&k, 4, NULL);

	cr_assert_eq(nst_sock_set(&t->s, NST_IP_LOCAL_PORT_RANGE,
				  (int64_t)low | (int64_t)high << 16, k.now),
		     NST_OK);
	ranged[nranged++] = t;
	return t;
}

static uint16_t ranged_bind(uint32_t low, uint32_t high)
{
	struct fake_tcp *t = ranged_new(low, high);

	if (kit_bind(&t->s, "127.0.0.1", 0) != NST_OK)
		return 0;
	return t->s.local.port;
}

static uint16_t ranged_connect(uint32_t low, uint32_t high)
{
	struct fake_tcp *t = ranged_new(low, high);

	return connect_port(t, "10.1.1.1") == NST_OK ? t->s.local.port : 0;
}

/* Answers of Linux 6.18. */
Test(ports, local_port_range)
{
	unsigned seen = 0;

	cr_assert_eq(ranged_bind(40001, 40003), 40002);
	cr_assert_eq(ranged_bind(40001, 40003), 40001);
	cr_assert_eq(ranged_bind(40001, 40003), 0, "the last is left out");
	cr_assert_eq(ranged_bind(50000, 50000), 50000);
	cr_assert_eq(ranged_bind(50000, 50000), 0);
	cr_assert_geq(ranged_bind(20000, 40010), LIMIT_EPHEMERAL_LOW);
	cr_assert_geq(ranged_bind(60990, 0), 60990);
	for (int i = 0; i < 3; i++) /* connect leaves none out */
		seen |= 1u << (ranged_connect(45001, 45003) - 45001);
	cr_assert_eq(seen, 7);
	cr_assert_eq(ranged_connect(45001, 45003), 0);
	cr_assert_eq(nst_sock_set(&ranged[0]->s, NST_IP_LOCAL_PORT_RANGE,
				  5 | 4 << 16, k.now),
		     NST_E_INVAL);
	while (nranged)
		fake_tcp_free(ranged[--nranged]);
}

/* ---- lookup ---- */

static struct nst_sock *look(const char *dst, const char *src, uint32_t ifindex)
{
	struct nst_sockaddr to = test_sa(dst, 53), from = test_sa(src, 999);

	return ports_lookup(k.st->ports, SOCK_K_UDP, &to, &from, ifindex, NULL);
}

Test(ports, lookup_by_score)
{
	struct nst_dgram *any6 = kit_bound(&k, "::", 53, NULL);
	struct nst_dgram *lo6 = kit_udp(&k, 6, NULL);
	struct nst_dgram *any4 = kit_udp(&k, 4, NULL);
	struct nst_dgram *exact = kit_udp(&k, 4, NULL);
	struct nst_dgram *dev = kit_udp(&k, 4, NULL);
	struct nst_dgram *all[] = {any6, lo6, any4, exact, dev};

	cr_assert_eq(look("127.0.0.1", "127.0.0.1", 1), nst_dgram_sock(any6));
	for (int i = 0; i < 5; i++)
		prepare(nst_dgram_sock(all[i]), RA);
	prepare(nst_dgram_sock(dev), RA | IF1);
	cr_assert_eq(kit_bind(nst_dgram_sock(lo6), "::1", 53), NST_OK);
	cr_assert_eq(kit_bind(nst_dgram_sock(any4), "0.0.0.0", 53), NST_OK);
	cr_assert_eq(kit_bind(nst_dgram_sock(exact), "10.0.2.15", 53), NST_OK);
	cr_assert_eq(kit_bind(nst_dgram_sock(dev), "0.0.0.0", 53), NST_OK);
	cr_assert_eq(look("::1", "::1", 1), nst_dgram_sock(lo6));
	cr_assert_eq(look("fd00::15", "fd00::1", 2), nst_dgram_sock(any6));
	cr_assert_eq(look("127.0.0.1", "127.0.0.1", 1), nst_dgram_sock(dev));
	cr_assert_eq(look("127.0.0.1", "127.0.0.1", 2), nst_dgram_sock(any4));
	cr_assert_eq(look("10.0.2.15", "10.0.2.2", 2), nst_dgram_sock(exact));
	for (int i = 0; i < 5; i++)
		nst_dgram_close(all[i], k.now);
	cr_assert_null(look("10.0.2.15", "10.0.2.2", 2));
}

Test(ports, reuseport_spreads_flows)
{
	struct nst_dgram *d[4];
	unsigned got[4] = {0};

	for (int i = 0; i < 4; i++) {
		d[i] = kit_udp(&k, 4, NULL);
		prepare(nst_dgram_sock(d[i]), RP);
		cr_assert_eq(kit_bind(nst_dgram_sock(d[i]), "0.0.0.0", 53),
			     NST_OK);
	}
	for (uint16_t port = 1; port <= 4000; port++) {
		struct nst_sockaddr to = test_sa("10.0.2.15", 53);
		struct nst_sockaddr from = test_sa("10.0.2.2", port);
		struct nst_sock *s =
		    ports_lookup(k.st->ports, SOCK_K_UDP, &to, &from, 2, NULL);

		cr_assert_eq(s, ports_lookup(k.st->ports, SOCK_K_UDP, &to,
					     &from, 2, NULL));
		for (int i = 0; i < 4; i++)
			got[i] += s == nst_dgram_sock(d[i]);
	}
	for (int i = 0; i < 4; i++) {
		cr_assert_gt(got[i], 800);
		nst_dgram_close(d[i], k.now);
	}
}

static bool listening(const struct nst_sock *s)
{
	return ((const struct fake_tcp *)s)->listening;
}

Test(ports, lookup_asks_who_accepts)
{
	struct nst_sockaddr to = test_sa("127.0.0.1", 80), from = to;
	struct fake_tcp *a = fake_tcp_new(&k, 4, NULL);

	cr_assert_eq(kit_bind(&a->s, "0.0.0.0", 80), NST_OK);
	cr_assert_null(
	    ports_lookup(k.st->ports, SOCK_K_TCP, &to, &from, 1, listening));
	a->listening = true;
	cr_assert_eq(
	    ports_lookup(k.st->ports, SOCK_K_TCP, &to, &from, 1, listening),
	    &a->s);
	fake_tcp_free(a);
}

Test(ports, conflict_names_the_owners)
{
	struct test_user u1 = {0}, u2 = {0};
	struct nst_dgram *a = kit_bound(&k, "127.0.0.1", 7, &u1);
	struct nst_dgram *b = kit_bound(&k, "127.0.0.2", 7, NULL);
	struct nst_dgram *c = kit_bound(&k, "127.0.0.3", 7, &u2);
	struct nst_sock *s = nst_dgram_sock(a);
	void *x = nst_sock_conflict(s, 7, 0), *y = nst_sock_conflict(s, 7, 1);

	cr_assert((x == &u1 && y == &u2) || (x == &u2 && y == &u1));
	cr_assert_null(nst_sock_conflict(s, 7, 2));
	cr_assert_null(nst_sock_conflict(s, 8, 0));
	nst_dgram_close(a, k.now);
	nst_dgram_close(b, k.now);
	nst_dgram_close(c, k.now);
}
