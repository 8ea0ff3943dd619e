/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/sock/tcp_info.h"

#include <stddef.h>
#include <string.h>

/* LINUX 6.18: struct tcp_info, 280 bytes; bit fields as plain bytes. */
struct linux_tcp_info {
	uint8_t state, ca_state, retransmits, probes, backoff, options;
	uint8_t wscale; /* low half ours to send, high half to receive */
	uint8_t app_limited;
	uint32_t rto, ato, snd_mss, rcv_mss;
	uint32_t unacked, sacked, lost, retrans, fackets;
	uint32_t last_data_sent, last_ack_sent, last_data_recv, last_ack_recv;
	uint32_t pmtu, rcv_ssthresh, rtt, rttvar, snd_ssthresh, snd_cwnd;
	uint32_t advmss, reordering, rcv_rtt, rcv_space, total_retrans;
	uint64_t pacing_rate, max_pacing_rate, bytes_acked, bytes_received;
	uint32_t segs_out, segs_in, notsent_bytes, min_rtt;
	uint32_t data_segs_in, data_segs_out;
	uint64_t delivery_rate, busy_time, rwnd_limited, sndbuf_limited;
	uint32_t delivered, delivered_ce;
	uint64_t bytes_sent, bytes_retrans;
	uint32_t dsack_dups, reord_seen, rcv_ooopack, snd_wnd, rcv_wnd, rehash;
	uint16_t total_rto, total_rto_recoveries;
	uint32_t total_rto_time;
	uint32_t received_ce, delivered_e1, delivered_e0, delivered_ce_bytes;
	uint32_t received_e1, received_e0, received_ce_bytes;
	uint16_t accecn_fail_mode, accecn_opt_seen;
};
_Static_assert(sizeof(struct linux_tcp_info) == TCP_INFO_LINUX_BYTES,
	       "as Linux 6.18");
_Static_assert(offsetof(struct linux_tcp_info, bytes_sent) == 200, "layout");

enum { /* linux/tcp.h: TCPI_OPT_* */
       INFO_TIMESTAMPS = 1,
       INFO_SACK = 2,
       INFO_WSCALE = 4,
       INFO_ECN = 8,
       INFO_ECN_SEEN = 16,
       INFO_SYN_DATA = 32,
};

static uint32_t clamp32(int64_t v)
{
	return v < 0 ? 0 : v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
}

static uint16_t clamp16(uint32_t v)
{
	return v > UINT16_MAX ? UINT16_MAX : (uint16_t)v;
}

static uint32_t in_us(nst_time t)
{
	return clamp32(t / NST_US);
}

static uint32_t in_ms(nst_time t)
{
	return clamp32(t / NST_MS);
}

static uint8_t options_of(const struct nst_tcp_info *i)
{
	return (
	    uint8_t)((i->ts ? INFO_TIMESTAMPS : 0) | (i->sack ? INFO_SACK : 0) |
		     (i->wscale ? INFO_WSCALE : 0) | (i->ecn ? INFO_ECN : 0) |
		     (i->ecn_seen ? INFO_ECN_SEEN : 0) |
		     (i->syn_data ? INFO_SYN_DATA : 0));
}

/* LINUX: a listener shows its queue, and little else. */
static void fill_listener(const struct nst_tcp_info *i,
			  struct linux_tcp_info *o)
{
	o->state = (uint8_t)i->state;
	o->pacing_rate = i->pacing_rate;
	o->max_pacing_rate = i->max_pacing_rate;
	o->reordering = i->reordering;
	o->snd_cwnd = i->snd_cwnd;
	o->unacked = i->unacked;
	o->sacked = i->sacked;
}

