/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack in a bottle for the tests of this folder: loopback and one
 * point-to-point IP link whose packets are kept for inspection, and TCP
 * endpoints that are no more than sockets which may listen, so that rules about
 * them can be tested without TCP.
 */
#ifndef TESTS_UNIT_NETSTACK_BASE_KIT_H
#define TESTS_UNIT_NETSTACK_BASE_KIT_H

#include <criterion/criterion.h>

#include "netstack/base/addr.h"
#include "netstack/base/stack_priv.h"
#include "netstack/nst_dgram.h"
#include "netstack/nst_stack.h"
#include "tests/unit/testenv.h"

#define KIT_IF 2 /* index of the link; 1 is lo */
#define KIT_ADDR4 "10.0.2.15"
#define KIT_ADDR6 "fd00::15"
#define KIT_MTU 1500

struct kit {
	struct testenv te;
	struct nst_stack *st;
	nst_time now;
	struct nst_pkt *out, **out_tail; /* what the link was given */
	size_t nout;
};

/* Stack, link and addresses; caps: enum nst_link_caps of the link. */
void kit_up(struct kit *k, uint32_t caps);
/* Frees all; asserts consistency before and that nothing leaked. */
void kit_down(struct kit *k);
/* First packet that the link was given, taken; NULL: none. */
struct nst_pkt *kit_take(struct kit *k);
void kit_drop_out(struct kit *k);
/* A packet (IP header first) arrives on the link. */
void kit_in(struct kit *k, const void *p, size_t bytes);

/* Shorthands that assert success. */
struct nst_dgram *kit_udp(struct kit *k, uint8_t family, void *user);
struct nst_dgram *kit_bound(struct kit *k, const char *addr, uint16_t port,
			    void *user);
enum nst_err kit_bind(struct nst_sock *s, const char *addr, uint16_t port);
enum nst_err kit_send(struct kit *k, struct nst_dgram *d, const char *addr,
		      uint16_t port, const void *data, size_t bytes);
enum nst_err kit_connect(struct kit *k, struct nst_dgram *d, const char *addr,
			 uint16_t port);
uint16_t kit_port(struct nst_dgram *d);
void kit_set(struct kit *k, struct nst_sock *s, enum nst_opt opt, int64_t v);
int64_t kit_get(struct nst_sock *s, enum nst_opt opt);

/* An IP packet with a UDP datagram, checksums complete; returns its bytes. */
size_t kit_udp_packet(uint8_t *buf, const struct nst_sockaddr *src,
		      const struct nst_sockaddr *dst, const void *data,
		      size_t bytes);
/* IP header around l4 bytes that are already at buf + 20 or 40. */
size_t kit_ip_packet(uint8_t *buf, const struct nst_addr *src,
		     const struct nst_addr *dst, uint8_t proto,
		     size_t l4_bytes);

struct fake_tcp {
	struct nst_sock s; /* first */
	bool listening;
};
struct fake_tcp *fake_tcp_new(struct kit *k, uint8_t family, void *user);
void fake_tcp_free(struct fake_tcp *t);

#endif
