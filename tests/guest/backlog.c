/* SPDX-License-Identifier: Apache-2.0 */
/* listen(n) and more clients than that: how many are up at once, that the rest
 * waits, and what becomes of it when the listener goes. */
#include "guest.h"

#define CLIENTS 12

static int start(const struct sockaddr_in *a)
{
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(s, (const void *)a, sizeof(*a)) && errno != EINPROGRESS)
		die("connect");
	return s;
}

static int count_up(const int *c)
{
	int i, up = 0;

	for (i = 0; i < CLIENTS; i++)
		up += await(c[i], POLLOUT, 0) == POLLOUT;
	return up;
}

static void with(int backlog)
{
	struct sockaddr_in a;
	int l = listener(backlog, &a), c[CLIENTS], i, fd, up, served = 0;
	char b;

	printf("listen(%d): -\n", backlog);
	nonblock(l);
	for (i = 0; i < CLIENTS; i++)
		c[i] = start(&a);
	sleep_ms(200);
	up = count_up(c);
	printf("up at once: %d\n", up);
	show_poll("listener", l, POLLIN, 0);
	for (i = 0; i < up; i++) {
		if (!await(l, POLLIN, 1000) || (fd = accept(l, NULL, NULL)) < 0)
			die("accept");
		if (write(fd, "!", 1) != 1)
			die("write");
		close(fd);
	}
	sleep_ms(100);
	for (served = i = 0; i < CLIENTS; i++) {
		served += recv(c[i], &b, 1, MSG_DONTWAIT) == 1;
		close(c[i]);
	}
	printf("heard of it: %d\n", served);
	close(l);
}

/* A listener that goes away takes along who waits. */
static void closing(void)
{
	struct sockaddr_in a;
	int l = listener(2, &a), c[CLIENTS], i, reset = 0, waiting = 0;
	char b;

	for (i = 0; i < CLIENTS; i++)
		c[i] = start(&a);
	sleep_ms(200);
	close(l);
	sleep_ms(200);
	for (i = 0; i < CLIENTS; i++) {
		if (await(c[i], POLLOUT, 0) == 0)
			waiting++;
		else if (read(c[i], &b, 1) < 0 && errno == ECONNRESET)
			reset++;
		close(c[i]);
	}
	printf("reset: %d\n", reset);
	printf("still trying: %d\n", waiting);
}

static void changed_later(void)
{
	struct sockaddr_in a;
	int l = listener(0, &a), c[CLIENTS], i;

	show("listen again", listen(l, 64));
	for (i = 0; i < CLIENTS; i++)
		c[i] = start(&a);
	sleep_ms(200);
	printf("all up: %d\n", count_up(c));
	for (i = 0; i < CLIENTS; i++)
		close(c[i]);
	close(l);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(80);
	setvbuf(stdout, NULL, _IOLBF, 0);
	with(1);
	with(3);
	with(64);
	closing();
	changed_later();
	return 0;
}
