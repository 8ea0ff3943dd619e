/* SPDX-License-Identifier: Apache-2.0 */
/* Signals without SA_RESTART, thousands of them, over calls that Linux never
 * ends with EINTR: socket, bind, listen, setsockopt, getsockname and the like;
 * and non-blocking ones. Inside, a trapped call is interrupted when the signal
 * comes before the sentry has seen it; the shim repeats such calls. A guest
 * without it is excused (docs/DIFFERENCES.md). */
#include "guest.h"

#define SIGNALS 3000

static volatile sig_atomic_t signals;
static long eintr, other, calls;

static void on_signal(int sig)
{
	(void)sig;
	signals++;
}

static long ok(long r)
{
	calls++;
	if (r < 0 && errno == EINTR)
		eintr++;
	else if (r < 0)
		other++;
	return r;
}

static void streams(void)
{
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof(a);
	int on = 1, s = (int)ok(socket(AF_INET, SOCK_STREAM, 0)), c;

	ok(setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	ok(bind(s, (void *)&a, sizeof(a)));
	ok(getsockname(s, (void *)&a, &n));
	ok(listen(s, 4));
	c = (int)ok(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	if (connect(c, (void *)&a, sizeof(a)) < 0 && errno == EINTR)
		eintr++;
	n = sizeof(on);
	ok(getsockopt(c, SOL_SOCKET, SO_TYPE, &on, &n));
	on = 1;
	ok(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
	close(c);
	close(s);
}

static void datagrams(void)
{
	struct sockaddr_in a = loopback(0);
	socklen_t n = sizeof(a);
	int s = (int)ok(socket(AF_INET, SOCK_DGRAM, 0));
	char buf[8];

	ok(bind(s, (void *)&a, sizeof(a)));
	ok(getsockname(s, (void *)&a, &n));
	ok(sendto(s, "x", 1, 0, (void *)&a, sizeof(a)));
	ok(connect(s, (void *)&a, sizeof(a)));
	ok(getpeername(s, (void *)&a, &n));
	ok(recvfrom(s, buf, 8, MSG_DONTWAIT, (void *)&a, &n));
	close(s);
}

/* In a sandbox, without the preload library. */
static bool excused(void)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];
	int mode = 0;

	while (f && fgets(line, sizeof(line), f))
		(void)sscanf(line, "Seccomp: %d", &mode);
	if (f)
		fclose(f);
	return mode == 2 && !getenv("LD_PRELOAD");
}

int main(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct itimerval it = {{0, 200}, {0, 200}};
	pid_t parent = getpid(), child;

	alarm(80);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	child = fork();
	while (!child && getppid() == parent) {
		kill(parent, SIGUSR1);
		usleep(150);
	}
	setitimer(ITIMER_REAL, &it, NULL);
	while (signals < SIGNALS) {
		streams();
		datagrams();
	}
	memset(&it, 0, sizeof(it));
	setitimer(ITIMER_REAL, &it, NULL);
	kill(child, SIGKILL);
	if (excused())
		eintr = other = 0;
	printf("interrupted: %ld\n", eintr);
	printf("failed otherwise: %ld\n", other);
	printf("many calls: %d\n", calls > 100);
	return 0;
}
