/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/netstack_tcp/harness.h"

#include "netstack/tcp/tcp_req.h"

#include <stdlib.h>
#include <string.h>

#include "netstack/ip/wire.h"

static uint64_t mix(uint64_t h, const void *data, size_t n)
{
	const uint8_t *p = data;

	while (n--)
		h = (h ^ *p++) * 0x100000001b3ull;
	return h;
}

static void trace(struct wire *w, const struct nst_pkt *pkt)
{
	uint8_t bytes[W_MTU];
	uint32_t n = nst_pkt_bytes(pkt);

	n = n < sizeof(bytes) ? n : sizeof(bytes);
	nst_pkt_copy(pkt, 0, bytes, n);
	w->trace = mix(w->trace, &w->now, sizeof(w->now));
	w->trace = mix(w->trace, bytes, n);
}

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct wire *w = link;

	if (!nst_pkt_own(pkt)) {
		nst_pkt_free(pkt);
		return;
	}
	pkt->next = NULL;
	pkt->when = w->now;
	trace(w, pkt);
	*w->out_tail = pkt;
	w->out_tail = &pkt->next;
	w->nout++;
}

static const struct nst_link_ops ops = {transmit};

void w_init(struct wire *w)
{
	struct nst_nic_config cfg = {.name = "eth0",
				     .kind = NST_LINK_IP,
				     .mtu = W_MTU,
				     .ops = &ops,
				     .link = w};
	struct nst_ifaddr a = {test_addr(W_LOCAL), 24, W_IF};
	uint32_t ifindex;

	memset(w, 0, sizeof(*w));
	w->reborn_at = getenv("NST_REBORN") ? -2 : -1;
	testenv_init(&w->te, testenv_seed(7));
	w->now = 1000 * NST_SEC;
	w->out_tail = &w->out;
	w->peer_wscale = 0;
	w->mss = 1460;
	cr_assert_eq(nst_stack_new(&w->te.env, w->now, &w->st), NST_OK);
	cr_assert_eq(nst_nic_add(w->st, &cfg, &ifindex), NST_OK);
	cr_assert_eq(ifindex, W_IF);
	cr_assert_eq(nst_addr_add(w->st, &a, w->now), NST_OK);
	w_drain(w);
}

void w_fini(struct wire *w)
{
	w_drain(w);
	nst_stack_free(w->st);
	cr_assert_eq(testenv_leaks(&w->te), 0, "%zu blocks leaked",
		     testenv_leaks(&w->te));
}

struct waiting {
	struct wire *w;
	uint64_t id; /* of w->asked; 0: there is none */
};

static void asked_again(void *ctx, struct nst_fwd_req *req, uint64_t id)
{
	struct waiting *a = ctx;

	cr_assert_eq(id, a->id);
	cr_assert_eq(nst_fwd_id(req), id);
	cr_assert_null(a->w->asked, "twice");
	a->w->asked = req;
}

/* One whose peer gave up is only its owner's: the image has it not. */
static uint64_t forget_asked(struct wire *w)
{
	struct nst_fwd_req *req = w->asked;
	bool dead = req && req->dead;
	uint64_t id = req ? nst_fwd_id(req) : 0;

	w->asked = NULL;
	if (dead)
		nst_fwd_drop(req);
	return dead ? 0 : id;
}

void w_reborn_with(struct wire *w, struct reborn *how)
{
	struct waiting a = {.w = w, .id = forget_asked(w)};
	struct reborn_nic nic = {"eth0", &ops, w};
	uint64_t tp = w->tp ? nst_sock_id(nst_tcp_sock(w->tp)) : 0;
	uint64_t lis = w->lis ? nst_sock_id(nst_tcp_sock(w->lis)) : 0;
	uint64_t rng = w->te.rng;

	how->env = &w->te.env;
	how->nics = &nic;
	how->nnics = 1;
	how->twice = !how->outage && !how->clone;
	how->fwd = asked_again;
	how->ctx = &a;
	stack_reborn(&w->st, how);
	w->te.rng = rng; /* what comes is as if nothing had been */
	cr_assert_eq(w->asked != NULL, a.id != 0, "a SYN is lost");
	if (tp)
		w->tp = nst_sock_tcp(reborn_sock(w->st, tp));
	if (lis)
		w->lis = nst_sock_tcp(reborn_sock(w->st, lis));
}

void w_reborn(struct wire *w)
{
	struct reborn how = {.forwarder = &w->forwarder};

	w_reborn_with(w, &how);
}

