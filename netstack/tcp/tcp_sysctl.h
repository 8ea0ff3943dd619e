/* SPDX-License-Identifier: Apache-2.0 */
/*
 * TCP's settings of one stack, under the names of Linux's net.ipv4.tcp_*
 * sysctls, whose defaults (6.18) and ranges these are. One X-macro list gives
 * the struct, the defaults and the table behind nst_sysctl_set and _get.
 */
#ifndef NETSTACK_TCP_TCP_SYSCTL_H
#define NETSTACK_TCP_TCP_SYSCTL_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

struct tcp_cc;

/* X(name, default, min, max); units are in the names or Linux's: seconds. */
/* clang-format off */
#define TCP_SYSCTLS(X) \
	X(tcp_abort_on_overflow, 0, 0, 1) \
	X(tcp_adv_win_scale, 1, -31, 31) \
	X(tcp_app_win, 31, 0, 31) \
	X(tcp_autocorking, 1, 0, 1) \
	X(tcp_backlog_ack_defer, 1, 0, 1) \
	X(tcp_base_mss, 1024, 0, INT_MAX) \
	X(tcp_challenge_ack_limit, INT_MAX, 0, INT_MAX) \
	X(tcp_comp_sack_delay_ns, 1000000, 0, INT_MAX) \
	X(tcp_comp_sack_nr, 44, 0, 255) \
	X(tcp_comp_sack_slack_ns, 100000, 0, INT_MAX) \
	X(tcp_dsack, 1, 0, 1) \
	X(tcp_early_retrans, 3, 0, 4) \
	X(tcp_ecn, 2, 0, 5) \
	X(tcp_ecn_fallback, 1, 0, 1) \
	X(tcp_ecn_option, 2, 0, 3) \
	X(tcp_ecn_option_beacon, 3, 0, 255) \
	X(tcp_fack, 0, 0, 1) \
	X(tcp_fastopen, 1, 0, INT_MAX) \
	X(tcp_fastopen_blackhole_timeout_sec, 0, 0, INT_MAX) \
	X(tcp_fin_timeout, 60, 0, INT_MAX) \
	X(tcp_frto, 2, 0, 2) \
	X(tcp_invalid_ratelimit, 500, 0, INT_MAX) /* ms */ \
	X(tcp_keepalive_intvl, 75, 0, INT_MAX) \
	X(tcp_keepalive_probes, 9, 0, 255) \
	X(tcp_keepalive_time, 7200, 0, INT_MAX) \
	X(tcp_limit_output_bytes, 4194304, 0, INT_MAX) \
	X(tcp_low_latency, 0, 0, 1) \
	X(tcp_max_orphans, 65536, 0, INT_MAX) \
	X(tcp_max_reordering, 300, 0, INT_MAX) \
	X(tcp_max_syn_backlog, 2048, 0, INT_MAX) \
	X(tcp_max_tw_buckets, 131072, 0, INT_MAX) \
	X(tcp_min_rtt_wlen, 300, 0, 86400) \
	X(tcp_min_snd_mss, 48, 48, 65535) \
	X(tcp_min_tso_segs, 2, 0, 255) \
	X(tcp_moderate_rcvbuf, 1, 0, 1) \
	X(tcp_mtu_probe_floor, 48, 48, 65535) \
	X(tcp_mtu_probing, 0, 0, 2) \
	X(tcp_no_metrics_save, 0, 0, 1) \
	X(tcp_no_ssthresh_metrics_save, 1, 0, 1) \
	X(tcp_notsent_lowat, INT_MAX, 0, INT_MAX) \
	X(tcp_orphan_retries, 0, 0, 255) \
	X(tcp_pacing_ca_ratio, 120, 0, 1000) \
	X(tcp_pacing_ss_ratio, 200, 0, 1000) \
	X(tcp_pingpong_thresh, 1, 1, 255) \
	X(tcp_probe_interval, 600, 0, INT_MAX) \
	X(tcp_probe_threshold, 8, 0, INT_MAX) \
	X(tcp_recovery, 1, 0, 7) \
	X(tcp_reflect_tos, 0, 0, 1) \
	X(tcp_reordering, 3, 1, INT_MAX) \
	X(tcp_retrans_collapse, 1, 0, 1) \
	X(tcp_retries1, 3, 0, 255) \
	X(tcp_retries2, 15, 0, 255) \
	X(tcp_rfc1337, 1, 0, 1) /* DEVIATION: Linux: 0 */ \
	X(tcp_rto_max_ms, 120000, 1000, 120000) \
	X(tcp_rto_min_us, 200000, 1, INT_MAX) \
	X(tcp_sack, 1, 0, 1) \
	X(tcp_shrink_window, 0, 0, 1) \
	X(tcp_slow_start_after_idle, 1, 0, 1) \
	X(tcp_stdurg, 0, 0, 1) \
	X(tcp_syn_linear_timeouts, 4, 0, 127) \
	X(tcp_syn_retries, 6, 1, 127) \
	X(tcp_synack_retries, 5, 0, 255) \
	X(tcp_syncookies, 1, 0, 2) \
	X(tcp_thin_linear_timeouts, 0, 0, 1) \
	X(tcp_timestamps, 1, 0, 2) \
	X(tcp_tso_rtt_log, 9, 0, 255) \
	X(tcp_tso_win_divisor, 3, 0, INT_MAX) \
	X(tcp_tw_reuse, 2, 0, 2) \
	X(tcp_tw_reuse_delay, 1000, 1, INT_MAX) /* ms */ \
	X(tcp_window_scaling, 1, 0, 1) \
	X(tcp_workaround_signed_windows, 0, 0, 1) \
	X(ip_no_pmtu_disc, 0, 0, 3) \
	X(ip_default_ttl, 64, 1, 255) \
	X(somaxconn, 4096, 0, INT_MAX)
/* clang-format on */

#define TCP_FASTOPEN_KEYS 2

struct tcp_sysctl {
#define TCP_SYSCTL_FIELD(name, def, min, max) int32_t name;
	TCP_SYSCTLS(TCP_SYSCTL_FIELD)
#undef TCP_SYSCTL_FIELD
	uint32_t tcp_rmem[3], tcp_wmem[3]; /* bytes: min, default, max */
	const struct tcp_cc *cc;           /* of new endpoints */
	/* RFC 7413 cookie keys: the first makes, all accept. */
	uint8_t fastopen_key[TCP_FASTOPEN_KEYS][16];
	uint8_t nfastopen_keys; /* 0: a random one, made on first need */
};

/* The i-th setting's name, but for secrets; NULL: there are no more. */
const char *tcp_sysctl_name(size_t i);
/* Defaults. */
void tcp_sysctl_init(struct tcp_sysctl *ctl);

#endif
