/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backing sockets: how guest ends of streams are made, named, connected and
 * asked whether they live (DESIGN 3). Nothing here moves guest data.
 *
 * Names. A guest end is bound to a name in the sentry's private directory; the
 * name is opened O_PATH and unlinked, and from then on reached only through
 * /proc/self/fd, so no guest can connect to it.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sentry/core/fds.h"
#include "sentry/core/log.h"
#include "sentry/sock/sock_priv.h"
#include "shim/abi.h"

#define STREAM_SNDBUF (1u << 20)
#define PRIVATE_BACKLOG 4096

/* ---- names ---- */

socklen_t backing_name_addr(int name_fd, struct sockaddr_un *un)
{
	memset(un, 0, sizeof *un);
	un->sun_family = AF_UNIX;
	snprintf(un->sun_path, sizeof un->sun_path, "/proc/self/fd/%d",
		 name_fd);
	return sizeof *un;
}

/* A descriptor that may last; what it names does not matter. */
static int any_number(const struct sandbox *sb)
{
	int fd = fcntl(sb->dir_fd, F_DUPFD_CLOEXEC, 0);

	return fds_lasting(sb, fd < 0 ? -errno : fd);
}

static int room_for_one(const struct sandbox *sb)
{
	int fd = any_number(sb);

	return fd < 0 ? fd : close(fd);
}

int backing_name(struct sandbox *sb, int fd)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	char name[24];
	int name_fd, err;

	/* A socket that is bound but not ours could never be adopted. */
	err = room_for_one(sb);
	if (err < 0)
		return err;
	snprintf(name, sizeof name, "%llx",
		 (unsigned long long)sb->socks->next_name++);
	snprintf(un.sun_path, sizeof un.sun_path, "/proc/self/fd/%d/%s",
		 sb->dir_fd, name);
	if (bind(fd, (struct sockaddr *)&un, sizeof un) < 0)
		return -errno;
	name_fd = openat(sb->dir_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	err = errno;
	(void)unlinkat(sb->dir_fd, name, 0);
	return fds_lasting(sb, name_fd < 0 ? -err : name_fd);
}

void backing_sndbuf(int fd, uint32_t bytes)
{
	int v = (int)(bytes ? bytes : STREAM_SNDBUF);

	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &v, sizeof v) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &v, sizeof v);
}

/* ---- the sandbox's own sockets ---- */

static int private_listener(struct sandbox *sb)
{
	struct sock_table *tb = sb->socks;

	tb->listen_fd =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (tb->listen_fd < 0)
		return -errno;
	tb->listen_name = backing_name(sb, tb->listen_fd);
	if (tb->listen_name < 0)
		return tb->listen_name;
	return listen(tb->listen_fd, PRIVATE_BACKLOG) < 0 ? -errno : 0;
}

int backing_init(struct sandbox *sb)
{
	struct sock_table *tb;
	int err;

	err = sb->socks ? 0 : sock_table_new(sb);
	if (err == 0 && sb->dir_fd < 0)
		err = sandbox_dir_new(sb);
	if (err < 0)
		return err;
	tb = sb->socks;
	tb->probe_dgram =
	    socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	tb->probe_stream =
	    socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	tb->diag_fd =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (tb->probe_dgram < 0 || tb->probe_stream < 0)
		err = -errno;
	else
		err = private_listener(sb);
	if (err < 0) {
		log_error("cannot make its own sockets in %s: %s", sb->dir,
			  strerror(-err));
		backing_fini(sb);
	}
	return err;
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void backing_fini(struct sandbox *sb)
{
	struct sock_table *tb = sb->socks;

	if (!tb)
		return;
	close_fd(&tb->listen_fd);
	close_fd(&tb->listen_name);
	close_fd(&tb->probe_dgram);
	close_fd(&tb->probe_stream);
	close_fd(&tb->diag_fd);
}

/* ---- guest ends ---- */

int backing_new(struct sock *s, bool nonblock)
{
	int type = SOCK_STREAM | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0);
	int fd;

	if (s->type != SOCK_STREAM)
		return backing_new_datagram(s, nonblock);
	fd = socket(AF_UNIX, type, 0);
	if (fd < 0)
		return -errno;
	s->name_fd = backing_name(s->sb, fd);
	if (s->name_fd < 0) {
		int err = s->name_fd;
		close(fd);
		return err;
	}
	sock_set_cookie(s, socket_cookie(fd));
	return fd;
}

