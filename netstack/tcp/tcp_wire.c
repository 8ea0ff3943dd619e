/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/tcp/tcp_wire.h"
#include "netstack/base/mem.h"

#define FO_EXP_MAGIC 0xf989 /* RFC 7413 5: shared kind 254, RFC 6994 */

enum tcp_opt_kind {
	OPT_EOL = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_PERM = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
	OPT_FASTOPEN = 34,
	OPT_ACCECN0 = 172,
	OPT_ACCECN1 = 174,
	OPT_EXP = 254,
};

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static uint32_t get24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static uint8_t *put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
	return p + 2;
}

static uint8_t *put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)(v >> 16));
	return put16(p + 2, (uint16_t)v);
}

static void parse_sack(struct tcp_seg *seg, const uint8_t *p, uint32_t len)
{
	uint32_t n = (len - 2) / 8;

	if ((len - 2) % 8 || n > TCP_SACK_BLOCKS_MAX)
		return;
	seg->nsack = (uint8_t)n;
	for (uint32_t i = 0; i < n; i++) {
		seg->sack[i].from.v = get32(p + 2 + 8 * i);
		seg->sack[i].to.v = get32(p + 6 + 8 * i);
	}
}

/* LINUX: an odd length is no option, a wrong even one counts as none. */
static void parse_fo(struct tcp_seg *seg, const uint8_t *p, uint32_t len,
		     bool exp)
{
	if (!(seg->flags & TCP_SYN) || (len & 1))
		return;
	seg->fo.exp = exp;
	seg->fo.len = 0;
	seg->fo.on =
	    !len || (len >= TCP_FO_COOKIE_MIN && len <= TCP_FO_COOKIE_MAX);
	if (!seg->fo.on || !len)
		return;
	seg->fo.len = (uint8_t)len;
	memcpy(seg->fo.val, p, len);
}

/* LINUX: whatever the length, as many counters as are whole count. */
static void parse_accecn(struct tcp_seg *seg, const uint8_t *p, uint32_t len)
{
	struct tcp_accecn_opt *o = &seg->accecn;

	o->present = true;
	o->order1 = p[0] == OPT_ACCECN1;
	o->n = 0;
	for (uint32_t at = 2; at + 3 <= len && o->n < TCP_ACCECN_FIELDS;
	     at += 3)
		o->v[o->n++] = get24(p + at);
}

/* One option of known length; those that belong to a SYN count only there. */
static void parse_opt(struct tcp_seg *seg, const uint8_t *p, uint8_t len)
{
	bool syn = seg->flags & TCP_SYN;

	switch (p[0]) {
	case OPT_MSS:
		if (len == 4 && syn)
			seg->mss = get16(p + 2);
		break;
	case OPT_WSCALE:
		if (len != 3 || !syn)
			break;
		seg->wscale_ok = true;
		/* RFC 7323 2.3: more than 14 is taken as 14. */
		seg->wscale = p[2] > 14 ? 14 : p[2];
		break;
	case OPT_SACK_PERM:
		if (len == 2 && syn)
			seg->sack_perm = true;
		break;
	case OPT_SACK:
		if (len >= 10 && !syn)
			parse_sack(seg, p, len);
		break;
	case OPT_TS:
		if (len != 10)
			break;
		seg->ts_ok = true;
		seg->tsval = get32(p + 2);
		seg->tsecr = get32(p + 6);
		break;
	case OPT_ACCECN0:
	case OPT_ACCECN1:
		parse_accecn(seg, p, len);
		break;
	case OPT_FASTOPEN:
		parse_fo(seg, p + 2, len - 2u, false);
		break;
	case OPT_EXP:
		if (len >= 4 && get16(p + 2) == FO_EXP_MAGIC)
			parse_fo(seg, p + 4, len - 4u, true);
		break;
	default:
		break; /* RFC 9293 3.1 MUST-6: unknown options are skipped */
	}
}

static bool parse_opts(struct tcp_seg *seg, const uint8_t *p, uint32_t left)
{
	while (left) {
		uint8_t len;

		if (p[0] == OPT_EOL)
			return true;
		if (p[0] == OPT_NOP) {
			p++;
			left--;
			continue;
		}
		if (left < 2 || p[1] < 2 || p[1] > left)
			return false;
		len = p[1];
		parse_opt(seg, p, len);
		p += len;
		left -= len;
	}
	return true;
}

