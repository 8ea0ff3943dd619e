/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox without a guest: netstack, loop thread, and an owner that echoes
 * what a TCP endpoint receives. Besides a small reader of pcapng files.
 */
#ifndef TESTS_UNIT_SENTRY_LINK_RIG_H
#define TESTS_UNIT_SENTRY_LINK_RIG_H

#include <criterion/criterion.h>

#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"
#include "sentry/core/sandbox.h"
#include "sentry/link/link.h"
#include "sentry/loop/loop.h"
#include "tests/unit/testenv.h"

struct rig {
	struct options opt;
	struct sandbox sb;
	pthread_t thread;
	bool threaded;
};

/* Sandbox with an empty netstack and a loop that does not run yet. */
void rig_init(struct rig *r);
void rig_run(struct rig *r); /* starts the loop thread */
void rig_fini(struct rig *r);
/* Adds an address to the netstack; "ADDR", length. */
void rig_addr(struct nst_stack *st, uint32_t ifindex, const char *addr,
	      uint8_t len);
void rig_route(struct nst_stack *st, uint32_t ifindex, const char *net,
	       uint8_t len);

/* A TCP endpoint whose received bytes are sent back, or summed. */
struct peer {
	struct ep_owner owner; /* first */
	struct sandbox *sb;
	struct nst_tcp *tcp;
	bool echo, accepts;
	uint64_t received;
	uint64_t bad; /* bytes that are not pattern(position) */
	uint32_t seen;
	struct peer *child; /* of an accepting one; the caller's */
};
void peer_init(struct peer *p, struct sandbox *sb);
static inline uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7);
}
/* Under the lock: fills the send ring with the pattern from position `at`, at
 * most max bytes; returns how many. */
size_t peer_send(struct peer *p, uint64_t at, size_t max);

/* ---- pcapng ---- */
struct cap_pkt {
	uint32_t interface, flags, caplen, origlen;
	uint64_t when;
	const uint8_t *data;
};
struct cap_file {
	uint8_t *mem;
	size_t bytes, at;
	unsigned interfaces;
	uint32_t linktype[4];
	char name[4][64];
	uint8_t tsresol[4];
	uint64_t dropped;
	bool stats;
	bool torn_ok; /* the last block may be cut short */
};
void cap_open(struct cap_file *f, const char *path);
/* The next packet, false at the end; asserts that every block is whole. */
bool cap_next(struct cap_file *f, struct cap_pkt *out);
void cap_close(struct cap_file *f);

#endif
