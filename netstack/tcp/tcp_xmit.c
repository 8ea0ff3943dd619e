/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Headers and packets out. Payload is referenced in the send ring, never
 * copied here; checksums are left partial for the link (or nobody, on
 * loopback) to complete.
 */
#include "netstack/base/addr.h"
#include "netstack/tcp/tcp_priv.h"

enum nst_err tcp_path_refresh(struct nst_tcp *tp)
{
	struct ip_path path;
	enum nst_err e = ip_path_find(
	    tp->sk.st, &tp->sk.remote.addr, &tp->sk.local.addr,
	    tp->sk.opt.bound_if, tp->spoof || sock_may_spoof(&tp->sk), &path);

	if (e != NST_OK)
		return e; /* the old path, if any, is kept */
	tp->path = path;
	tp->path_ok = true;
	return NST_OK;
}

/* ---- one packet ---- */

static struct nst_pkt *pkt_with_hdr(const struct nst_env *env,
				    const struct tcp_out_hdr *h)
{
	uint32_t bytes = tcp_hdr_bytes(h);
	struct nst_pkt *pkt = nst_pkt_new(env, NST_PKT_HEADROOM, bytes);
	uint8_t *p;

	if (!pkt)
		return NULL;
	p = nst_pkt_put(pkt, bytes);
	if (!p) {
		nst_pkt_free(pkt);
		return NULL;
	}
	tcp_hdr_emit(h, p);
	pkt->l4_off = (uint16_t)pkt->off;
	return pkt;
}

static void set_csum(struct nst_pkt *pkt, const struct nst_addr *src,
		     const struct nst_addr *dst)
{
	struct be16 sum = be16_from(
	    ip_pseudo_sum(src, dst, IP_PROTO_TCP, nst_pkt_bytes(pkt)));

	memcpy(nst_pkt_data(pkt) + 16, &sum, sizeof(sum));
	pkt->csum = NST_CSUM_PARTIAL;
	pkt->csum_start = pkt->l4_off;
	pkt->csum_off = 16;
}

static void count_out(struct nst_stack *st, uint8_t flags, uint32_t segs)
{
	st->count.TcpOutSegs += segs;
	if (flags & TCP_RST)
		TCP_COUNT(st, OutRsts);
}

static struct ip_out conn_out(struct nst_tcp *tp)
{
	const struct sock_opts *o = &tp->sk.opt;
	bool v6 = tp->sk.remote.addr.family == 6;
	struct ip_out out = {.proto = IP_PROTO_TCP, .owner = &tp->sk};

	out.ttl = o->ttl;
	if (v6)
		out.ttl = o->hops6 > 0 ? (uint8_t)o->hops6 : 0;
	out.tos = (uint8_t)(((v6 ? o->tclass : o->tos) & 0xfc) | tp->ecn.tx);
	/* RFC 1191: TCP always discovers, unless told not to (DONT is 0). */
	out.df = tcp_dont_fragment(tp);
	return out;
}

/* Segments that the link will make of it. */
static uint32_t segs_of(const struct nst_pkt *pkt, uint32_t len)
{
	return pkt->gso_size ? (len + pkt->gso_size - 1) / pkt->gso_size : 1;
}

/* An error is a loss like any other: counted below, repaired by a timer. */
static void send_conn(struct nst_tcp *tp, struct nst_pkt *pkt, uint8_t flags,
		      uint32_t len)
{
	struct ip_out out = conn_out(tp);
	uint32_t segs = segs_of(pkt, len);

	set_csum(pkt, &tp->sk.local.addr, &tp->sk.remote.addr);
	count_out(tp->sk.st, flags, segs);
	tp->segs_out += segs;
	if (len)
		tp->data_segs_out += segs;
	tcp_pace_sent(tp, len);
	if (flags & TCP_ACK)
		tcp_ack_sent(tp);
	ip_send(tp->sk.st, &tp->path, &out, pkt);
}

/* ---- headers of a connection ---- */

