/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a capture, for capture.c and who saves it. */
#ifndef SENTRY_LINK_CAPTURE_PRIV_H
#define SENTRY_LINK_CAPTURE_PRIV_H

#include "sentry/link/link.h"

#define CAPTURE_INTERFACES 16

/* Blocks on their way to the file. */
struct capture_buf {
	uint8_t *p;
	size_t used;
};

struct capture {
	pthread_mutex_t lock;       /* R */
	pthread_cond_t work, space; /* R */
	int fd;                     /* S */
	int error; /* S -errno of the first failed write: nothing more is kept
		    */
	bool regular;           /* S */
	bool started, stopping; /* R */
	bool stuck;       /* R waited for space in vain: do not wait again */
	pthread_t thread; /* R */
	struct capture_buf fill, full; /* R empty when it is saved */
	nst_time wall_offset;          /* R 1970's clock minus the host's */
	nst_time behind;               /* R the stack's, of the host's */
	uint32_t interfaces;           /* S */
	uint32_t snaplen[CAPTURE_INTERFACES]; /* S */
	uint64_t dropped[CAPTURE_INTERFACES]; /* S */
};

/* Without a file. NULL: no memory. */
struct capture *capture_alloc(void);

#endif
