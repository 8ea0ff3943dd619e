/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/netstack_ip/harness.h"

#include <stdlib.h>

const uint8_t MAC_US[6] = {2, 0, 0, 0, 0, 1};
const uint8_t MAC_PEER[6] = {2, 0, 0, 0, 0, 0x99};
const uint8_t MAC_BCAST[6] = {255, 255, 255, 255, 255, 255};

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct ipt *t = link;
	struct frame *f;

	cr_assert_lt(t->nframes, (size_t)FRAMES_MAX);
	f = &t->frame[t->nframes++];
	f->ifindex = pkt->ifindex;
	f->bytes = nst_pkt_bytes(pkt);
	f->csum = pkt->csum;
	f->p = malloc(f->bytes);
	nst_pkt_copy(pkt, 0, f->p, f->bytes);
	nst_pkt_free(pkt);
}

static const struct nst_link_ops ops = {transmit};

static void add_nic(struct ipt *t, const char *name, enum nst_link_kind kind,
		    uint32_t want)
{
	struct nst_nic_config cfg = {
	    .kind = kind, .mtu = 1500, .ops = &ops, .link = t};
	uint32_t ifindex;

	snprintf(cfg.name, sizeof(cfg.name), "%s", name);
	memcpy(cfg.mac, MAC_US, 6);
	cr_assert_eq(nst_nic_add(t->st, &cfg, &ifindex), NST_OK);
	cr_assert_eq(ifindex, want);
}

static void add_addr(struct ipt *t, const char *a, uint8_t plen, uint32_t nic)
{
	struct nst_ifaddr e = {test_addr(a), plen, nic};

	cr_assert_eq(nst_addr_add(t->st, &e, t->now), NST_OK);
}

static void add_default(struct ipt *t, const char *gw)
{
	struct nst_route r = {.gw = test_addr(gw), .ifindex = ETH};

	r.dst.family = r.gw.family;
	cr_assert_eq(nst_route_add(t->st, &r), NST_OK);
}

static void on_echo(void *ctx, const struct nst_addr *src,
		    const struct nst_addr *dst, uint16_t id, uint16_t seq,
		    const void *data, size_t bytes)
{
	struct ipt *t = ctx;

	(void)src, (void)dst, (void)data, (void)bytes;
	t->nechos++;
	t->echo_id = id;
	t->echo_seq = seq;
}

struct ipt *ipt_new(void)
{
	struct ipt *t = calloc(1, sizeof(*t));
	struct nst_forwarder fwd = {.ctx = t, .echo = on_echo};

	testenv_init(&t->te, testenv_seed(7));
	t->te.priv = t;
	t->last = malloc(KEEP_BYTES);
	t->now = 1000 * NST_SEC;
	cr_assert_eq(nst_stack_new(&t->te.env, t->now, &t->st), NST_OK);
	t->ip = t->st->ip;
	add_nic(t, "eth0", NST_LINK_ETHER, ETH);
	add_nic(t, "tun0", NST_LINK_IP, TUN);
	add_addr(t, "10.0.0.1", 24, ETH);
	add_addr(t, "fd00::1", 64, ETH);
	add_addr(t, "10.1.0.1", 24, TUN);
	add_addr(t, "fd01::1", 64, TUN);
	add_default(t, "10.0.0.254");
	add_default(t, "fd00::fe");
	nst_set_forwarder(t->st, &fwd);
	ipt_advance(t, 20 * NST_SEC);
	ipt_clear(t);
	return t;
}

void ipt_free(struct ipt *t)
{
	cr_assert(ip_layer_check(t->st));
	nst_stack_free(t->st);
	cr_assert_eq(testenv_leaks(&t->te), 0);
	ipt_clear(t);
	free(t->last);
	free(t);
}

void ipt_clear(struct ipt *t)
{
	for (size_t i = 0; i < t->nframes; i++)
		free(t->frame[i].p);
	t->nframes = t->next = t->ngot = t->nerr = 0;
	t->raw_seen = 0;
	t->nechos = 0;
}

