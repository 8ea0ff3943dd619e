/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving the gateway: its own objects, as records beside those of its netstack
 * (schema: gateway.proto). Netstack is saved by itself; here are references to
 * its endpoints, by id. Under the stack lock, settled.
 *
 * In place, the objects stay where they are, with their host sockets and
 * operations of the loop, which point to them; but each member that is saved is
 * overwritten and comes back from the image, so that the image is known to hold
 * all of it.
 */
#ifndef SENTRY_GATEWAY_GATEWAY_SAVE_H
#define SENTRY_GATEWAY_GATEWAY_SAVE_H

#include "netstack/nst_save.h"
#include "sentry/gateway/gateway.h"

struct nst_fwd_req;

/* Raised with every change of what a field means. */
#define GATEWAY_VERSION 1u

/* Types of records; numbers are for good. */
enum gateway_record {
	GATEWAY_SAVE_FIRST = NST_SAVE_EMBEDDER,
	GATEWAY_SAVE_RELAY,
	GATEWAY_SAVE_DFLOW,
	GATEWAY_SAVE_DNS_SERVER,
	GATEWAY_SAVE_DNS_QUERY,
	GATEWAY_SAVE_PUB_PORT,
	GATEWAY_SAVE_PUB_PEER,
	GATEWAY_SAVE_END = NST_SAVE_EMBEDDER + 15,
};

/* The gateway's own netstack: what it is now, and another one in its place. */
struct nst_stack *gateway_stack(const struct gateway *gw);
void gateway_set_stack(struct gateway *gw, struct nst_stack *st);

/* Writes the gateway's records (not those of its netstack). Changes nothing.
 * -ENOMEM; -EIO: an object is in a state in which none may be when all is
 * settled. */
int gateway_save(const struct gateway *gw, const struct nst_save_sink *sink);

/* Who has the endpoints of the stacks that were made anew. NULL: nobody. */
struct gateway_finds {
	void *ctx;
	struct nst_sock *(*sock)(void *ctx, bool of_guest, uint64_t id);
	struct nst_fwd_req *(*req)(void *ctx, uint64_t id);
};

/*
 * In another process with the same descriptors: sb->gw with as many empty
 * objects as the records at `image` are of, for gateway_restore to fill. The
 * link is there already (sentry/link/link_save.h). -EINVAL, -ENOMEM as below;
 * what was made stays.
 */
int gateway_make(struct sandbox *sb, const uint8_t *image, const uint8_t *end,
		 char *why);
/* After gateway_restore: endpoints know their users. */
void gateway_claim(struct gateway *gw);
/* Begins to look at host sockets. -ENOMEM. */
int gateway_start(struct gateway *gw);
/* Every descriptor of the gateway. */
void gateway_each_fd(struct gateway *gw, void (*fn)(void *arg, int *fd),
		     void *arg);

/*
 * Restores the objects of a running gateway, in place, from the records at
 * *image, which is moved behind them. The stacks are the new ones already. On
 * failure (-EINVAL, -ENOMEM; `why` has NST_SAVE_WHY bytes of reason) the
 * gateway is of no use any more.
 */
int gateway_restore(struct gateway *gw, const struct gateway_finds *finds,
		    const uint8_t **image, const uint8_t *end, char *why);

#endif
