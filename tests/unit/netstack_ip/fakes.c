/* SPDX-License-Identifier: Apache-2.0 */
/* Transports that record. They stand in for netstack/tcp and netstack/dgram. */
#include "tests/unit/netstack_ip/harness.h"

#include "netstack/nst_tcp.h"

static struct ipt *of(const struct nst_stack *st)
{
	const struct testenv *te = container_of(st->env, struct testenv, env);

	return te->priv;
}

static void record(struct nst_stack *st, struct nst_pkt *pkt,
		   const struct ip_in *in, uint8_t to)
{
	struct ipt *t = of(st);
	struct got *g = &t->got[t->ngot % GOT_MAX];

	cr_assert_eq(nst_pkt_bytes(pkt), in->l4_bytes);
	cr_assert_eq(pkt->l4_off, pkt->off);
	g->to = to;
	g->in = *in;
	g->bytes = in->l4_bytes;
	nst_pkt_copy(pkt, 0, g->data,
		     g->bytes < sizeof(g->data) ? g->bytes
						: (uint32_t)sizeof(g->data));
	nst_pkt_copy(pkt, 0, t->last, g->bytes);
	t->last_bytes = g->bytes;
	t->ngot++;
	nst_pkt_free(pkt);
}

void tcp_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in)
{
	record(st, pkt, in, IP_PROTO_TCP);
}

/* As UDP does: port 9 has nobody. */
void udp_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in)
{
	uint8_t h[4] = {0};

	nst_pkt_copy(pkt, 0, h, in->l4_bytes < 4 ? in->l4_bytes : 4);
	if (h[2] == 0 && h[3] == 9)
		icmp_send_unreach(st, pkt, in, NST_E_CONNREFUSED);
	record(st, pkt, in, IP_PROTO_UDP);
}

void ping_in(struct nst_stack *st, struct nst_pkt *pkt, const struct ip_in *in)
{
	record(st, pkt, in, in->proto);
}

bool raw_in(struct nst_stack *st, const struct nst_pkt *pkt,
	    const struct ip_in *in)
{
	struct ipt *t = of(st);

	/* What raw(7) promises: the header is still in front. */
	cr_assert_geq(pkt->off, in->hdr_bytes);
	cr_assert_eq(nst_pkt_data(pkt)[-(int)in->hdr_bytes] >> 4,
		     in->dst.family);
	t->raw_seen++;
	return t->raw_takes;
}

static void record_err(struct nst_stack *st, const struct icmp_err *e,
		       uint8_t to)
{
	struct ipt *t = of(st);
	struct got_err *g = &t->err[t->nerr++ % GOT_MAX];

	cr_assert_geq(e->l4_bytes, 8);
	g->to = to;
	g->e = *e;
	memcpy(g->l4, e->l4, e->l4_bytes < 32 ? e->l4_bytes : 32);
}

void tcp_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	record_err(st, e, IP_PROTO_TCP);
}
void udp_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	record_err(st, e, IP_PROTO_UDP);
}
void ping_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	record_err(st, e, e->proto);
}
void raw_icmp(struct nst_stack *st, const struct icmp_err *e)
{
	(void)st;
	cr_assert_geq(e->l4_bytes, 8);
}

/* ---- what base asks of the transports ---- */

struct tcp_layer *tcp_layer_new(struct nst_stack *st)
{
	return nst_alloc(st->env, 1);
}
void tcp_layer_free(struct nst_stack *st)
{
	nst_release(st->env, st->tcp, 1);
}
struct dgram_layer *dgram_layer_new(struct nst_stack *st)
{
	return nst_alloc(st->env, 1);
}
void dgram_layer_free(struct nst_stack *st)
{
	nst_release(st->env, st->dgram, 1);
}
bool tcp_layer_check(const struct nst_stack *st, size_t *n)
{
	for (const struct nst_sock *s = st->tcps; s; s = s->next)
		++*n;
	return st->tcp != NULL;
}
bool dgram_layer_check(const struct nst_stack *st, size_t *n)
{
	for (const struct nst_sock *s = st->dgrams; s; s = s->next)
		++*n;
	return st->dgram != NULL;
}
enum nst_err tcp_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			 nst_time now)
{
	(void)s, (void)opt, (void)v, (void)now;
	return NST_E_NOPROTOOPT;
}
enum nst_err tcp_opt_get(const struct nst_sock *s, enum nst_opt opt, int64_t *v)
{
	(void)s, (void)opt, (void)v;
	return NST_E_NOPROTOOPT;
}
enum nst_err dgram_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			   nst_time now)
{
	(void)s, (void)opt, (void)v, (void)now;
	return NST_E_NOPROTOOPT;
}
enum nst_err dgram_opt_get(const struct nst_sock *s, enum nst_opt opt,
			   int64_t *v)
{
	(void)s, (void)opt, (void)v;
	return NST_E_NOPROTOOPT;
}
struct nst_tcp *nst_sock_tcp(struct nst_sock *s)
{
	(void)s;
	return NULL;
}
enum nst_tcp_state nst_tcp_state(const struct nst_tcp *tp)
{
	(void)tp;
	return NST_TCP_CLOSE;
}
