/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saves that show nowhere are worth what they would see: for each saved member
 * of a TCP endpoint, some seed comes to another end when loading forgets it.
 *
 * Not here: `cork_since`, `probes_out` (tests/save/test_lost.c); `err_soft`,
 * `hs_stray`, `hs_writer`, `acc_hold`
 * (tests/unit/netstack_tcp/test_save_open.c); `ack_now` and `ack_nomem` are
 * false between events.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "netstack/tcp/tcp_priv.h"
#include "tests/sim/tape.h"

#define SEEDS 400 /* most tried */
#ifdef __SANITIZE_ADDRESS__
#define STEP 9 /* of the members; all would take minutes */
#else
#define STEP 1
#endif

struct member {
	const char *name;
	size_t at, bytes;
	uint64_t seed;
};
#define M(f, seed)                                                             \
	{                                                                      \
#f, offsetof(struct nst_tcp, f),                               \
		    sizeof(((struct nst_tcp *)0)->f), seed                     \
	}
/* With a seed that saw it when this was written: it is tried first. */
static const struct member members[] = {
    M(ca_state, 1),
    M(orphan, 6),
    M(spoof, 51),
    M(fwd, 51),
    M(path_ok, 1),
    M(iss, 1),
    M(irs, 1),
    M(snd_una, 1),
    M(snd_nxt, 1),
    M(snd_wl1, 1),
    M(snd_base, 1),
    M(snd_sml, 1),
    M(push_seq, 1),
    M(high_seq, 1),
    M(rtx_hint, 1),
    M(rtx_hint_on, 1),
    M(cwnd_usage_seq, 1),
    M(rtt_seq, 1),
    M(snd_wnd, 1),
    M(max_wnd, 1),
    M(rcv_nxt, 1),
    M(rcv_wup, 1),
    M(rcv_adv, 1),
    M(fin_queued, 1),
    M(fin_rcvd, 1),
    M(fin_ooo, 4),
    M(fin_seq, 4),
    M(snd_limit, 1),
    M(snd_blocked, 1),
    M(more, 32),
    M(writing, 1),
    M(nagle_push, 337),
    M(last_used, 1),
    M(ts_on, 2),
    M(sack_on, 2),
    M(wscale_on, 1),
    M(snd_wscale, 1),
    M(rcv_wscale, 1),
    M(peer_mss, 1),
    M(advmss, 1),
    M(mss, 1),
    M(ts_off, 1),
    M(ts_recent, 2),
    M(ts_recent_at, 2),
    M(hs_sent, 1),
    M(hs_n, 17),
    M(hs_timeouts, 17),
    M(hs_wscale, 1),
    M(hs_ts_first, 1),
    M(hs_late, 317),
    M(rtx, 1),
    M(rto, 1),
    M(rexmit_start, 1),
    M(backoff, 1),
    M(retransmits, 1),
    M(rto_stat, 1),
    M(srtt, 1),
    M(mdev, 1),
    M(mdev_max, 1),
    M(rttvar, 1),
    M(min_rtt, 1),
    M(rtt_min, 1),
    M(probe_start, 129),
    M(sacked_out, 1),
    M(sack, 2),
    M(reord, 1),
    M(rack, 1),
    M(tlp, 7),
    M(undo, 1),
    M(prr, 1),
    M(frto, 1),
    M(cwnd, 1),
    M(ssthresh, 1),
    M(cwnd_cnt, 2),
    M(prior_cwnd, 1),
    M(max_packets_out, 1),
    M(cwnd_limited, 1),
    M(cwnd_used, 1),
    M(cwnd_stamp, 1),
    M(ecn, 4),
    M(rate, 1),
    M(pace, 1),
    M(dsack, 19),
    M(sacks, 2),
    M(rmem, 1),
    M(rcv_mss, 1),
    M(last_seg, 2),
    M(quick, 2),
    M(pingpong, 1),
    M(ack_segs, 1),
    M(ack_pending, 1),
    M(ack_wait, 2),
    M(ack_pushed, 2),
    M(dup_acks, 2),
    M(comp_acks, 2),
    M(comp_nxt, 1),
    M(comp_wait, 2),
    M(ato, 1),
    M(last_oow, 1),
    M(rcv_rtt, 1),
    M(drs_time, 1),
    M(drs_seq, 1),
    M(rcv_rtt_seq, 1),
    M(rcv_rtt_time, 1),
    M(rcv_rtt_tsecr, 2),
    M(mtup, 1),
    M(chrono, 1),
    M(snd_up, 1),
    M(snd_urg, 7),
    M(urg_valid, 7),
    M(urg_seen, 7),
    M(urg_taken, 32),
    M(urg_seq, 7),
    M(urg_byte, 32),
    M(keep_probes, 7),
    M(keep_sent, 7),
    M(fw2_since, 6),
    M(last_data_sent, 1),
    M(last_ack_sent, 1),
    M(last_data_recv, 1),
    M(last_ack_recv, 1),
    M(backlog, 9),
    M(synq_overflow, 3),
    M(fo, 3),
    M(bytes_acked, 1),
    M(bytes_received, 1),
    M(bytes_sent, 1),
    M(bytes_retrans, 1),
    M(segs_out, 1),
    M(segs_in, 1),
    M(data_segs_in, 1),
    M(data_segs_out, 1),
    M(total_retrans, 1),
    M(dsack_dups, 2),
    M(rcv_ooopack, 1),
    M(delivered, 1),
    M(delivered_ce, 7),
};

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

static uint64_t some_seed(const struct member *m)
{
	if (seen_by(m, m->seed))
		return m->seed;
	for (uint64_t i = 1; i <= SEEDS; i++)
		if (seen_by(m, i))
			return i;
	return 0;
}

Test(sim_lost, is_seen)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]);
	     i += STEP) {
		uint64_t n = some_seed(&members[i]);

		cr_expect(n, "%s can be lost unseen", members[i].name);
		if (n != members[i].seed)
			cr_log_info("%s: seed %lu", members[i].name,
				    (unsigned long)n);
	}
}
