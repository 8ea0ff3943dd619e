/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Accurate ECN feedback, RFC 9768: the ACE field (a 3-bit count of CE-marked
 * packets), the byte counters and the option that carries them. As Linux does
 * it: 6.18, and what later releases added to 6.18's fallbacks.
 */
#include "netstack/tcp/tcp_priv.h"

#define ACE_MASK 7u
#define ACE_START 5u /* RFC 9768 3.2.2: s.cep and r.cep begin here */
#define ACE_PENDING_MAX 6
#define COUNTER_MASK 0xffffffu
/* LINUX: packets per ACK: weight of the average and its fraction, and from
 * when on ACKs are thin by nature. */
#define AVG_SHIFT 6
#define AVG_FRACTION 6
#define AVG_THIN (4u << AVG_FRACTION)
/* Any counter is reported at least once in so many bytes, 3.2.3.3. */
#define REPORT_SHIFT 22

uint8_t tcp_ace_of(const struct tcp_seg *seg)
{
	return (uint8_t)((seg->ae ? 4 : 0) | (seg->flags & TCP_CWR ? 2 : 0) |
			 (seg->flags & TCP_ECE ? 1 : 0));
}

void tcp_ace_put(struct tcp_out_hdr *h, uint8_t ace)
{
	h->ae = ace & 4;
	h->flags &= (uint8_t) ~(TCP_CWR | TCP_ECE);
	if (ace & 2)
		h->flags |= TCP_CWR;
	if (ace & 1)
		h->flags |= TCP_ECE;
}

uint8_t tcp_ace_reflect(uint8_t codepoint)
{
	static const uint8_t table[4] = {
	    [ECN_NOT_ECT] = 2, [ECN_ECT1] = 3, [ECN_ECT0] = 4, [ECN_CE] = 6};

	return table[codepoint & 3];
}

uint8_t tcp_ace_reflected(uint8_t ace)
{
	switch (ace) {
	case 2:
		return ECN_NOT_ECT;
	case 0:
	case 4:
		return ECN_ECT0;
	case 6:
		return ECN_CE;
	default:
		return ECN_ECT1;
	}
}

/* ---- counters on the wire ---- */

/* Which codepoint field i counts, RFC 9768 table 5. */
static uint8_t field_codepoint(uint32_t i, bool order1)
{
	if (i == 1)
		return ECN_CE;
	return (i == 0) == order1 ? ECN_ECT1 : ECN_ECT0;
}

/* Where it starts: ECT counters not at 0, so that zeroing shows. */
static uint32_t field_start(uint8_t codepoint)
{
	return codepoint == ECN_CE ? 0 : 1;
}

/* Fields that an option in order 1 needs to carry this counter. */
static uint8_t fields_for(uint8_t codepoint)
{
	static const uint8_t table[4] = {
	    [ECN_NOT_ECT] = 0, [ECN_ECT1] = 1, [ECN_CE] = 2, [ECN_ECT0] = 3};

	return table[codepoint & 3];
}

/* RFC 9768 3.2.3.2.4: the first and third counter cannot be 0 yet. */
uint8_t tcp_accecn_opt_state(const struct tcp_seg *seg)
{
	const struct tcp_accecn_opt *o = &seg->accecn;

	if (!o->n)
		return TCP_ECN_OPT_EMPTY;
	if (!o->v[0] || (o->n == TCP_ACCECN_FIELDS && !o->v[2]))
		return TCP_ECN_OPT_ZEROED;
	return TCP_ECN_OPT_COUNTERS;
}

/* ---- receiving data ---- */

static uint32_t packets_of(const struct tcp_seg *seg)
{
	uint32_t mss = seg->pkt->gso_size;

	if (!mss || seg->len <= mss)
		return 1;
	return (seg->len + mss - 1) / mss;
}

static void demand(struct tcp_ecn *e, uint8_t least)
{
	if (e->opt_demand < least)
		e->opt_demand = least;
}

static void count_payload(struct tcp_ecn *e, uint8_t cp, uint32_t len)
{
	uint32_t *n = &e->bytes_in[cp - 1], old = *n;

	*n += len;
	if (fields_for(cp) > e->opt_min)
		e->opt_min = fields_for(cp);
	if ((*n ^ old) >> REPORT_SHIFT)
		demand(e, 1);
}