static void fill_state(const struct nst_tcp_info *i, struct linux_tcp_info *o)
{
	o->state = (uint8_t)i->state;
	o->ca_state = i->ca_state;
	o->retransmits = i->retransmits;
	o->probes = i->probes;
	o->backoff = i->backoff;
	o->options = options_of(i);
	/* Bit fields: delivery_rate_app_limited:1, fastopen_client_fail:2. */
	o->app_limited =
	    (uint8_t)(i->app_limited | (i->fastopen_client_fail & 3) << 1);
	if (i->wscale)
		o->wscale =
		    (uint8_t)((i->snd_wscale & 15) | (i->rcv_wscale & 15) << 4);
	o->snd_mss = i->snd_mss;
	o->rcv_mss = i->rcv_mss;
	o->unacked = i->unacked;
	o->sacked = i->sacked;
	o->lost = i->lost;
	o->retrans = i->retrans;
	o->pmtu = i->pmtu;
	o->rcv_ssthresh = i->rcv_ssthresh;
	o->snd_ssthresh = i->snd_ssthresh;
	o->snd_cwnd = i->snd_cwnd;
	o->advmss = i->advmss;
	o->reordering = i->reordering;
	o->rcv_space = i->rcv_space;
	o->snd_wnd = i->snd_wnd;
	o->rcv_wnd = i->rcv_wnd;
}

static void fill_times(const struct nst_tcp_info *i, struct linux_tcp_info *o)
{
	o->rto = in_us(i->rto);
	o->ato = in_us(i->ato);
	o->rtt = in_us(i->srtt);
	o->rttvar = in_us(i->rttvar);
	o->min_rtt = i->min_rtt ? in_us(i->min_rtt) : UINT32_MAX;
	o->rcv_rtt = in_us(i->rcv_rtt);
	o->last_data_sent = in_ms(i->last_data_sent);
	/* LINUX: last_ack_sent: "Not remembered, sorry." */
	o->last_data_recv = in_ms(i->last_data_recv);
	o->last_ack_recv = in_ms(i->last_ack_recv);
	o->busy_time = i->busy_time / (uint64_t)NST_US;
	o->rwnd_limited = i->rwnd_limited / (uint64_t)NST_US;
	o->sndbuf_limited = i->sndbuf_limited / (uint64_t)NST_US;
}

static void fill_counts(const struct nst_tcp_info *i, struct linux_tcp_info *o)
{
	o->total_retrans = i->total_retrans;
	o->pacing_rate = i->pacing_rate;
	o->max_pacing_rate = i->max_pacing_rate;
	o->bytes_acked = i->bytes_acked;
	o->bytes_received = i->bytes_received;
	o->segs_out = i->segs_out;
	o->segs_in = i->segs_in;
	o->notsent_bytes = i->notsent_bytes;
	o->data_segs_in = i->data_segs_in;
	o->data_segs_out = i->data_segs_out;
	o->delivery_rate = i->delivery_rate;
	o->delivered = i->delivered;
	o->delivered_ce = i->delivered_ce;
	o->bytes_sent = i->bytes_sent;
	o->bytes_retrans = i->bytes_retrans;
	o->dsack_dups = i->dsack_dups;
	o->reord_seen = i->reord_seen;
	o->rcv_ooopack = i->rcv_ooopack;
	o->rehash = i->rehash;
	o->total_rto = clamp16(i->total_rto);
	o->total_rto_recoveries = clamp16(i->total_rto_recoveries);
	o->total_rto_time = in_ms(i->total_rto_time);
}

static void fill_ecn(const struct nst_tcp_info *i, struct linux_tcp_info *o)
{
	o->received_ce = i->received_ce;
	o->delivered_e1 = i->delivered_e1_bytes;
	o->delivered_e0 = i->delivered_e0_bytes;
	o->delivered_ce_bytes = i->delivered_ce_bytes;
	o->received_e1 = i->received_e1_bytes;
	o->received_e0 = i->received_e0_bytes;
	o->received_ce_bytes = i->received_ce_bytes;
	o->accecn_fail_mode = i->accecn_fail_mode;
	o->accecn_opt_seen = i->accecn_opt_seen;
}

void tcp_info_linux(const struct nst_tcp_info *i,
		    uint8_t out[TCP_INFO_LINUX_BYTES])
{
	struct linux_tcp_info o;

	memset(&o, 0, sizeof(o));
	if (i->state == NST_TCP_LISTEN) {
		fill_listener(i, &o);
	} else {
		fill_state(i, &o);
		fill_times(i, &o);
		fill_counts(i, &o);
		fill_ecn(i, &o);
	}
	memcpy(out, &o, sizeof(o));
}
