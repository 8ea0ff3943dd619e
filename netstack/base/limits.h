/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every limit of the netstack, with its value and where it comes from.
 * Reaching one is a counted refusal.
 */
#ifndef NETSTACK_BASE_LIMITS_H
#define NETSTACK_BASE_LIMITS_H

#include "netstack/nst_types.h"

#define LIMIT_NICS 16
#define LIMIT_ADDRS 64
#define LIMIT_ROUTES 256
#define LIMIT_NEIGHS 1024         /* gc_thresh3 of Linux */
#define LIMIT_NEIGH_PENDING 16    /* packets that wait for one resolution */
#define LIMIT_REASM_DATAGRAMS 256 /* being reassembled at once */
#define LIMIT_REASM_BYTES (4u << 20)
#define LIMIT_REASM_FRAGS 256        /* of one datagram: 64 KiB at MTU 576 */
#define REASM_TIMEOUT (30 * NST_SEC) /* net.ipv4.ipfrag_time */

#define LIMIT_PMTUS 256      /* path MTUs remembered */
#define LIMIT_GROUPS 256     /* multicast groups of the host */
#define LIMIT_IP6_EXT_HDRS 8 /* extension headers of one packet */
#define LIMIT_IP6_OPTIONS 8  /* max_hbh_opts_number of Linux */

#define IP_TTL_DEFAULT 64      /* net.ipv4.ip_default_ttl */
#define LIMIT_LOOP_BATCH 65536 /* loopback packets of one entry */

#define LIMIT_EPHEMERAL_LOW 32768 /* net.ipv4.ip_local_port_range */
#define LIMIT_EPHEMERAL_HIGH 60999

#define LIMIT_SYN_REQS_TOTAL 16384
#define LIMIT_FWD_REQS 4096
#define LIMIT_TIME_WAIT 32768
#define LIMIT_SOMAXCONN 4096
#define LIMIT_SOURCES 10     /* per IPv4 membership, igmp_max_msf */
#define LIMIT_SOURCES6 64    /* per IPv6 membership, mld_max_msf */
#define LIMIT_MEMBERSHIPS 20 /* per socket, net.ipv4.igmp_max_memberships */

#define DGRAM_RCVBUF_DEFAULT 212992 /* net.core.rmem_default */
#define DGRAM_SNDBUF_DEFAULT 212992
#define SOCK_BUF_MAX 4194304 /* LINUX 6.18: net.core.{r,w}mem_max cuts asks */
#define SOCK_MIN_SNDBUF 4608 /* LINUX: 2 * TCP_SKB_MIN_TRUESIZE */
#define SOCK_MIN_RCVBUF 2304
#define TCP_RCVBUF_DEFAULT 131072 /* tcp_rmem[1] */
#define TCP_SNDBUF_DEFAULT 16384  /* tcp_wmem[1], as reported */

#endif
