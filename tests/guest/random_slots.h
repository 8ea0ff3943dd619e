/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets that random_calls.c plays with, by slot; how results are printed;
 * what makes a step end. One program includes it.
 */
#ifndef TESTS_GUEST_RANDOM_SLOTS_H
#define TESTS_GUEST_RANDOM_SLOTS_H

#include "guest.h"

#include <sys/stat.h>

#define SLOTS 7
#define DEAD_PORT 9 /* discard: nobody is there */

struct slot {
	int fd; /* -1: free */
	bool udp;
	bool ended; /* the peer's FIN was seen, by a step before */
	bool deaf;  /* its reading side was shut down */
	bool odd;   /* shut down while it had no connection */
};

static struct slot slots[SLOTS];
static int barrier[2], ep;
static unsigned seed, step;
static uint64_t state;

UNUSED static unsigned pick(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)((state >> 20) % n);
}

/* Several times: what a round trip has woken may cause something itself. */
UNUSED static void settle(void)
{
	struct timespec t = {0, 500000};
	char c = 'b';

	for (int i = 0; i < 3; i++) {
		if (write(barrier[0], &c, 1) != 1 ||
		    read(barrier[1], &c, 1) != 1 ||
		    write(barrier[1], &c, 1) != 1 ||
		    read(barrier[0], &c, 1) != 1)
			die("settle");
		nanosleep(&t, NULL);
	}
}

/*
 * What AF_UNIX cannot say in its own words (docs/DIFFERENCES.md, second table)
 * is made the same here, and nothing else is:
 *   reading a stream without a connection: ENOTCONN, inside EINVAL;
 *   reading it after a failed connect: that error, inside ECONNRESET;
 *   writing without a connection: EPIPE, inside ENOTCONN;
 *   a UDP socket's pending error: the ICMP's, inside ECONNRESET.
 * Besides, POLLERR is not compared where the guest end cannot have it: after a
 * reset behind the peer's FIN or before the accept, and after
 * connect(AF_UNSPEC); SO_ERROR is. And these are not done: sending on a UDP
 * socket without a peer; a child shutting down its parent's listener or
 * connecting again for it; reading a socket whose reading side was shut down
 * (what arrives then is readable natively); reading, connecting and listening
 * after a shutdown that had no connection.
 */
UNUSED static int same_word(const struct slot *s, bool reading, int err)
{
	if (s->udp)
		return err == ECONNRESET ? ECONNREFUSED : err;
	if (reading && err == EINVAL)
		return ENOTCONN;
	if (reading && err == ECONNREFUSED)
		return ECONNRESET;
	if (!reading && err == ENOTCONN)
		return EPIPE;
	return err;
}

/* ---- printing ---- */

UNUSED static void begin(const char *what, const struct slot *s)
{
	printf("seed%u.%u %s", seed, step, what);
	if (s)
		printf(" %s%td", s->udp ? "udp" : "tcp", s - slots);
}

UNUSED static void result(long r, int err)
{
	if (r < 0)
		printf(": %s\n", strerrorname_np(err));
	else
		printf(": %ld\n", r);
}

UNUSED static const char *bits(int events)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s%s%s%s%s%s", events & POLLIN ? "i" : "",
		 events & POLLOUT ? "o" : "", events & POLLERR ? "E" : "",
		 events & POLLHUP ? "H" : "", events & POLLRDHUP ? "R" : "",
		 events & POLLPRI ? "p" : "");
	return text;
}

UNUSED static void show_error_of(const char *why, const struct slot *s)
{
	int e = so_error(s->fd);

	if (e == 0)
		return;
	begin(why, s);
	result(e > 0 ? -1 : e, e);
}

/* The error of a reset behind a FIN: see same_word. */
UNUSED static void take_ended_errors(void)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (slots[i].fd >= 0 && slots[i].ended)
			show_error_of("error after the end", &slots[i]);
}

UNUSED static void show_masks(void)
{
	struct pollfd p = {.events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};
	int i;

	printf("seed%u.%u poll:", seed, step);
	for (i = 0; i < SLOTS; i++) {
		p.fd = slots[i].fd;
		p.revents = 0;
		if (p.fd < 0 || poll(&p, 1, 0) < 0)
			continue;
		printf(" %d=%s", i, bits(p.revents));
		if ((p.revents & (POLLRDHUP | POLLERR)) == POLLRDHUP)
			slots[i].ended = !slots[i].udp;
	}
	printf("\n");
}

/* ---- slots and addresses ---- */

UNUSED static struct slot *open_slot(void)
{
	unsigned first = pick(SLOTS), i;

	for (i = 0; i < SLOTS; i++)
		if (slots[(first + i) % SLOTS].fd >= 0)
			return &slots[(first + i) % SLOTS];
	return NULL;
}

UNUSED static struct slot *free_slot(void)
{
	int i;

	for (i = 0; i < SLOTS; i++)
		if (slots[i].fd < 0)
			return &slots[i];
	return NULL;
}

UNUSED static bool is_listening(const struct slot *s)
{
	int v = 0;
	socklen_t n = sizeof(v);

	return s->fd >= 0 && !s->udp &&
	       !getsockopt(s->fd, SOL_SOCKET, SO_ACCEPTCONN, &v, &n) && v;
}

UNUSED static struct slot *a_listener(void)
{
	unsigned first = pick(SLOTS), i;

	for (i = 0; i < SLOTS; i++)
		if (is_listening(&slots[(first + i) % SLOTS]))
			return &slots[(first + i) % SLOTS];
	return NULL;
}

UNUSED static bool same_socket(const struct slot *a, const struct slot *b)
{
	struct stat x, y;

	return a->fd >= 0 && b->fd >= 0 && !fstat(a->fd, &x) &&
	       !fstat(b->fd, &y) && x.st_ino == y.st_ino;
}

UNUSED static bool has_peer(const struct slot *s)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);

	return !getpeername(s->fd, (void *)&a, &n);
}

UNUSED static struct sockaddr_in local_of(const struct slot *s)
{
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof(a);

	(void)getsockname(s->fd, (void *)&a, &n);
	if (!a.sin_port)
		a.sin_port = htons(DEAD_PORT);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

/* The port is printed as the slots that are bound to it. */
UNUSED static void print_port(in_port_t port)
{
	int i;

	printf(port ? "port of" : "no port");
	for (i = 0; port && i < SLOTS; i++)
		if (slots[i].fd >= 0 && local_of(&slots[i]).sin_port == port)
			printf(" %d", i);
}

UNUSED static void print_name(const struct sockaddr_in *a, socklen_t n)
{
	printf("len %u family %d %s ", n, a->sin_family,
	       inet_ntoa(a->sin_addr));
	print_port(a->sin_port);
}

#endif