/* Change-triggered ACKs, RFC 9768 3.2.2.5.1: at once, and the option twice. */
static void edge(struct nst_tcp *tp, const struct tcp_seg *seg, uint8_t cp)
{
	struct tcp_ecn *e = &tp->ecn;

	if (cp != e->prev) {
		e->prev = cp;
		e->edge = true;
		e->opt_demand = 2;
	} else if (cp == ECN_CE) {
		e->opt_demand = 2;
	}
	/* LINUX: a pure ACK is not acknowledged; the data after it is. */
	if ((e->edge || e->ce_unsent >= ACE_PENDING_MAX) &&
	    (seg->len || (seg->flags & TCP_FIN)))
		tp->ack_now = true;
}

void tcp_accecn_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	struct tcp_ecn *e = &tp->ecn;
	uint8_t cp = seg->in->tos & 3;

	if (cp != ECN_NOT_ECT) {
		e->seen = true;
		if (cp == ECN_CE) {
			uint32_t n = packets_of(seg);

			e->ce_in += n;
			e->ce_unsent = (uint8_t)u32_min(e->ce_unsent + n, 15);
		}
		if (seg->len)
			count_payload(e, cp, seg->len);
	}
	edge(tp, seg, cp);
}

/* ---- sending the option ---- */

/* Room for the option of data and ACKs, in bytes of options. */
struct fit {
	bool ok;
	uint8_t fields, blocks;
	int32_t
	    bytes; /* that it adds; SACK blocks it displaces are taken off */
};

static bool fit_fields(struct fit *f, int32_t room, uint8_t least, bool pair)
{
	for (int32_t n = TCP_ACCECN_FIELDS; n >= least; n--) {
		int32_t size = 2 + 3 * n, rest = size & 3;

		/* One or two bytes replace NOPs in front of SACK blocks. */
		size = pair && rest <= 2 ? size - rest : (size + 3) & ~3;
		if (room < size)
			continue;
		f->fields = (uint8_t)n;
		f->bytes = size;
		return true;
	}
	return false;
}

/*
 * As many counters as there is room for, but at least those that changed; for
 * these, SACK blocks beyond the second give way (RFC 9768 3.2.3.3).
 */
static struct fit fit_option(const struct nst_tcp *tp, uint32_t used,
			     uint8_t blocks)
{
	struct fit f = {.blocks = blocks};
	uint8_t least = tp->ecn.opt_min;
	int32_t room = TCP_OPT_BYTES_MAX - (int32_t)used;

	while (!fit_fields(&f, room, least, blocks > 0)) {
		if (f.blocks <= 2 || !least)
			return (struct fit){.blocks = blocks};
		f.blocks--;
		room += 8;
	}
	f.ok = true;
	f.bytes -= 8 * (blocks - f.blocks);
	return f;
}

static bool beacon_due(const struct nst_tcp *tp)
{
	int64_t per_rtt = TCP_CTL(tp, ecn_option_beacon);

	return per_rtt &&
	       (tp->sk.st->now - tp->ecn.opt_sent) * per_rtt >= tp->srtt / 8;
}

/* LINUX: tcp_ecn_option: 0 never, 1 when it matters, 2 always unless it is
 * known to be dropped, 3 always. */
static bool option_due(const struct nst_tcp *tp)
{
	int32_t how = TCP_CTL(tp, ecn_option);

	if (!how || !tp->ecn.opt_seen)
		return false;
	if (how < 3 && (tp->ecn.fail & TCP_ECN_OPT_SEND))
		return false;
	return how >= 2 || tp->ecn.opt_demand || beacon_due(tp);
}

int32_t tcp_accecn_opt_bytes(const struct nst_tcp *tp, uint32_t blocks)
{
	uint32_t used = (tp->ts_on ? 12 : 0) + (blocks ? 4 + 8 * blocks : 0);

	if (tp->ecn.mode != TCP_ECN_ACCURATE || !option_due(tp))
		return 0;
	return fit_option(tp, used, (uint8_t)blocks).bytes;
}