bool tcp_parse(struct nst_pkt *pkt, const struct ip_in *in, struct tcp_seg *seg,
	       bool *bad_opts)
{
	uint32_t bytes = nst_pkt_bytes(pkt);
	const uint8_t *p;
	uint32_t hdr;

	memset(seg, 0, sizeof(*seg));
	if (bytes < TCP_HDR_BYTES || !nst_pkt_linear(pkt, TCP_HDR_BYTES))
		return false;
	hdr = (uint32_t)(nst_pkt_data(pkt)[12] >> 4) * 4;
	if (hdr < TCP_HDR_BYTES || hdr > bytes || !nst_pkt_linear(pkt, hdr))
		return false;
	p = nst_pkt_data(pkt);
	seg->pkt = pkt;
	seg->in = in;
	seg->sport = get16(p);
	seg->dport = get16(p + 2);
	seg->seq.v = get32(p + 4);
	seg->ack.v = get32(p + 8);
	seg->flags = p[13];
	seg->ae = p[12] & 1;
	seg->res = p[12] & 0x0e;
	seg->wnd = get16(p + 14);
	seg->up = get16(p + 18);
	seg->hdr_bytes = (uint8_t)hdr;
	seg->data_off = hdr;
	seg->len = bytes - hdr;
	seg->end = seq_add(seg->seq, seg->len + !!(seg->flags & TCP_SYN) +
					 !!(seg->flags & TCP_FIN));
	*bad_opts = !parse_opts(seg, p + TCP_HDR_BYTES, hdr - TCP_HDR_BYTES);
	return true;
}

void tcp_seg_trim_front(struct tcp_seg *seg, uint32_t n)
{
	if (n && (seg->flags & TCP_SYN)) {
		seg->flags &= (uint8_t)~TCP_SYN;
		seg->seq = seq_add(seg->seq, 1);
		n--;
	}
	if (n > seg->len)
		n = seg->len;
	seg->data_off += n;
	seg->len -= n;
	seg->trimmed += n;
	seg->seq = seq_add(seg->seq, n);
}

void tcp_seg_trim_back(struct tcp_seg *seg, struct seq end)
{
	uint32_t over;

	if (seq_le(seg->end, end))
		return;
	over = (uint32_t)seq_diff(seg->end, end);
	if (seg->flags & TCP_FIN) {
		seg->flags &= (uint8_t)~TCP_FIN;
		over--;
	}
	over = over < seg->len ? over : seg->len;
	seg->len -= over;
	seg->trimmed += over;
	seg->end = end;
}

/* ---- output ---- */

static uint32_t fo_bytes(const struct tcp_fo_cookie *fo)
{
	return fo->on ? (fo->len + (fo->exp ? 4u : 2u) + 3u) & ~3u : 0;
}

/* Of the AccECN option, these last bytes take the place of NOPs in front of
 * another option: both of a pair (sackOK alone, SACK) or one (wscale). */
static uint32_t accecn_rest(const struct tcp_accecn_opt *o)
{
	if (!o->present || o->n > 1)
		return 0;
	return o->n ? 1 : 2;
}

static bool accecn_rest_fits(const struct tcp_out_hdr *h)
{
	return h->nsack || (h->sack_perm && !h->ts) ||
	       (h->wscale_ok && accecn_rest(&h->accecn) == 1);
}

static uint32_t accecn_bytes(const struct tcp_out_hdr *h)
{
	static const uint8_t whole[TCP_ACCECN_FIELDS + 1] = {0, 4, 8, 12};

	if (!h->accecn.present)
		return 0;
	if (accecn_rest(&h->accecn) && !accecn_rest_fits(h))
		return whole[h->accecn.n] + 4u;
	return whole[h->accecn.n];
}

static uint32_t opt_bytes(const struct tcp_out_hdr *h)
{
	uint32_t n = accecn_bytes(h);

	if (h->mss)
		n += 4;
	if (h->ts)
		n += 12; /* with nop,nop or sackOK in front */
	else if (h->sack_perm)
		n += 4;
	if (h->wscale_ok)
		n += 4;
	if (h->nsack)
		n += 4 + 8u * h->nsack;
	if (n + fo_bytes(&h->fo) <= TCP_OPT_BYTES_MAX)
		n += fo_bytes(&h->fo);
	return n;
}

uint32_t tcp_hdr_bytes(const struct tcp_out_hdr *h)
{
	return TCP_HDR_BYTES + opt_bytes(h);
}

/* Options under way: where the next goes, and the two bytes that fill up in
 * front of the next one that needs it. */
struct opt_out {
	uint8_t *p;
	uint8_t pad[2];
	uint32_t npad; /* of them that are not NOPs */
};

static void take_pad(struct opt_out *o, uint8_t n)
{
	for (uint8_t i = 0; i < n; i++)
		*o->p++ = i < o->npad ? o->pad[i] : OPT_NOP;
	o->npad = 0;
}