static bool own_peer(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       cred.pid == getpid();
}

/* The connection that the sentry has just made to itself; strangers are shown
 * the door. */
static int accept_own(int listen_fd)
{
	for (;;) {
		int fd = accept4(listen_fd, NULL, NULL,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return -errno;
		if (own_peer(fd))
			return fd;
		close(fd);
	}
}

int backing_reserve(struct sock *s, bool two)
{
	int err;

	if (s->spare_fd < 0)
		s->spare_fd = any_number(s->sb);
	if (s->spare_fd < 0) {
		err = s->spare_fd;
		s->spare_fd = -1;
		return err;
	}
	err = two ? room_for_one(s->sb) : 0;
	if (err < 0)
		backing_unreserve(s);
	return err;
}

void backing_unreserve(struct sock *s)
{
	close_fd(&s->spare_fd);
}

int backing_attach(struct sock *s, int guest_dup)
{
	struct sock_table *tb = s->sb->socks;
	struct sockaddr_un un;
	socklen_t len = backing_name_addr(tb->listen_name, &un);
	int fd;

	backing_unreserve(s);
	if (connect(guest_dup, (struct sockaddr *)&un, len) < 0)
		return -errno;
	fd = fds_lasting(s->sb, accept_own(tb->listen_fd));
	if (fd < 0)
		return fd;
	backing_sndbuf(fd, s->guest_rcvbuf);
	s->send_fd = fd;
	return 0;
}

/*
 * One byte first, then a piece that takes most of the smallest send buffer:
 * when both are read, only the second brings the end below the kernel's mark
 * for writable, hence one EPOLLOUT edge.
 */
int backing_attach_prefilled(struct sock *s, int guest_dup)
{
	static const char fill[2048];
	int least = 1, err;
	size_t piece = 1;

	(void)setsockopt(guest_dup, SOL_SOCKET, SO_SNDBUF, &least,
			 sizeof least);
	err = backing_attach(s, guest_dup);
	if (err < 0)
		return err;
	s->pipe.prefill = 0;
	for (;;) {
		ssize_t n =
		    send(guest_dup, fill, piece, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n <= 0)
			return 0;
		s->pipe.prefill += (uint32_t)n;
		piece = sizeof fill;
	}
}

/* ---- is it alive? ---- */

bool backing_alive(const struct sock *s)
{
	const struct sock_table *tb = s->sb->socks;
	int fd = s->type == SOCK_STREAM ? tb->probe_dgram : tb->probe_stream;
	struct sockaddr_un un;
	socklen_t len;

	if (s->name_fd < 0)
		return true;
	len = backing_name_addr(s->name_fd, &un);
	/* LINUX: EPROTOTYPE for a live socket of the other type. */
	return connect(fd, (struct sockaddr *)&un, len) == 0 ||
	       errno != ECONNREFUSED;
}

struct diag_req {
	struct nlmsghdr h;
	struct unix_diag_req r;
};

/* Inode of the peer of the socket with this inode; 0: it is closed, or waits to
 * be accepted; -errno. */
static int64_t diag_peer(int diag_fd, uint32_t ino)
{
	struct diag_req q = {
	    .h = {.nlmsg_len = sizeof q,
		  .nlmsg_type = SOCK_DIAG_BY_FAMILY,
		  .nlmsg_flags = NLM_F_REQUEST},
	    .r = {.sdiag_family = AF_UNIX,
		  .udiag_states = UINT32_MAX,
		  .udiag_ino = ino,
		  .udiag_show = UDIAG_SHOW_PEER,
		  .udiag_cookie = {UINT32_MAX, UINT32_MAX}},
	};
	_Alignas(struct nlmsghdr) char buf[1024];
	const struct nlmsghdr *h = (const void *)buf;
	ssize_t n;

	if (diag_fd < 0 || send(diag_fd, &q, sizeof q, 0) < 0)
		return -EBADF;
	n = recv(diag_fd, buf, sizeof buf, MSG_DONTWAIT);
	if (n < 0 || !NLMSG_OK(h, (size_t)n) ||
	    h->nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return -ENOENT;
	const struct unix_diag_msg *m = NLMSG_DATA(h);
	const struct rtattr *a = (const void *)(m + 1);
	size_t left = h->nlmsg_len - NLMSG_LENGTH(sizeof *m);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type == UNIX_DIAG_PEER)
			return *(const uint32_t *)RTA_DATA(a);
	}
	return 0;
}

