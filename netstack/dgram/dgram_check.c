/* SPDX-License-Identifier: Apache-2.0 */
/* What always holds of datagram endpoints between two events; for tests. */
#include "netstack/dgram/dgram_priv.h"

/* The queue's links are whole; *charged grows by what its entries cost. */
static bool rx_ok(const struct nst_dgram *d, uint64_t *charged)
{
	struct dgram_rx *const *at = &d->rx_head;
	size_t n = 0;

	for (; *at; at = &(*at)->next, n++) {
		if ((*at)->in.data != (*at)->bytes)
			return false;
		*charged += (*at)->charge;
	}
	return at == d->rx_tail && n == d->rx_n;
}

static bool errors_ok(const struct nst_dgram *d, uint64_t *charged)
{
	struct dgram_ee *const *at = &d->ee_head;

	for (; *at; at = &(*at)->next) {
		if ((*at)->err.data != (*at)->bytes)
			return false;
		*charged += (*at)->charge;
	}
	return at == d->ee_tail;
}

static bool queues_ok(const struct nst_dgram *d)
{
	uint64_t charged = 0;

	return rx_ok(d, &charged) && errors_ok(d, &charged) &&
	       charged == d->charged;
}

static bool members_ok(const struct nst_dgram *d)
{
	if (d->nmembers > LIMIT_MEMBERSHIPS || (d->nmembers && !d->members))
		return false;
	for (uint32_t i = 0; i < d->nmembers; i++)
		if (!addr_is_mcast(&d->members[i].group) ||
		    !dgram_filter_check(&d->members[i]))
			return false;
	return true;
}

/* A connected UDP socket is found by its flow, or by its port. */
static bool names_ok(const struct nst_dgram *d)
{
	const struct nst_sock *s = &d->s;
	bool in_demux = s->conn.pprev != NULL;

	if (s->kind != SOCK_K_UDP || !s->remote.addr.family)
		return !in_demux;
	return in_demux || s->bucket;
}

bool dgram_check(const struct nst_dgram *d)
{
	if (d->cork &&
	    (d->s.kind != SOCK_K_UDP || d->cork->bytes > sizeof(d->cork->data)))
		return false;
	return queues_ok(d) && members_ok(d) && names_ok(d);
}

static bool raw_list_ok(const struct dgram_layer *l, size_t want)
{
	struct nst_dgram *const *at = &l->raw;
	size_t n = 0;

	for (; *at; at = &(*at)->raw_next, n++)
		if ((*at)->raw_pprev != at || (*at)->s.kind != SOCK_K_RAW)
			return false;
	return n == want;
}

bool dgram_layer_check(const struct nst_stack *st, size_t *n)
{
	struct nst_sock *const *at = &st->dgrams;
	size_t raw = 0, picky = 0;

	for (; *at; at = &(*at)->next, ++*n) {
		const struct nst_sock *s = *at;

		raw += s->kind == SOCK_K_RAW;
		if (s->kind == SOCK_K_TCP || !sock_in_list(s, st, at) ||
		    !dgram_check((const struct nst_dgram *)s))
			return false;
		picky += dgram_filter_picky((const struct nst_dgram *)s);
	}
	return picky == st->dgram->picky && raw_list_ok(st->dgram, raw);
}
