/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TCP header and its options alone: any bytes are parsed within bounds;
 * what is emitted is parsed as the same.
 */
#include <string.h>

#include "netstack/tcp/tcp_wire.h"
#include "tests/fuzz/fuzz.h"

static struct nst_pkt *pkt_of(struct testenv *te, const uint8_t *p, size_t n)
{
	struct nst_pkt *pkt = nst_pkt_new(&te->env, 0, (uint32_t)n);

	FUZZ_CHECK(pkt);
	if (n)
		memcpy(nst_pkt_put(pkt, (uint32_t)n), p, n);
	return pkt;
}

static void check_bounds(const struct tcp_seg *s, uint32_t bytes)
{
	FUZZ_CHECK(s->nsack <= TCP_SACK_BLOCKS_MAX);
	FUZZ_CHECK(s->wscale <= 14);
	FUZZ_CHECK(s->accecn.n <= TCP_ACCECN_FIELDS);
	FUZZ_CHECK(s->fo.len <= TCP_FO_COOKIE_MAX);
	FUZZ_CHECK(s->hdr_bytes >= TCP_HDR_BYTES && s->hdr_bytes <= 60);
	FUZZ_CHECK(s->data_off + s->len == bytes);
	for (int i = 0; i < s->accecn.n; i++)
		FUZZ_CHECK(s->accecn.v[i] <= 0xffffff);
}

static void parse_any(struct testenv *te, const uint8_t *p, size_t n)
{
	struct nst_pkt *pkt = pkt_of(te, p, n);
	struct tcp_seg seg;
	bool bad = false;

	if (tcp_parse(pkt, NULL, &seg, &bad))
		check_bounds(&seg, (uint32_t)n);
	nst_pkt_free(pkt);
}

/* ---- round trip ---- */

static void choose_syn(struct fuzz_in *in, uint8_t what, struct tcp_out_hdr *h)
{
	h->flags |= TCP_SYN;
	h->mss = what & 1 ? (uint16_t)(fuzz_u16(in) | 1) : 0;
	h->sack_perm = what & 2;
	h->wscale_ok = what & 4;
	h->wscale = fuzz_u8(in) % 15;
	h->fo.on = what & 8;
	h->fo.exp = what & 16;
	h->fo.len = (uint8_t)((fuzz_u8(in) % 7 + 2) * 2);
	for (int i = 0; i < h->fo.len; i++)
		h->fo.val[i] = fuzz_u8(in);
}

static void choose_sack(struct fuzz_in *in, struct tcp_out_hdr *h)
{
	h->nsack = fuzz_u8(in) % (TCP_SACK_BLOCKS_MAX + 1);
	for (int i = 0; i < h->nsack; i++) {
		h->sack[i].from.v = fuzz_u32(in);
		h->sack[i].to.v = fuzz_u32(in);
	}
}

static void choose(struct fuzz_in *in, struct tcp_out_hdr *h)
{
	uint8_t what = fuzz_u8(in), more = fuzz_u8(in);

	memset(h, 0, sizeof(*h));
	h->sport = fuzz_u16(in);
	h->dport = fuzz_u16(in);
	h->seq.v = fuzz_u32(in);
	h->ack.v = fuzz_u32(in);
	h->wnd = fuzz_u16(in);
	h->flags = more & 0xf1;
	h->ae = more & 4;
	if (more & 8)
		choose_syn(in, what, h);
	else
		choose_sack(in, h);
	h->ts = what & 32;
	h->tsval = fuzz_u32(in);
	h->tsecr = fuzz_u32(in);
	h->accecn.present = what & 64;
	h->accecn.order1 = true;
	h->accecn.n = fuzz_u8(in) % (TCP_ACCECN_FIELDS + 1);
	for (int i = 0; i < h->accecn.n; i++)
		h->accecn.v[i] = fuzz_u32(in) & 0xffffff;
}

static void same_syn(const struct tcp_out_hdr *h, const struct tcp_seg *s)
{
	bool syn = h->flags & TCP_SYN;

	FUZZ_CHECK(s->mss == (syn ? h->mss : 0));
	FUZZ_CHECK(s->sack_perm == (syn && h->sack_perm));
	FUZZ_CHECK(s->wscale_ok == (syn && h->wscale_ok));
	FUZZ_CHECK(!s->wscale_ok || s->wscale == h->wscale);
	if (!s->fo.on)
		return; /* it may have found no room */
	FUZZ_CHECK(h->fo.on && h->fo.len == s->fo.len);
	FUZZ_CHECK(!memcmp(h->fo.val, s->fo.val, s->fo.len));
}

static void same(const struct tcp_out_hdr *h, const struct tcp_seg *s)
{
	FUZZ_CHECK(s->sport == h->sport && s->dport == h->dport);
	FUZZ_CHECK(s->seq.v == h->seq.v && s->ack.v == h->ack.v);
	FUZZ_CHECK(s->flags == h->flags && s->ae == h->ae && !s->res);
	FUZZ_CHECK(s->wnd == h->wnd && s->up == h->up);
	FUZZ_CHECK(s->ts_ok == h->ts);
	FUZZ_CHECK(!h->ts || (s->tsval == h->tsval && s->tsecr == h->tsecr));
	FUZZ_CHECK(s->nsack == h->nsack);
	for (int i = 0; i < h->nsack; i++)
		FUZZ_CHECK(s->sack[i].from.v == h->sack[i].from.v &&
			   s->sack[i].to.v == h->sack[i].to.v);
	FUZZ_CHECK(s->accecn.present == h->accecn.present);
	FUZZ_CHECK(!h->accecn.present ||
		   (s->accecn.n == h->accecn.n && s->accecn.order1));
	for (int i = 0; h->accecn.present && i < h->accecn.n; i++)
		FUZZ_CHECK(s->accecn.v[i] == h->accecn.v[i]);
	same_syn(h, s);
}

static void round_trip(struct testenv *te, struct fuzz_in *in)
{
	struct tcp_out_hdr h;
	uint8_t buf[TCP_HDR_BYTES + TCP_OPT_BYTES_MAX];
	uint32_t bytes;
	struct nst_pkt *pkt;
	struct tcp_seg seg;
	bool bad = true;

	choose(in, &h);
	bytes = tcp_hdr_bytes(&h);
	FUZZ_CHECK(bytes % 4 == 0);
	if (bytes > sizeof(buf))
		return; /* callers see to it */
	memset(buf, 0xee, sizeof(buf));
	tcp_hdr_emit(&h, buf);
	for (uint32_t i = bytes; i < sizeof(buf); i++)
		FUZZ_CHECK(buf[i] == 0xee);
	pkt = pkt_of(te, buf, bytes);
	FUZZ_CHECK(tcp_parse(pkt, NULL, &seg, &bad) && !bad);
	same(&h, &seg);
	nst_pkt_free(pkt);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = {data, data + bytes};
	struct testenv te;

	if (bytes > 4096)
		return 0;
	testenv_init(&te, 1);
	parse_any(&te, data, bytes);
	round_trip(&te, &in);
	FUZZ_CHECK(testenv_leaks(&te) == 0);
	return 0;
}
