/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Random sequences of socket calls, the same for the same seed. Each step picks
 * an operation and sockets out of a few slots, prints its result, and then the
 * poll bits of every slot. Arguments: seeds; without any, the first SEEDS.
 *
 * Nothing here is a race: calls do not wait, and every step ends with bytes
 * sent to and fro on a connection of its own (settle), behind which whatever
 * the step has caused has happened.
 */
#include "random_options.h"

#define SEEDS 150
#define STEPS 32

/* ---- operations ---- */

static void op_socket(void)
{
	struct slot *s = free_slot();
	int flags = pick(2) ? SOCK_NONBLOCK : 0;

	if (!s)
		return;
	*s = (struct slot){.udp = pick(4) == 0};
	s->fd = socket(AF_INET, (s->udp ? SOCK_DGRAM : SOCK_STREAM) | flags, 0);
	begin(flags ? "socket nonblock" : "socket", s);
	result(s->fd < 0 ? -1 : 0, errno);
}

static void op_bind(void)
{
	static const char *const names[] = {"any port of", "port 0 of",
					    "port of", "foreign"};
	struct slot *s = open_slot(), *other = open_slot();
	struct sockaddr_in a = loopback(0);
	unsigned how = pick(4);
	int r;

	if (!s)
		return;
	if (how == 0)
		a.sin_addr.s_addr = htonl(INADDR_ANY);
	if (how == 2)
		a.sin_port = local_of(other).sin_port;
	if (a.sin_port == htons(DEAD_PORT))
		return;
	if (how == 3)
		a.sin_addr.s_addr = inet_addr("198.51.100.7");
	r = bind(s->fd, (void *)&a, sizeof(a));
	begin("bind", s);
	printf(" to %s %td", names[how], other - slots);
	result(r, errno);
}

static void op_listen(void)
{
	struct slot *s = open_slot();
	int r;

	if (!s || s->odd)
		return;
	r = listen(s->fd, 64);
	begin("listen", s);
	result(r, errno);
}

/* A blocking connect of a stream ends at once: nobody's queue is full. */
static void connect_to(struct slot *s, const struct slot *to)
{
	struct sockaddr_in a = loopback(DEAD_PORT);
	int r;

	if (to)
		a = local_of(to);
	r = connect(s->fd, (void *)&a, sizeof(a));
	begin("connect", s);
	printf(" to %td", to ? to - slots : -1);
	result(r, errno);
}

static void op_connect(void)
{
	struct slot *s = open_slot(), *to = pick(3) ? a_listener() : NULL;

	if (s && !s->odd)
		connect_to(s, to || !pick(3) ? to : open_slot());
}

static void op_disconnect(void)
{
	struct sockaddr none = {.sa_family = AF_UNSPEC};
	struct slot *s = open_slot();
	int r;

	if (!s)
		return;
	r = connect(s->fd, &none, sizeof(none));
	begin("disconnect", s);
	result(r, errno);
	show_error_of("error of", s);
}

static void accept_from(struct slot *l, bool with_address)
{
	struct slot *s = free_slot();
	struct sockaddr_in a = {0};
	socklen_t n = sizeof(a);
	int fd;

	if (!s)
		return;
	/* Other errors than waiting do not depend on blocking. */
	if (is_listening(l) && !await(l->fd, POLLIN, 0))
		return;
	fd = accept4(l->fd, with_address ? (void *)&a : NULL,
		     with_address ? &n : NULL, pick(2) ? SOCK_NONBLOCK : 0);
	if (fd >= 0)
		*s = (struct slot){.fd = fd,
				   .ended = await(fd, POLLRDHUP, 0) != 0};
	else
		s = NULL;
	begin("accept from", l);
	if (with_address && fd >= 0) {
		printf(": ");
		print_name(&a, n);
		printf("\n");
		return;
	}
	result(fd < 0 ? -1 : 0, errno);
}

static void op_accept(void)
{
	struct slot *l = pick(8) ? a_listener() : open_slot();

	if (l)
		accept_from(l, pick(2));
}

/* A listener, a socket connected to it, the accepted one: what most of the
 * operations are about. */
static void op_pair(void)
{
	struct slot *l = a_listener(), *c;
	struct sockaddr_in a = loopback(0);

	if (!l && (l = free_slot())) {
		*l = (struct slot){.fd = socket(AF_INET, SOCK_STREAM, 0)};
		bind(l->fd, (void *)&a, sizeof(a));
		listen(l->fd, 64);
	}
	c = free_slot();
	if (!l || !c)
		return;
	*c = (struct slot){
	    .fd = socket(AF_INET, SOCK_STREAM | (pick(2) ? SOCK_NONBLOCK : 0),
			 0)};
	connect_to(c, l);
	settle();
	if (pick(4))
		accept_from(l, pick(2));
}

/* An error that waits is asked for before anything is written: a native write
 * takes it, on AF_UNIX it does not (docs/DIFFERENCES.md). */
static void take_error_first(struct slot *s)
{
	struct pollfd p = {.fd = s->fd};

	if (s->udp || poll(&p, 1, 0) <= 0 || !(p.revents & POLLERR))
		return;
	begin("error before send", s);
	result(so_error(s->fd), errno);
}

