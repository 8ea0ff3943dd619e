/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A stack that is saved, destroyed and made anew in the middle of its life.
 *
 * A test is a scenario: it does things to a world, which writes down every
 * packet, event and answer with its time. The scenario runs once undisturbed,
 * then again for each event in it, with the stack reborn after that event, then
 * reborn after every event: what was written down must be the same each time.
 * Each time that a stack is reborn, saving the new one gives the same image.
 *
 *   eth0 (ifindex 2)  02:00:00:00:00:01, 10.0.0.1/24, fd00::1/64, MTU 1500
 *   tun0 (ifindex 3)  bare IP, 10.1.0.1/24, fd01::1/64, MTU 1500
 *   default routes    10.1.0.254 and fd01::fe through tun0
 */
#ifndef TESTS_UNIT_NETSTACK_IP_SAVE_WORLD_H
#define TESTS_UNIT_NETSTACK_IP_SAVE_WORLD_H

#include <string.h>

#include <criterion/criterion.h>

#include "netstack/ip/ip_layer.h"
#include "netstack/nst_dgram.h"
#include "netstack/nst_save.h"
#include "tests/unit/netstack_ip/harness.h"
#include "tests/unit/testenv.h"

#define SW_SOCKS 8

struct sw_image {
	uint8_t *p;
	size_t bytes, cap;
};

struct sw {
	struct testenv te;
	struct nst_stack *st;
	nst_time now;
	struct nst_dgram *d[SW_SOCKS]; /* of the stack of the moment */
	uint64_t id[SW_SOCKS];
	struct test_user user[SW_SOCKS];
	struct sw_image log;
	uint8_t last[2048]; /* the last packet sent, without link header */
	uint32_t last_bytes;
	size_t nsent;
	int64_t events, reborn_at; /* -1: never, -2: after each */
};

typedef void (*sw_scenario)(struct sw *w);

struct sw *sw_new(void);
void sw_free(struct sw *w);
/* Runs the scenario in all the ways told above. */
void sw_run(sw_scenario s);

/* ---- what scenarios do; each is an event ---- */
void sw_advance(struct sw *w, nst_time by); /* an event per deadline */
void sw_in(struct sw *w, uint32_t ifindex, const void *p, size_t n);
void sw_in_eth(struct sw *w, uint16_t type, const void *p, size_t n);
/* A socket in slot i. */
void sw_sock(struct sw *w, size_t i, enum nst_dgram_kind kind, uint8_t family,
	     uint8_t proto);
void sw_bind(struct sw *w, size_t i, const char *addr, uint16_t port);
void sw_connect(struct sw *w, size_t i, const char *addr, uint16_t port);
void sw_set(struct sw *w, size_t i, enum nst_opt opt, int64_t v);
void sw_join(struct sw *w, size_t i, const char *group, uint32_t ifindex);
void sw_source(struct sw *w, size_t i, const char *group, const char *source,
	       uint32_t ifindex, bool include, bool add);
void sw_leave(struct sw *w, size_t i, const char *group, uint32_t ifindex);
/* n bytes to addr (NULL: the peer); the answer is written down. */
enum nst_err sw_send(struct sw *w, size_t i, const char *addr, uint16_t port,
		     size_t n);
/* Writes down and takes what the sockets have, and what the tables say. */
void sw_drain(struct sw *w);

/* ---- images ---- */
void sw_save(struct sw *w, struct sw_image *out);
/* Instead of the stack there is; `why` as in nst_stack_load. */
enum nst_err sw_load(struct sw *w, const struct sw_image *image, bool clone,
		     char *why);
void sw_image_free(struct sw_image *i);
bool sw_put(void *ctx, const void *p, size_t n);

#endif
