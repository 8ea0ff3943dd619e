/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loop_accept_now: accept(2) from a listener that may be blocking, without
 * blocking and without changing O_NONBLOCK, which the guest shares.
 *
 * IORING_ACCEPT_DONTWAIT (6.10) does just that. Before, the accept is followed
 * by a cancel of itself in the same submission: what does not succeed at once
 * waits in a poll and is cancelled there. There is no race in either.
 */
#include "sentry/loop/loop_priv.h"

#include <errno.h>
#include <sys/un.h>
#include <unistd.h>

#define ACCEPT_DONTWAIT (1U << 1) /* ioprio; not in liburing 2.3 */
#define UD_ACCEPT 2ull

/* Waits for one completion; signals do not end it. */
static int next_cqe(struct io_uring *r, struct completion *out)
{
	struct io_uring_cqe *cqe;
	int err;

	do {
		err = io_uring_wait_cqe(r, &cqe);
	} while (err == -EINTR);
	if (err)
		return err;
	*out = (struct completion){cqe->user_data, cqe->res, cqe->flags};
	io_uring_cqe_seen(r, cqe);
	return 0;
}

static void prep_accept(struct loop *l, int fd, bool dontwait)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&l->accept_ring);

	io_uring_prep_accept(sqe, fd, NULL, NULL, SOCK_CLOEXEC);
	io_uring_sqe_set_data64(sqe, UD_ACCEPT);
	if (dontwait) {
		sqe->ioprio |= ACCEPT_DONTWAIT;
		return;
	}
	sqe = io_uring_get_sqe(&l->accept_ring);
	io_uring_prep_cancel64(sqe, UD_ACCEPT, 0);
	io_uring_sqe_set_data64(sqe, UD_CANCEL);
}

/* -EAGAIN also stands for "was cancelled". */
static int accept_ring_once(struct loop *l, int fd, bool dontwait)
{
	struct completion c;
	int left = dontwait ? 1 : 2, res = -EAGAIN, err;

	prep_accept(l, fd, dontwait);
	do {
		err = io_uring_submit(&l->accept_ring);
	} while (err == -EINTR || err == -EAGAIN);
	if (err < 0)
		return err;
	while (left--) {
		err = next_cqe(&l->accept_ring, &c);
		if (err)
			return err;
		if (c.user_data == UD_ACCEPT)
			res = c.res;
	}
	return res == -ECANCELED || res == -EINTR ? -EAGAIN : res;
}

/* Old kernels say EINVAL to the flag; new ones find the queue empty. */
static bool probe_dontwait(struct loop *l)
{
	const struct sockaddr_un autobind = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int res = -EINVAL;

	if (fd < 0)
		return false;
	if (!bind(fd, (const struct sockaddr *)&autobind,
		  sizeof(sa_family_t)) &&
	    !listen(fd, 1))
		res = accept_ring_once(l, fd, true);
	close(fd);
	return res == -EAGAIN;
}

int accept_up(struct loop *l)
{
	int err;

	pthread_mutex_init(&l->accept_lock, NULL);
	err = io_uring_queue_init(8, &l->accept_ring, 0);
	if (err)
		return err;
	l->accept_up = true;
	l->accept_dontwait = probe_dontwait(l);
	return 0;
}

void accept_down(struct loop *l)
{
	if (l->accept_up)
		io_uring_queue_exit(&l->accept_ring);
	pthread_mutex_destroy(&l->accept_lock);
}

int loop_accept_now(struct loop *l, int fd)
{
	int res;

	pthread_mutex_lock(&l->accept_lock);
	res = accept_ring_once(l, fd, l->accept_dontwait);
	pthread_mutex_unlock(&l->accept_lock);
	return res;
}

void accept_test_no_dontwait(struct loop *l)
{
	l->accept_dontwait = false;
}
