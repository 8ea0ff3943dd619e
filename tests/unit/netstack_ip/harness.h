/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A netstack's IP layer on its own: real base and ip folders, transports that
 * only record what they are given (fakes.c), and two links that keep what is
 * transmitted. Virtual time.
 *
 *   eth0 (ifindex 2)  02:00:00:00:00:01, 10.0.0.1/24, fd00::1/64, MTU 1500
 *   tun0 (ifindex 3)  bare IP, 10.1.0.1/24, fd01::1/64, MTU 1500
 *   default routes    10.0.0.254 and fd00::fe through eth0
 */
#ifndef TESTS_UNIT_NETSTACK_IP_HARNESS_H
#define TESTS_UNIT_NETSTACK_IP_HARNESS_H

#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "netstack/ip/icmp.h"
#include "netstack/ip/ip_layer.h"
#include "netstack/ip/neigh.h"
#include "tests/unit/testenv.h"

#define ETH 2
#define TUN 3
#define FRAMES_MAX 4096
#define GOT_MAX 64
#define KEEP_BYTES 70000

struct frame {
	uint32_t ifindex;
	uint32_t bytes;
	uint8_t csum;
	uint8_t *p;
};

/* A packet as a transport was given it. */
struct got {
	uint8_t to; /* IP_PROTO_TCP, _UDP, _ICMP (ping) */
	struct ip_in in;
	uint32_t bytes;
	uint8_t data[64];
};
struct got_err {
	uint8_t to; /* protocol of the function called; 255: raw */
	struct icmp_err e;
	uint8_t l4[32];
};

struct ipt {
	struct testenv te;
	struct nst_stack *st;
	struct ip_layer *ip;
	nst_time now;
	struct frame frame[FRAMES_MAX];
	size_t nframes;
	size_t next; /* the frame that is looked at next */
	struct got got[GOT_MAX];
	size_t ngot;
	struct got_err err[GOT_MAX];
	size_t nerr;
	uint8_t *last; /* whole last datagram delivered */
	uint32_t last_bytes;
	bool raw_takes; /* raw_in answers true */
	uint64_t raw_seen;
	/* echo forwarder */
	size_t nechos;
	uint16_t echo_id, echo_seq;
};

extern const uint8_t MAC_US[6], MAC_PEER[6], MAC_BCAST[6];

struct ipt *ipt_new(void);
/* Frees; fails the test when memory leaked. */
void ipt_free(struct ipt *t);
/* Runs timers through all deadlines up to now + by, checking consistency. */
void ipt_advance(struct ipt *t, nst_time by);
/* Forgets what was transmitted and delivered. */
void ipt_clear(struct ipt *t);
const struct nst_counters *ipt_count(struct ipt *t);

/* Injects bytes on an interface. */
void ipt_inject(struct ipt *t, uint32_t ifindex, const void *p, size_t n);
/* With an Ethernet header from MAC_PEER. */
void ipt_inject_eth(struct ipt *t, const uint8_t dst[6], uint16_t type,
		    const void *p, size_t n);
/* The next transmitted frame on an interface, without Ethernet header; fails
 * the test when there is none. type NULL allowed. */
const uint8_t *ipt_expect(struct ipt *t, uint32_t ifindex, uint16_t *type,
			  uint32_t *bytes);
void ipt_expect_none(struct ipt *t);

/* Builders; each returns the length written. */
uint32_t mk_ip4(uint8_t *p, const char *src, const char *dst, uint8_t proto,
		const void *data, uint32_t n);
uint32_t mk_ip6(uint8_t *p, const char *src, const char *dst, uint8_t next,
		const void *data, uint32_t n);
/* UDP, ICMP or ICMPv6 with a right checksum. */
uint32_t mk_udp(uint8_t *p, const char *src, const char *dst, uint16_t sport,
		uint16_t dport, const void *data, uint32_t n);
uint32_t mk_icmp(uint8_t *p, const char *src, const char *dst, uint8_t type,
		 uint8_t code, uint32_t rest, const void *data, uint32_t n);
uint32_t mk_arp(uint8_t *p, uint16_t op, const char *spa, const char *tpa);
/* NS or NA from the peer. */
uint32_t mk_nd(uint8_t *p, uint8_t type, const char *src, const char *dst,
	       const char *target, uint32_t flags, bool lladdr);
void fix4(uint8_t *p); /* header checksum */

/* Sends `n` bytes of UDP-like data through ip_send; returns its answer. */
enum nst_err ipt_send(struct ipt *t, const char *src, const char *dst,
		      const struct ip_out *o, const void *data, uint32_t n);
/* Makes the peer known and reachable. */
void ipt_resolve(struct ipt *t, const char *peer);

#endif
