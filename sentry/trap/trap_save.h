/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving what is parked, and parking it in another process that has the same
 * listener: its notifications stay valid. Quiet: nothing is ready.
 */
#ifndef SENTRY_TRAP_TRAP_SAVE_H
#define SENTRY_TRAP_TRAP_SAVE_H

#include "netstack/nst_save.h"
#include "sentry/trap/trap.h"

/* Types of records; numbers are for good. */
enum trap_record {
	TRAP_SAVE_TRAP = NST_SAVE_EMBEDDER + 24,
	TRAP_SAVE_END = NST_SAVE_EMBEDDER + 27,
};

/* Changes nothing. -ENOMEM. */
int trap_save_parked(const struct sandbox *sb,
		     const struct nst_save_sink *sink);
/*
 * Parks what the records at *image say (moved behind them), on the sockets of
 * sb->socks, in sb->trapper; each is run again once the threads are there, and
 * parks again if it still has to wait. -EINVAL, -ENOMEM with `why`.
 */
int trap_load_parked(struct sandbox *sb, const uint8_t **image,
		     const uint8_t *end, char *why);
/* Every descriptor that is parked with a trap. */
void trap_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd),
		  void *arg);

#endif
