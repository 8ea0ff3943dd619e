/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/tcp/tcp_wire.h"
#include "netstack/base/mem.h"

enum tcp_opt_kind {
	OPT_EOL = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_PERM = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
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
	seg->len -= over < seg->len ? over : seg->len;
	seg->end = end;
}

/* ---- output ---- */

static uint32_t opt_bytes(const struct tcp_out_hdr *h)
{
	uint32_t n = 0;

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
	return n;
}

uint32_t tcp_hdr_bytes(const struct tcp_out_hdr *h)
{
	return TCP_HDR_BYTES + opt_bytes(h);
}

/* LINUX: sackOK takes the place of the two nops in front of TS. */
static uint8_t *put_ts(const struct tcp_out_hdr *h, uint8_t *p)
{
	p[0] = h->sack_perm ? OPT_SACK_PERM : OPT_NOP;
	p[1] = h->sack_perm ? 2 : OPT_NOP;
	p[2] = OPT_TS;
	p[3] = 10;
	p = put32(p + 4, h->tsval);
	return put32(p, h->tsecr);
}

static uint8_t *put_sack(const struct tcp_out_hdr *h, uint8_t *p)
{
	p[0] = OPT_NOP;
	p[1] = OPT_NOP;
	p[2] = OPT_SACK;
	p[3] = (uint8_t)(2 + 8 * h->nsack);
	p += 4;
	for (uint8_t i = 0; i < h->nsack; i++) {
		p = put32(p, h->sack[i].from.v);
		p = put32(p, h->sack[i].to.v);
	}
	return p;
}

static void put_opts(const struct tcp_out_hdr *h, uint8_t *p)
{
	if (h->mss) {
		p[0] = OPT_MSS;
		p[1] = 4;
		p = put16(p + 2, h->mss);
	}
	if (h->ts) {
		p = put_ts(h, p);
	} else if (h->sack_perm) {
		p[0] = OPT_NOP;
		p[1] = OPT_NOP;
		p[2] = OPT_SACK_PERM;
		p[3] = 2;
		p += 4;
	}
	if (h->wscale_ok) {
		p[0] = OPT_NOP;
		p[1] = OPT_WSCALE;
		p[2] = 3;
		p[3] = h->wscale;
		p += 4;
	}
	if (h->nsack)
		put_sack(h, p);
}

void tcp_hdr_emit(const struct tcp_out_hdr *h, uint8_t *p)
{
	p = put16(p, h->sport);
	p = put16(p, h->dport);
	p = put32(p, h->seq.v);
	p = put32(p, h->ack.v);
	p[0] = (uint8_t)(tcp_hdr_bytes(h) / 4 << 4);
	p[1] = h->flags;
	p = put16(p + 2, h->wnd);
	p = put16(p, 0);
	p = put16(p, h->up);
	put_opts(h, p);
}