static void do_send(struct slot *s, unsigned bytes)
{
	char buf[600];
	ssize_t n;
	int err;

	memset(buf, 'a' + (int)(step % 26), sizeof(buf));
	take_error_first(s);
	n = send(s->fd, buf, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
	err = same_word(s, false, errno);
	begin("send", s);
	result(n, err);
}

static void op_send(void)
{
	struct slot *s = open_slot();

	if (s && (!s->udp || has_peer(s)))
		do_send(s, 1 + pick(600));
}

static void op_sendto(void)
{
	struct slot *s = open_slot(), *to = open_slot();
	struct sockaddr_in a;
	ssize_t n;
	int err;

	if (!s || !s->udp)
		return;
	a = local_of(to);
	n = sendto(s->fd, "datagram", pick(9), 0, (void *)&a, sizeof(a));
	err = same_word(s, false, errno);
	begin("sendto", s);
	printf(" to %td", to - slots);
	result(n, err);
}

static void do_recv(struct slot *s, unsigned bytes, int flags)
{
	char buf[1500];
	struct sockaddr_in a = {0};
	socklen_t n = sizeof(a);
	bool name = pick(2);
	ssize_t r;
	int err;

	r = recvfrom(s->fd, buf, bytes, flags | MSG_DONTWAIT,
		     name ? (void *)&a : NULL, name ? &n : NULL);
	err = same_word(s, true, errno);
	begin(flags & MSG_PEEK ? "peek" : "recv", s);
	printf(" %u", bytes);
	if (r > 0)
		printf(": %c..%c", buf[0], buf[r - 1]);
	if (r >= 0 && name && s->udp) {
		printf(" from ");
		print_name(&a, n);
	}
	result(r, err);
}

static void op_recv(void)
{
	struct slot *s = open_slot();

	if (s && !s->odd && !s->deaf)
		do_recv(s, 1 + pick(1500), pick(4) ? 0 : MSG_PEEK);
}

static void do_shutdown(const struct slot *s, int how)
{
	int r = shutdown(s->fd, how), err = errno;

	begin("shutdown", s);
	printf(" %d", how);
	result(r, err);
}

/* What shutdown(s, how) means for all that are the same socket. */
static void note_shutdown(const struct slot *s, int how)
{
	bool connected = has_peer(s);
	int i;

	for (i = 0; i < SLOTS; i++)
		if (same_socket(s, &slots[i])) {
			slots[i].deaf |= how != SHUT_WR;
			slots[i].odd |=
			    !s->udp && !connected && !is_listening(s);
		}
}

static void op_shutdown(void)
{
	struct slot *s = open_slot();
	int how = (int)pick(3);

	if (!s)
		return;
	note_shutdown(s, how);
	do_shutdown(s, how);
}

static void op_close(void)
{
	struct slot *s = open_slot();
	int r;

	if (!s)
		return;
	r = close(s->fd);
	begin("close", s);
	result(r, errno);
	s->fd = -1;
}

static void op_dup(void)
{
	struct slot *s = open_slot(), *to = free_slot();

	if (!s || !to)
		return;
	*to = *s;
	to->fd = dup(s->fd);
	begin("dup", s);
	printf(" to %td", to - slots);
	result(to->fd < 0 ? -1 : 0, errno);
}

static void in_child(struct slot *s, unsigned what, unsigned n)
{
	if (what == 0 && (!s->udp || has_peer(s)))
		do_send(s, 1 + n);
	else if (what == 1 && !s->odd && !s->deaf)
		do_recv(s, 1 + n, 0);
	else if (what == 2 && !is_listening(s))
		do_shutdown(s, (int)(n % 3));
	else if (what == 3 && !s->odd && !await(s->fd, POLLRDHUP, 0))
		connect_to(s, a_listener());
}

static void op_fork(void)
{
	struct slot *s = open_slot();
	unsigned what = pick(5), n = pick(600);
	pid_t pid;

	if (!s)
		return;
	if (what == 2)
		note_shutdown(s, (int)(n % 3));
	fflush(stdout);
	pid = fork();
	if (!pid) {
		in_child(s, what, n);
		fflush(stdout);
		_exit(0);
	}
	if (what == 4) { /* the child has it last */
		close(s->fd);
		s->fd = -1;
	}
	waitpid(pid, NULL, 0);
	begin("forked", s);
	result(what, 0);
}

static const struct {
	unsigned weight;
	void (*run)(void);
} ops[] = {
    {8, op_socket},   {4, op_bind},       {3, op_listen},
    {8, op_connect},  {1, op_disconnect}, {6, op_accept},
    {10, op_pair},    {14, op_send},      {4, op_sendto},
    {14, op_recv},    {8, op_shutdown},   {5, op_close},
    {2, op_dup},      {5, op_fork},       {4, op_error},
    {4, op_names},    {3, op_setsockopt}, {3, op_getsockopt},
    {2, op_linger},   {4, op_tcp_state},  {2, op_unread},
    {1, op_nonblock}, {6, op_epoll_ctl},  {6, op_epoll_wait},
};

static void one_step(void)
{
	unsigned sum = 0, i, at;

	for (i = 0; i < sizeof(ops) / sizeof(ops[0]); i++)
		sum += ops[i].weight;
	at = pick(sum);
	for (i = 0; at >= ops[i].weight; i++)
		at -= ops[i].weight;
	ops[i].run();
	settle();
	take_ended_errors();
	show_masks();
}

static void one_seed(unsigned n)
{
	int i;

	seed = n;
	state = 0x9e3779b97f4a7c15ull * (n + 1);
	for (i = 0; i < SLOTS; i++)
		slots[i].fd = -1;
	ep = epoll_create1(0);
	for (step = 0; step < STEPS; step++)
		one_step();
	for (i = 0; i < SLOTS; i++)
		if (slots[i].fd >= 0)
			close(slots[i].fd);
	close(ep);
	settle();
}

int main(int argc, char **argv)
{
	int i;

	signal(SIGPIPE, SIG_IGN);
	alarm(100);
	tcp_pair(barrier);
	for (i = 1; i < argc; i++)
		one_seed((unsigned)atoi(argv[i]));
	for (i = 0; argc == 1 && i < SEEDS; i++)
		one_seed((unsigned)i);
	return 0;
}
