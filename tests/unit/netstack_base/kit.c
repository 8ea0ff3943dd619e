/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/netstack_base/kit.h"

#include <string.h>

#include "netstack/ip/ip.h"
#include "netstack/ip/wire.h"
#include "netstack/nst_tcp.h"

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct kit *k = link;

	cr_assert(nst_pkt_own(pkt) || k->te.fail_at != UINT64_MAX);
	pkt->next = NULL;
	*k->out_tail = pkt;
	k->out_tail = &pkt->next;
	k->nout++;
}

static const struct nst_link_ops link_ops = {transmit};

static void add_addr(struct kit *k, const char *addr, uint8_t prefix_len)
{
	struct nst_ifaddr a = {test_addr(addr), prefix_len, KIT_IF};

	cr_assert_eq(nst_addr_add(k->st, &a, k->now), NST_OK);
}

static void add_route(struct kit *k, const char *dst, const char *gw)
{
	struct nst_route r = {
	    .dst = test_addr(dst), .gw = test_addr(gw), .ifindex = KIT_IF};

	cr_assert_eq(nst_route_add(k->st, &r), NST_OK);
}

void kit_up(struct kit *k, uint32_t caps)
{
	struct nst_nic_config cfg = {.name = "eth0",
				     .kind = NST_LINK_IP,
				     .caps = caps,
				     .mtu = KIT_MTU,
				     .ops = &link_ops,
				     .link = k};
	uint32_t ifindex;

	memset(k, 0, sizeof(*k));
	testenv_init(&k->te, testenv_seed(42));
	k->now = 1000 * NST_SEC;
	k->out_tail = &k->out;
	cr_assert_eq(nst_stack_new(&k->te.env, k->now, &k->st), NST_OK);
	cr_assert_eq(nst_nic_add(k->st, &cfg, &ifindex), NST_OK);
	cr_assert_eq(ifindex, KIT_IF);
	add_addr(k, KIT_ADDR4, 24);
	add_addr(k, KIT_ADDR6, 64);
	add_route(k, "0.0.0.0", "10.0.2.2");
	add_route(k, "::", "fd00::2");
	kit_drop_out(k);
}

struct nst_pkt *kit_take(struct kit *k)
{
	struct nst_pkt *pkt = k->out;

	if (!pkt)
		return NULL;
	k->out = pkt->next;
	if (!k->out)
		k->out_tail = &k->out;
	k->nout--;
	return pkt;
}

void kit_drop_out(struct kit *k)
{
	struct nst_pkt *pkt;

	while ((pkt = kit_take(k)))
		nst_pkt_free(pkt);
}

void kit_down(struct kit *k)
{
	cr_assert(nst_stack_check(k->st));
	kit_drop_out(k);
	nst_stack_free(k->st);
	cr_assert_eq(testenv_leaks(&k->te), 0);
}

void kit_in(struct kit *k, const void *p, size_t bytes)
{
	struct nst_pkt *pkt =
	    nst_pkt_new(&k->te.env, NST_PKT_HEADROOM, (uint32_t)bytes);

	cr_assert(pkt);
	memcpy(nst_pkt_put(pkt, (uint32_t)bytes), p, bytes);
	nst_nic_in(k->st, KIT_IF, pkt, k->now);
}

struct nst_dgram *kit_udp(struct kit *k, uint8_t family, void *user)
{
	struct nst_dgram *d;

	cr_assert_eq(nst_dgram_new(k->st, NST_DGRAM_UDP, family, 0, user, &d),
		     NST_OK);
	return d;
}

enum nst_err kit_bind(struct nst_sock *s, const char *addr, uint16_t port)
{
	struct nst_sockaddr sa = test_sa(addr, port);

	return nst_sock_bind(s, &sa);
}

struct nst_dgram *kit_bound(struct kit *k, const char *addr, uint16_t port,
			    void *user)
{
	struct nst_dgram *d = kit_udp(k, test_addr(addr).family, user);

	cr_assert_eq(kit_bind(nst_dgram_sock(d), addr, port), NST_OK);
	return d;
}

enum nst_err kit_send(struct kit *k, struct nst_dgram *d, const char *addr,
		      uint16_t port, const void *data, size_t bytes)
{
	struct nst_iov iov = {(void *)(uintptr_t)data, bytes};
	struct nst_sockaddr to;

	if (addr)
		to = test_sa(addr, port);
	return nst_dgram_send(d, addr ? &to : NULL, &iov, 1, NULL, k->now);
}

