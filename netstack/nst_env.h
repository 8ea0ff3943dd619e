/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the netstack may ask of the world that embeds it. The embedder lends
 * one struct nst_env for the life of the stack; nothing else is reached.
 */
#ifndef NETSTACK_NST_ENV_H
#define NETSTACK_NST_ENV_H

#include "netstack/nst_types.h"

/* Readiness of a socket, as passed to nst_env.event. */
enum nst_event {
	NST_EV_IN = 1 << 0,        /* received data or a datagram is queued */
	NST_EV_OUT = 1 << 1,       /* send space became available */
	NST_EV_CONNECTED = 1 << 2, /* active open completed */
	NST_EV_ACCEPT = 1 << 3,    /* a completed connection waits */
	NST_EV_FIN = 1 << 4,       /* peer's FIN arrived in order */
	NST_EV_ERR = 1 << 5,    /* failed, reset or ICMP error: see so_error */
	NST_EV_CLOSED = 1 << 6, /* state is CLOSED: no more packets */
	NST_EV_ACKED = 1 << 7,  /* everything sent, FIN included, is acked */
};

struct nst_env {
	void *ctx;
	/* Zeroed memory, or NULL. `bytes` is passed back to free. */
	void *(*alloc)(void *ctx, size_t bytes);
	/* The same with any contents, for large buffers; NULL: alloc is. */
	void *(*alloc_raw)(void *ctx, size_t bytes);
	void (*free)(void *ctx, void *p, size_t bytes);
	/* Unpredictable bytes (tests: a seeded generator). Cannot fail. */
	void (*random)(void *ctx, void *buf, size_t bytes);
	/* SipHash-2-4 of data under key. */
	uint64_t (*hash)(void *ctx, const uint8_t key[16], const void *data,
			 size_t bytes);
	/*
	 * Readiness of the socket whose `user` pointer this is. May be called
	 * in the middle of any nst_ call; it must only take note (enqueue),
	 * never call back into the stack.
	 */
	void (*event)(void *ctx, void *user, uint32_t events);
};

#endif
