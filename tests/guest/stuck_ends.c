/* SPDX-License-Identifier: Apache-2.0 */
/* A connection whose both directions are full ends: nobody reads, so nothing
 * but the end itself can tell who waits. */
#include "guest.h"

static char chunk[256 * 1024];

/* Writes until nothing has been taken for a while. */
static void fill(int fd)
{
	nonblock(fd);
	do {
		while (write(fd, chunk, sizeof chunk) > 0)
			;
	} while (await(fd, POLLOUT, 300) & POLLOUT);
}

/* What there is, then why there is no more. */
static void see_read(const char *key, int fd)
{
	size_t some = 0;
	ssize_t n;

	await(fd, POLLRDHUP | POLLHUP | POLLERR, 200);
	while ((n = read(fd, chunk, sizeof chunk)) > 0 ||
	       (n < 0 && errno == EAGAIN && await(fd, POLLIN, 5000)))
		some += n > 0 ? (size_t)n : 0;
	printf("%s: %d %s\n", key, some > 0,
	       n < 0 ? strerrorname_np(errno) : "end");
}

static bool cut(int fd, size_t n)
{
	return write(fd, chunk, n) < 0 &&
	       (errno == EPIPE || errno == ECONNRESET);
}

/* Closed with bytes unread: what it wrote itself does not go first, and a
 * writer that waits for room is told that there will be none. */
static void writer_waits(void)
{
	int p[2];

	tcp_pair(p);
	fill(p[0]);
	fill(p[1]);
	close(p[0]);
	show("writer: room", !!await(p[1], POLLOUT, 5000));
	show("writer: cut", cut(p[1], 1));
	show("writer: data", read(p[1], chunk, 1000));
	show("writer: cut again", cut(p[1], 1));
	close(p[1]);
}

/* The same; who only reads gets what had arrived first. */
static void reader_waits(void)
{
	int p[2];

	tcp_pair(p);
	fill(p[0]);
	fill(p[1]);
	close(p[0]);
	see_read("reader", p[1]);
	show("reader: again", read(p[1], chunk, 1));
	close(p[1]);
}

/* A write that blocks is woken. */
static void blocked(void)
{
	int p[2], status = 0;
	pid_t child;

	tcp_pair(p);
	fill(p[0]);
	fill(p[1]);
	child = fork();
	if (!child) {
		close(p[0]);
		(void)fcntl(p[1], F_SETFL, 0);
		alarm(8);
		while (!cut(p[1], sizeof chunk))
			;
		_exit(7);
	}
	sleep_ms(100);
	close(p[0]);
	(void)waitpid(child, &status, 0);
	show("blocked: woken", WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	close(p[1]);
}

/* Closed with nothing unread; what comes afterwards is refused, though what it
 * wrote has not left. */
static void comes_later(void)
{
	int p[2], i;

	tcp_pair(p);
	fill(p[0]);
	close(p[0]);
	sleep_ms(100);
	show("later: write", write(p[1], "x", 1));
	for (i = 0; i < 50 && !cut(p[1], 1); i++)
		sleep_ms(100);
	show("later: cut", i < 50);
	close(p[1]);
}

/* Nothing comes: all of it arrives, and the end. */
static void arrives(void)
{
	int p[2];

	tcp_pair(p);
	fill(p[0]);
	close(p[0]);
	sleep_ms(100);
	see_read("arrives", p[1]);
	close(p[1]);
}

/* Of such a connection nothing stays: its port can be bound. */
static void goes(void)
{
	struct sockaddr_in a;
	int l = listener(4, &a), c = dial(&a), s = accept(l, NULL, NULL);
	int again = socket(AF_INET, SOCK_STREAM, 0), i;

	fill(c);
	fill(s);
	close(l);
	close(c);
	sleep_ms(200);
	close(s);
	for (i = 0; i < 50 && bind(again, (struct sockaddr *)&a, sizeof a); i++)
		sleep_ms(100);
	show("goes", i < 50);
	close(again);
}

/* A FIN, and at once the reset that an answer to it gets: the end of file has
 * been told. */
static void reset_behind_end(void)
{
	int p[2], ends = 0;
	char c;

	for (int i = 0; i < 200; i++) {
		tcp_pair(p);
		close(p[1]);
		if (write(p[0], "x", 1) == 1 && await(p[0], POLLIN, 5000))
			ends += read(p[0], &c, 1) == 0;
		close(p[0]);
	}
	show("reset behind the end", ends);
}

/* The same behind data. */
static void reset_behind_data(void)
{
	int p[2], size = 1 << 18;

	tcp_pair(p);
	(void)setsockopt(p[0], SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
	(void)!write(p[1], chunk, 150000);
	close(p[1]);
	sleep_ms(100);
	show("behind data: write", write(p[0], "x", 1));
	sleep_ms(100);
	see_read("behind data", p[0]);
	show("behind data: cut", cut(p[0], 1));
	close(p[0]);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	reset_behind_end();
	reset_behind_data();
	writer_waits();
	reader_waits();
	blocked();
	comes_later();
	arrives();
	goes();
	return 0;
}