enum nst_err kit_connect(struct kit *k, struct nst_dgram *d, const char *addr,
			 uint16_t port)
{
	struct nst_sockaddr to = test_sa(addr, port);

	return nst_dgram_connect(d, &to, k->now);
}

uint16_t kit_port(struct nst_dgram *d)
{
	struct nst_sockaddr a;

	nst_sock_local(nst_dgram_sock(d), &a);
	return a.port;
}

void kit_set(struct kit *k, struct nst_sock *s, enum nst_opt opt, int64_t v)
{
	cr_assert_eq(nst_sock_set(s, opt, v, k->now), NST_OK, "option %d", opt);
}

int64_t kit_get(struct nst_sock *s, enum nst_opt opt)
{
	int64_t v = -12345;

	cr_assert_eq(nst_sock_get(s, opt, &v), NST_OK, "option %d", opt);
	return v;
}

size_t kit_ip_packet(uint8_t *buf, const struct nst_addr *src,
		     const struct nst_addr *dst, uint8_t proto, size_t l4_bytes)
{
	struct ip4_repr r4 = {.src = *src,
			      .dst = *dst,
			      .total_bytes = (uint16_t)(20 + l4_bytes),
			      .hdr_bytes = 20,
			      .ttl = 33,
			      .tos = 8,
			      .proto = proto};
	struct ip6_repr r6 = {.src = *src,
			      .dst = *dst,
			      .payload_bytes = (uint16_t)l4_bytes,
			      .next = proto,
			      .tclass = 8,
			      .hops = 33};

	if (src->family == 4) {
		ip4_emit(&r4, buf);
		return 20 + l4_bytes;
	}
	ip6_emit(&r6, buf);
	return 40 + l4_bytes;
}

size_t kit_udp_packet(uint8_t *buf, const struct nst_sockaddr *src,
		      const struct nst_sockaddr *dst, const void *data,
		      size_t bytes)
{
	uint8_t *h = buf + (src->addr.family == 4 ? 20 : 40);
	uint16_t sum;

	wire_put16(h, src->port);
	wire_put16(h + 2, dst->port);
	wire_put16(h + 4, (uint32_t)bytes + 8);
	wire_put16(h + 6, 0);
	memcpy(h + 8, data, bytes);
	sum = ip_pseudo_sum(&src->addr, &dst->addr, 17, (uint32_t)bytes + 8);
	wire_put_csum(h + 6, nst_csum_add_ref(sum, h, bytes + 8));
	return kit_ip_packet(buf, &src->addr, &dst->addr, 17, bytes + 8);
}

/* ---- TCP that only has sockets ---- */

struct tcp_layer {
	int nothing;
};

struct tcp_layer *tcp_layer_new(struct nst_stack *st)
{
	return nst_alloc(st->env, sizeof(struct tcp_layer));
}

void tcp_layer_free(struct nst_stack *st)
{
	nst_release(st->env, st->tcp, sizeof(*st->tcp));
}

bool tcp_layer_check(const struct nst_stack *st, size_t *n)
{
	for (const struct nst_sock *s = st->tcps; s; s = s->next)
		++*n;
	return st->tcp != NULL;
}

void tcp_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in)
{
	(void)st;
	(void)in;
	nst_pkt_free(pkt);
}

void tcp_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	(void)st;
	(void)e;
}

enum nst_err tcp_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			 nst_time now)
{
	(void)s;
	(void)opt;
	(void)v;
	(void)now;
	return NST_E_NOPROTOOPT;
}

enum nst_err tcp_opt_get(const struct nst_sock *s, enum nst_opt opt, int64_t *v)
{
	(void)s;
	(void)opt;
	(void)v;
	return NST_E_NOPROTOOPT;
}

struct nst_tcp *nst_sock_tcp(struct nst_sock *s)
{
	return (struct nst_tcp *)s;
}

enum nst_tcp_state nst_tcp_state(const struct nst_tcp *tp)
{
	const struct fake_tcp *t = (const struct fake_tcp *)tp;

	return t->listening ? NST_TCP_LISTEN : NST_TCP_CLOSE;
}

struct fake_tcp *fake_tcp_new(struct kit *k, uint8_t family, void *user)
{
	struct fake_tcp *t = nst_alloc(&k->te.env, sizeof(*t));

	cr_assert(t);
	sock_init(&t->s, k->st, SOCK_K_TCP, family, 6, user);
	return t;
}

void fake_tcp_free(struct fake_tcp *t)
{
	const struct nst_env *env = t->s.st->env;

	sock_fini(&t->s);
	nst_release(env, t, sizeof(*t));
}
