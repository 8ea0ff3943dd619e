/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP_SAVE_SYN: the headers of the SYN, IP header first, kept from the request
 * to the first look at them. LINUX: value 2 asks for the link's header, too;
 * our links have none that a guest could know.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

static size_t block(uint16_t bytes)
{
	return sizeof(struct tcp_saved_syn) + bytes;
}

struct tcp_saved_syn *tcp_saved_syn_load(struct nst_stack *st, const void *hdr,
					 uint16_t bytes)
{
	struct tcp_saved_syn *s = nst_alloc_raw(st->env, block(bytes));

	if (!s)
		return NULL;
	s->bytes = bytes;
	memcpy(s->hdr, hdr, bytes);
	return s;
}

struct tcp_saved_syn *tcp_saved_syn_new(const struct nst_tcp *l,
					const struct tcp_seg *seg)
{
	uint16_t ip = seg->in->hdr_bytes;
	uint16_t bytes = (uint16_t)(ip + seg->hdr_bytes);

	if (!l->conf.save_syn || seg->pkt->off < ip ||
	    seg->pkt->len < seg->hdr_bytes)
		return NULL;
	return tcp_saved_syn_load(l->sk.st, nst_pkt_data(seg->pkt) - ip, bytes);
}

void tcp_saved_syn_free(struct nst_stack *st, struct tcp_saved_syn *s)
{
	if (s)
		nst_release(st->env, s, block(s->bytes));
}

size_t nst_tcp_saved_syn(const struct nst_tcp *tp, void *out, size_t cap)
{
	const struct tcp_saved_syn *s = tp->saved_syn;

	if (!s || s->bytes > cap)
		return 0;
	memcpy(out, s->hdr, s->bytes);
	return s->bytes;
}

void nst_tcp_saved_syn_drop(struct nst_tcp *tp)
{
	tcp_saved_syn_free(tp->sk.st, tp->saved_syn);
	tp->saved_syn = NULL;
}
