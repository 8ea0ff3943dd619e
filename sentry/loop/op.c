/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations: making, cancelling, freeing, and the descriptors they use.
 *
 * An op is freed when nobody can name it any more: the caller has cancelled it
 * or has got its last event, the kernel holds neither its request nor a cancel
 * of it, and it is on no list. So a cancel can never hit a later op at the same
 * address, and completions of a cancelled op in the same batch find it alive.
 */
#include "sentry/loop/loop_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- descriptors ---- */

/* False: no memory. */
static bool fd_hold(struct loop *l, int fd)
{
	size_t want = l->nfds ? l->nfds : 256;
	struct fd_use *p;

	if (fd < 0)
		return false;
	while (want <= (size_t)fd)
		want *= 2;
	if (want > l->nfds) {
		p = realloc(l->fds, want * sizeof(*p));
		if (!p)
			return false;
		memset(p + l->nfds, 0, (want - l->nfds) * sizeof(*p));
		l->fds = p;
		l->nfds = want;
	}
	l->fds[fd].ops++;
	return true;
}

static void fd_drop(struct loop *l, int fd)
{
	struct fd_use *u = &l->fds[fd];

	if (--u->ops || !u->closing)
		return;
	u->closing = false;
	close(fd);
}

/*
 * The number is given back at once where it can be: who closes to make room
 * needs it now. LINUX: a request takes its file when it is submitted and never
 * looks at the number again; and a cancelled op is not submitted any more.
 */
static void fd_close(struct loop *l, int fd)
{
	if (fd < 0)
		return;
	if ((size_t)fd < l->nfds && l->fds[fd].ops && !ring_all_taken(l))
		l->fds[fd].closing = true;
	else
		close(fd);
}

/* ---- memory ---- */

static struct loop_op *op_alloc(struct loop *l)
{
	struct loop_op *op = l->free_ops;

	if (!op)
		return calloc(1, sizeof(*op));
	l->free_ops = op->next;
	l->nfree--;
	memset(op, 0, sizeof(*op));
	return op;
}

static void op_release_fd(struct loop_op *op)
{
	if (!op->held)
		return;
	op->held = false;
	fd_drop(op->l, op->fd);
}

static void op_free(struct loop_op *op)
{
	struct loop *l = op->l;

	op_release_fd(op);
	*op->all_pprev = op->all_next;
	if (op->all_next)
		op->all_next->all_pprev = op->all_pprev;
	free(op->addr);
	if (l->nfree >= LOOP_FREE_OPS) {
		free(op);
		return;
	}
	op->next = l->free_ops;
	l->free_ops = op;
	l->nfree++;
}

void op_free_all(struct loop *l)
{
	for (struct loop_op *op = l->all, *next; op; op = next) {
		next = op->all_next;
		op_free(op);
	}
	while (l->free_ops) {
		struct loop_op *op = l->free_ops;

		l->free_ops = op->next;
		free(op);
	}
	free(l->fds);
}

static struct loop_op *op_new(struct loop *l, enum op_kind kind, int fd,
			      loop_fn fn, void *arg)
{
	struct loop_op *op = op_alloc(l);

	if (!op)
		return NULL;
	op->l = l;
	op->kind = (uint8_t)kind;
	op->fd = fd;
	op->fn = fn;
	op->arg = arg;
	op->all_next = l->all;
	op->all_pprev = &l->all;
	if (l->all)
		l->all->all_pprev = &op->all_next;
	l->all = op;
	op->held = fd_hold(l, fd);
	if (op->held)
		return op;
	op_free(op);
	return NULL;
}

/* ---- towards what is wanted ---- */

static void op_start(struct loop_op *op)
{
	struct io_uring_sqe *sqe = ring_sqe(op->l);

	if (!sqe) {
		op_retry(op);
		return;
	}
	op_prep(op, sqe);
	op->inflight = true;
}

static void op_cancel_request(struct loop_op *op)
{
	struct io_uring_sqe *sqe = ring_sqe(op->l);

	if (!sqe) {
		op_retry(op);
		return;
	}
	io_uring_prep_cancel64(sqe, (uintptr_t)op, 0);
	io_uring_sqe_set_data64(sqe, (uintptr_t)op | UD_CANCEL);
	op->cancelling = true;
}

void op_sync(struct loop_op *op)
{
	bool over = op->cancelled || op->ended;
	bool hold = op->paused || op->l->suspended;

	if (op->cancelling || op->busy)
		return; /* their end calls again */
	if (op->inflight) {
		if (over || hold)
			op_cancel_request(op);
	} else if (!over) {
		if (!hold && !op->listed)
			op_start(op);
	} else if (!op->listed) {
		op_free(op);
	}
}