static void put_head(struct opt_out *o, uint8_t kind, uint8_t len)
{
	o->p[0] = kind;
	o->p[1] = len;
	o->p += 2;
}

/* LINUX: sackOK takes the place of the two nops in front of TS. */
static void put_ts(const struct tcp_out_hdr *h, struct opt_out *o)
{
	if (h->sack_perm)
		put_head(o, OPT_SACK_PERM, 2);
	else
		put_head(o, OPT_NOP, OPT_NOP);
	put_head(o, OPT_TS, 10);
	o->p = put32(o->p, h->tsval);
	o->p = put32(o->p, h->tsecr);
}

/* RFC 9768 3.2.3; with all three counters, a NOP at the end. */
static void put_accecn(const struct tcp_accecn_opt *a, struct opt_out *o)
{
	uint8_t n = a->n < TCP_ACCECN_FIELDS ? a->n : TCP_ACCECN_FIELDS;
	uint8_t raw[12] = {OPT_ACCECN1, (uint8_t)(2 + 3 * n)};
	uint8_t len = (uint8_t)(raw[1] & ~3u);

	raw[11] = OPT_NOP;
	for (uint8_t i = 0; i < n; i++) {
		raw[2 + 3 * i] = (uint8_t)(a->v[i] >> 16);
		put16(raw + 3 + 3 * i, (uint16_t)a->v[i]);
	}
	if (n == TCP_ACCECN_FIELDS)
		len = sizeof(raw);
	memcpy(o->p, raw, len);
	o->p += len;
	o->npad = accecn_rest(a);
	for (uint32_t i = 0; i < o->npad; i++)
		o->pad[i] = raw[len + i];
}

static void put_wscale(const struct tcp_out_hdr *h, struct opt_out *o)
{
	/* Two bytes that belong together are not torn apart. */
	if (o->npad < 2)
		take_pad(o, 1);
	else
		*o->p++ = OPT_NOP;
	put_head(o, OPT_WSCALE, 3);
	*o->p++ = h->wscale;
}

static void put_sack(const struct tcp_out_hdr *h, struct opt_out *o)
{
	take_pad(o, 2);
	put_head(o, OPT_SACK, (uint8_t)(2 + 8 * h->nsack));
	for (uint8_t i = 0; i < h->nsack; i++) {
		o->p = put32(o->p, h->sack[i].from.v);
		o->p = put32(o->p, h->sack[i].to.v);
	}
}

static uint8_t *put_fo(const struct tcp_fo_cookie *fo, uint8_t *p)
{
	uint8_t head = fo->exp ? 4 : 2;
	uint8_t *end = p + fo_bytes(fo);

	p[0] = fo->exp ? OPT_EXP : OPT_FASTOPEN;
	p[1] = (uint8_t)(head + fo->len);
	if (fo->exp)
		put16(p + 2, FO_EXP_MAGIC);
	p += head;
	memcpy(p, fo->val, fo->len);
	for (p += fo->len; p < end; p++)
		*p = OPT_NOP;
	return end;
}

static void put_opts(const struct tcp_out_hdr *h, uint8_t *p)
{
	struct opt_out o = {p, {0}, 0};

	if (h->mss) {
		put_head(&o, OPT_MSS, 4);
		o.p = put16(o.p, h->mss);
	}
	if (h->ts)
		put_ts(h, &o);
	if (h->accecn.present)
		put_accecn(&h->accecn, &o);
	if (h->sack_perm && !h->ts) {
		take_pad(&o, 2);
		put_head(&o, OPT_SACK_PERM, 2);
	}
	if (h->wscale_ok)
		put_wscale(h, &o);
	if (h->nsack)
		put_sack(h, &o);
	if (o.npad) { /* nothing took it */
		take_pad(&o, 2);
		put_head(&o, OPT_NOP, OPT_NOP);
	}
	if (h->fo.on && o.p - p + fo_bytes(&h->fo) <= TCP_OPT_BYTES_MAX)
		put_fo(&h->fo, o.p);
}

void tcp_hdr_emit(const struct tcp_out_hdr *h, uint8_t *p)
{
	p = put16(p, h->sport);
	p = put16(p, h->dport);
	p = put32(p, h->seq.v);
	p = put32(p, h->ack.v);
	p[0] = (uint8_t)(tcp_hdr_bytes(h) / 4 << 4 | h->ae);
	p[1] = h->flags;
	p = put16(p + 2, h->wnd);
	p = put16(p, 0);
	p = put16(p, h->up);
	put_opts(h, p);
}
