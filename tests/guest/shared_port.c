/* SPDX-License-Identifier: Apache-2.0 */
/* UDP sockets that share a port by SO_REUSEADDR: which of them gets a datagram
 * as they come and go, and thousands of them. */
#include "guest.h"

#include <sys/resource.h>

#define MANY 1500
#define MUCH 5 /* times as long */

static int sharer(struct sockaddr_in *a)
{
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0), on = 1;
	socklen_t n = sizeof(*a);

	if (s < 0 || setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(s, (void *)a, sizeof(*a)) || getsockname(s, (void *)a, &n))
		die("sharer");
	return s;
}

/* Sends one and shows which of the n sockets gets it. */
static void show_taker(const char *key, int from, const int *to, nfds_t n)
{
	struct pollfd p[3];
	char c = 'x';
	nfds_t i;

	for (i = 0; i < n; i++)
		p[i] = (struct pollfd){to[i], POLLIN, 0};
	if (send(from, &c, 1, 0) != 1)
		die("send");
	printf("%s:", key);
	if (poll(p, n, 3000) <= 0)
		printf(" none");
	for (i = 0; i < n; i++) {
		if (!(p[i].revents & POLLIN))
			continue;
		printf(" %d", (int)i);
		if (recv(to[i], &c, 1, 0) != 1)
			die("recv");
	}
	printf("\n");
	save_now();
}

static void takers(void)
{
	struct sockaddr_in a = loopback(0), from_a = loopback(0);
	int from = sharer(&from_a), to[3];

	to[0] = sharer(&a);
	to[1] = sharer(&a);
	show("connect", connect(from, (void *)&a, sizeof(a)));
	show_taker("the newest", from, to, 2);
	to[2] = sharer(&a);
	show("connect to the sender",
	     connect(to[2], (void *)&from_a, sizeof(from_a)));
	show_taker("the connected", from, to, 3);
	close(to[2]);
	show_taker("it is closed", from, to, 2);
	close(to[1]);
	show_taker("the newest is closed", from, to, 1);
	close(to[0]);
	show("to nobody", send(from, "x", 1, 0));
	await(from, POLLERR, 3000);
	show_error("all are closed", from);
	close(from);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Each sends one to the port of the first, or to its own. How long it took. */
static double thousands(const char *key, int share)
{
	struct sockaddr_in a = loopback(0);
	static int fd[MANY];
	double start = now();
	int sent = 0, i;
	char c;

	for (i = 0; i < MANY; i++) {
		a.sin_port = share ? a.sin_port : 0;
		fd[i] = sharer(&a);
		sent += sendto(fd[i], "x", 1, 0, (void *)&a, sizeof(a)) == 1;
	}
	start = now() - start;
	printf("%s: %d\n", key, sent);
	await(fd[MANY - 1], POLLIN, 3000);
	show("the last has its own", recv(fd[MANY - 1], &c, 1, 0));
	for (i = 0; i < MANY; i++)
		close(fd[i]);
	return start;
}

int main(void)
{
	struct rlimit l;
	double own;

	takers();
	getrlimit(RLIMIT_NOFILE, &l);
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
	own = thousands("each a port", 0);
	printf("not slower: %d\n", thousands("one port", 1) < MUCH * own + 1);
	return 0;
}