static void fill_urgent(const struct nst_tcp *tp, struct tcp_out_hdr *h)
{
	int32_t d = seq_diff(tp->snd_up, h->seq);

	if (!tp->snd_urg || d <= 0)
		return;
	h->flags |= TCP_URG;
	/* LINUX: the pointer points behind the urgent byte (tcp_stdurg 0). */
	h->up = (uint16_t)(d > 0xffff ? 0xffff : d);
}

static void fill_hdr(struct nst_tcp *tp, struct tcp_out_hdr *h, uint8_t flags)
{
	bool syn = flags & TCP_SYN;

	h->sport = tp->sk.local.port;
	h->dport = tp->sk.remote.port;
	h->flags = flags;
	h->ack = flags & TCP_ACK ? tp->rcv_nxt : (struct seq){0};
	h->wnd =
	    flags & TCP_RST && !(flags & TCP_ACK) ? 0 : tcp_wnd_select(tp, syn);
	if (tp->ts_on) {
		h->ts = true;
		h->tsval = tcp_ts_now(tp->sk.st, tp->ts_off);
		h->tsecr = tp->ts_recent;
	}
	if (tp->sack_on && !syn && (flags & TCP_ACK))
		h->nsack = tcp_ooo_blocks(tp, h->sack, tp->ts_on ? 3 : 4);
}

void tcp_xmit_bare(struct nst_tcp *tp, struct seq seq, uint8_t flags)
{
	struct tcp_out_hdr h = {.seq = seq};
	struct nst_pkt *pkt;

	if (!tp->path_ok)
		return;
	fill_hdr(tp, &h, flags);
	fill_urgent(tp, &h);
	tcp_ecn_out(tp, &h, 0);
	pkt = pkt_with_hdr(tp->sk.st->env, &h);
	if (!pkt) {
		tp->sk.st->count.PktNoMemory++;
		return;
	}
	send_conn(tp, pkt, flags, 0);
}

static bool ref_ring(const struct nst_tcp *tp, struct nst_pkt *pkt,
		     struct seq seq, uint32_t len)
{
	uint64_t pos = tp->snd.head + (uint32_t)seq_diff(seq, tp->snd_base);
	struct nst_iov iov[2];
	size_t n = ring_span(&tp->snd, pos, len, iov);

	for (size_t i = 0; i < n; i++) {
		if (!nst_pkt_ref(pkt, iov[i].p, (uint32_t)iov[i].len))
			return false;
	}
	return true;
}

static void mark_gso(const struct nst_tcp *tp, struct nst_pkt *pkt,
		     uint32_t len, const struct tcp_out_hdr *h)
{
	/* TS is in tp->mss already. */
	uint32_t opts = tcp_hdr_bytes(h) - TCP_HDR_BYTES - (h->ts ? 12 : 0);
	uint32_t mss = tp->mss - opts;

	if (len <= mss)
		return;
	pkt->gso = tp->sk.remote.addr.family == 6 ? NST_GSO_TCP6 : NST_GSO_TCP4;
	pkt->gso_size = (uint16_t)mss;
	if (tp->ecn.mode == TCP_ECN_ACCURATE)
		pkt->gso_ace = h->accecn.present ? 2 : 1;
}

static void note_data(struct nst_tcp *tp)
{
	if (tp->cc->event && !tcp_in_flight(tp))
		tp->cc->event(tp, TCP_CE_TX_START);
	tp->last_data_sent = tp->sk.st->now;
	tcp_ack_data_out(tp);
}

bool tcp_xmit_data(struct nst_tcp *tp, struct seq seq, uint32_t len,
		   uint8_t flags)
{
	struct tcp_out_hdr h = {.seq = seq};
	struct nst_pkt *pkt;

	if (!tp->path_ok)
		return false;
	/* LINUX: whoever merges segments need not wait for more of them. */
	if (len > tcp_cur_mss(tp))
		flags |= TCP_PSH;
	fill_hdr(tp, &h, flags);
	fill_urgent(tp, &h);
	tcp_ecn_out(tp, &h, len);
	pkt = pkt_with_hdr(tp->sk.st->env, &h);
	if (!pkt || !ref_ring(tp, pkt, seq, len)) {
		tp->sk.st->count.PktNoMemory++;
		nst_pkt_free(pkt);
		return false;
	}
	mark_gso(tp, pkt, len, &h);
	tp->bytes_sent += len;
	if (len)
		note_data(tp);
	send_conn(tp, pkt, flags, len);
	return true;
}

