/* SPDX-License-Identifier: Apache-2.0 */
/* Saves that show nowhere are worth what they would see: for each saved member
 * of a TCP endpoint, some seed comes to another end when loading forgets it. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "netstack/tcp/tcp_priv.h"
#include "tests/sim/tape.h"

#define SEEDS 400 /* most tried */

struct member {
	const char *name;
	size_t at, bytes;
};
#define M(f)                                                                   \
	{                                                                      \
#f, offsetof(struct nst_tcp, f),                               \
		    sizeof(((struct nst_tcp *)0)->f)                           \
	}
static const struct member members[] = {M(ca_state),
					M(orphan),
					M(spoof),
					M(fwd),
					M(err_soft),
					M(path_ok),
					M(iss),
					M(irs),
					M(snd_una),
					M(snd_nxt),
					M(snd_wl1),
					M(snd_base),
					M(snd_sml),
					M(push_seq),
					M(high_seq),
					M(rtx_hint),
					M(rtx_hint_on),
					M(cwnd_usage_seq),
					M(rtt_seq),
					M(snd_wnd),
					M(max_wnd),
					M(rcv_nxt),
					M(rcv_wup),
					M(rcv_adv),
					M(fin_queued),
					M(fin_rcvd),
					M(fin_ooo),
					M(fin_seq),
					M(snd_limit),
					M(snd_blocked),
					M(more),
					M(writing),
					M(nagle_push),
					M(last_used),
					M(ts_on),
					M(sack_on),
					M(wscale_on),
					M(snd_wscale),
					M(rcv_wscale),
					M(peer_mss),
					M(advmss),
					M(mss),
					M(ts_off),
					M(ts_recent),
					M(ts_lastack),
					M(ts_recent_at),
					M(hs_sent),
					M(hs_n),
					M(hs_timeouts),
					M(hs_stray),
					M(hs_wscale),
					M(hs_ts_first),
					M(hs_writer),
					M(hs_late),
					M(rtx),
					M(rto),
					M(rexmit_start),
					M(backoff),
					M(retransmits),
					M(rto_stat),
					M(srtt),
					M(mdev),
					M(mdev_max),
					M(rttvar),
					M(min_rtt),
					M(rtt_min),
					M(probe_start),
					M(probes_out),
					M(sacked_out),
					M(sack),
					M(reord),
					M(rack),
					M(tlp),
					M(undo),
					M(prr),
					M(frto),
					M(cwnd),
					M(ssthresh),
					M(cwnd_cnt),
					M(prior_cwnd),
					M(max_packets_out),
					M(cwnd_limited),
					M(cwnd_used),
					M(cwnd_stamp),
					M(ecn),
					M(rate),
					M(pace),
					M(dsack),
					M(sacks),
					M(rmem),
					M(rcv_mss),
					M(last_seg),
					M(quick),
					M(pingpong),
					M(ack_segs),
					M(ack_pending),
					M(ack_now),
					M(ack_nomem),
					M(ack_wait),
					M(ack_pushed),
					M(dup_acks),
					M(comp_acks),
					M(comp_nxt),
					M(comp_wait),
					M(ato),
					M(last_oow),
					M(rcv_rtt),
					M(drs_time),
					M(drs_seq),
					M(rcv_rtt_seq),
					M(rcv_rtt_time),
					M(rcv_rtt_tsecr),
					M(mtup),
					M(chrono),
					M(snd_up),
					M(snd_urg),
					M(urg_valid),
					M(urg_seen),
					M(urg_taken),
					M(urg_seq),
					M(urg_byte),
					M(keep_probes),
					M(keep_sent),
					M(fw2_since),
					M(last_data_sent),
					M(last_ack_sent),
					M(last_data_recv),
					M(last_ack_recv),
					M(cork_since),
					M(acc_hold),
					M(backlog),
					M(synq_overflow),
					M(fo),
					M(bytes_acked),
					M(bytes_received),
					M(bytes_sent),
					M(bytes_retrans),
					M(segs_out),
					M(segs_in),
					M(data_segs_in),
					M(data_segs_out),
					M(total_retrans),
					M(dsack_dups),
					M(rcv_ooopack),
					M(delivered),
					M(delivered_ce)};

static bool seen_by(const struct member *m, uint64_t seed)
{
	struct sim_conf c;
	char *why;

	cr_assert(sim_random(seed, &c));
	c.save = SIM_SAVE_RANDOM;
	c.lost_at = m->at;
	c.lost_bytes = m->bytes;
	why = sim_same(&c, NULL);
	free(why);
	free(c.flows);
	return why != NULL;
}

static uint64_t first_seed(const struct member *m)
{
	for (uint64_t i = 1; i <= SEEDS; i++)
		if (seen_by(m, i))
			return i;
	return 0;
}

Test(sim_lost, is_seen)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		uint64_t n = first_seed(&members[i]);

		cr_expect(n, "%s can be lost unseen", members[i].name);
		cr_log_info("%s: seed %lu", members[i].name, (unsigned long)n);
	}
}
