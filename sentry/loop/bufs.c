/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Provided buffers: one group that all receives share. The kernel picks one
 * per completion; it is lent to the callback and returned right after it, so
 * the group can only be empty between two batches (then -ENOBUFS ends the
 * multishot, and op_sync starts it again).
 */
#include "sentry/loop/loop_priv.h"

#include <errno.h>
#include <sys/mman.h>

#define BUF_RING_BYTES (LOOP_BUFS * sizeof(struct io_uring_buf))

static void *pages(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

uint8_t *bufs_at(struct loop *l, unsigned id)
{
	return l->bufs + (size_t)id * LOOP_BUF_BYTES;
}

void bufs_return(struct loop *l, unsigned id)
{
	io_uring_buf_ring_add(l->buf_ring, bufs_at(l, id), LOOP_BUF_BYTES,
			      (unsigned short)id,
			      io_uring_buf_ring_mask(LOOP_BUFS), 0);
	io_uring_buf_ring_advance(l->buf_ring, 1);
}

static int bufs_register(struct loop *l)
{
	struct io_uring_buf_reg reg = {
	    .ring_addr = (uintptr_t)l->buf_ring,
	    .ring_entries = LOOP_BUFS,
	    .bgid = 0,
	};
	int err = io_uring_register_buf_ring(&l->ring, &reg, 0);

	if (err)
		return err == -EINVAL ? -ENOSYS : err;
	io_uring_buf_ring_init(l->buf_ring);
	for (unsigned i = 0; i < LOOP_BUFS; i++)
		bufs_return(l, i);
	return 0;
}

int bufs_up(struct loop *l)
{
	l->from_hdr.msg_namelen = sizeof(struct sockaddr_storage);
	l->buf_ring = pages(BUF_RING_BYTES);
	l->bufs = pages((size_t)LOOP_BUFS * LOOP_BUF_BYTES);
	l->read_buf = pages(LOOP_READ_BYTES);
	if (!l->buf_ring || !l->bufs || !l->read_buf)
		return -ENOMEM;
	return bufs_register(l);
}

void bufs_down(struct loop *l)
{
	if (l->buf_ring)
		munmap(l->buf_ring, BUF_RING_BYTES);
	if (l->bufs)
		munmap(l->bufs, (size_t)LOOP_BUFS * LOOP_BUF_BYTES);
	if (l->read_buf)
		munmap(l->read_buf, LOOP_READ_BYTES);
}