void ipt_advance(struct ipt *t, nst_time by)
{
	nst_time end = t->now + by;

	for (;;) {
		nst_time at = nst_next_deadline(t->st);

		if (at > end)
			break;
		if (at > t->now)
			t->now = at;
		nst_run_timers(t->st, t->now);
		cr_assert(ip_layer_check(t->st));
	}
	t->now = end;
	nst_run_timers(t->st, t->now);
}

const struct nst_counters *ipt_count(struct ipt *t)
{
	return nst_counters(t->st);
}

void ipt_inject(struct ipt *t, uint32_t ifindex, const void *p, size_t n)
{
	struct nst_pkt *pkt = nst_pkt_new(&t->te.env, 0, (uint32_t)n);

	cr_assert_not_null(pkt);
	memcpy(nst_pkt_put(pkt, (uint32_t)n), p, n);
	nst_nic_in(t->st, ifindex, pkt, t->now);
	cr_assert(ip_layer_check(t->st));
}

void ipt_inject_eth(struct ipt *t, const uint8_t dst[6], uint16_t type,
		    const void *p, size_t n)
{
	uint8_t buf[2048 + 14];
	struct eth_repr eth = {.type = type};

	memcpy(eth.dst, dst, 6);
	memcpy(eth.src, MAC_PEER, 6);
	eth_emit(&eth, buf);
	memcpy(buf + 14, p, n);
	ipt_inject(t, ETH, buf, n + 14);
}

const uint8_t *ipt_expect(struct ipt *t, uint32_t ifindex, uint16_t *type,
			  uint32_t *bytes)
{
	const struct frame *f;
	struct eth_repr eth = {0};

	cr_assert_lt(t->next, t->nframes, "no frame was sent");
	f = &t->frame[t->next++];
	cr_assert_eq(f->ifindex, ifindex);
	if (ifindex != ETH) {
		*bytes = f->bytes;
		return f->p;
	}
	cr_assert(eth_parse(f->p, f->bytes, &eth));
	cr_assert_arr_eq(eth.src, MAC_US, 6);
	if (type)
		*type = eth.type;
	*bytes = f->bytes - 14;
	return f->p + 14;
}

void ipt_expect_none(struct ipt *t)
{
	cr_assert_eq(t->next, t->nframes, "%zu frames too many",
		     t->nframes - t->next);
}

/* ---- builders ---- */

void fix4(uint8_t *p)
{
	ip4_fix_csum(p, (p[0] & 15u) * 4);
}

uint32_t mk_ip4(uint8_t *p, const char *src, const char *dst, uint8_t proto,
		const void *data, uint32_t n)
{
	struct ip4_repr h = {.src = test_addr(src),
			     .dst = test_addr(dst),
			     .ttl = 61,
			     .proto = proto,
			     .id = 77};

	h.total_bytes = (uint16_t)(20 + n);
	ip4_emit(&h, p);
	memmove(p + 20, data, n);
	return 20 + n;
}

uint32_t mk_ip6(uint8_t *p, const char *src, const char *dst, uint8_t next,
		const void *data, uint32_t n)
{
	struct ip6_repr h = {.src = test_addr(src),
			     .dst = test_addr(dst),
			     .hops = 61,
			     .next = next};

	h.payload_bytes = (uint16_t)n;
	memmove(p + 40, data, n);
	ip6_emit(&h, p);
	return 40 + n;
}

static uint32_t mk_any(uint8_t *p, const char *src, const char *dst,
		       uint8_t proto, const uint8_t *l4, uint32_t n)
{
	if (strchr(src, ':'))
		return mk_ip6(p, src, dst, proto, l4, n);
	return mk_ip4(p, src, dst, proto, l4, n);
}

uint32_t mk_udp(uint8_t *p, const char *src, const char *dst, uint16_t sport,
		uint16_t dport, const void *data, uint32_t n)
{
	static uint8_t b[KEEP_BYTES];
	struct nst_addr s = test_addr(src), d = test_addr(dst);

	wire_put16(b, sport);
	wire_put16(b + 2, dport);
	wire_put16(b + 4, 8 + n);
	wire_put16(b + 6, 0);
	memcpy(b + 8, data, n);
	wire_put_csum(b + 6,
		      nst_csum_add(ip_pseudo_sum(&s, &d, 17, 8 + n), b, 8 + n));
	return mk_any(p, src, dst, 17, b, 8 + n);
}

