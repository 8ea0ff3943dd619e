/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that connect, accept, echo and close at the same time: sums only. */
#include "guest.h"

#include <pthread.h>

#define CLIENTS 8
#define SERVERS 4
#define ROUNDS 60
#define BYTES 3000

static struct sockaddr_in server;
static int listen_fd;
static long sent, echoed, accepted, failures;

static void add(long *what, long n)
{
	__atomic_add_fetch(what, n, __ATOMIC_RELAXED);
}

/* Until the listener is shut down. */
static void *serve(void *arg)
{
	char buf[BYTES];
	ssize_t n;
	int fd;

	(void)arg;
	for (;;) {
		struct sockaddr_in a;
		socklen_t len = sizeof(a);

		fd = accept(listen_fd, (void *)&a, &len);
		if (fd < 0)
			return NULL;
		if (a.sin_family != AF_INET || len != sizeof(a))
			add(&failures, 1);
		add(&accepted, 1);
		while ((n = read(fd, buf, sizeof(buf))) > 0)
			if (write(fd, buf, (size_t)n) != n)
				add(&failures, 1);
		close(fd);
	}
}

static void one_round(char fill)
{
	char out[BYTES], in[BYTES];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memset(out, fill, sizeof(out));
	if (connect(fd, (void *)&server, sizeof(server)))
		add(&failures, 1);
	if (write(fd, out, sizeof(out)) == BYTES)
		add(&sent, BYTES);
	shutdown(fd, SHUT_WR);
	if (read_n(fd, in, sizeof(in)) == BYTES && !memcmp(in, out, sizeof(in)))
		add(&echoed, BYTES);
	if (read(fd, in, 1) != 0)
		add(&failures, 1);
	close(fd);
}

static void *client(void *arg)
{
	for (int i = 0; i < ROUNDS; i++)
		one_round((char)(intptr_t)arg);
	return NULL;
}

/* A socket that others close and open anew all the time: nothing may hang. */
static void *churn(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS * 4; i++) {
		int fd = socket(AF_INET, i & 1 ? SOCK_STREAM : SOCK_DGRAM, 0);
		struct sockaddr_in a = loopback(0);
		socklen_t n = sizeof(a);

		if (bind(fd, (void *)&a, sizeof(a)) ||
		    getsockname(fd, (void *)&a, &n) || !a.sin_port)
			add(&failures, 1);
		close(fd);
	}
	return NULL;
}

int main(void)
{
	pthread_t c[CLIENTS], s[SERVERS], x;

	signal(SIGPIPE, SIG_IGN);
	alarm(60);
	listen_fd = listener(64, &server);
	for (int i = 0; i < SERVERS; i++)
		pthread_create(&s[i], NULL, serve, NULL);
	for (int i = 0; i < CLIENTS; i++)
		pthread_create(&c[i], NULL, client, (void *)(intptr_t)(i + 1));
	pthread_create(&x, NULL, churn, NULL);
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(c[i], NULL);
	pthread_join(x, NULL);
	shutdown(listen_fd, SHUT_RDWR);
	for (int i = 0; i < SERVERS; i++)
		pthread_join(s[i], NULL);
	printf("sent: %ld\n", sent);
	printf("echoed: %ld\n", echoed);
	printf("accepted: %ld\n", accepted);
	printf("failures: %ld\n", failures);
	return 0;
}
