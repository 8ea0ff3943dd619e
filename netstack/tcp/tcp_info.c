/* SPDX-License-Identifier: Apache-2.0 */
/* nst_tcp_info: what Linux's TCP_INFO says, from our facts. */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

static void info_options(const struct nst_tcp *tp, struct nst_tcp_info *i)
{
	i->ts = tp->ts_on;
	i->sack = tp->sack_on;
	i->wscale = tp->wscale_on;
	i->syn_data = tp->fo.data_acked;
	i->fastopen_client_fail = tp->fo.fail;
	i->snd_wscale = tp->snd_wscale;
	i->rcv_wscale = tp->rcv_wscale;
	i->snd_mss = tp->mss ? tp->mss : TCP_MSS_DEFAULT;
	i->rcv_mss = tp->rcv_mss;
	i->advmss = tp->advmss ? tcp_adv_payload(tp) : 0;
	i->pmtu = tp->mtup.pmtu;
}

/* Since t, or since ever when it did not happen. */
static nst_time ago(nst_time now, nst_time t)
{
	return now > t ? now - t : 0;
}

static void info_times(const struct nst_tcp *tp, nst_time now,
		       struct nst_tcp_info *i)
{
	i->rto = tp->rto;
	i->ato = t_min(tp->ato, tcp_delack_max(tp));
	i->srtt = tp->srtt / 8;
	/* RFC 6298 2.1, before there is a sample. */
	i->rttvar = (tp->srtt ? tp->mdev : TCP_TIMEOUT_INIT) / 4;
	i->min_rtt = tp->min_rtt;
	i->rcv_rtt = tp->rcv_rtt / 8;
	i->last_data_sent = ago(now, tp->last_data_sent);
	i->last_ack_sent = ago(now, tp->last_ack_sent);
	i->last_data_recv = ago(now, tp->last_data_recv);
	i->last_ack_recv = ago(now, tp->last_ack_recv);
}

/* A listener has these, too. */
static void info_rates(const struct nst_tcp *tp, struct nst_tcp_info *i)
{
	i->pacing_rate = tcp_pace_rate(tp);
	i->max_pacing_rate = tp->sk.opt.max_pacing_rate;
	i->reordering = tp->reord.degree;
	i->snd_cwnd = tp->cwnd;
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
	i->total_retrans = tp->total_retrans;
	i->dsack_dups = tp->dsack_dups;
	i->reord_seen = tp->reord.seen;
	i->delivered = tp->delivered;
	i->delivered_ce = tp->delivered_ce;
	i->delivery_rate = tcp_rate_bytes_per_s(tp);
	i->app_limited = tp->rate.sample_app_limited || !tp->rate.interval;
}

static void info_rto(const struct nst_tcp *tp, nst_time now,
		     struct nst_tcp_info *i)
{
	i->total_rto = tp->rto_stat.total;
	i->total_rto_recoveries = tp->rto_stat.recoveries;
	i->total_rto_time = tp->rto_stat.time;
	if (tp->rto_stat.since)
		i->total_rto_time += now - tp->rto_stat.since;
}

static void info_limits(const struct nst_tcp *tp, nst_time now,
			struct nst_tcp_info *i)
{
	nst_time rwnd = tcp_chrono_spent(tp, TCP_CHRONO_RWND, now);
	nst_time sndbuf = tcp_chrono_spent(tp, TCP_CHRONO_SNDBUF, now);
	nst_time busy = tcp_chrono_spent(tp, TCP_CHRONO_BUSY, now);

	/* LINUX: held up is busy, too. */
	i->busy_time = (uint64_t)(busy + rwnd + sndbuf);
	i->rwnd_limited = (uint64_t)rwnd;
	i->sndbuf_limited = (uint64_t)sndbuf;
}

static void info_totals(const struct nst_tcp *tp, struct nst_tcp_info *i)
{
	i->notsent_bytes = tcp_unsent(tp);
	i->snd_wnd = tp->snd_wnd;
	i->rcv_wnd = (uint32_t)seq_diff(tp->rcv_adv, tp->rcv_wup);
	i->rcv_ssthresh = tp->rmem.ssthresh;
	i->rcv_space = tp->rmem.space;
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
	info_rates(tp, out);
	if (tp->state == NST_TCP_LISTEN) {
		out->unacked = tp->acc_n;
		out->sacked = (uint32_t)tp->backlog;
		return;
	}
	info_options(tp, out);
	info_times(tp, now, out);
	info_congestion(tp, out);
	info_rto(tp, now, out);
	info_limits(tp, now, out);
	info_totals(tp, out);
	tcp_ecn_info(tp, out);
}
