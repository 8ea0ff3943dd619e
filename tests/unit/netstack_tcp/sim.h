/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two netstacks joined by a link that delays, loses, reorders, duplicates and
 * corrupts, all seeded. After every event both stacks are checked. Oracle: the
 * bytes of each direction arrive as they were sent, both ends close, and all
 * memory comes back.
 */
#ifndef TESTS_UNIT_NETSTACK_TCP_SIM_H
#define TESTS_UNIT_NETSTACK_TCP_SIM_H

#include <criterion/criterion.h>

#include "netstack/tcp/tcp_priv.h"
#include "tests/unit/testenv.h"

struct sim_cfg {
	uint32_t loss, dup, reorder, corrupt; /* per mille */
	nst_time delay, jitter;
	uint32_t mtu, caps;
	bool no_sack; /* NewReno: the option is removed on the way */
	uint32_t bytes[2];
	uint8_t family;
	uint32_t rcvbuf; /* 0: automatic */
};

struct sim_pkt {
	struct sim_pkt *next;
	nst_time at;
	uint64_t order;
	struct nst_pkt *pkt;
	int to;
};

struct sim_end {
	struct testenv te;
	struct nst_stack *st;
	struct test_user user;
	struct nst_tcp *tp, *lis;
	uint32_t sent, got, want, expect;
	bool eof, shut, failed;
	struct sim *sim;
	int i;
};

struct sim {
	struct sim_cfg cfg;
	struct testenv rnd;
	nst_time now, done; /* when all data had arrived */
	uint64_t order, delivered;
	struct sim_pkt *queue;
	struct sim_end end[2];
};

void sim_init(struct sim *s, const struct sim_cfg *cfg, uint64_t seed);
void sim_fini(struct sim *s);
/* Transfers and closes; false: did not end within `limit`. */
bool sim_run(struct sim *s, nst_time limit);

#endif
