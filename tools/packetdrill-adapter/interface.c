/* SPDX-License-Identifier: Apache-2.0 */
/*
 * packetdrill's struct over the files of this folder: each function takes the
 * lock, finds the file, and turns -errno into -1 and errno.
 */
#include "tools/packetdrill-adapter/adapter.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "sentry/core/errmap.h"
#include "tools/packetdrill-adapter/ad_priv.h"

#define USEC(t) ((long long)((t) / NST_US))

static ssize_t answer(struct world *w, ssize_t rc)
{
	world_leave(w);
	if (rc >= 0)
		return rc;
	errno = (int)-rc;
	return -1;
}

/* The same of a call that may have changed the stack. */
static ssize_t done(struct world *w, ssize_t rc)
{
	world_event(w);
	return answer(w, rc);
}

/* Enters, and finds fd: NULL with errno set after leaving again. */
static struct file *enter(struct world *w, int fd, bool sock)
{
	struct file *f;
	int err = EBADF;

	world_enter(w);
	f = file_get(w, fd);
	if (f && sock && !file_is_sock(f)) {
		file_put(f);
		f = NULL;
		err = ENOTSOCK;
	}
	if (!f) {
		world_leave(w);
		errno = err;
	}
	return f;
}

static ssize_t leave(struct file *f, ssize_t rc)
{
	struct world *w = f->w;

	file_put(f);
	return done(w, rc);
}

/* ---- opening and closing ---- */

static void do_free(void *u)
{
	setup_free(u);
}

static int do_socket(void *u, int domain, int type, int protocol)
{
	world_enter(u);
	return (int)done(u, open_socket(u, domain, type, protocol));
}

static int do_bind(void *u, int fd, const struct sockaddr *a, socklen_t len)
{
	struct file *f = enter(u, fd, true);

	return f ? (int)leave(f, open_bind(f, a, len)) : -1;
}

static int do_listen(void *u, int fd, int backlog)
{
	struct file *f = enter(u, fd, true);

	return f ? (int)leave(f, open_listen(f, backlog)) : -1;
}

static int do_accept(void *u, int fd, struct sockaddr *a, socklen_t *len)
{
	struct file *f = enter(u, fd, true);

	return f ? (int)leave(f, open_accept(f, a, len)) : -1;
}

static int do_connect(void *u, int fd, const struct sockaddr *a, socklen_t len)
{
	struct file *f = enter(u, fd, true);

	return f ? (int)leave(f, open_connect(f, a, len)) : -1;
}

static int do_close(void *u, int fd)
{
	world_enter(u);
	return (int)done(u, file_close(u, fd));
}

static int do_shutdown(void *u, int fd, int how)
{
	struct file *f = enter(u, fd, true);

	return f ? (int)leave(f, open_shutdown(f, how)) : -1;
}

/* ---- reading ---- */

static ssize_t recv_iov(void *u, int fd, struct msghdr *m, int flags, bool sock)
{
	struct file *f = enter(u, fd, sock);

	return f ? leave(f, io_recv(f, m, flags)) : -1;
}

static ssize_t do_readv(void *u, int fd, const struct iovec *iov, int n)
{
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov,
			   .msg_iovlen = (size_t)n};

	if (n < 0 || n > LIMIT_IOV) {
		errno = EINVAL;
		return -1;
	}
	return recv_iov(u, fd, &m, 0, false);
}

static ssize_t do_read(void *u, int fd, void *buf, size_t count)
{
	struct iovec v = {.iov_base = buf, .iov_len = count};

	return do_readv(u, fd, &v, 1);
}

static ssize_t do_recvfrom(void *u, int fd, void *buf, size_t len, int flags,
			   struct sockaddr *a, socklen_t *alen)
{
	struct iovec v = {.iov_base = buf, .iov_len = len};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_name = a,
			   .msg_namelen = a && alen ? *alen : 0};
	ssize_t n = recv_iov(u, fd, &m, flags, true);

	if (n >= 0 && a && alen)
		*alen = m.msg_namelen;
	return n;
}

static ssize_t do_recv(void *u, int fd, void *buf, size_t len, int flags)
{
	return do_recvfrom(u, fd, buf, len, flags, NULL, NULL);
}

