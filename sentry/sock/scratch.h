/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory in which a handler keeps what it read from a guest: one per thread,
 * allocated at first use, freed with the thread. Contents do not survive the
 * handler.
 */
#ifndef SENTRY_SOCK_SCRATCH_H
#define SENTRY_SOCK_SCRATCH_H

#include <stdint.h>
#include <sys/uio.h>

#define SCRATCH_IOV 1024        /* LINUX: UIO_MAXIOV */
#define SCRATCH_CTL (128 << 10) /* LINUX: net.core.optmem_max */
#define SCRATCH_DATA (64 << 10) /* any datagram */
#define SCRATCH_MOVE (1 << 20)  /* stream bytes moved in one go */

struct scratch {
	struct iovec iov[SCRATCH_IOV];
	uint8_t ctl[SCRATCH_CTL];
	/* Native sends on their way; not for handlers. */
	uint8_t drain[SCRATCH_DATA];
	uint8_t data[SCRATCH_MOVE];
};

/* NULL without memory. */
struct scratch *scratch_get(void);

#endif
