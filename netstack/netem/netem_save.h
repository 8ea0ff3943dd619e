/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a netem in the middle of its work: packets on their way with their
 * times, random numbers, the bottleneck's account. The one that is loaded goes
 * on as the saved one would have, packet by packet.
 *
 * The records (NST_SAVE_NETEM and what follows it) go where the embedder wants
 * them; several netems may follow each other. Locking as in netem.h.
 */
#ifndef NETSTACK_NETEM_NETEM_SAVE_H
#define NETSTACK_NETEM_NETEM_SAVE_H

#include "netstack/netem/netem.h"
#include "netstack/nst_save.h"

/* Changes nothing. NOMEM: memory, or the sink refused. */
NST_MUST_CHECK enum nst_err netem_save(const struct netem *nm,
				       const struct nst_save_sink *sink);
/*
 * Makes one of the records at *image, which is moved behind them; env is
 * borrowed, times are those of the saved one's clock, netem_on_mtu is to be
 * called anew. INVAL or NOMEM: nothing is made, `why` (NST_SAVE_WHY bytes) says
 * the reason.
 */
NST_MUST_CHECK enum nst_err netem_load(const struct nst_env *env,
				       const uint8_t **image,
				       const uint8_t *end, struct netem **out,
				       char *why);

#endif
