/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Generic receive offload: consecutive segments of a flow that a link hands
 * over in one batch (nst_gro_begin … nst_gro_end) become one super-segment, so
 * that the machinery behind runs once for many. Nothing that TCP can see is
 * lost: what merges has the same addresses, TTL, traffic class (and so ECN
 * codepoint), acknowledgement, window, options and flags; FIN and PSH end it;
 * all but the last are of one size. LINUX: the rules of tcp_gro_receive.
 *
 * A held segment owns its packets as a chain: the first has the headers, the
 * others (nst_pkt.next) only payload. Bounded: GRO_FLOWS chains of 64 KiB.
 */
#include "netstack/base/addr.h"
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

#define GRO_BYTES_MAX 65535u
#define FLAGS_OFF 13
#define PUSHING (TCP_FIN | TCP_PSH)
#define ENDING (PUSHING | TCP_URG | TCP_RST | TCP_SYN)

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint32_t hdr_bytes(const uint8_t *h)
{
	return (uint32_t)(h[12] >> 4) * 4;
}

static uint32_t payload(const struct nst_pkt *pkt)
{
	return nst_pkt_bytes(pkt) - hdr_bytes(nst_pkt_data(pkt));
}

/* ---- who belongs together ---- */

static bool same_flow(const struct tcp_gro_slot *s, const struct nst_pkt *pkt,
		      const struct ip_in *in)
{
	return s->head && s->in.ifindex == in->ifindex &&
	       memcmp(nst_pkt_data(s->head), nst_pkt_data(pkt), 4) == 0 &&
	       addr_same(&s->in.src, &in->src) &&
	       addr_same(&s->in.dst, &in->dst);
}

/* The rest of the header: acknowledgement, window, flags, options. */
static bool same_header(const uint8_t *a, const uint8_t *b)
{
	uint32_t n = hdr_bytes(a);

	return memcmp(a + 8, b + 8, 5) == 0 &&
	       !((a[FLAGS_OFF] ^ b[FLAGS_OFF]) & ~PUSHING) &&
	       memcmp(a + 14, b + 14, 2) == 0 &&
	       memcmp(a + TCP_HDR_BYTES, b + TCP_HDR_BYTES,
		      n - TCP_HDR_BYTES) == 0;
}

static bool fits(const struct tcp_gro_slot *s, const struct nst_pkt *pkt,
		 const struct ip_in *in)
{
	const uint8_t *h = nst_pkt_data(pkt);
	uint32_t len = payload(pkt);

	return len && len <= s->mss && s->bytes + len <= GRO_BYTES_MAX &&
	       get32(h + 4) == s->next_seq && s->in.ttl == in->ttl &&
	       s->in.tos == in->tos && s->in.hdr_bytes == in->hdr_bytes &&
	       same_header(nst_pkt_data(s->head), h);
}

/* ---- holding ---- */

static void deliver(struct nst_stack *st, struct tcp_gro_slot *s)
{
	struct nst_pkt *pkt = s->head;
	struct ip_in in = s->in;

	s->head = NULL;
	tcp_in_checked(st, pkt, &in);
}

static void hold(struct tcp_layer *l, struct tcp_gro_slot *s,
		 struct nst_pkt *pkt, const struct ip_in *in)
{
	const uint8_t *h = nst_pkt_data(pkt);

	pkt->next = NULL;
	s->head = s->tail = pkt;
	s->in = *in;
	s->mss = payload(pkt);
	s->bytes = nst_pkt_bytes(pkt);
	s->next_seq = get32(h + 4) + s->mss;
	s->order = ++l->gro.stamp;
}

/* True: nothing may follow it. */
static bool append(struct nst_stack *st, struct tcp_gro_slot *s,
		   struct nst_pkt *pkt)
{
	uint8_t flags = nst_pkt_data(pkt)[FLAGS_OFF];
	uint32_t len = payload(pkt);
	bool cut = nst_pkt_pull(pkt, hdr_bytes(nst_pkt_data(pkt)));

	(void)cut; /* the header is linear: tcp_gro_in saw to that */
	nst_pkt_data(s->head)[FLAGS_OFF] |= flags & PUSHING;
	s->head->gso_size = (uint16_t)s->mss;
	pkt->next = NULL;
	s->tail->next = pkt;
	s->tail = pkt;
	s->bytes += len;
	s->next_seq += len;
	TCP_COUNT(st, GroSegs);
	return len < s->mss || (flags & ENDING);
}