static ssize_t do_recvmsg(void *u, int fd, struct msghdr *m, int flags)
{
	return recv_iov(u, fd, m, flags, true);
}

/* ---- writing ---- */

static ssize_t send_iov(void *u, int fd, const struct msghdr *m, int flags,
			bool sock)
{
	struct file *f = enter(u, fd, sock);

	return f ? leave(f, io_send(f, m, flags)) : -1;
}

static ssize_t do_writev(void *u, int fd, const struct iovec *iov, int n)
{
	struct msghdr m = {.msg_iov = (struct iovec *)(uintptr_t)iov,
			   .msg_iovlen = (size_t)n};

	if (n < 0 || n > LIMIT_IOV) {
		errno = EINVAL;
		return -1;
	}
	return send_iov(u, fd, &m, 0, false);
}

static ssize_t do_write(void *u, int fd, const void *buf, size_t count)
{
	struct iovec v = {.iov_base = (void *)(uintptr_t)buf, .iov_len = count};

	return do_writev(u, fd, &v, 1);
}

static ssize_t do_sendto(void *u, int fd, const void *buf, size_t len,
			 int flags, const struct sockaddr *a, socklen_t alen)
{
	struct iovec v = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_name = (void *)(uintptr_t)a,
			   .msg_namelen = a ? alen : 0};

	return send_iov(u, fd, &m, flags, true);
}

static ssize_t do_send(void *u, int fd, const void *buf, size_t len, int flags)
{
	return do_sendto(u, fd, buf, len, flags, NULL, 0);
}

static ssize_t do_sendmsg(void *u, int fd, const struct msghdr *m, int flags)
{
	return send_iov(u, fd, m, flags, true);
}

static ssize_t splice_files(struct world *w, int in, int out, size_t len,
			    unsigned flags)
{
	struct file *a = file_get(w, in), *b = file_get(w, out);
	ssize_t n = a && b ? pipe_splice(a, b, len, flags) : -EBADF;

	if (a)
		file_put(a);
	if (b)
		file_put(b);
	return n;
}

static int do_splice(void *u, int in, loff_t *off_in, int out, loff_t *off_out,
		     size_t len, unsigned flags)
{
	if (off_in || off_out) {
		errno = ESPIPE;
		return -1;
	}
	world_enter(u);
	return (int)done(u, splice_files(u, in, out, len, flags));
}

/* ---- the descriptor ---- */

static int do_fcntl(void *u, int fd, int cmd, ...)
{
	va_list ap;
	long arg;

	va_start(ap, cmd);
	arg = va_arg(ap, long);
	va_end(ap);
	world_enter(u);
	return (int)done(u, file_fcntl(u, fd, cmd, arg));
}

static int do_ioctl(void *u, int fd, unsigned long request, ...)
{
	struct file *f = enter(u, fd, false);
	va_list ap;
	void *arg;

	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return f ? (int)leave(f, file_ioctl(f, request, arg)) : -1;
}

static int do_getsockopt(void *u, int fd, int level, int name, void *v,
			 socklen_t *len)
{
	struct file *f = enter(u, fd, true);

	return f ? (int)leave(f, opt_get(f, level, name, v, len)) : -1;
}

static int do_setsockopt(void *u, int fd, int level, int name, const void *v,
			 socklen_t len)
{
	struct file *f = enter(u, fd, true);

	return f ? (int)leave(f, opt_set(f, level, name, v, len)) : -1;
}

static int do_poll(void *u, struct pollfd *fds, nfds_t n, int timeout)
{
	world_enter(u);
	return (int)done(u, poll_files(u, fds, n, timeout));
}

static int do_epoll_create(void *u, int size)
{
	world_enter(u);
	return (int)done(u, size > 0 ? epoll_open(u) : -EINVAL);
}

static int do_epoll_ctl(void *u, int epfd, int op, int fd,
			struct epoll_event *ev)
{
	world_enter(u);
	return (int)done(u, epoll_change(u, epfd, op, fd, ev));
}

static int do_epoll_wait(void *u, int epfd, struct epoll_event *out, int max,
			 int timeout)
{
	world_enter(u);
	return (int)done(u, epoll_collect(u, epfd, out, max, timeout));
}

static int do_pipe(void *u, int fd[2])
{
	world_enter(u);
	return (int)done(u, pipe_open(u, fd));
}

