/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is on its way through --netem, for images in files: one way at a time
 * (NETEM_OUT, NETEM_IN). Upgrades save whole links: link_save.h. Under the
 * stack lock.
 */
#ifndef SENTRY_LINK_NETEM_IMAGE_H
#define SENTRY_LINK_NETEM_IMAGE_H

#include "netstack/netem/netem_save.h"
#include "sentry/link/netem_link.h"

/* Nothing is written for a way without settings. -ENOMEM. */
int netem_image_save(const struct sandbox *sb, int way,
		     const struct nst_save_sink *sink);
/*
 * The records at *image, which is moved behind them, take the place of that
 * way: settings are what the options of now say (none: what comes from now on
 * passes at once), packets keep their times. Without a link they are dropped.
 * -EINVAL, -ENOMEM with `why` (NST_SAVE_WHY bytes).
 */
int netem_image_load(struct sandbox *sb, int way, const uint8_t **image,
		     const uint8_t *end, char *why);

#endif
