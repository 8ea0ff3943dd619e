/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completions: what each kind of operation makes of a result. Each handler
 * gives events to the caller; op_sync() afterwards starts again what the
 * kernel has ended (no F_MORE) and frees what is over.
 */
#include "sentry/loop/loop_priv.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static void op_event(struct loop_op *op, int res, void *data,
		     const struct sockaddr_storage *from)
{
	const struct loop_event ev = {.res = res, .data = data, .from = from};

	op->fn(op->arg, &ev);
}

/* Ended by us (a pause) or to be tried again without a word. */
static bool res_silent(int res)
{
	return res == -ECANCELED || res == -ENOBUFS || res == -EINTR ||
	       res == -EAGAIN;
}

/* Only time can mend it. */
static bool res_scarce(int res)
{
	return res == -EMFILE || res == -ENFILE || res == -ENOMEM;
}

static void on_poll(struct loop_op *op, const struct completion *c)
{
	if (res_scarce(c->res))
		op_retry(op); /* polls again: nothing is missed */
	else if (c->res < 0)
		op_end(op, c->res);
	else
		op_event(op, c->res, NULL, NULL);
}

static void on_connect(struct loop_op *op, const struct completion *c)
{
	op_end(op, c->res);
}

static uint8_t *completion_buf(struct loop *l, const struct completion *c)
{
	if (!(c->flags & IORING_CQE_F_BUFFER))
		return NULL;
	return bufs_at(l, c->flags >> IORING_CQE_BUFFER_SHIFT);
}

static void on_recv(struct loop_op *op, const struct completion *c)
{
	if (res_silent(c->res))
		return;
	if (res_scarce(c->res))
		op_retry(op);
	else if (c->res <= 0)
		op_end(op, c->res);
	else
		op_event(op, c->res, completion_buf(op->l, c), NULL);
}

/*
 * Errors of a datagram socket are about one datagram (ICMP) and are over when
 * read, except those that say that fd is no socket to receive from.
 */
static bool dgram_fatal(int res)
{
	return res == -EBADF || res == -ENOTSOCK || res == -EINVAL ||
	       res == -EOPNOTSUPP || res == -EFAULT || res == -ENOTCONN;
}

static void on_recvmsg_error(struct loop_op *op, int res)
{
	if (res_silent(res))
		return;
	if (dgram_fatal(res))
		op_end(op, res);
	else if (res_scarce(res))
		op_retry(op);
	else
		op_event(op, res, NULL, NULL);
}

static void on_recvmsg(struct loop_op *op, const struct completion *c)
{
	struct msghdr *hdr = &op->l->from_hdr;
	uint8_t *buf = completion_buf(op->l, c);
	struct io_uring_recvmsg_out *out;
	const struct sockaddr_storage *from = NULL;
	unsigned bytes;

	if (c->res < 0 || !buf) {
		on_recvmsg_error(op, c->res < 0 ? c->res : -EINTR);
		return;
	}
	out = io_uring_recvmsg_validate(buf, c->res, hdr);
	if (!out)
		return;
	bytes = io_uring_recvmsg_payload_length(out, c->res, hdr);
	if (op->want_from && out->namelen)
		from = io_uring_recvmsg_name(out);
	op_event(op, (int)bytes, io_uring_recvmsg_payload(out, hdr), from);
}

/* False: nothing more to read now, or the op is over. */
static bool read_one(struct loop_op *op)
{
	ssize_t n = read(op->fd, op->l->read_buf, LOOP_READ_BYTES);

	if (n > 0) {
		op_event(op, (int)n, op->l->read_buf, NULL);
		return true;
	}
	if (n < 0 && errno == EINTR)
		return true;
	if (n == 0 || errno != EAGAIN)
		op_end(op, n ? -errno : 0);
	return false;
}

static void on_read(struct loop_op *op, const struct completion *c)
{
	if (res_silent(c->res))
		return;
	if (c->res < 0) {
		op_end(op, c->res);
		return;
	}
	for (int i = 0; i < LOOP_READ_BUDGET; i++) {
		if (op->cancelled || op->paused || !read_one(op))
			return;
	}
}

static void on_accept(struct loop_op *op, const struct completion *c)
{
	if (res_silent(c->res) || c->res == -ECONNABORTED || c->res == -EPROTO)
		return;
	if (c->res < 0 && !res_scarce(c->res)) {
		op_end(op, c->res);
		return;
	}
	if (c->res < 0)
		op_retry(op);
	op_event(op, c->res, NULL, NULL);
}

static void (*const on[])(struct loop_op *, const struct completion *) = {
    [OP_POLL] = on_poll, [OP_RECV] = on_recv,       [OP_RECVMSG] = on_recvmsg,
    [OP_READ] = on_read, [OP_CONNECT] = on_connect, [OP_ACCEPT] = on_accept,
};

static void complete_cancel(struct loop_op *op, int res)
{
	op->cancelling = false;
	if (!op->inflight) {
		op_sync(op);
		return;
	}
	/*
	 * Found: its last completion follows. Not found: it was just between
	 * two of the kernel's hands; either it has completed, or the cancel
	 * must be sent again.
	 */
	if (res < 0)
		op_retry(op);
}

/* Taken back by loop_suspend: the owner is not to know. LINUX: a connect that
 * waits in a worker is interrupted. */
static bool taken_back(const struct loop_op *op, const struct completion *c)
{
	return op->l->suspended && (c->res == -ECANCELED || c->res == -EINTR);
}

static void complete_request(struct loop_op *op, const struct completion *c)
{
	op->busy = true;
	if (!(c->flags & IORING_CQE_F_MORE))
		op->inflight = false;
	if (!op->cancelled && !op->ended && !taken_back(op, c))
		on[op->kind](op, c);
	else if (op->kind == OP_ACCEPT && c->res >= 0)
		close(c->res);
	if (c->flags & IORING_CQE_F_BUFFER)
		bufs_return(op->l, c->flags >> IORING_CQE_BUFFER_SHIFT);
	op->busy = false;
	op_sync(op);
}

void complete(struct loop *l, const struct completion *c)
{
	struct loop_op *op;

	if (c->user_data == UD_WAKE) {
		if (!(c->flags & IORING_CQE_F_MORE))
			l->wake_armed = false;
		return;
	}
	op = (struct loop_op *)(uintptr_t)(c->user_data & ~UD_CANCEL);
	if (c->user_data & UD_CANCEL)
		complete_cancel(op, c->res);
	else
		complete_request(op, c);
}
