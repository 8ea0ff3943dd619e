/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saves that show nowhere are worth what they would see: for each of these
 * saved members of a TCP endpoint, some seed comes to another end when loading
 * forgets it.
 *
 * Not here, but seen elsewhere: `backoff`, `cork_since`, `probes_out`
 * (tests/save/test_lost.c); `fw2_since` (netstack_tcp/test_save.c); `err_soft`,
 * `hs_stray`, `hs_writer`, `acc_hold` (netstack_tcp/test_save_open.c); `spoof`,
 * `fwd`, `irs`, `more`, `nagle_push`, `last_used`, `peer_mss`, `ts_recent_at`,
 * `hs_wscale`, `probe_start`, `cwnd_used`, `cwnd_stamp`, `dsack`, `ack_segs`,
 * `backlog` (netstack_tcp/test_save_members.c).
 * `ack_now` and `ack_nomem` are false between events.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/tcp/tcp_priv.h"
#include "tests/sim/tape.h"

#define SEEDS 60 /* most tried */
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
    M(path_ok, 1),
    M(iss, 7),
    M(snd_una, 1),
    M(snd_nxt, 1),
    M(snd_wl1, 1),
    M(snd_base, 1),
    M(snd_sml, 1),
    M(push_seq, 1),
    M(high_seq, 1),
    M(rtx_hint, 1),
    M(rtx_hint_on, 8622),
    M(cwnd_usage_seq, 1),
    M(rtt_seq, 7),
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
    M(writing, 1),
    M(ts_on, 2),
    M(sack_on, 2),
    M(wscale_on, 1),
    M(snd_wscale, 1),
    M(rcv_wscale, 1),
    M(advmss, 1),
    M(mss, 1),
    M(ts_off, 2),
    M(ts_recent, 2),
    M(hs_sent, 7),
    M(hs_n, 17),
    M(hs_timeouts, 17),
    M(hs_ts_first, 7),
    M(rtx, 1),
    M(rto, 1),
    M(rexmit_start, 1),
    M(retransmits, 7),
    M(rto_stat, 1),
    M(srtt, 1),
    M(mdev, 1),
    M(mdev_max, 1),
    M(rttvar, 1),
    M(min_rtt, 1),
    M(rtt_min, 1),
    M(sacked_out, 1),
    M(sack, 2),
    M(reord, 1),
    M(rack, 19),
    M(tlp, 7),
    M(undo, 2),
    M(prr, 2),
    M(frto, 1),
    M(cwnd, 1),
    M(ssthresh, 1),
    M(cwnd_cnt, 2),
    M(prior_cwnd, 2),
    M(max_packets_out, 4),
    M(cwnd_limited, 1),
    M(ecn, 4),
    M(rate, 1),
    M(pace, 1),
    M(sacks, 2),
    M(rmem, 1),
    M(rcv_mss, 1),
    M(last_seg, 36),
    M(quick, 2),
    M(pingpong, 1),
    M(ack_pending, 1),
    M(ack_wait, 7),
    M(ack_pushed, 2),
    M(dup_acks, 2),
    M(comp_acks, 2),
    M(comp_nxt, 2),
    M(comp_wait, 2),
    M(ato, 1),
    M(last_oow, 16),
    M(rcv_rtt, 1),
    M(drs_time, 2),
    M(drs_seq, 1),
    M(rcv_rtt_seq, 1),
    M(rcv_rtt_time, 1),
    M(rcv_rtt_tsecr, 2),
    M(mtup, 1),
    M(chrono, 1),
    M(snd_up, 7),
    M(snd_urg, 7),
    M(urg_valid, 7),
    M(urg_seen, 7),
    M(urg_taken, 32),
    M(urg_seq, 7),
    M(urg_byte, 32),
    M(keep_probes, 7),
    M(keep_sent, 7),
    M(last_data_sent, 1),
    M(last_ack_sent, 2),
    M(last_data_recv, 1),
    M(last_ack_recv, 2),
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

static int run(const struct member *m, uint64_t seed)
{
	struct sim_conf c;

	if (!sim_random(seed, &c))
		return 2;
	c.save = SIM_SAVE_RANDOM;
	c.lost_at = m->at;
	c.lost_bytes = m->bytes;
	return sim_same(&c, NULL) ? 1 : 0;
}

/* In a process of its own: what contradicts itself may end by a signal. */
static bool seen_by(const struct member *m, uint64_t seed)
{
	int status = 0;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		_exit(run(m, seed));
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 2);
	return status != 0;
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