static void fill(struct tcp_accecn_opt *o, const uint32_t *bytes, uint8_t n)
{
	o->present = true;
	o->order1 = true;
	o->n = n;
	for (uint8_t i = 0; i < n; i++) {
		uint8_t cp = field_codepoint(i, true);
		uint32_t v = bytes ? bytes[cp - 1] : 0;

		o->v[i] = (v + field_start(cp)) & COUNTER_MASK;
	}
}

void tcp_accecn_synack_opt(struct tcp_out_hdr *h)
{
	int32_t room = TCP_OPT_BYTES_MAX + TCP_HDR_BYTES;

	/* The most counters that leave the header in its limits. */
	for (int32_t n = TCP_ACCECN_FIELDS; n >= 0; n--) {
		fill(&h->accecn, NULL, (uint8_t)n);
		if ((int32_t)tcp_hdr_bytes(h) <= room)
			return;
	}
	h->accecn.present = false;
}

/* RFC 2883: the first block is below the ACK, or inside of the second. */
static bool has_dsack(const struct tcp_out_hdr *h)
{
	if (!h->nsack)
		return false;
	if (seq_le(h->sack[0].to, h->ack))
		return true;
	return h->nsack > 1 && seq_ge(h->sack[0].from, h->sack[1].from) &&
	       seq_le(h->sack[0].to, h->sack[1].to);
}

static void put_option(struct nst_tcp *tp, struct tcp_out_hdr *h)
{
	struct tcp_ecn *e = &tp->ecn;
	bool dsack = has_dsack(h);
	struct fit f = {0};

	e->opt_dsack = false;
	if (option_due(tp))
		f = fit_option(tp, tcp_hdr_bytes(h) - TCP_HDR_BYTES, h->nsack);
	if (!f.ok)
		return;
	fill(&h->accecn, e->bytes_in, f.fields);
	h->nsack = f.blocks;
	e->opt_dsack = dsack;
	if (dsack)
		e->dsack_seq = h->sack[0].from;
	e->opt_min = 0;
	e->opt_sent = tp->sk.st->now;
	if (e->opt_demand)
		e->opt_demand--;
}

/* LINUX: an orphan in FIN-WAIT-2 is a small object there, which answers
 * without an ACE or option. */
static bool small_there(const struct nst_tcp *tp)
{
	return tp->orphan && tp->state == NST_TCP_FIN_WAIT2;
}

void tcp_accecn_out(struct nst_tcp *tp, struct tcp_out_hdr *h)
{
	struct tcp_ecn *e = &tp->ecn;

	if (small_there(tp))
		return;
	if (e->reflect && (h->flags & TCP_ACK)) {
		tcp_ace_put(h, tcp_ace_reflect(e->syn_in));
	} else {
		tcp_ace_put(h, (e->ce_in + ACE_START) & ACE_MASK);
		e->ce_unsent = 0;
	}
	e->reflect = false;
	e->edge = false;
	put_option(tp, h);
}

/* ---- feedback ---- */

/* The counter's 24 bits tell how far it moved; backwards is possible, when a
 * guess was too high. */
static int32_t update_counter(uint32_t *n, uint32_t wire, uint8_t cp)
{
	uint32_t d = (wire - field_start(cp) - *n) & COUNTER_MASK;

	if (d & 0x800000)
		d |= ~COUNTER_MASK;
	*n += d;
	return (int32_t)d;
}

/*
 * Byte counters from the option. Without one, what was delivered is booked
 * under the codepoint that moved last, if only that one did. True: the change
 * of the CE counter may be relied on.
 */
static bool take_counters(struct tcp_ecn *e, const struct tcp_accecn_opt *o,
			  uint32_t bytes)
{
	uint8_t guess = e->guess;
	bool sure = guess, ambiguous = false, moved = false;

	if (!o->present) {
		if (guess)
			e->bytes_out[guess - 1] += bytes;
		return guess;
	}
	for (uint8_t i = 0; i < o->n; i++) {
		uint8_t cp = field_codepoint(i, o->order1);
		int32_t d = update_counter(&e->bytes_out[cp - 1], o->v[i], cp);

		if (!d)
			continue;
		if (d < 0 || (cp != guess && moved))
			ambiguous = true;
		if (cp != guess && !moved) {
			e->guess = cp;
			moved = true;
		}
	}
	if (ambiguous)
		e->guess = 0;
	return sure && !ambiguous;
}

