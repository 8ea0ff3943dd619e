/* SPDX-License-Identifier: Apache-2.0 */
/* Automatic ports of connect while TIME-WAIT holds many: RFC 6191 and Linux's
 * tcp_tw_reuse, and what the search for a port costs (keyed hashes). */
#include "tests/unit/netstack_tcp/harness.h"

#include "netstack/base/addr.h"
#include "netstack/base/limits.h"
#include "netstack/tcp/tcp_req.h"

#define ALL_PORTS (LIMIT_EPHEMERAL_HIGH - LIMIT_EPHEMERAL_LOW + 1)

static struct wire w;
static struct nst_tcp *lis;
static uint64_t hashes;
static uint64_t (*real_hash)(void *ctx, const uint8_t key[16], const void *data,
			     size_t len);

static uint64_t counting_hash(void *ctx, const uint8_t key[16],
			      const void *data, size_t len)
{
	hashes++;
	return real_hash(ctx, key, data, len);
}

static void setup(void)
{
	struct nst_sockaddr at = {.addr = addr_any(4), .port = 91};

	w_init(&w);
	w.unchecked = true;
	real_hash = w.te.env.hash;
	w.te.env.hash = counting_hash;
	cr_assert_eq(nst_tcp_new(w.st, 4, NULL, w.now, &lis), NST_OK);
	cr_assert_eq(nst_sock_bind(nst_tcp_sock(lis), &at), NST_OK);
	cr_assert_eq(nst_tcp_listen(lis, 5, w.now), NST_OK);
}

static void teardown(void)
{
	nst_tcp_close(lis, w.now);
	w_after(&w, 70 * NST_SEC);
	w_fini(&w);
}

TestSuite(port_reuse, .init = setup, .fini = teardown, .timeout = 120);

/* One connection that its client closes first. */
static enum nst_err once(const char *to, uint16_t bind_port)
{
	struct nst_sockaddr dst = test_sa(to, 91);
	struct nst_sockaddr src = test_sa(to, bind_port);
	struct nst_tcp *a, *b;
	enum nst_err e;

	cr_assert_eq(nst_tcp_new(w.st, 4, NULL, w.now, &a), NST_OK);
	if (bind_port) {
		cr_assert_eq(
		    nst_sock_set(nst_tcp_sock(a), NST_SO_REUSEADDR, 1, w.now),
		    NST_OK);
		cr_assert_eq(nst_sock_bind(nst_tcp_sock(a), &src), NST_OK);
	}
	e = nst_tcp_connect(a, &dst, w.now);
	if (e != NST_E_INPROGRESS) {
		nst_tcp_close(a, w.now);
		return e;
	}
	cr_assert_eq(nst_tcp_state(a), NST_TCP_ESTABLISHED);
	cr_assert_eq(nst_tcp_accept(lis, &b), NST_OK);
	nst_tcp_close(a, w.now);
	nst_tcp_close(b, w.now);
	return NST_OK;
}

/* Twice as many as there are ports, within half a TIME-WAIT. */
Test(port_reuse, loopback_takes_ports_again)
{
	uint64_t first = 0;

	for (int i = 0; i < 60000; i++) {
		uint64_t before = hashes;

		cr_assert_eq(once("127.0.0.1", 0), NST_OK, "connection %d", i);
		cr_assert_lt(hashes - before, 400, "connection %d: %d hashes",
			     i, (int)(hashes - before));
		if (i == 999)
			first = hashes;
		w_after(&w, NST_SEC / 2000);
	}
	cr_assert_gt(COUNT(&w, TWRecycled), 30000);
	cr_assert_leq(w.st->tcp->ntw, ALL_PORTS);
	/* Per connection, at most twice what the first ones cost. */
	cr_assert_lt(hashes / 60, 2 * first, "%d, %d at first",
		     (int)(hashes / 60), (int)first);
}

/* LINUX: tcp_tw_reuse 2 is for loopback only, each port serves once. */
Test(port_reuse, other_addresses_wait)
{
	uint64_t start = hashes;
	int n = 0;

	while (once(W_LOCAL, 0) == NST_OK) {
		w_after(&w, NST_MS / 2);
		n++;
	}
	cr_assert_eq(n, ALL_PORTS);
	cr_assert_eq(COUNT(&w, TWRecycled), 0);
	cr_assert_lt((hashes - start) / ALL_PORTS, 200, "%d a connection",
		     (int)((hashes - start) / ALL_PORTS));
	w_after(&w, TCP_TIMEWAIT_LEN);
	cr_assert_eq(once(W_LOCAL, 0), NST_OK);
}

/* Not within a second, for the peer's timestamps to be told apart. */
Test(port_reuse, not_at_once)
{
	int n = 0;

	while (once("127.0.0.1", 0) == NST_OK)
		n++;
	cr_assert_eq(n, ALL_PORTS);
	w_after(&w, TCP_TW_REUSE_DELAY);
	cr_assert_eq(once("127.0.0.1", 0), NST_E_ADDRNOTAVAIL);
	w_after(&w, NST_MS);
	cr_assert_eq(once("127.0.0.1", 0), NST_OK);
}

/* LINUX: a port that was asked for is reused at once. */
Test(port_reuse, bound_port_at_once)
{
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(once(W_LOCAL, 40001), NST_OK);
		w_after(&w, NST_MS);
	}
	cr_assert_eq(COUNT(&w, TWRecycled), 4);
}
