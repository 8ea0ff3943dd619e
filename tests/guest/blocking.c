/* SPDX-License-Identifier: Apache-2.0 */
/* Blocked calls: time-outs, signals with and without SA_RESTART, close and
 * shutdown from elsewhere. */
#include "guest.h"

#include <pthread.h>

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

static void arm(int flags, int ms)
{
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = flags};
	struct itimerval t = {{0, 0}, {0, ms * 1000}};

	signals = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &t, NULL);
}

static long elapsed_ms(struct timespec *from)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - from->tv_sec) * 1000 +
	       (now.tv_nsec - from->tv_nsec) / 1000000;
}

static void timed(const char *key, struct timespec *from, long lo, long hi)
{
	long ms = elapsed_ms(from);

	printf("%s took what it should: %d\n", key, ms >= lo && ms < hi);
}

static void accept_timeout(void)
{
	struct timeval tv = {0, 200000};
	struct sockaddr_in a, b;
	socklen_t n = sizeof(b);
	struct timespec t;
	int l = listener(4, &a);

	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	clock_gettime(CLOCK_MONOTONIC, &t);
	show("accept times out", accept(l, NULL, NULL));
	timed("accept", &t, 190, 1500);
	clock_gettime(CLOCK_MONOTONIC, &t);
	show("accept with address times out", accept(l, (void *)&b, &n));
	timed("accept with address", &t, 190, 1500);
	close(l);
}

static void recv_timeout(void)
{
	struct timeval tv = {0, 200000};
	int p[2];
	char c;
	struct timespec t;

	tcp_pair(p);
	setsockopt(p[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	clock_gettime(CLOCK_MONOTONIC, &t);
	show("recv times out", recv(p[0], &c, 1, 0));
	timed("recv", &t, 190, 1500);
	close(p[0]);
	close(p[1]);
}

static void signals_in_accept(void)
{
	struct sockaddr_in a, b;
	socklen_t n = sizeof(b);
	int l = listener(4, &a), s;
	pid_t pid;

	arm(0, 100);
	show("accept interrupted", accept(l, (void *)&b, &n));
	printf("signals: %d\n", (int)signals);
	arm(0, 100);
	show("native accept interrupted", accept(l, NULL, NULL));
	pid = fork();
	if (!pid) {
		sleep_ms(400);
		close(dial(&a));
		_exit(0);
	}
	arm(SA_RESTART, 100);
	s = accept(l, (void *)&b, &n);
	show_fd("accept restarted", s);
	printf("signals then: %d\n", (int)signals);
	waitpid(pid, NULL, 0);
	close(s);
	close(l);
}

static void signals_in_recv(void)
{
	int p[2];
	char c;

	tcp_pair(p);
	arm(0, 100);
	show("recv interrupted", recv(p[0], &c, 1, 0));
	arm(0, 100);
	{
		struct sockaddr_in a;
		socklen_t n = sizeof(a);

		show("recvfrom interrupted",
		     recvfrom(p[0], &c, 1, 0, (void *)&a, &n));
	}
	close(p[0]);
	close(p[1]);
}

static void *late_shutdown(void *arg)
{
	sleep_ms(200);
	shutdown(*(int *)arg, SHUT_RDWR);
	return NULL;
}

static void shutdown_wakes(void)
{
	struct sockaddr_in a, b;
	socklen_t n = sizeof(b);
	int l = listener(4, &a), p[2];
	pthread_t t;
	char c;

	pthread_create(&t, NULL, late_shutdown, &l);
	show("accept woken by shutdown", accept(l, (void *)&b, &n));
	pthread_join(t, NULL);
	close(l);
	l = listener(4, &a);
	pthread_create(&t, NULL, late_shutdown, &l);
	show("native accept woken", accept(l, NULL, NULL));
	pthread_join(t, NULL);
	close(l);
	tcp_pair(p);
	pthread_create(&t, NULL, late_shutdown, &p[0]);
	show("recv woken by shutdown", recv(p[0], &c, 1, 0));
	pthread_join(t, NULL);
	close(p[0]);
	close(p[1]);
}

static void full_send_buffer(void)
{
	struct timeval tv = {0, 200000};
	static char block[1 << 16];
	int p[2], small = 4096;
	ssize_t r;
	long total = 0;

	tcp_pair(p);
	setsockopt(p[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	nonblock(p[0]);
	do { /* until nothing moves any more on the way to the reader */
		while ((r = write(p[0], block, sizeof(block))) > 0)
			total += r;
	} while (await(p[0], POLLOUT, 200));
	show("full", r);
	show_poll("not writable", p[0], POLLOUT, 0);
	printf("took some: %d\n", total > 0 && total < (64 << 20));
	fcntl(p[0], F_SETFL, 0);
	setsockopt(p[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	while ((r = send(p[0], block, sizeof(block), 0)) > 0)
		;
	show("send times out", r);
	while (recv(p[1], block, sizeof(block), MSG_DONTWAIT) > 0 ||
	       await(p[1], POLLIN, 300))
		;
	show_poll("writable again", p[0], POLLOUT, 2000);
	close(p[0]);
	close(p[1]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	accept_timeout();
	recv_timeout();
	signals_in_accept();
	signals_in_recv();
	shutdown_wakes();
	full_send_buffer();
	return 0;
}