/* RFC 9768 3.2.3.2: the first option may come late, but not when 24 bits could
 * have wrapped unseen; a mangled one ends it. */
static bool take_option(struct nst_tcp *tp, const struct tcp_seg *seg,
			uint32_t bytes)
{
	struct tcp_ecn *e = &tp->ecn;

	if (e->fail & TCP_ECN_OPT_RECV)
		return false;
	if (seg->accecn.present && e->opt_seen < TCP_ECN_OPT_COUNTERS)
		e->opt_seen = tcp_accecn_opt_state(seg);
	else if (!e->opt_seen && tp->bytes_sent >= COUNTER_MASK >> 1)
		e->opt_seen = TCP_ECN_OPT_ZEROED;
	if (e->opt_seen == TCP_ECN_OPT_ZEROED) {
		e->fail |= TCP_ECN_OPT_RECV;
		return false;
	}
	return take_counters(e, &seg->accecn, bytes);
}

static void average(struct tcp_ecn *e, uint32_t pkts)
{
	uint32_t now = pkts << AVG_FRACTION;
	uint32_t avg = e->acked_avg;

	if (!pkts)
		return;
	if (avg)
		now = ((avg << AVG_SHIFT) - avg + now) >> AVG_SHIFT;
	e->acked_avg = (uint16_t)u32_min(now, UINT16_MAX);
}

/*
 * RFC 9768 A.2: more than seven packets may have wrapped ACE. `least` is what
 * it says at face value, `most` with all wraps that the packets allow; the CE
 * byte counter tells, and without it whether such ACKs are usual.
 */
static uint32_t resolve(const struct nst_tcp *tp, uint32_t least, uint32_t pkts,
			uint32_t bytes, uint32_t ceb, bool sure)
{
	uint32_t most = pkts - ((pkts - least) & ACE_MASK);
	bool trusted = tp->sack_on || tp->ca_state == TCP_CA_OPEN ||
		       tp->ca_state == TCP_CA_CWR;

	if (!sure)
		return tp->ecn.acked_avg > AVG_THIN ? least : most;
	if (!ceb)
		return least;
	if (pkts >= 2 * (ACE_MASK + 1) && trusted) {
		uint64_t est;

		if (bytes <= ceb)
			return most;
		est = ((uint64_t)ceb * pkts + bytes - 1) / bytes;
		return u32_min(most, least + ((uint32_t)est & ~ACE_MASK));
	}
	if (ceb > least * tp->mss)
		return most;
	return ceb < most * tp->mss / 2 ? least : most;
}

/* RFC 9768 3.2.2.4: ACE cannot be 0 on the first data acknowledged. */
static bool first_ace_broken(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	if (!seq_gt(seg->ack, tp->snd_una) &&
	    tp->bytes_acked == tp->ecn.acked_before)
		return false;
	if (tp->ecn.acked_before > tp->mss || tcp_ace_of(seg))
		return false;
	tp->ecn.fail |= TCP_ECN_ACE_RECV | TCP_ECN_OPT_RECV;
	return true;
}

uint32_t tcp_accecn_ack(struct nst_tcp *tp, const struct tcp_seg *seg,
			uint32_t pkts, uint32_t bytes)
{
	struct tcp_ecn *e = &tp->ecn;
	uint32_t ceb = e->bytes_out[ECN_CE - 1], least;
	bool sure;

	/* The final ACK of the handshake has no count in its ACE; and one out
	 * of order must not count again, RFC 9768 3.2.2.5.1. */
	if (e->opening || (!pkts && !e->ts_newer))
		return 0;
	sure = take_option(tp, seg, bytes);
	average(e, pkts);
	if (first_ace_broken(tp, seg))
		return 0;
	least = (tcp_ace_of(seg) - ACE_START - tp->delivered_ce) & ACE_MASK;
	if (pkts <= ACE_MASK)
		return least;
	ceb = e->bytes_out[ECN_CE - 1] - ceb;
	return resolve(tp, least, pkts, bytes, ceb, sure);
}