void tcp_send_ack(struct nst_tcp *tp)
{
	if (tcp_in_states(tp, TCPF_SYNCED))
		tcp_xmit_bare(tp, tp->snd_nxt, TCP_ACK);
}

void tcp_send_syn(struct nst_tcp *tp)
{
	if (!tcp_send_syn_data(tp, 0))
		return; /* its timer sends the next one */
}

/* LINUX: crossing SYNs: the SYN-ACK offers what the SYN did, whatever the
 * peer's SYN had. */
static void offer_all(const struct nst_tcp *tp, struct tcp_out_hdr *h)
{
	h->ts = TCP_CTL(tp, timestamps) != 0;
	h->tsval = tcp_ts_now(tp->sk.st, tp->ts_off);
	h->tsecr = tp->ts_on ? tp->ts_recent : 0;
	h->sack_perm = TCP_CTL(tp, sack) != 0;
	h->wscale_ok = TCP_CTL(tp, window_scaling) != 0;
	h->wscale = tp->hs_wscale;
}

bool tcp_send_syn_data(struct nst_tcp *tp, uint32_t len)
{
	bool passive = tp->state == NST_TCP_SYN_RCVD;
	struct tcp_out_hdr h = {.seq = tp->iss, .mss = tp->advmss};
	uint8_t flags = passive ? TCP_SYN | TCP_ACK : TCP_SYN;
	struct nst_pkt *pkt;

	if (!tp->path_ok)
		return false;
	fill_hdr(tp, &h, flags);
	h.sack_perm = tp->sack_on;
	h.wscale_ok = tp->wscale_on;
	h.wscale = tp->rcv_wscale;
	if (passive && tcp_opened_both(tp))
		offer_all(tp, &h);
	h.fo = tp->fo.cookie;
	tcp_ecn_syn_out(tp, &h);
	pkt = pkt_with_hdr(tp->sk.st->env, &h);
	if (!pkt || (len && !ref_ring(tp, pkt, seq_add(tp->iss, 1), len))) {
		tp->sk.st->count.PktNoMemory++;
		nst_pkt_free(pkt);
		return false;
	}
	send_conn(tp, pkt, flags, 0);
	return true;
}

/* RFC 9293 3.10.5 (ABORT): <SEQ=SND.NXT><CTL=RST>; LINUX adds the ACK. */
void tcp_send_rst(struct nst_tcp *tp)
{
	tcp_xmit_bare(tp, tp->snd_nxt, TCP_RST | TCP_ACK);
}

/* ---- without an endpoint ---- */

struct flow_key tcp_seg_key(const struct tcp_seg *seg)
{
	struct flow_key k = {.proto = IP_PROTO_TCP};

	k.local = seg->in->dst;
	k.remote = seg->in->src;
	k.lport = seg->dport;
	k.rport = seg->sport;
	k.local.scope = addr_is_linklocal6(&k.local) ? seg->in->ifindex : 0;
	k.remote.scope = addr_is_linklocal6(&k.remote) ? seg->in->ifindex : 0;
	return k;
}

void tcp_xmit_stateless(struct nst_stack *st, const struct flow_key *key,
			const struct tcp_out_hdr *h, uint32_t ifindex,
			uint8_t tos)
{
	struct ip_out out = {.proto = IP_PROTO_TCP, .tos = tos, .df = true};
	struct ip_path path;
	struct nst_pkt *pkt;

	/* The flow's local address was accepted once: no check of it again. */
	if (ip_path_find(st, &key->remote, &key->local, ifindex, true, &path) !=
	    NST_OK)
		return; /* counted by the IP layer */
	pkt = pkt_with_hdr(st->env, h);
	if (!pkt) {
		st->count.PktNoMemory++;
		return;
	}
	set_csum(pkt, &key->local, &key->remote);
	count_out(st, h->flags, 1);
	ip_send(st, &path, &out, pkt);
}