uint32_t mk_icmp(uint8_t *p, const char *src, const char *dst, uint8_t type,
		 uint8_t code, uint32_t rest, const void *data, uint32_t n)
{
	static uint8_t b[KEEP_BYTES];
	struct nst_addr s = test_addr(src), d = test_addr(dst);
	struct icmp_repr h = {type, code, rest};
	bool v6 = s.family == 6;
	uint16_t sum = v6 ? ip_pseudo_sum(&s, &d, 58, 8 + n) : 0;

	icmp_emit(&h, b);
	if (n)
		memcpy(b + 8, data, n);
	wire_put_csum(b + 2, nst_csum_add(sum, b, 8 + n));
	return mk_any(p, src, dst, v6 ? 58 : 1, b, 8 + n);
}

uint32_t mk_arp(uint8_t *p, uint16_t op, const char *spa, const char *tpa)
{
	struct arp_repr r = {
	    .op = op, .spa = test_addr(spa), .tpa = test_addr(tpa)};

	memcpy(r.sha, MAC_PEER, 6);
	if (op == ARP_REPLY)
		memcpy(r.tha, MAC_US, 6);
	arp_emit(&r, p);
	return ARP_BYTES;
}

uint32_t mk_nd(uint8_t *p, uint8_t type, const char *src, const char *dst,
	       const char *target, uint32_t flags, bool lladdr)
{
	struct nd_repr nd = {
	    .target = test_addr(target), .flags = flags, .has_lladdr = lladdr};
	uint8_t b[ND_BYTES_LL];
	uint32_t n;

	memcpy(nd.lladdr, MAC_PEER, 6);
	n = nd_emit(&nd, type, b);
	n = mk_icmp(p, src, dst, type, 0, flags, b + 8, n - 8);
	p[7] = 255;
	return n;
}

enum nst_err ipt_send(struct ipt *t, const char *src, const char *dst,
		      const struct ip_out *o, const void *data, uint32_t n)
{
	struct nst_addr s = {0}, d = test_addr(dst);
	struct ip_path path;
	struct nst_pkt *pkt;
	enum nst_err err;

	if (src)
		s = test_addr(src);
	err = ip_path_find(t->st, &d, &s, 0, false, &path);
	if (err)
		return err;
	pkt = nst_pkt_new(&t->te.env, NST_PKT_HEADROOM, 8);
	memcpy(nst_pkt_put(pkt, 8), "\x04\xd2\x16\x2e\0\0\0\0", 8);
	wire_put16(nst_pkt_data(pkt) + 4, 8 + n);
	cr_assert(nst_pkt_ref(pkt, data, n));
	pkt->l4_off = (uint16_t)pkt->off;
	stack_enter(t->st, t->now);
	err = ip_send(t->st, &path, o, pkt);
	stack_leave(t->st);
	cr_assert(ip_layer_check(t->st));
	return err;
}

void ipt_resolve(struct ipt *t, const char *peer)
{
	uint8_t b[128];
	uint32_t n;

	if (strchr(peer, ':')) {
		/* A solicitation teaches us, an advertisement confirms. */
		n = mk_nd(b, ICMP6_NS, peer, "fd00::1", "fd00::1", 0, true);
		ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
		n = mk_nd(b, ICMP6_NA, peer, "fd00::1", peer,
			  ND_FLAG_SOLICITED | ND_FLAG_OVERRIDE, true);
		ipt_inject_eth(t, MAC_US, ETH_TYPE_IP6, b, n);
	} else {
		n = mk_arp(b, ARP_REQUEST, peer, "10.0.0.1");
		ipt_inject_eth(t, MAC_BCAST, ETH_TYPE_ARP, b, n);
		n = mk_arp(b, ARP_REPLY, peer, "10.0.0.1");
		ipt_inject_eth(t, MAC_US, ETH_TYPE_ARP, b, n);
	}
	ipt_clear(t);
}
