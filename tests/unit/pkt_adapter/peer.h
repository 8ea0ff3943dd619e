/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A remote end for the tests of packetdrill's interface: makes raw IP packets
 * and takes apart those that come back, through nothing but the struct. The
 * stack is 192.168.0.1, the peer 192.0.2.1 (IPv6: fd3d:0a0b:17d6::1 and
 * 2001:db8::1).
 */
#ifndef TESTS_UNIT_PKT_ADAPTER_PEER_H
#define TESTS_UNIT_PKT_ADAPTER_PEER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/pkt/packetdrill_interface.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };

#define PEER_PORT 40000
#define OUR_PORT 8080

struct seg {
	uint16_t sport, dport, window, urg;
	uint32_t seq, ack;
	uint8_t flags;
	size_t bytes;
	uint8_t data[65536];
	uint16_t mss; /* 0: no option */
	long long usecs;
};

struct peer {
	struct packetdrill_interface *i;
	bool v6;
	uint16_t sport, dport;
	uint32_t seq, ack; /* next to send, next expected */
};

/* Sends flags with n bytes of payload (mss option on a SYN). */
void peer_send(struct peer *p, uint8_t flags, const void *data, size_t n);
void peer_send_window(struct peer *p, uint8_t flags, uint16_t window);
/* The next packet of the peer's family, TCP or UDP; false: none came. */
bool peer_recv(struct peer *p, struct seg *s);
/* The same, and acknowledged in our books: p->ack follows. */
bool peer_take(struct peer *p, struct seg *s);
void peer_send_udp(struct peer *p, const void *data, size_t n);

/* A listening socket of the stack, and a connection accepted from it. */
int peer_listen(struct peer *p, int backlog);
int peer_accept(struct peer *p, int lfd);
struct sockaddr_in peer_addr(const char *text, uint16_t port);
long long peer_now(struct peer *p);

#endif
