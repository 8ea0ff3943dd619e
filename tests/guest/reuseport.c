/* SPDX-License-Identifier: Apache-2.0 */
/* SO_REUSEPORT: every socket of a group gets its share; only groups of one user
 * that all asked for it. */
#include "guest.h"

#define GROUP 4
#define CONNECTIONS 200

static int member(int type, struct sockaddr_in *a, int share)
{
	socklen_t n = sizeof(*a);
	int s = socket(AF_INET, type | SOCK_NONBLOCK, 0), on = 1;

	if (share)
		setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on));
	if (bind(s, (void *)a, sizeof(*a))) {
		show("bind", -1);
		close(s);
		return -1;
	}
	getsockname(s, (void *)a, &n);
	return s;
}

static void streams(void)
{
	struct sockaddr_in a = loopback(0);
	int l[GROUP], c[CONNECTIONS], got[GROUP] = {0}, sum = 0, i, k, fd;

	for (i = 0; i < GROUP; i++) {
		l[i] = member(SOCK_STREAM, &a, 1);
		show("listen", listen(l[i], CONNECTIONS));
	}
	for (k = 0; k < CONNECTIONS; k++)
		c[k] = dial(&a);
	for (i = 0; i < GROUP; i++) {
		while ((fd = accept(l[i], NULL, NULL)) >= 0) {
			got[i]++;
			close(fd);
		}
		sum += got[i];
		printf("a fair share: %d\n", got[i] > CONNECTIONS / GROUP / 4);
	}
	printf("all: %d\n", sum);
	/* One leaves: the others get everything. */
	for (k = 0; k < CONNECTIONS; k++)
		close(c[k]);
	close(l[0]);
	for (k = 0; k < CONNECTIONS / 4; k++)
		c[k] = dial(&a);
	for (sum = 0, i = 1; i < GROUP; i++)
		while ((fd = accept(l[i], NULL, NULL)) >= 0) {
			sum++;
			close(fd);
		}
	printf("without the first: %d\n", sum);
	for (k = 0; k < CONNECTIONS / 4; k++)
		close(c[k]);
	for (i = 1; i < GROUP; i++)
		close(l[i]);
}

static void datagrams(void)
{
	struct sockaddr_in a = loopback(0);
	int s[GROUP], sum = 0, some = 0, i, k, n;
	char buf[8];

	for (i = 0; i < GROUP; i++)
		s[i] = member(SOCK_DGRAM, &a, 1);
	for (k = 0; k < CONNECTIONS; k++) {
		int c = socket(AF_INET, SOCK_DGRAM, 0);

		if (sendto(c, "x", 1, 0, (void *)&a, sizeof(a)) != 1)
			die("sendto");
		close(c);
	}
	for (i = 0; i < GROUP; i++) {
		for (n = 0; await(s[i], POLLIN, 100); n++)
			if (recv(s[i], buf, 8, 0) != 1)
				die("recv");
		some += n > CONNECTIONS / GROUP / 4;
		sum += n;
		close(s[i]);
	}
	printf("datagrams: %d\n", sum);
	printf("with a fair share: %d\n", some);
}

static void refusals(void)
{
	struct sockaddr_in a = loopback(0), b;
	int x = member(SOCK_STREAM, &a, 1), y;

	b = a;
	y = member(SOCK_STREAM, &b, 0);
	printf("without the option: %d\n", y >= 0);
	close(x);
	y = member(SOCK_STREAM, &b, 0);
	printf("when it is gone: %d\n", y >= 0);
	x = member(SOCK_STREAM, &b, 1);
	printf("the other way round: %d\n", x >= 0);
	close(y);
}

int main(void)
{
	alarm(60);
	setvbuf(stdout, NULL, _IOLBF, 0);
	streams();
	datagrams();
	refusals();
	return 0;
}
