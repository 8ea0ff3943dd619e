/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP against a hostile peer and a hasty owner, with state. The input is a
 * program: segments for four flows (sequence numbers near what the stack
 * expects, or not), calls of the owner, time, failing allocations. A listener
 * takes two of the flows; endpoints connect for the others. After each step
 * every invariant is checked; at the end nothing may be left.
 */
#include <string.h>

#include "netstack/ip/wire.h"
#include "netstack/nst_tcp.h"
#include "netstack/tcp/tcp_wire.h"
#include "tests/fuzz/fuzz.h"

#define STEPS_MAX 400
#define FLOWS 4
#define ENDPOINTS 8
#define PAYLOAD_MAX 1440
#define LISTEN_PORT 80

struct flow {
	uint16_t peer_port, port;
	uint32_t nxt; /* the stack's snd_nxt, as seen on the wire */
	uint32_t ack; /* its rcv_nxt */
};

struct game {
	struct fuzz_world w;
	struct flow flow[FLOWS];
	struct nst_tcp *lis, *tp[ENDPOINTS];
	bool batch; /* segments may be held and merged */
};

/* ---- what the stack sends ---- */

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 |
	       (uint32_t)p[2] << 8 | p[3];
}

static struct flow *flow_by_port(struct game *g, uint16_t peer_port)
{
	for (int i = 0; i < FLOWS; i++) {
		if (g->flow[i].peer_port == peer_port)
			return &g->flow[i];
	}
	return NULL;
}

static void see(void *arg, const struct nst_pkt *pkt)
{
	struct game *g = arg;
	const uint8_t *p = nst_pkt_data(pkt), *t = p + 20;
	uint32_t bytes = nst_pkt_bytes(pkt), hdr;
	struct flow *f;

	FUZZ_CHECK(bytes <= 1500 || pkt->gso_size);
	if (p[0] >> 4 != 4 || p[9] != 6 || pkt->len < 40)
		return;
	hdr = (t[12] >> 4) * 4u;
	FUZZ_CHECK(hdr >= 20 && 20 + hdr <= bytes);
	f = flow_by_port(g, (uint16_t)(t[2] << 8 | t[3]));
	if (!f || (t[13] & TCP_RST))
		return;
	f->port = (uint16_t)(t[0] << 8 | t[1]);
	f->nxt = get32(t + 4) + bytes - 20 - hdr + !!(t[13] & TCP_SYN) +
		 !!(t[13] & TCP_FIN);
	if (t[13] & TCP_ACK)
		f->ack = get32(t + 8);
}

/* ---- what the peer sends ---- */

static uint32_t near(struct fuzz_in *in, uint32_t at, uint8_t how)
{
	switch (how & 3) {
	case 0:
		return at;
	case 1:
		return at + fuzz_u16(in);
	case 2:
		return at - fuzz_u16(in);
	default:
		return fuzz_u32(in);
	}
}

static void opts_syn(struct fuzz_in *in, uint8_t what, struct tcp_out_hdr *h)
{
	h->mss = what & 1 ? fuzz_u16(in) : 1460;
	h->sack_perm = what & 2;
	h->wscale_ok = what & 4;
	h->wscale = fuzz_u8(in) & 15;
	h->fo.on = what & 8;
	h->fo.len = 8;
}

static void opts_data(struct fuzz_in *in, uint8_t what, const struct flow *f,
		      struct tcp_out_hdr *h)
{
	h->nsack = what & 7 ? (what & 7) % 4 : 0;
	for (int i = 0; i < h->nsack; i++) {
		uint8_t how = fuzz_u8(in);

		h->sack[i].from.v = near(in, f->nxt, how);
		h->sack[i].to.v = near(in, f->nxt, (uint8_t)(how >> 2));
	}
}

static void fill(struct fuzz_in *in, const struct flow *f,
		 struct tcp_out_hdr *h)
{
	uint8_t how = fuzz_u8(in), what = fuzz_u8(in);

	h->sport = f->peer_port;
	h->dport = f->port;
	h->flags = fuzz_u8(in);
	h->ae = how & 16;
	h->seq.v = near(in, f->ack, how);
	h->ack.v = near(in, f->nxt, (uint8_t)(how >> 2));
	h->wnd = how & 32 ? 65535 : fuzz_u16(in);
	h->up = h->flags & TCP_URG ? fuzz_u16(in) : 0;
	if (h->flags & TCP_SYN)
		opts_syn(in, what, h);
	else
		opts_data(in, what, f, h);
	h->ts = what & 64;
	h->tsval = h->ts ? fuzz_u32(in) : 0;
	h->tsecr = h->ts ? fuzz_u32(in) : 0;
	h->accecn.present = what & 128;
	h->accecn.n = h->accecn.present ? fuzz_u8(in) & 3 : 0;
	for (int i = 0; i < h->accecn.n; i++)
		h->accecn.v[i] = fuzz_u16(in);
	if (tcp_hdr_bytes(h) > TCP_HDR_BYTES + TCP_OPT_BYTES_MAX) {
		h->accecn.present = false;
		h->fo.on = false;
	}
	if (tcp_hdr_bytes(h) > TCP_HDR_BYTES + TCP_OPT_BYTES_MAX)
		h->nsack = 0;
}

