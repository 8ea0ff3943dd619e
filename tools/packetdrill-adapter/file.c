/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors and what they stand for. A file is closed with its last
 * descriptor, as in the kernel, and freed with its last reference: a call that
 * is blocked in it keeps it.
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/errmap.h"

/* LINUX: SETFL_MASK, as far as a socket has any of it. */
#define STATUS_SETTABLE (O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME)

struct file *file_new(struct world *w, enum file_kind kind)
{
	struct file *f = calloc(1, sizeof(*f));

	if (!f)
		return NULL;
	f->w = w;
	f->kind = kind;
	f->refs = 1;
	f->status = O_RDWR;
	f->rcvtimeo = NST_NEVER;
	f->sndtimeo = NST_NEVER;
	f->peek_off = -1;
	f->errq_tail = &f->errq;
	f->all_next = w->files;
	f->all_pprev = &w->files;
	if (f->all_next)
		f->all_next->all_pprev = &f->all_next;
	w->files = f;
	return f;
}

static void errq_drop(struct file *f)
{
	while (f->errq) {
		struct err_entry *e = f->errq;

		f->errq = e->next;
		free(e);
	}
	f->errq_tail = &f->errq;
}

static void file_free(struct file *f)
{
	errq_drop(f);
	zerocopy_drop(f);
	timestamping_drop(f);
	*f->all_pprev = f->all_next;
	if (f->all_next)
		f->all_next->all_pprev = f->all_pprev;
	free(f);
}

void file_put(struct file *f)
{
	if (--f->refs == 0)
		file_free(f);
}

static int grow(struct world *w, size_t want)
{
	size_t n = w->nfds ? w->nfds : 16;
	struct file **v;

	while (n < want)
		n *= 2;
	if (n == w->nfds)
		return 0;
	v = realloc(w->fds, n * sizeof(*v));
	if (!v)
		return -ENOMEM;
	memset(v + w->nfds, 0, (n - w->nfds) * sizeof(*v));
	w->fds = v;
	w->nfds = n;
	return 0;
}

int file_install(struct file *f, int from)
{
	struct world *w = f->w;
	/* 0 to 2 belong to the process. */
	size_t fd = from > 3 ? (size_t)from : 3;
	int rc;

	while (fd < w->nfds && w->fds[fd])
		fd++;
	if (fd >= LIMIT_FDS)
		return -EMFILE;
	rc = grow(w, fd + 1);
	if (rc < 0)
		return rc;
	w->fds[fd] = f;
	f->refs++;
	f->nfds++;
	return (int)fd;
}

struct file *file_get(struct world *w, int fd)
{
	struct file *f;

	if (fd < 0 || (size_t)fd >= w->nfds)
		return NULL;
	f = w->fds[fd];
	if (f)
		f->refs++;
	return f;
}

static void last_close(struct file *f)
{
	epoll_forget(f);
	switch (f->kind) {
	case FILE_TCP:
	case FILE_DGRAM:
		open_close(f);
		break;
	case FILE_EPOLL:
		epoll_close(f);
		break;
	case FILE_PIPE:
		pipe_close(f);
		break;
	}
}

int file_close(struct world *w, int fd)
{
	struct file *f = file_get(w, fd);

	if (!f)
		return -EBADF;
	w->fds[fd] = NULL;
	f->refs--; /* the descriptor's */
	if (--f->nfds == 0)
		last_close(f);
	file_put(f);
	return 0;
}

/* The world ends: nobody is told, nothing is waited for. */
void file_free_all(struct world *w)
{
	while (w->files) {
		struct file *f = w->files;

		if (f->kind == FILE_EPOLL && f->nfds > 0)
			epoll_close(f);
		if (f->kind == FILE_PIPE && f->nfds > 0)
			pipe_close(f);
		file_free(f);
	}
}

/* ---- fcntl ---- */

static int set_status(struct file *f, long arg)
{
	f->status &= ~STATUS_SETTABLE;
	f->status |= (int)arg & STATUS_SETTABLE;
	return 0;
}

static int dup_from(struct file *f, long arg)
{
	if (arg < 0 || arg >= LIMIT_FDS)
		return -EINVAL;
	return file_install(f, (int)arg);
}

static int fcntl_file(struct file *f, int cmd, long arg)
{
	switch (cmd) {
	case F_GETFL:
		return f->status;
	case F_SETFL:
		return set_status(f, arg);
	case F_GETFD:
		return 0;
	case F_SETFD:
		return 0; /* nothing is executed: the flag has no effect */
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return dup_from(f, arg);
	case F_GETPIPE_SZ:
		return f->kind == FILE_PIPE ? LIMIT_PIPE_BYTES : -EBADF;
	default:
		return -EINVAL;
	}
}

int file_fcntl(struct world *w, int fd, int cmd, long arg)
{
	struct file *f = file_get(w, fd);
	int rc;

	if (!f)
		return -EBADF;
	rc = fcntl_file(f, cmd, arg);
	file_put(f);
	return rc;
}

/* ---- what calls on sockets share ---- */

struct nst_sock *file_sock(const struct file *f)
{
	return f->tcp ? nst_tcp_sock(f->tcp) : nst_dgram_sock(f->dgram);
}

bool file_nonblock(const struct file *f, int flags)
{
	return (f->status & O_NONBLOCK) || (flags & MSG_DONTWAIT);
}

nst_time file_deadline(const struct file *f, nst_time timeo)
{
	return timeo > NST_NEVER - f->w->now ? NST_NEVER : f->w->now + timeo;
}

int file_error_peek(const struct file *f)
{
	if (f->so_error)
		return f->so_error;
	return errno_of(nst_sock_error(file_sock(f), false));
}

int file_error(struct file *f)
{
	int err = f->so_error;

	f->so_error = 0;
	if (err)
		return err;
	return errno_of(nst_sock_error(file_sock(f), true));
}

void file_errq_add(struct file *f, const struct err_entry *e)
{
	struct err_entry *copy = malloc(sizeof(*copy));

	if (!copy)
		return;
	*copy = *e;
	copy->next = NULL;
	*f->errq_tail = copy;
	f->errq_tail = &copy->next;
	f->w->events = true;
}