static int64_t peer_of(struct sandbox *sb, int fd)
{
	struct stat st;
	int64_t peer;

	if (fstat(fd, &st) < 0)
		return -errno;
	/* LINUX: the end that connect() makes is of the connecting socket's
	 * network namespace: the guest's, where the shim made that one. */
	peer = diag_peer(sb->socks->diag_fd, (uint32_t)st.st_ino);
	if (peer < 0)
		peer = diag_peer(sb->guest_diag_fd, (uint32_t)st.st_ino);
	return peer;
}

/* A close would hang up our end too. */
bool backing_peer_waits(struct sandbox *sb, int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) >= 0 && !(p.revents & POLLHUP) &&
	       peer_of(sb, fd) == 0;
}

int backing_peer_gone(struct sandbox *sb, int fd)
{
	int64_t peer = peer_of(sb, fd);

	return peer < 0 ? -1 : peer == 0;
}

/* ---- adoption ---- */

static bool adoptable(int gfd, uint64_t cookie, int type)
{
	int domain = 0, real = 0;
	socklen_t len = sizeof domain;
	struct sockaddr_un un;
	socklen_t unlen = sizeof un;

	if (getsockopt(gfd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(gfd, SOL_SOCKET, SO_TYPE, &real, &len) < 0)
		return false;
	if (domain != AF_UNIX ||
	    real != (type == SOCK_STREAM ? SOCK_STREAM : SOCK_DGRAM))
		return false;
	if ((socket_cookie(gfd) & 0xfff) != cookie)
		return false;
	/* Only a socket that nothing was done with yet. */
	return getpeername(gfd, (struct sockaddr *)&un, &unlen) < 0 &&
	       errno == ENOTCONN;
}

void backing_name_late(struct sock *s, int gfd)
{
	int fd;

	if (s->type != SOCK_STREAM || s->dead || s->name_fd >= 0 ||
	    s->send_fd >= 0)
		return;
	fd = backing_name(s->sb, gfd);
	s->name_fd = fd < 0 ? -1 : fd;
}

static int adopt_end(struct sock *s, int gfd, bool named)
{
	if (s->type != SOCK_STREAM)
		return backing_adopt_datagram(s, gfd);
	if (named)
		s->name_fd = backing_name(s->sb, gfd);
	if (named && s->name_fd < 0)
		return s->name_fd;
	sock_set_cookie(s, socket_cookie(gfd));
	return 0;
}

int backing_adopt(struct sandbox *sb, int gfd, uint64_t reg, bool named,
		  struct sock **out)
{
	int type = (int)(reg >> 16) & 7, proto = (int)(reg & 0xffff);
	int domain = (reg >> 19) & 1 ? AF_INET6 : AF_INET;
	struct sock *s;
	int err;

	if (type < SOCK_STREAM || type > SOCK_RAW ||
	    !adoptable(gfd, (reg >> 20) & 0xfff, type))
		return -EINVAL;
	s = sock_new(sb, domain, type, proto);
	if (!s)
		return -ENOMEM;
	err = sock_open(s);
	if (err == 0)
		err = adopt_end(s, gfd, named);
	if (err < 0) {
		sock_close(s, true);
		return err;
	}
	*out = s;
	return 0;
}
