/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings that public scripts start from (their file defaults.sh), for
 * when that file is not there.
 */
#ifndef CORDON_TESTS_PKT_DEFAULTS_H
#define CORDON_TESTS_PKT_DEFAULTS_H

#define DEFAULT_SETTINGS                                                       \
	"sysctl net.ipv4.tcp_rmem=\"4096 540000 15728640\"\n"                  \
	"sysctl net.ipv4.tcp_wmem=\"4096 262144 4194304\"\n"                   \
	"sysctl net.ipv4.tcp_timestamps=1 net.ipv4.tcp_syn_retries=5\n"        \
	"sysctl net.ipv4.tcp_synack_retries=5 net.ipv4.tcp_frto=2\n"           \
	"sysctl net.ipv4.tcp_sack=1 net.ipv4.tcp_dsack=1\n"                    \
	"sysctl net.ipv4.tcp_reordering=3 net.ipv4.tcp_ecn=0\n"                \
	"sysctl net.ipv4.tcp_congestion_control=cubic\n"                       \
	"sysctl net.ipv4.tcp_slow_start_after_idle=0\n"                        \
	"sysctl net.ipv4.tcp_early_retrans=4 net.ipv4.tcp_recovery=1\n"        \
	"sysctl net.ipv4.tcp_tso_win_divisor=3\n"                              \
	"sysctl net.ipv4.tcp_pacing_ss_ratio=200\n"                            \
	"sysctl net.ipv4.tcp_pacing_ca_ratio=120\n"                            \
	"sysctl net.ipv4.tcp_notsent_lowat=4294967295\n"                       \
	"sysctl net.ipv4.tcp_fastopen=0x70403\n"                               \
	"sysctl net.ipv4.tcp_fastopen_key="                                    \
	"a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4\n"                                \
	"sysctl net.ipv4.tcp_syncookies=1\n"

#endif /* CORDON_TESTS_PKT_DEFAULTS_H */
