/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SYN cookies, RFC 4987 3.6: when the queue of half-open requests is full, the
 * SYN-ACK's own sequence number is the memory of the request.
 *
 *   ISN = hash0(flow) + peer's ISN + minutes * 2^24
 *         + (hash1(flow, minutes) + i) mod 2^24
 *
 * where i indexes a table of segment sizes. What else the SYN asked for goes
 * into the six lowest bits of the SYN-ACK's timestamp, which the peer echoes:
 * window scale (15: none), SACK (bit 4), ECN (bit 5); without timestamps it is
 * lost. LINUX: layout, tables and the two minutes of validity.
 */
#include "netstack/tcp/tcp_req.h"

#define COOKIE_BITS 24
#define COOKIE_MASK ((1u << COOKIE_BITS) - 1)
#define COOKIE_MINUTE (60 * NST_SEC)
#define COOKIE_AGE 2 /* minutes */
#define COOKIE_VALID (COOKIE_AGE * COOKIE_MINUTE)
#define NMSS 4

#define TS_BITS 6
#define TS_WSCALE 0xfu
#define TS_SACK (1u << 4)
#define TS_ECN (1u << 5)

/* What peers announce most, by tunnels and links on the way. */
static const uint16_t mss4[NMSS] = {536, 1300, 1440, 1460};
static const uint16_t mss6[NMSS] = {1220, 1420, 1440, 8940};

static const uint16_t *mss_table(const struct flow_key *k)
{
	return k->remote.family == 6 ? mss6 : mss4;
}

static uint32_t minutes(const struct nst_stack *st)
{
	return (uint32_t)(st->now / COOKIE_MINUTE);
}

/* The smallest entry stands for everything below it, too. */
static uint32_t mss_index(const uint16_t *table, uint16_t mss)
{
	uint32_t i = NMSS - 1;

	while (i && mss < table[i])
		i--;
	return i;
}

struct seq tcp_cookie_isn(struct nst_tcp *l, const struct flow_key *k,
			  struct seq peer_isn, uint16_t *mss)
{
	struct nst_stack *st = l->sk.st;
	uint32_t i = mss_index(mss_table(k), *mss), count = minutes(st);
	uint32_t v = tcp_cookie_hash(st, k, 0, 0) + peer_isn.v;

	*mss = mss_table(k)[i];
	v += count << COOKIE_BITS;
	v += (tcp_cookie_hash(st, k, count, 1) + i) & COOKIE_MASK;
	l->synq_overflow = st->now;
	return (struct seq){v};
}

/* Segment size of a cookie; 0: it is none of ours, or too old. */
static uint16_t cookie_mss(struct nst_stack *st, const struct flow_key *k,
			   struct seq cookie, struct seq peer_isn)
{
	uint32_t v = cookie.v - tcp_cookie_hash(st, k, 0, 0) - peer_isn.v;
	uint32_t count = minutes(st);
	uint32_t age = (count - (v >> COOKIE_BITS)) & 0xff;
	uint32_t i;

	if (age >= COOKIE_AGE)
		return 0;
	i = (v - tcp_cookie_hash(st, k, count - age, 1)) & COOKIE_MASK;
	return i < NMSS ? mss_table(k)[i] : 0;
}

/* ---- options in the timestamp ---- */

/* Never ahead of the clock: later timestamps must not be smaller. */
uint32_t tcp_cookie_tsval(const struct tcp_req *r)
{
	struct nst_stack *st = r->listener->sk.st;
	uint32_t now = tcp_ts_now(st, 0), ts = now >> TS_BITS << TS_BITS;

	ts |= r->wscale_on ? r->snd_wscale : TS_WSCALE;
	ts |= r->sack_on ? TS_SACK : 0;
	ts |= r->ecn.mode != TCP_ECN_OFF ? TS_ECN : 0;
	if ((int32_t)(ts - now) > 0)
		ts -= 1u << TS_BITS;
	return ts + r->ts_off;
}

/* False: an option that is not allowed here, so the cookie is not ours. */
static bool decode_opts(struct tcp_req *r, const struct tcp_seg *seg)
{
	const struct tcp_sysctl *ctl = &r->listener->sk.st->tcp->ctl;
	uint32_t bits = seg->tsecr ? seg->tsecr - r->ts_off : 0;

	if (!seg->ts_ok)
		return true;
	if (!ctl->tcp_timestamps)
		return false;
	r->ts_on = true;
	r->ts_recent = seg->tsval;
	r->sack_on = bits & TS_SACK;
	tcp_ecn_req_cookie(r, bits & TS_ECN, seg);
	if (r->sack_on && !ctl->tcp_sack)
		return false;
	r->wscale_on = (bits & TS_WSCALE) != TS_WSCALE;
	r->snd_wscale = r->wscale_on ? (uint8_t)(bits & TS_WSCALE) : 0;
	return !r->wscale_on || ctl->tcp_window_scaling;
}

/* Were cookies sent lately? If not, nothing needs to be computed. */
static bool expected(const struct nst_tcp *l)
{
	const struct nst_stack *st = l->sk.st;

	return st->tcp->ctl.tcp_syncookies && l->synq_overflow &&
	       st->now - l->synq_overflow <= COOKIE_VALID;
}

bool tcp_cookie_in(struct nst_tcp *l, struct tcp_seg *seg)
{
	struct nst_stack *st = l->sk.st;
	struct tcp_req r = {.listener = l, .cookie = true};

	if ((seg->flags & (TCP_ACK | TCP_RST | TCP_SYN)) != TCP_ACK ||
	    !expected(l))
		return false;
	r.node.key = tcp_seg_key(seg);
	r.irs = seq_add(seg->seq, UINT32_MAX);
	r.iss = seq_add(seg->ack, UINT32_MAX);
	r.peer_mss = cookie_mss(st, &r.node.key, r.iss, r.irs);
	if (!r.peer_mss) {
		TCP_COUNT(st, SyncookiesFailed);
		return false;
	}
	TCP_COUNT(st, SyncookiesRecv);
	r.ts_off = tcp_ts_offset(st, &r.node.key);
	if (!decode_opts(&r, seg))
		return false;
	tcp_req_complete_cookie(&r, seg);
	return true;
}
