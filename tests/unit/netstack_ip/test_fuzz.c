/* SPDX-License-Identifier: Apache-2.0 */
/* Hostile input: valid packets, mutated. Nothing may crash, leak, grow, or
 * break an invariant. NST_TEST_SEED repeats a run. */
#include "tests/unit/netstack_ip/harness.h"

#define SEEDS 16
#define ROUNDS 100000

struct sample {
	uint32_t ifindex, bytes;
	uint8_t p[256];
};

static size_t make_samples(struct sample *s)
{
	uint8_t q[128], ext[24] = {60, 0, 1, 4, 0, 0, 0, 0, 44, 0, 1, 4};
	struct ip6_frag_repr f = {7, 0, 17, true};
	struct sample *at = s;

#define SAMPLE(call)                                                           \
	do {                                                                   \
		at->ifindex = TUN;                                             \
		at->bytes = (call);                                            \
		at++;                                                          \
	} while (0)
	ip6_frag_emit(&f, ext + 16);
	SAMPLE(mk_udp(at->p, "10.1.0.9", "10.1.0.1", 1, 9, "hello", 5));
	SAMPLE(mk_udp(at->p, "fd01::9", "fd01::1", 1, 9, "hello", 5));
	SAMPLE(mk_icmp(at->p, "10.1.0.9", "10.1.0.1", 8, 0, 1, "hello", 5));
	SAMPLE(mk_icmp(at->p, "fd01::9", "fd01::1", 128, 0, 1, "hello", 5));
	mk_udp(q, "10.1.0.1", "8.8.8.8", 1, 2, "hello", 5);
	SAMPLE(mk_icmp(at->p, "10.1.0.9", "10.1.0.1", 3, 4, 1400, q, 33));
	mk_udp(q, "fd01::1", "2001::8", 1, 2, "hello", 5);
	SAMPLE(mk_icmp(at->p, "fd01::9", "fd01::1", 2, 0, 1400, q, 53));
	SAMPLE(mk_ip6(at->p, "fd01::9", "fd01::1", 0, ext, 24));
	SAMPLE(mk_ip6(at->p, "fd01::9", "fd01::1", 44, ext + 16, 8));
	SAMPLE(mk_ip4(at->p, "10.1.0.9", "10.1.0.1", 17, ext, 24));
	at[-1].p[6] = 0x20;
	fix4(at[-1].p);
	SAMPLE(mk_ip4(at->p, "10.1.0.9", "224.0.0.1", 2, ext, 8));
	return (size_t)(at - s);
}

static size_t make_frames(struct sample *s)
{
	static const uint16_t type[] = {ETH_TYPE_ARP, ETH_TYPE_ARP,
					ETH_TYPE_IP6, ETH_TYPE_IP6,
					ETH_TYPE_IP4};
	uint8_t b[128];

	for (size_t i = 0; i < 5; i++) {
		struct eth_repr eth = {.type = type[i]};
		uint32_t n;

		memcpy(eth.dst, MAC_US, 6);
		memcpy(eth.src, MAC_PEER, 6);
		if (i < 2)
			n = mk_arp(b, (uint16_t)(1 + i), "10.0.0.9",
				   "10.0.0.1");
		else if (i < 4)
			n = mk_nd(b, i == 2 ? ICMP6_NS : ICMP6_NA, "fd00::9",
				  "fd00::1", i == 2 ? "fd00::1" : "fd00::9", 0,
				  true);
		else
			n = mk_udp(b, "10.0.0.9", "10.0.0.1", 1, 9, "x", 1);
		s[i].ifindex = ETH;
		s[i].bytes = n + 14;
		eth_emit(&eth, s[i].p);
		memcpy(s[i].p + 14, b, n);
	}
	return 5;
}

