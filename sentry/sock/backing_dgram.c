/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Backing sockets of datagram and raw endpoints: AF_UNIX DGRAM, both ends
 * named (DESIGN 3). The sentry end is connected to the guest end from the
 * start, so nobody but the guest end can send to it; the guest end connects to
 * the sentry end when the guest connects, and only then the latter needs a
 * name.
 */
#include "sentry/sock/dgram_priv.h"

#include <errno.h>
#include <unistd.h>

#include "sentry/core/fds.h"

/*
 * LINUX: an AF_UNIX datagram may have sndbuf - 32 bytes, and sndbuf is twice
 * what is asked: the guest end then refuses (EMSGSIZE) what the endpoint would
 * refuse, within one byte.
 */
#define GUEST_SNDBUF_UDP4 ((65508 + 32) / 2)
#define GUEST_SNDBUF_UDP6 ((65528 + 32) / 2)
#define GUEST_SNDBUF_RAW ((65536 + 32) / 2)
#define SENTRY_SNDBUF (1u << 20)

static int guest_sndbuf(const struct sock *s)
{
	if (s->type == SOCK_RAW)
		return GUEST_SNDBUF_RAW;
	return s->domain == AF_INET6 ? GUEST_SNDBUF_UDP6 : GUEST_SNDBUF_UDP4;
}

static void unwire(struct sock *s)
{
	if (s->send_fd >= 0)
		close(s->send_fd);
	if (s->name_fd >= 0)
		close(s->name_fd);
	s->send_fd = s->name_fd = -1;
	datagram_fini(s);
}

static int connect_back(struct sock *s)
{
	struct sockaddr_un un;
	socklen_t len = backing_name_addr(s->name_fd, &un);

	if (connect(s->send_fd, (struct sockaddr *)&un, len) < 0)
		return -errno;
	return 0;
}

socklen_t backing_back_addr(struct sock *s, struct sockaddr_un *un)
{
	if (s->dg.back_name_fd < 0)
		s->dg.back_name_fd = backing_name(s->sb, s->send_fd);
	return backing_name_addr(s->dg.back_name_fd, un);
}

/* Names g and gives it a sentry end. */
static int wire(struct sock *s, int g)
{
	int size = guest_sndbuf(s);
	int rc;

	s->dg.back_name_fd = s->send_fd = -1;
	s->name_fd = backing_name(s->sb, g);
	if (s->name_fd < 0)
		return s->name_fd;
	s->send_fd =
	    socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->send_fd < 0)
		return -errno;
	s->send_fd = fds_lasting(s->sb, s->send_fd);
	if (s->send_fd < 0)
		return s->send_fd;
	rc = connect_back(s);
	if (rc < 0)
		return rc;
	backing_sndbuf(s->send_fd, SENTRY_SNDBUF);
	if (setsockopt(g, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)) < 0)
		return -errno;
	return datagram_start(s);
}

int backing_adopt_datagram(struct sock *s, int gfd)
{
	int rc = wire(s, gfd);

	if (rc < 0)
		unwire(s);
	return rc;
}

int backing_new_datagram(struct sock *s, bool nonblock)
{
	int g = socket(
	    AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0),
	    0);
	int rc;

	if (g < 0)
		return -errno;
	rc = wire(s, g);
	if (rc < 0) {
		unwire(s);
		close(g);
		return rc;
	}
	sock_set_cookie(s, socket_cookie(g));
	return g;
}