static void ip4(uint8_t *p, uint32_t total, uint8_t tos, uint8_t proto)
{
	static const uint8_t addrs[8] = {10, 0, 2, 2, 10, 0, 2, 15};

	memset(p, 0, 20);
	p[0] = 0x45;
	p[1] = tos;
	p[2] = (uint8_t)(total >> 8);
	p[3] = (uint8_t)total;
	p[8] = 64;
	p[9] = proto;
	memcpy(p + 12, addrs, 8);
	ip4_fix_csum(p, 20);
}

static void step_segment(struct game *g, struct fuzz_in *in, uint8_t op)
{
	struct flow *f = &g->flow[op & 3];
	uint8_t buf[20 + 60 + PAYLOAD_MAX] = {0};
	uint8_t ecn = (op >> 2) & 3;
	uint32_t len = op & 16 ? fuzz_u16(in) % (PAYLOAD_MAX + 1) : 0;
	struct tcp_out_hdr h = {0};
	uint32_t hdr;

	fill(in, f, &h);
	hdr = tcp_hdr_bytes(&h);
	ip4(buf, 20 + hdr + len, ecn, 6);
	tcp_hdr_emit(&h, buf + 20);
	if (op & 32) { /* some option bytes are others */
		uint8_t at = fuzz_u8(in);

		if (hdr > 20)
			buf[40 + at % (hdr - 20)] = fuzz_u8(in);
	}
	fuzz_arrive(&g->w, buf, 20 + hdr + len, true);
}

/* An ICMP error about a segment of a flow: code, MTU, sequence number. */
static void step_icmp(struct game *g, struct fuzz_in *in)
{
	struct flow *f = &g->flow[fuzz_u8(in) & 3];
	uint8_t buf[20 + 8 + 28] = {0}, *icmp = buf + 20, *q = buf + 28;
	uint32_t seq = near(in, f->nxt, fuzz_u8(in));

	ip4(buf, sizeof(buf), 0, 1);
	icmp[0] = fuzz_u8(in) % 13;
	icmp[1] = fuzz_u8(in) % 16;
	icmp[6] = fuzz_u8(in);
	icmp[7] = fuzz_u8(in);
	ip4(q, 40, 0, 6);
	memcpy(q + 12, buf + 16, 4);
	memcpy(q + 16, buf + 12, 4);
	ip4_fix_csum(q, 20);
	q[20] = (uint8_t)(f->port >> 8);
	q[21] = (uint8_t)f->port;
	q[22] = (uint8_t)(f->peer_port >> 8);
	q[23] = (uint8_t)f->peer_port;
	for (int i = 0; i < 4; i++)
		q[24 + i] = (uint8_t)(seq >> (24 - 8 * i));
	fuzz_arrive(&g->w, buf, sizeof(buf), true);
}

/* ---- the owner ---- */

static struct nst_tcp **slot(struct game *g, bool used, uint8_t which)
{
	for (int i = 0; i < ENDPOINTS; i++) {
		struct nst_tcp **s = &g->tp[(which + i) % ENDPOINTS];

		if (!!*s == used)
			return s;
	}
	return NULL;
}

static void do_accept(struct game *g)
{
	struct nst_tcp **s = slot(g, false, 0);

	if (s && g->lis && nst_tcp_accept(g->lis, s) != NST_OK)
		*s = NULL;
}

static void do_connect(struct game *g, uint8_t which)
{
	struct nst_sockaddr to = test_sa(FUZZ_PEER4, 0);
	struct nst_tcp **s = slot(g, false, 0);

	to.port = g->flow[2 + (which & 1)].peer_port;
	if (!s || nst_tcp_new(g->w.st, 4, NULL, g->w.now, s) != NST_OK)
		return;
	(void)!nst_tcp_connect(*s, &to, g->w.now);
}

static void do_write(struct game *g, struct nst_tcp *tp, uint16_t n, bool more)
{
	struct nst_iov iov[2];
	size_t niov, room = nst_tcp_snd_space(tp, iov, &niov);
	size_t take = n < room ? n : room, left = take;

	for (size_t i = 0; i < niov && left; i++) {
		size_t part = left < iov[i].len ? left : iov[i].len;

		memset((void *)(uintptr_t)iov[i].p, 0x5a, part);
		left -= part;
	}
	if (take)
		nst_tcp_snd_commit(tp, take, more, g->w.now);
}

static void do_read(struct game *g, struct nst_tcp *tp, uint16_t n)
{
	struct nst_iov iov[2];
	size_t niov, have = nst_tcp_rcv_data(tp, iov, &niov);

	nst_tcp_rcv_consume(tp, n < have ? n : have, g->w.now);
}