static struct tcp_gro_slot *slot_for(struct nst_stack *st,
				     const struct nst_pkt *pkt,
				     const struct ip_in *in)
{
	struct tcp_gro *g = &st->tcp->gro;

	for (size_t i = 0; i < TCP_GRO_FLOWS; i++) {
		if (same_flow(&g->slot[i], pkt, in))
			return &g->slot[i];
	}
	return NULL;
}

/* A free slot; the oldest is delivered when there is none. */
static struct tcp_gro_slot *slot_free(struct nst_stack *st)
{
	struct tcp_gro *g = &st->tcp->gro;
	struct tcp_gro_slot *old = &g->slot[0];

	for (size_t i = 0; i < TCP_GRO_FLOWS; i++) {
		if (!g->slot[i].head)
			return &g->slot[i];
		if ((int32_t)(g->slot[i].order - old->order) < 0)
			old = &g->slot[i];
	}
	deliver(st, old);
	return old;
}

/* A whole segment with data, and nothing special in it. */
static bool may_start(const struct nst_pkt *pkt)
{
	uint8_t flags = nst_pkt_data(pkt)[FLAGS_OFF];

	return payload(pkt) && !pkt->gso_size &&
	       (flags & (ENDING | TCP_ACK | TCP_CWR)) == TCP_ACK;
}

static bool whole_header(struct nst_pkt *pkt)
{
	uint32_t n;

	if (!nst_pkt_linear(pkt, TCP_HDR_BYTES))
		return false;
	n = hdr_bytes(nst_pkt_data(pkt));
	return n >= TCP_HDR_BYTES && n <= nst_pkt_bytes(pkt) &&
	       nst_pkt_linear(pkt, n);
}

bool tcp_gro_in(struct nst_stack *st, struct nst_pkt *pkt,
		const struct ip_in *in)
{
	struct tcp_gro_slot *s;

	if (!st->tcp->gro.on || !whole_header(pkt))
		return false;
	s = slot_for(st, pkt, in);
	if (s && !pkt->gso_size && fits(s, pkt, in)) {
		if (append(st, s, pkt))
			deliver(st, s);
		return true;
	}
	if (s) /* in order: what is held comes first */
		deliver(st, s);
	if (!may_start(pkt))
		return false;
	hold(st->tcp, slot_free(st), pkt, in);
	return true;
}

/* ---- batches ---- */

void nst_gro_begin(struct nst_stack *st)
{
	st->tcp->gro.on = true;
}

static struct tcp_gro_slot *oldest(struct tcp_gro *g)
{
	struct tcp_gro_slot *old = NULL;

	for (size_t i = 0; i < TCP_GRO_FLOWS; i++) {
		struct tcp_gro_slot *s = &g->slot[i];

		if (s->head && (!old || (int32_t)(s->order - old->order) < 0))
			old = s;
	}
	return old;
}

void nst_gro_end(struct nst_stack *st, nst_time now)
{
	struct tcp_gro *g = &st->tcp->gro;
	struct tcp_gro_slot *s;

	if (!g->on)
		return;
	g->on = false;
	stack_enter(st, now);
	while ((s = oldest(g)))
		deliver(st, s);
	stack_leave(st);
}

/* ---- what the segment's bytes are ---- */

void tcp_gro_free(struct nst_pkt *pkt)
{
	while (pkt) {
		struct nst_pkt *next = pkt->next;

		nst_pkt_free(pkt);
		pkt = next;
	}
}

void tcp_gro_drop(struct tcp_layer *l)
{
	for (size_t i = 0; i < TCP_GRO_FLOWS; i++) {
		tcp_gro_free(l->gro.slot[i].head);
		l->gro.slot[i].head = NULL;
	}
}

uint32_t tcp_gro_more(const struct nst_pkt *pkt)
{
	uint32_t n = 0;

	for (pkt = pkt->next; pkt; pkt = pkt->next)
		n += nst_pkt_bytes(pkt);
	return n;
}

void tcp_seg_copy(const struct tcp_seg *seg, uint32_t from, void *dst,
		  uint32_t bytes)
{
	const struct nst_pkt *pkt = seg->pkt;
	uint8_t *to = dst;

	for (; pkt && bytes; pkt = pkt->next) {
		uint32_t have = nst_pkt_bytes(pkt), n;

		if (from >= have) {
			from -= have;
			continue;
		}
		n = u32_min(bytes, have - from);
		nst_pkt_copy(pkt, from, to, n);
		to += n;
		bytes -= n;
		from = 0;
	}
}