/* Repairs what would stop a mutated packet at the door, half of the time. */
static void repair(struct sample *s)
{
	uint32_t front = s->ifindex == ETH ? 14 : 0;
	uint8_t *p = s->p + front;
	uint32_t n = s->bytes > front ? s->bytes - front : 0;

	if (n >= 20 && p[0] >> 4 == 4 && (p[0] & 15) * 4u <= n)
		fix4(p);
	if (n >= 48 && p[0] >> 4 == 6 && p[6] == 58) {
		struct nst_addr a, d;

		addr6_set(&a, p + 8);
		addr6_set(&d, p + 24);
		wire_put16(p + 42, 0);
		wire_put_csum(p + 42,
			      nst_csum_add(ip_pseudo_sum(&a, &d, 58, n - 40),
					   p + 40, n - 40));
	}
	if (n >= 28 && p[0] == 0x45 && p[9] == 1) {
		wire_put16(p + 22, 0);
		wire_put_csum(p + 22, nst_csum_add(0, p + 20, n - 20));
	}
}

static void mutate(struct ipt *t, struct sample *s)
{
	uint32_t edits = 1 + testenv_below(&t->te, 4);

	for (uint32_t i = 0; i < edits; i++) {
		uint32_t at = testenv_below(&t->te, s->bytes);

		if (testenv_below(&t->te, 2))
			s->p[at] ^= (uint8_t)(1u << testenv_below(&t->te, 8));
		else
			s->p[at] = (uint8_t)testenv_rand(&t->te);
	}
	if (testenv_below(&t->te, 8) == 0)
		s->bytes = testenv_below(&t->te, s->bytes + 1);
	if (s->bytes && testenv_below(&t->te, 2))
		repair(s);
}

Test(fuzz, every_truncation_of_every_sample)
{
	struct sample all[SEEDS];
	size_t n = make_samples(all);
	struct ipt *t = ipt_new();

	n += make_frames(all + n);
	for (size_t i = 0; i < n; i++) {
		for (uint32_t k = 0; k <= all[i].bytes; k++) {
			ipt_inject(t, all[i].ifindex, all[i].p, k);
			if (t->nframes > FRAMES_MAX / 2)
				ipt_clear(t);
		}
	}
	ipt_free(t);
}

Test(fuzz, mutations)
{
	struct sample all[SEEDS];
	size_t n = make_samples(all);
	struct ipt *t = ipt_new();

	n += make_frames(all + n);
	nic_find(t->ip, TUN)->cfg.caps |= NST_CAP_ANYCAST_IN;
	for (int i = 0; i < ROUNDS; i++) {
		struct sample s = all[testenv_below(&t->te, (uint32_t)n)];
		struct nst_pkt *pkt;

		mutate(t, &s);
		pkt = nst_pkt_new(&t->te.env, 0, s.bytes);
		memcpy(nst_pkt_put(pkt, s.bytes), s.p, s.bytes);
		nst_nic_in(t->st, s.ifindex, pkt, t->now);
		if (i % 64 == 0) {
			t->now += testenv_below(&t->te, 1u << 30);
			nst_run_timers(t->st, t->now);
			cr_assert(ip_layer_check(t->st), "seed %llu",
				  (unsigned long long)t->te.seed);
			ipt_clear(t);
		}
	}
	cr_assert_lt(t->te.peak_bytes, 16u << 20);
	ipt_free(t);
}

/* Memory that runs out at any allocation costs a packet, nothing else. */
Test(fuzz, failing_allocations)
{
	struct sample all[SEEDS];
	size_t n = make_samples(all);
	struct ipt *t = ipt_new();

	n += make_frames(all + n);
	for (int i = 0; i < 20000; i++) {
		struct sample *s = &all[testenv_below(&t->te, (uint32_t)n)];
		struct nst_pkt *pkt = nst_pkt_new(&t->te.env, 0, s->bytes);

		memcpy(nst_pkt_put(pkt, s->bytes), s->p, s->bytes);
		testenv_fail_nth(&t->te, testenv_below(&t->te, 4));
		nst_nic_in(t->st, s->ifindex, pkt, t->now);
		testenv_fail_never(&t->te);
		cr_assert(ip_layer_check(t->st));
		if (i % 64 == 0) {
			t->now += NST_SEC;
			nst_run_timers(t->st, t->now);
			ipt_clear(t);
		}
	}
	ipt_free(t);
}