/* ---- wire and time ---- */

static int do_netdev_send(void *u, const void *buf, size_t count)
{
	world_enter(u);
	return (int)answer(u, world_inject(u, buf, count));
}

static int receive(void *u, void *buf, size_t *count, long long *usecs,
		   nst_time until)
{
	nst_time when;
	int rc;

	world_enter(u);
	when = ((struct world *)u)->now;
	rc = world_receive(u, buf, count, &when, until);
	*usecs = USEC(when);
	return (int)answer(u, rc);
}

static int do_netdev_receive(void *u, void *buf, size_t *count,
			     long long *usecs)
{
	return receive(u, buf, count, usecs, NST_NEVER);
}

int pkt_netstack_receive_until(void *u, void *buf, size_t *count,
			       long long *usecs, long long until)
{
	return receive(u, buf, count, usecs, until * NST_US);
}

static int do_usleep(void *u, useconds_t usec)
{
	world_enter(u);
	world_usleep(u, usec);
	return (int)answer(u, 0);
}

static int do_gettimeofday(void *u, struct timeval *tv, struct timezone *tz)
{
	nst_time now;

	world_enter(u);
	now = world_clock(u);
	if (tv)
		*tv = (struct timeval){.tv_sec = now / NST_SEC,
				       .tv_usec = now % NST_SEC / NST_US};
	if (tz)
		memset(tz, 0, sizeof(*tz));
	return (int)answer(u, 0);
}

/* ---- beyond the struct ---- */

int pkt_netstack_sysctl_set(void *u, const char *name, const char *value)
{
	struct world *w = u;

	world_enter(w);
	return (int)done(w, -errno_of(nst_sysctl_set(w->st, name, value)));
}

int pkt_netstack_sysctl_get(void *u, const char *name, char *out, size_t cap)
{
	struct world *w = u;

	world_enter(w);
	return (int)answer(w, -errno_of(nst_sysctl_get(w->st, name, out, cap)));
}

static int find_counter(const struct world *w, const char *name,
			unsigned long long *value)
{
	const uint8_t *all = (const uint8_t *)nst_counters(w->st);
	const char *have;
	uint64_t v;

	for (size_t i = 0; (have = nst_counter_name(i)); i++) {
		if (strcmp(have, name) != 0)
			continue;
		memcpy(&v, all + i * sizeof(v), sizeof(v));
		*value = v;
		return 0;
	}
	return -ENOENT;
}

int pkt_netstack_counter(void *u, const char *name, unsigned long long *value)
{
	world_enter(u);
	return (int)answer(u, find_counter(u, name, value));
}

int pkt_netstack_set_mtu(void *u, unsigned mtu)
{
	struct world *w = u;

	world_enter(w);
	return (int)done(w, -errno_of(nst_nic_set_mtu(w->st, w->ifindex, mtu)));
}

/* ---- the struct ---- */

static const struct packetdrill_interface members = {
    .free = do_free,
    .socket = do_socket,
    .bind = do_bind,
    .listen = do_listen,
    .accept = do_accept,
    .connect = do_connect,
    .read = do_read,
    .readv = do_readv,
    .recv = do_recv,
    .recvfrom = do_recvfrom,
    .recvmsg = do_recvmsg,
    .write = do_write,
    .writev = do_writev,
    .send = do_send,
    .sendto = do_sendto,
    .sendmsg = do_sendmsg,
    .fcntl = do_fcntl,
    .ioctl = do_ioctl,
    .close = do_close,
    .shutdown = do_shutdown,
    .getsockopt = do_getsockopt,
    .setsockopt = do_setsockopt,
    .poll = do_poll,
    .netdev_send = do_netdev_send,
    .netdev_receive = do_netdev_receive,
    .usleep = do_usleep,
    .gettimeofday = do_gettimeofday,
    .epoll_create = do_epoll_create,
    .epoll_ctl = do_epoll_ctl,
    .epoll_wait = do_epoll_wait,
    .pipe = do_pipe,
    .splice = do_splice,
};

int pkt_netstack_backend(const char *flags, struct packetdrill_interface *out)
{
	struct world *w = NULL;
	int rc = setup_world(flags, &w);

	if (rc < 0) {
		errno = -rc;
		return -1;
	}
	*out = members;
	out->userdata = w;
	return 0;
}
