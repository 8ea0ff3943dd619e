/* SPDX-License-Identifier: Apache-2.0 */
/* Queues that are just full, and a program that takes its time: whoever waits
 * is still there. */
#include "guest.h"

#define ROWS 4

static int start(const struct sockaddr_in *a)
{
	int s = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (connect(s, (const void *)a, sizeof(*a)) && errno != EINPROGRESS)
		die("connect");
	return s;
}

struct row {
	int l, c[ROWS];
};

static void fill(struct row *r, int backlog)
{
	struct sockaddr_in a;
	int up = 0;

	r->l = listener(backlog, &a);
	for (int i = 0; i <= backlog; i++)
		r->c[i] = start(&a);
	sleep_ms(100);
	for (int i = 0; i <= backlog; i++)
		up += await(r->c[i], POLLOUT, 0) == POLLOUT;
	printf("up, of listen(%d): %d\n", backlog, up);
}

static void serve(struct row *r, int backlog)
{
	int fd, heard = 0;
	char b;

	for (int i = 0; i <= backlog; i++) {
		if (!await(r->l, POLLIN, 1000) ||
		    (fd = accept(r->l, NULL, NULL)) < 0)
			die("accept");
		if (write(fd, "!", 1) != 1)
			die("write");
		close(fd);
	}
	sleep_ms(100);
	for (int i = 0; i <= backlog; i++) {
		heard += recv(r->c[i], &b, 1, MSG_DONTWAIT) == 1;
		close(r->c[i]);
	}
	printf("heard of it, of listen(%d): %d\n", backlog, heard);
	close(r->l);
}

int main(void)
{
	struct row r[ROWS];

	signal(SIGPIPE, SIG_IGN);
	alarm(60);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < ROWS; i++)
		fill(&r[i], i);
	/* Longer than it takes to look for descriptors that are gone. */
	sleep_ms(7000);
	for (int i = 0; i < ROWS; i++)
		serve(&r[i], i);
	return 0;
}
