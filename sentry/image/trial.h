/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a stack to see that it can be: nothing it sends goes anywhere. */
#ifndef SENTRY_IMAGE_TRIAL_H
#define SENTRY_IMAGE_TRIAL_H

#include "sentry/image/image.h"

#define TRIAL_STATES 12 /* enum nst_tcp_state */

/* What is in the stacks that were tried; added up. */
struct image_trial {
	uint64_t stacks, sockets, datagram;
	uint64_t tcp[TRIAL_STATES];
	uint64_t unsent_bytes; /* in TCP's send queues, sent or not */
	uint64_t unread_bytes; /* in TCP's receive queues */
	nst_time now;          /* of the newest stack */
};

/*
 * Loads and frees the stack at *p, which is moved behind it. -EBADMSG with the
 * reason (IMAGE_WHY bytes), -ENOMEM.
 */
int image_trial(struct image_trial *t, const struct nst_env *env,
		const uint8_t **p, const uint8_t *end, bool clone, char *why);

/* The same of what --netem has on its way. */
int image_trial_netem(const struct nst_env *env, const uint8_t **p,
		      const uint8_t *end, char *why);

#endif