static uint64_t run(void (*s)(struct wire *w), int64_t at, int64_t *events)
{
	struct wire w;
	uint64_t trace_;

	w_init(&w);
	w.reborn_at = at;
	s(&w);
	trace_ = w.trace;
	*events = w.events;
	w_fini(&w);
	return trace_;
}

void w_scenario(void (*s)(struct wire *w))
{
	int64_t n, ignored; /* timers that were early are events, too */
	uint64_t was = run(s, -1, &n);

	for (int64_t i = -2; i < n; i++) {
		if (i == -1)
			continue;
		cr_assert_eq(run(s, i, &ignored), was,
			     "other packets when reborn after event %ld of %ld",
			     (long)i, (long)n);
	}
}

void w_check(struct wire *w)
{
	int64_t event = w->events++;

	if (w->unchecked)
		return;
	if (!w->st->tcp->gro.on &&
	    (w->reborn_at == -2 || w->reborn_at == event))
		w_reborn(w);
	cr_assert(nst_stack_check(w->st), "invariants of the stack");
}

void w_to(struct wire *w, nst_time t)
{
	int spins = 0;

	while (nst_next_deadline(w->st) <= t) {
		nst_time at = nst_next_deadline(w->st);

		spins = at > w->now ? 0 : spins + 1;
		cr_assert_lt(spins, 1000, "a timer fires for ever");
		if (at > w->now)
			w->now = at;
		nst_run_timers(w->st, w->now);
		w_check(w);
	}
	w->now = t;
}

void w_after(struct wire *w, nst_time dt)
{
	w_to(w, w->now + dt);
}

/* ---- in ---- */

static uint8_t pattern(uint32_t rel)
{
	return (uint8_t)(rel * 31 + (rel >> 8) * 7);
}

struct wseg w_seg(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack,
		  uint32_t len)
{
	struct wseg s = {.flags = flags, .seq = seq, .ack = ack, .len = len};

	s.wnd = 65535;
	s.wscale = -1;
	s.ts = w->ts;
	s.tsval = w->ts_val ? w->ts_val : (uint32_t)(w->now / NST_MS) + 12345;
	s.tsecr = w->ts_echo;
	s.sport = w->peer_port;
	s.dport = w->port;
	for (uint32_t i = 0; i < len; i++)
		s.data[i] = pattern(seq + i);
	return s;
}

static void fill_hdr(struct wire *w, const struct wseg *s,
		     struct tcp_out_hdr *h)
{
	h->sport = s->sport;
	h->dport = s->dport;
	h->seq.v = PEER_ISN + s->seq;
	h->ack.v = s->flags & A ? w->isn + s->ack : 0;
	h->flags = s->flags;
	h->wnd = s->wnd;
	h->up = s->up;
	h->mss = s->mss;
	h->wscale_ok = s->wscale >= 0;
	h->wscale = (uint8_t)(s->wscale >= 0 ? s->wscale : 0);
	h->sack_perm = s->sack_perm;
	h->ts = s->ts;
	h->tsval = s->tsval;
	h->tsecr = s->tsecr;
	h->fo = s->fo;
	h->nsack = s->nsack;
	for (int i = 0; i < s->nsack; i++) {
		h->sack[i].from.v = w->isn + s->sack[i].from.v;
		h->sack[i].to.v = w->isn + s->sack[i].to.v;
	}
}

static void ip4(uint8_t *p, uint32_t total)
{
	static const uint8_t addrs[8] = {10, 0, 2, 2, 10, 0, 2, 15};

	memset(p, 0, 20);
	p[0] = 0x45;
	p[2] = (uint8_t)(total >> 8);
	p[3] = (uint8_t)total;
	p[6] = 0x40;
	p[8] = 64;
	p[9] = 6;
	memcpy(p + 12, addrs, 8);
	ip4_fix_csum(p, 20);
}

void w_send(struct wire *w, const struct wseg *s)
{
	struct tcp_out_hdr h = {0};
	struct nst_pkt *pkt;
	uint32_t hdr, total;
	uint8_t *p;

	fill_hdr(w, s, &h);
	hdr = tcp_hdr_bytes(&h);
	total = 20 + hdr + s->len;
	pkt = nst_pkt_new(&w->te.env, 0, total);
	if (!pkt)
		return; /* a sweep of failing allocations */
	p = nst_pkt_put(pkt, total);
	ip4(p, total);
	tcp_hdr_emit(&h, p + 20);
	memcpy(p + 20 + hdr, s->data, s->len);
	pkt->csum = NST_CSUM_VALID;
	nst_nic_in(w->st, W_IF, pkt, w->now);
	w_check(w);
}

