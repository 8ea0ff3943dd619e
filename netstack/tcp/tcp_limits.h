/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every limit and default of TCP with its value and where it comes from. The
 * names in comments are Linux's, whose values these are unless said otherwise.
 * Reaching a limit is a counted refusal.
 */
#ifndef NETSTACK_TCP_TCP_LIMITS_H
#define NETSTACK_TCP_TCP_LIMITS_H

#include "netstack/base/limits.h"

/* Handshake. */
#define TCP_TIMEOUT_INIT (1 * NST_SEC)     /* RFC 6298 2.1 */
#define TCP_TIMEOUT_FALLBACK (3 * NST_SEC) /* RFC 6298 5.7 */
#define TCP_TICK (4 * NST_MS) /* LINUX: a jiffy, the shortest wait */
#define LIMIT_TCP_SYNCNT 127  /* MAX_TCP_SYNCNT */

/* Retransmission. */
#define TCP_RTO_MIN (200 * NST_MS)
#define TCP_RTO_MAX (120 * NST_SEC)
#define TCP_TIMEOUT_MIN (2 * NST_MS) /* TCP_TIMEOUT_MIN_US */
#define TCP_RENEGE_MIN (10 * NST_MS) /* least wait for a peer that reneges */
#define TCP_RETRIES2 15              /* tcp_retries2 */
#define TCP_ORPHAN_RETRIES 8         /* tcp_orphan_retries 0 means 8 */
#define TCP_DUPTHRESH 3              /* tcp_reordering */
#define TCP_CC_DEFAULT "cubic"       /* tcp_congestion_control */
#define TCP_INIT_CWND 10             /* RFC 6928 */
#define TCP_CWND_MAX 0x00ffffffu
#define TCP_SSTHRESH_INFINITE 0x7fffffffu

/* Acknowledgements. */
#define TCP_ATO_MIN (40 * NST_MS)
#define TCP_DELACK_MIN (40 * NST_MS)
#define TCP_DELACK_MAX (200 * NST_MS)
#define TCP_MAX_QUICKACKS 16
#define TCP_INVALID_RATELIMIT (500 * NST_MS) /* tcp_invalid_ratelimit */
#define TCP_CORK_TIME (200 * NST_MS)
#define TCP_PAWS_MSL (60 * NST_SEC) /* LINUX: TCP_PAWS_MSL */
#define TCP_PAWS_24DAYS (24LL * 24 * 3600 * NST_SEC)

/* Segment sizes. */
#define TCP_MSS_DEFAULT 536 /* RFC 9293 3.7.1 */
#define TCP_MSS_DEFAULT6 1220
#define TCP_MSS_MIN 48 /* tcp_min_snd_mss */
#define TCP_MIN_MSS 88
#define TCP_MAXSEG_MIN TCP_MIN_MSS
#define TCP_MAXSEG_MAX 32767
#define TCP_WSCALE_MAX 14 /* RFC 7323 2.3 */

/* Buffers. */
#define TCP_RING_MIN 65536u
#define TCP_PIECE_COST 832u /* LINUX 6.18: truesize of an empty sk_buff */
#define TCP_SKB_HEAD 640u   /* LINUX: most headers, and their buffer's tail */
#define TCP_SKB_BYTES 256u  /* LINUX: sizeof(struct sk_buff), aligned */
#define TCP_SND_LIMIT_MAX (4u << 20)  /* tcp_wmem[2] */
#define TCP_RCV_LIMIT_MAX (32u << 20) /* tcp_rmem[2] */
/* Without distance a larger buffer only leaves the caches. LINUX: 7.0 holds
 * such flows back too (tcp_rcvbuf_low_rtt). */
#define TCP_RCV_NEAR_RTT NST_MS
#define TCP_RCV_NEAR_MAX (6u << 20)
#define TCP_SOCK_MIN_RCVBUF 2304u                  /* SOCK_MIN_RCVBUF */
#define TCP_CORE_RMEM_MAX ((uint32_t)SOCK_BUF_MAX) /* net.core.rmem_max */
#define TCP_RMEM_RATIO 128 /* payload in 256 bytes, until one was seen */
#define TCP_IDLE_FREE (2 * NST_SEC) /* an empty ring is given back */

/* Bounded lists. */
#define LIMIT_TCP_PIECES 8192 /* unsent pieces; then the last one grows */
#define LIMIT_TCP_SENT 8192   /* records of one scoreboard; then they merge */
#define LIMIT_TCP_OOO 128     /* out-of-order intervals of one endpoint */
#define LIMIT_TCP_ORPHANS 65536
#define LIMIT_TCP_MEM_DEFERRED (64u << 20)

/* Keepalive and user timeout. */
#define TCP_KEEPIDLE_S 7200
#define TCP_KEEPINTVL_S 75
#define TCP_KEEPCNT_N 9
#define TCP_KEEP_S_MAX 32767
#define TCP_KEEPCNT_MAX 127

/* Closing. */
#define TCP_TIMEWAIT_LEN (60 * NST_SEC)
#define TCP_TW_REUSE_DELAY NST_SEC /* LINUX: net.ipv4.tcp_tw_reuse_delay */
#define TCP_FIN_TIMEOUT_S 60       /* tcp_fin_timeout */
#define TCP_FIN_TIMEOUT_MAX_S 120  /* TCP_FIN_TIMEOUT_MAX */

#endif
