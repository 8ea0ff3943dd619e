/* SPDX-License-Identifier: Apache-2.0 */
/* nst_tcp_info: what Linux's TCP_INFO says, from our facts. */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

static void info_options(const struct nst_tcp *tp, struct nst_tcp_info *i)
{
	i->ts = tp->ts_on;
	i->sack = tp->sack_on;
	i->wscale = tp->wscale_on;
	i->snd_wscale = tp->snd_wscale;
	i->rcv_wscale = tp->rcv_wscale;
	i->snd_mss = tp->mss;
	i->rcv_mss = tp->rcv_mss;
	i->advmss = tp->advmss;
	i->pmtu = tp->path.mtu;
}

static void info_times(const struct nst_tcp *tp, nst_time now,
		       struct nst_tcp_info *i)
{
	i->rto = tcp_rto_backed(tp, tp->backoff);
	i->ato = tp->ato;
	i->srtt = tp->srtt / 8;
	i->rttvar = tp->mdev / 4;
	i->min_rtt = tp->min_rtt;
	i->rcv_rtt = tp->rcv_rtt;
	i->last_data_sent = now - tp->last_data_sent;
	i->last_ack_sent = now - tp->last_ack_sent;
	i->last_data_recv = now - tp->last_data_recv;
	i->last_ack_recv = now - tp->last_ack_recv;
}

static void info_congestion(const struct nst_tcp *tp, struct nst_tcp_info *i)
{
	i->ca_state = tp->ca_state;
	i->retransmits = (uint8_t)u32_min(tp->retransmits, UINT8_MAX);
	i->probes =
	    (uint8_t)u32_min(tp->probes_out + tp->keep_probes, UINT8_MAX);
	i->backoff = (uint8_t)u32_min(tp->backoff, UINT8_MAX);
	i->unacked = tp->packets_out;
	i->sacked = tp->sacked_out;
	i->lost = tp->lost_out;
	i->retrans = tp->retrans_out;
	i->snd_ssthresh = tp->ssthresh;
	i->snd_cwnd = tp->cwnd;
	i->reordering = TCP_DUPTHRESH;
	i->total_retrans = tp->total_retrans;
	i->dsack_dups = tp->dsack_dups;
	i->delivered = tp->delivered;
	if (tp->srtt)
		i->pacing_rate =
		    8ull * NST_SEC * tp->cwnd * tp->mss / (uint64_t)tp->srtt;
	i->max_pacing_rate = tp->sk.opt.max_pacing_rate;
}

static void info_totals(const struct nst_tcp *tp, struct nst_tcp_info *i)
{
	i->notsent_bytes = tcp_unsent(tp);
	i->snd_wnd = tp->snd_wnd;
	i->rcv_wnd = tcp_rcv_wnd(tp);
	i->rcv_ssthresh = tp->rcv_limit;
	i->rcv_space = tp->rcv_limit;
	i->bytes_acked = tp->bytes_acked;
	i->bytes_received = tp->bytes_received;
	i->bytes_sent = tp->bytes_sent;
	i->bytes_retrans = tp->bytes_retrans;
	i->segs_out = tp->segs_out;
	i->segs_in = tp->segs_in;
	i->data_segs_in = tp->data_segs_in;
	i->data_segs_out = tp->data_segs_out;
	i->rcv_ooopack = tp->rcv_ooopack;
}

void nst_tcp_info(const struct nst_tcp *tp, nst_time now,
		  struct nst_tcp_info *out)
{
	memset(out, 0, sizeof(*out));
	out->state = (enum nst_tcp_state)tp->state;
	info_options(tp, out);
	info_times(tp, now, out);
	info_congestion(tp, out);
	info_totals(tp, out);
	if (tp->state == NST_TCP_LISTEN) {
		out->unacked = tp->acc_n;
		out->sacked = (uint32_t)tp->backlog;
	}
}
