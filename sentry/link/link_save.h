/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving a sandbox's link and capture, and making them anew in another process
 * that has the same descriptors. Under the stack lock, settled: what is between
 * the stacks has arrived.
 */
#ifndef SENTRY_LINK_LINK_SAVE_H
#define SENTRY_LINK_LINK_SAVE_H

#include "netstack/nst_save.h"
#include "sentry/link/link.h"

/* Types of records; numbers are for good. */
enum link_record {
	LINK_SAVE_PAIR = NST_SAVE_EMBEDDER + 28,
	LINK_SAVE_TAP,
	LINK_SAVE_NONE, /* there is no link */
	LINK_SAVE_CAPTURE,
};

/* sb->cap if there is one, and sb->link. Changes nothing. -ENOMEM; -EBUSY: not
 * settled. */
int link_save(const struct sandbox *sb, const struct nst_save_sink *sink);
/*
 * Makes both of the records at *image, which is moved behind them, as the
 * options want them; the stacks come later (link->carry, moved). No descriptor
 * is touched. -EINVAL, -ENOMEM with `why`.
 */
int link_load(struct sandbox *sb, const uint8_t **image, const uint8_t *end,
	      char *why);
/* Begins to read. -ENOMEM. */
int link_start(struct sandbox *sb);
/* Every descriptor of both. */
void link_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd),
		  void *arg);

#endif