void w_in(struct wire *w, uint8_t flags, uint32_t seq, uint32_t ack,
	  uint32_t len, uint16_t wnd)
{
	struct wseg s = w_seg(w, flags, seq, ack, len);

	s.wnd = wnd;
	w_send(w, &s);
}

/* ---- out ---- */

static struct nst_pkt *pop(struct wire *w)
{
	struct nst_pkt *pkt = w->out;

	if (!pkt)
		return NULL;
	w->out = pkt->next;
	if (!w->out)
		w->out_tail = &w->out;
	w->nout--;
	return pkt;
}

void w_drain(struct wire *w)
{
	struct nst_pkt *pkt;

	while ((pkt = pop(w)))
		nst_pkt_free(pkt);
}

static void note_isn(struct wire *w, const struct tcp_seg *seg)
{
	if (!(seg->flags & S))
		return;
	w->isn = seg->seq.v;
	w->isn_known = true;
	w->port = seg->sport;
	w->peer_port = seg->dport;
}

static void to_wseg(struct wire *w, const struct tcp_seg *seg, struct wseg *s)
{
	memset(s, 0, sizeof(*s));
	note_isn(w, seg);
	s->flags = seg->flags;
	s->seq = seg->seq.v - w->isn;
	s->ack = seg->flags & A ? seg->ack.v - PEER_ISN : 0;
	s->len = seg->len;
	s->wnd = seg->wnd;
	s->up = seg->up;
	s->mss = seg->mss;
	s->wscale = seg->wscale_ok ? seg->wscale : -1;
	s->sack_perm = seg->sack_perm;
	s->ts = seg->ts_ok;
	s->tsval = seg->tsval;
	s->tsecr = seg->tsecr;
	s->fo = seg->fo;
	s->nsack = seg->nsack;
	for (int i = 0; i < seg->nsack; i++) {
		s->sack[i].from.v = seg->sack[i].from.v - PEER_ISN;
		s->sack[i].to.v = seg->sack[i].to.v - PEER_ISN;
	}
	s->sport = seg->sport;
	s->dport = seg->dport;
	if (seg->ts_ok)
		w->ts_echo = seg->tsval;
	nst_pkt_copy(seg->pkt, seg->data_off, s->data,
		     seg->len < W_MTU ? seg->len : W_MTU);
}

static bool csum_ok(struct nst_pkt *pkt)
{
	struct nst_addr src = test_addr(W_LOCAL), dst = test_addr(W_PEER);
	uint32_t n = nst_pkt_bytes(pkt);

	return nst_pkt_sum(pkt, 0, n, ip_pseudo_sum(&src, &dst, 6, n)) ==
	       0xffff;
}

bool w_out(struct wire *w, struct wseg *s)
{
	struct nst_pkt *pkt;

	while ((pkt = pop(w))) {
		uint8_t proto = nst_pkt_data(pkt)[9];
		struct tcp_seg seg;
		bool bad = false;

		if (proto != 6) {
			w->others++;
			nst_pkt_free(pkt);
			continue;
		}
		cr_assert_leq(nst_pkt_bytes(pkt), W_MTU, "bigger than MTU");
		cr_assert(nst_pkt_pull(pkt, 20));
		cr_assert(csum_ok(pkt), "checksum");
		cr_assert(tcp_parse(pkt, NULL, &seg, &bad) && !bad);
		to_wseg(w, &seg, s);
		s->at = pkt->when;
		nst_pkt_free(pkt);
		return true;
	}
	return false;
}

struct wseg w_expect_at(struct wire *w, int line, uint8_t flags, uint32_t seq,
			uint32_t ack, uint32_t len)
{
	struct wseg s;

	cr_assert(w_out(w, &s), "%d: nothing left", line);
	cr_assert(
	    s.flags == flags && s.seq == seq && s.ack == ack && s.len == len,
	    "%d: got %02x %u:%u(%u) ack %u, not %02x %u(%u) ack %u", line,
	    s.flags, s.seq, s.seq + s.len, s.len, s.ack, flags, seq, len, ack);
	for (uint32_t i = 0; i < len && !(flags & U); i++)
		cr_assert_eq(s.data[i], pattern(seq + i), "%d: byte %u", line,
			     i);
	return s;
}

void w_none_at(struct wire *w, int line)
{
	struct wseg s;

	cr_assert(!w_out(w, &s), "%d: unexpected %02x %u(%u) ack %u", line,
		  s.flags, s.seq, s.len, s.ack);
}

