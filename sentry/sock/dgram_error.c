/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pending errors of datagram sockets, and how the guest end comes to show one
 * (DESIGN 3): when one side of a mutually connected AF_UNIX DGRAM pair
 * disconnects with unread datagrams, the kernel raises ECONNRESET on the other.
 */
#include "sentry/sock/dgram_priv.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

static void disconnect_end(int fd)
{
	struct sockaddr sa = {.sa_family = AF_UNSPEC};

	(void)connect(fd, &sa, sizeof(sa));
}

static void reconnect_end(const struct sock *s)
{
	struct sockaddr_un un;
	socklen_t len = backing_name_addr(s->name_fd, &un);

	(void)connect(s->send_fd, (struct sockaddr *)&un, len);
}

/* Puts one byte into the sentry end, from a helper: while it has a peer, it
 * takes datagrams from that one only. */
static bool plant_byte(struct sock *s)
{
	struct sockaddr_un un;
	socklen_t len = backing_back_addr(s, &un);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool ok;

	if (fd < 0)
		return false;
	ok = sendto(fd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL,
		    (struct sockaddr *)&un, len) == 1;
	close(fd);
	return ok;
}

/* The sentry end is drained before: nothing of the guest's is lost but what it
 * sends in these microseconds. */
static void inject(struct sock *s)
{
	struct pollfd p = {.fd = s->send_fd, .events = POLLIN};

	if (poll(&p, 1, 0) != 0)
		return;
	disconnect_end(s->send_fd);
	s->dg.injected = plant_byte(s);
	reconnect_end(s);
	if (!s->dg.injected)
		return;
	disconnect_end(s->send_fd);
	reconnect_end(s);
}

void datagram_error_set(struct sock *s, int err)
{
	s->so_error = err;
	if (s->dg.connected && s->send_fd >= 0)
		inject(s);
	if (s->parked)
		trap_kick(s);
}

int datagram_error(struct sock *s, int gfd)
{
	int shown = 0;
	socklen_t len = sizeof(shown);

	if (!s->so_error || !s->dg.injected)
		return s->so_error;
	/* Reading SO_ERROR of the guest end also clears it there. */
	if (getsockopt(gfd, SOL_SOCKET, SO_ERROR, &shown, &len) < 0)
		return s->so_error;
	s->dg.injected = false;
	if (!shown)
		s->so_error = 0;
	return s->so_error;
}

void datagram_error_clear(struct sock *s)
{
	s->so_error = 0;
	s->dg.injected = false;
}