void op_retry(struct loop_op *op)
{
	struct loop *l = op->l;

	if (op->listed)
		return;
	op->listed = true;
	op->next = l->retry;
	l->retry = op;
	if (l->retry_at == NST_NEVER)
		l->retry_at = loop_now() + LOOP_RETRY_NS;
}

void op_sync_all(struct loop *l)
{
	for (struct loop_op *op = l->all, *next; op; op = next) {
		next = op->all_next;
		op_sync(op);
	}
}

bool op_any_held(const struct loop *l)
{
	for (const struct loop_op *op = l->all; op; op = op->all_next)
		if (op->inflight || op->cancelling)
			return true;
	return false;
}

/* Takes a whole list: op_sync may put an op on one again. */
static void op_sync_list(struct loop_op *op)
{
	while (op) {
		struct loop_op *next = op->next;

		op->listed = false;
		op_sync(op);
		op = next;
	}
}

void op_run_posted(struct loop *l)
{
	struct loop_op *list = l->posted;

	l->posted = NULL;
	l->posted_tail = &l->posted;
	op_sync_list(list);
}

void op_run_retry(struct loop *l, nst_time now)
{
	struct loop_op *list = l->retry;

	if (now < l->retry_at)
		return;
	l->retry = NULL;
	l->retry_at = NST_NEVER;
	op_sync_list(list);
}

/* The caller's wish has changed: at once on the loop thread, else posted. */
static void op_changed(struct loop_op *op)
{
	struct loop *l = op->l;

	if (loop_is_self(l)) {
		op_sync(op);
		return;
	}
	if (op->listed)
		return;
	op->listed = true;
	op->next = NULL;
	*l->posted_tail = op;
	l->posted_tail = &op->next;
	loop_wake(l);
}

void op_end(struct loop_op *op, int res)
{
	const struct loop_event ev = {.res = res, .last = true};

	op->ended = true;
	/* First, so that the callback's loop_cancel_close closes at once. */
	op_release_fd(op);
	op->fn(op->arg, &ev);
}

/* ---- the interface ---- */

static struct loop_op *op_begin(struct loop_op *op)
{
	if (op)
		op_changed(op);
	/* Nobody has cancelled a new op: op_sync did not free it. */
	return op; /* NOLINT(clang-analyzer-unix.Malloc) */
}

struct loop_op *loop_poll(struct loop *l, int fd, unsigned events, loop_fn fn,
			  void *arg)
{
	struct loop_op *op = op_new(l, OP_POLL, fd, fn, arg);

	if (op)
		op->events = events;
	return op_begin(op);
}

struct loop_op *loop_recv(struct loop *l, int fd, bool want_from, loop_fn fn,
			  void *arg)
{
	int type = SOCK_STREAM;
	socklen_t len = sizeof(type);
	struct loop_op *op;

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		type = SOCK_STREAM; /* the receive itself will say why */
	op = op_new(l, type == SOCK_STREAM ? OP_RECV : OP_RECVMSG, fd, fn, arg);
	if (op)
		op->want_from = want_from;
	return op_begin(op);
}

struct loop_op *loop_read(struct loop *l, int fd, loop_fn fn, void *arg)
{
	return op_begin(op_new(l, OP_READ, fd, fn, arg));
}

struct loop_op *loop_accept(struct loop *l, int fd, loop_fn fn, void *arg)
{
	return op_begin(op_new(l, OP_ACCEPT, fd, fn, arg));
}

struct loop_op *loop_connect(struct loop *l, int fd, const struct sockaddr *sa,
			     socklen_t len, loop_fn fn, void *arg)
{
	struct loop_op *op = op_new(l, OP_CONNECT, fd, fn, arg);

	if (!op)
		return NULL;
	op->addr = malloc(len);
	if (!op->addr) {
		op_free(op);
		return NULL;
	}
	memcpy(op->addr, sa, len);
	op->addr_len = len;
	return op_begin(op);
}

void loop_recv_pause(struct loop_op *op, bool paused)
{
	if (op->paused == paused || op->ended)
		return;
	op->paused = paused;
	op_changed(op);
}

void loop_cancel(struct loop *l, struct loop_op *op)
{
	(void)l;
	if (!op || op->cancelled || op->ended)
		return;
	op->cancelled = true;
	op_changed(op);
}

void loop_cancel_close(struct loop *l, struct loop_op *op, int fd)
{
	/* Closed first: cancelling may drop the last user of fd at once. */
	fd_close(l, fd);
	loop_cancel(l, op);
}