/* ---- opening ---- */

void w_new(struct wire *w)
{
	cr_assert_eq(nst_tcp_new(w->st, 4, &w->user, w->now, &w->tp), NST_OK);
}

static void with_opts(struct wire *w, struct wseg *s, int opts)
{
	s->mss = w->mss;
	s->sack_perm = opts & O_SACK;
	s->wscale = opts & O_WS ? w->peer_wscale : -1;
	s->ts = w->ts = opts & O_TS;
}

void w_connect(struct wire *w, int opts)
{
	struct nst_sockaddr to = test_sa(W_PEER, W_PEER_PORT);
	struct wseg s;

	if (!w->tp)
		w_new(w);
	cr_assert_eq(nst_tcp_connect(w->tp, &to, w->now), NST_E_INPROGRESS);
	w_check(w);
	EXPECT(w, S, 0, 0, 0);
	s = w_seg(w, S | A, 0, 1, 0);
	with_opts(w, &s, opts);
	w_send(w, &s);
	EXPECT(w, A, 1, 1, 0);
	ST(w, ESTABLISHED);
}

void w_listen(struct wire *w, int backlog)
{
	struct nst_sockaddr at = {.addr = {.family = 4}, .port = W_PORT};

	cr_assert_eq(nst_tcp_new(w->st, 4, &w->user, w->now, &w->lis), NST_OK);
	cr_assert_eq(nst_sock_bind(nst_tcp_sock(w->lis), &at), NST_OK);
	cr_assert_eq(nst_tcp_listen(w->lis, backlog, w->now), NST_OK);
	w->port = W_PORT;
	w->peer_port = W_PEER_PORT;
}

void w_syn(struct wire *w, int opts)
{
	struct wseg s = w_seg(w, S, 0, 0, 0);

	with_opts(w, &s, opts);
	s.tsecr = 0;
	w_send(w, &s);
}

void w_accept(struct wire *w, int opts)
{
	if (!w->lis)
		w_listen(w, 5);
	w_syn(w, opts);
	EXPECT(w, S | A, 0, 1, 0);
	w_in(w, A, 1, 1, 0, 65535);
	cr_assert_eq(nst_tcp_accept(w->lis, &w->tp), NST_OK);
	nst_sock_set_user(nst_tcp_sock(w->tp), &w->user);
	ST(w, ESTABLISHED);
}

/* ---- calls ---- */

static size_t write_n(struct wire *w, size_t n, bool more)
{
	uint32_t at = tcp_write_seq(w->tp).v - w->isn;
	size_t done = 0, niov;
	struct nst_iov iov[2];

	while (done < n && nst_tcp_snd_space(w->tp, iov, &niov)) {
		size_t put = 0;

		for (size_t k = 0; k < niov; k++) {
			uint8_t *p = iov[k].p;

			for (size_t i = 0; i < iov[k].len && done + put < n;
			     i++, put++)
				p[i] = pattern(at + (uint32_t)(done + put));
		}
		done += put;
		nst_tcp_snd_commit(w->tp, put, more, w->now);
		w_check(w);
	}
	return done;
}

size_t w_write(struct wire *w, size_t n)
{
	return write_n(w, n, false);
}

size_t w_write_more(struct wire *w, size_t n)
{
	return write_n(w, n, true);
}

size_t w_read(struct wire *w, size_t n)
{
	uint32_t at = w->tp->rcv_nxt.v - PEER_ISN - ring_used(&w->tp->rcv) -
		      w->tp->fin_rcvd;
	struct nst_iov iov[2];
	size_t niov, got = 0, have = nst_tcp_rcv_data(w->tp, iov, &niov);

	if (n > have)
		n = have;
	for (size_t k = 0; k < niov; k++) {
		const uint8_t *p = iov[k].p;

		for (size_t i = 0; i < iov[k].len && got < n; i++, got++)
			cr_assert_eq(p[i], pattern(at + (uint32_t)got),
				     "byte %zu", got);
	}
	nst_tcp_rcv_consume(w->tp, n, w->now);
	w_check(w);
	return n;
}

void w_opt(struct wire *w, enum nst_opt opt, int64_t v)
{
	struct nst_sock *s = nst_tcp_sock(w->tp ? w->tp : w->lis);

	cr_assert_eq(nst_sock_set(s, opt, v, w->now), NST_OK);
}

void w_close(struct wire *w)
{
	nst_tcp_close(w->tp, w->now);
	w->tp = NULL;
	w_check(w);
}