static void do_end(struct game *g, struct nst_tcp **s, uint8_t how)
{
	switch (how & 3) {
	case 0:
		nst_tcp_close(*s, g->w.now);
		*s = NULL;
		break;
	case 1:
		nst_tcp_abort(*s, g->w.now);
		*s = NULL;
		break;
	case 2:
		(void)!nst_tcp_shutdown(*s, how & 4, true, g->w.now);
		break;
	default:
		nst_tcp_disconnect(*s, g->w.now);
		break;
	}
}

static void step_call(struct game *g, struct fuzz_in *in, uint8_t op)
{
	uint8_t arg = fuzz_u8(in);
	struct nst_tcp **s = slot(g, true, arg);
	struct nst_tcp_info info;

	if ((op & 7) == 0)
		do_accept(g);
	else if ((op & 7) == 1)
		do_connect(g, arg);
	else if (!s)
		return;
	else if ((op & 7) == 2)
		do_write(g, *s, fuzz_u16(in), arg & 128);
	else if ((op & 7) == 3)
		do_read(g, *s, fuzz_u16(in));
	else if ((op & 7) == 4)
		do_end(g, s, fuzz_u8(in));
	else if ((op & 7) == 5)
		(void)!nst_sock_set(nst_tcp_sock(*s),
				    NST_TCP_NODELAY +
					fuzz_u8(in) %
					    (NST_UDP_CORK - NST_TCP_NODELAY),
				    (int16_t)fuzz_u16(in), g->w.now);
	else if ((op & 7) == 6)
		(void)!nst_tcp_snd_urgent(*s, arg, g->w.now);
	else
		nst_tcp_info(*s, g->w.now, &info);
	fuzz_check(&g->w);
}

static void step_time(struct game *g, uint8_t op)
{
	static const nst_time unit[4] = {NST_US * 50, NST_MS, 40 * NST_MS,
					 NST_SEC};

	fuzz_pass(&g->w, unit[op & 3] * ((op >> 2) + 1));
}

static void begin_batch(struct game *g)
{
	nst_gro_begin(g->w.st);
	g->batch = true;
}

static void end_batch(struct game *g)
{
	if (g->batch)
		nst_gro_end(g->w.st, g->w.now);
	g->batch = false;
}

static void step(struct game *g, struct fuzz_in *in)
{
	uint8_t op = fuzz_u8(in);

	if (op >= 128)
		end_batch(g);

	if (op < 128)
		step_segment(g, in, op & 63);
	else if (op < 192)
		step_time(g, op & 63);
	else if (op < 240)
		step_call(g, in, op);
	else if (op < 247)
		step_icmp(g, in);
	else if (op == 247)
		begin_batch(g);
	else
		testenv_fail_nth(&g->w.te, fuzz_u8(in));
}

/* ---- the world ---- */

static void settings(struct game *g, struct fuzz_in *in)
{
	static const struct {
		const char *name;
		uint8_t max;
	} list[] = {{"tcp_ecn", 5},         {"tcp_ecn_option", 3},
		    {"tcp_sack", 1},        {"tcp_timestamps", 1},
		    {"tcp_syncookies", 2},  {"tcp_fastopen", 7},
		    {"tcp_mtu_probing", 2}, {"tcp_frto", 2},
		    {"tcp_recovery", 1},    {"tcp_window_scaling", 1}};
	static const char *const cc[] = {"reno", "cubic", "bbr"};

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		char text[2] = {(char)('0' + fuzz_u8(in) % (list[i].max + 1)),
				0};

		FUZZ_CHECK(nst_sysctl_set(g->w.st, list[i].name, text) ==
			   NST_OK);
	}
	(void)!nst_sysctl_set(g->w.st, "tcp_congestion_control",
			      cc[fuzz_u8(in) % 3]);
}

static void start(struct game *g, struct fuzz_in *in)
{
	struct nst_sockaddr a = test_sa(FUZZ_LOCAL4, LISTEN_PORT);

	memset(g, 0, sizeof(*g));
	fuzz_open(&g->w);
	g->w.on_out = see;
	g->w.arg = g;
	for (int i = 0; i < FLOWS; i++) {
		g->flow[i] = (struct flow){(uint16_t)(1000 + i), LISTEN_PORT, 0,
					   (uint32_t)i << 30};
	}
	settings(g, in);
	FUZZ_CHECK(nst_tcp_new(g->w.st, 4, NULL, g->w.now, &g->lis) == NST_OK);
	FUZZ_CHECK(nst_sock_bind(nst_tcp_sock(g->lis), &a) == NST_OK);
	FUZZ_CHECK(nst_tcp_listen(g->lis, 2, g->w.now) == NST_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = {data, data + bytes};
	struct game g;

	if (bytes > 8192)
		return 0;
	start(&g, &in);
	for (int i = 0; i < STEPS_MAX && !fuzz_end(&in); i++)
		step(&g, &in);
	end_batch(&g);
	testenv_fail_never(&g.w.te);
	for (int i = 0; i < ENDPOINTS; i++) {
		if (g.tp[i])
			nst_tcp_close(g.tp[i], g.w.now);
	}
	nst_tcp_close(g.lis, g.w.now);
	fuzz_pass(&g.w, 3600 * NST_SEC);
	fuzz_close(&g.w);
	return 0;
}
