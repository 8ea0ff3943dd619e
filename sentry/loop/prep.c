/* SPDX-License-Identifier: Apache-2.0 */
/* The request of each kind of operation: one function, one table. */
#include "sentry/loop/loop_priv.h"

#include <poll.h>

static void prep_poll(struct loop_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_multishot(sqe, op->fd, op->events);
}

static void prep_recv(struct loop_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
}

static void prep_recvmsg(struct loop_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_recvmsg_multishot(sqe, op->fd, &op->l->from_hdr, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = 0;
}

/* Single shot: arming it again finds what a spent read budget has left. */
static void prep_read(struct loop_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_poll_add(sqe, op->fd, POLLIN);
}

static void prep_connect(struct loop_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_connect(sqe, op->fd, op->addr, op->addr_len);
}

static void prep_accept(struct loop_op *op, struct io_uring_sqe *sqe)
{
	io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL,
				       SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static void (*const prep[])(struct loop_op *, struct io_uring_sqe *) = {
    [OP_POLL] = prep_poll,       [OP_RECV] = prep_recv,
    [OP_RECVMSG] = prep_recvmsg, [OP_READ] = prep_read,
    [OP_CONNECT] = prep_connect, [OP_ACCEPT] = prep_accept,
};

void op_prep(struct loop_op *op, struct io_uring_sqe *sqe)
{
	prep[op->kind](op, sqe);
	io_uring_sqe_set_data64(sqe, (uintptr_t)op);
}
