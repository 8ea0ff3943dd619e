/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the same-program-twice tests share. A program prints lines "key: value"
 * that are the same on every run: no addresses, ports, times or fd numbers.
 */
#ifndef TESTS_GUEST_GUEST_H
#define TESTS_GUEST_GUEST_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define UNUSED __attribute__((unused))

/* Under --autosave=syscall: save and restore now. Else it fails. */
UNUSED static void save_now(void)
{
	int e = errno;

	(void)syscall(SYS_init_module, 0, 0, 0);
	errno = e;
}

/* "key: 5" or "key: -1 EAGAIN". Call right after the system call. */
UNUSED static long show(const char *key, long r)
{
	int e = errno;

	if (r < 0)
		printf("%s: %ld %s\n", key, r, strerrorname_np(e));
	else
		printf("%s: %ld\n", key, r);
	fflush(stdout);
	save_now();
	return r;
}

/* The same, but only success or errno: for calls that return fds. */
UNUSED static int show_fd(const char *key, int fd)
{
	int e = errno;

	printf("%s: %s\n", key, fd < 0 ? strerrorname_np(e) : "ok");
	fflush(stdout);
	save_now();
	errno = e;
	return fd;
}

UNUSED static void die(const char *what)
{
	printf("died in %s: %s\n", what, strerrorname_np(errno));
	exit(99);
}

UNUSED static struct sockaddr_in loopback(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

/* A listener on 127.0.0.1; its address in *a. */
UNUSED static int listener(int backlog, struct sockaddr_in *a)
{
	socklen_t n = sizeof(*a);
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	*a = loopback(0);
	if (s < 0 || bind(s, (struct sockaddr *)a, sizeof(*a)) ||
	    listen(s, backlog) || getsockname(s, (struct sockaddr *)a, &n))
		die("listener");
	return s;
}

UNUSED static int dial(const struct sockaddr_in *a)
{
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (s < 0 || connect(s, (const struct sockaddr *)a, sizeof(*a)))
		die("dial");
	return s;
}

/* A connected pair: fds[0] connected, fds[1] accepted. */
UNUSED static void tcp_pair(int fds[2])
{
	struct sockaddr_in a;
	int l = listener(8, &a);

	fds[0] = dial(&a);
	fds[1] = accept(l, NULL, NULL);
	if (fds[1] < 0)
		die("accept");
	close(l);
}

/* Poll bits in words, waiting up to ms for any of `want`. */
UNUSED static void show_poll(const char *key, int fd, short want, int ms)
{
	static const struct {
		short bit;
		const char *name;
	} names[] = {{POLLIN, " IN"},       {POLLOUT, " OUT"},
		     {POLLERR, " ERR"},     {POLLHUP, " HUP"},
		     {POLLRDHUP, " RDHUP"}, {POLLPRI, " PRI"},
		     {POLLNVAL, " NVAL"}};
	struct pollfd p = {fd, (short)(want | POLLRDHUP), 0};
	int r = poll(&p, 1, ms);
	size_t i;

	printf("%s: %d", key, r);
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (p.revents & names[i].bit)
			printf("%s", names[i].name);
	printf("\n");
	fflush(stdout);
}

/* Waits until poll shows `want`; what came is not printed. */
UNUSED static short await(int fd, short want, int ms)
{
	struct pollfd p = {fd, want, 0};

	return poll(&p, 1, ms) > 0 ? p.revents : 0;
}

UNUSED static int so_error(int fd)
{
	int v = -1;
	socklen_t n = sizeof(v);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &v, &n))
		return -1;
	return v;
}

UNUSED static void show_error(const char *key, int fd)
{
	int v = so_error(fd);

	printf("%s: %s\n", key, v < 0 ? "?" : v ? strerrorname_np(v) : "0");
	fflush(stdout);
}

UNUSED static void nonblock(int fd)
{
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

UNUSED static void sleep_ms(int ms)
{
	struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

	while (nanosleep(&t, &t) && errno == EINTR)
		;
}

/* Reads until n bytes, end or error; what it got. */
UNUSED static ssize_t read_n(int fd, void *buf, size_t n)
{
	size_t got = 0;
	ssize_t r;

	while (got < n) {
		r = read(fd, (char *)buf + got, n - got);
		if (r <= 0)
			return got ? (ssize_t)got : r;
		got += (size_t)r;
	}
	return (ssize_t)got;
}

#endif
