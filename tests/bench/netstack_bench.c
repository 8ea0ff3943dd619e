/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The netstack alone, without a kernel in the way: what a segment, 64 KiB, a
 * connection and a timer cost, and how many bytes a connection takes in each
 * state (PERFORMANCE.md P12). Two stacks are joined by a link that is a list
 * of packets; time is virtual and does not advance while they talk, so that
 * every nanosecond measured is work. Prints "key=value" lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netstack/base/wheel.h"
#include "netstack/tcp/tcp_req.h"
#include "tests/unit/testenv.h"

#define CLIENT "10.9.0.1"
#define SERVER "10.9.0.2"
#define PORT 5000
#define MTU 1500

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "netstack_bench: %s failed\n", what);
	exit(1);
}

static void report(const char *key, double v)
{
	printf("%s=%.1f\n", key, v);
	fflush(stdout);
}

/* ---- timers ---- */

struct probe {
	struct wheel_timer t;
	uint64_t *fired;
};

static void on_fire(struct wheel_timer *t, nst_time now)
{
	(void)now;
	++*((struct probe *)t)->fired;
}

static nst_time somewhere(struct testenv *te)
{
	return NST_SEC + (nst_time)(testenv_rand(te) % (100 * 1000000000ull));
}

static struct probe *armed(struct testenv *te, struct wheel *w, size_t n,
			   uint64_t *fired)
{
	struct probe *p = calloc(n, sizeof(*p));

	must(p, "calloc");
	for (size_t i = 0; i < n; i++) {
		p[i].t.fn = on_fire;
		p[i].fired = fired;
		wheel_arm(w, &p[i].t, somewhere(te));
	}
	return p;
}

/* Arms and stops a window of timers while `n` others are armed. */
static void arm_and_stop(struct testenv *te, struct wheel *w, size_t n)
{
	enum { WINDOW = 256, ROUNDS = 4000 };
	static struct probe p[WINDOW];
	static nst_time at[WINDOW];
	double arm = 0, stop = 0;
	char key[64];

	for (int i = 0; i < WINDOW; i++) {
		p[i].t.fn = on_fire;
		at[i] = somewhere(te);
	}
	for (int r = 0; r < ROUNDS; r++) {
		double a = now_ns(), b;

		for (int i = 0; i < WINDOW; i++)
			wheel_arm(w, &p[i].t, at[i]);
		b = now_ns();
		for (int i = 0; i < WINDOW; i++)
			wheel_stop(w, &p[i].t);
		arm += b - a;
		stop += now_ns() - b;
	}
	snprintf(key, sizeof(key), "timer arm ns, %zu armed", n);
	report(key, arm / WINDOW / ROUNDS);
	snprintf(key, sizeof(key), "timer stop ns, %zu armed", n);
	report(key, stop / WINDOW / ROUNDS);
}

/* Fires a window of timers that are due at once while `n` others wait. */
static void fire_some(struct wheel *w, size_t n, uint64_t *fired)
{
	enum { WINDOW = 256, ROUNDS = 2000 };
	static struct probe p[WINDOW];
	uint64_t before = *fired;
	double took = 0;
	char key[64];

	for (int r = 0; r < ROUNDS; r++) {
		double start;

		for (int i = 0; i < WINDOW; i++) {
			p[i].t.fn = on_fire;
			p[i].fired = fired;
			wheel_arm(w, &p[i].t, r * 100 * NST_US + i * 300);
		}
		start = now_ns();
		wheel_run(w, (r + 1) * 100 * NST_US);
		took += now_ns() - start;
	}
	must(*fired - before == (uint64_t)WINDOW * ROUNDS, "firing");
	*fired = before;
	snprintf(key, sizeof(key), "timer fire ns, %zu armed", n);
	report(key, took / WINDOW / ROUNDS);
}

static void timers(size_t n)
{
	struct testenv te;
	struct wheel *w;
	struct probe *p;
	uint64_t fired = 0;
	char key[64];
	double start;

	testenv_init(&te, 1);
	w = wheel_new(&te.env, 0);
	must(w, "wheel_new");
	p = armed(&te, w, n, &fired);
	arm_and_stop(&te, w, n);
	fire_some(w, n, &fired);
	/* Runs as a loop does: to the next deadline, again and again. */
	start = now_ns();
	for (nst_time t = wheel_next(w); t != NST_NEVER; t = wheel_next(w))
		wheel_run(w, t);
	snprintf(key, sizeof(key), "all of %zu timers over 100 s, ns each", n);
	report(key, (now_ns() - start) / (double)n);
	must(fired == n, "firing every timer");
	free(p);
	wheel_free(w);
}

/* ---- two stacks ---- */

struct side {
	struct testenv te;
	struct nst_stack *st;
	struct nst_pkt *head, **tail; /* what it sent */
	size_t queued;
};

struct pair {
	struct side c, s;
	struct nst_tcp *lis;
	nst_time now;
};

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct side *from = link;

	if (!nst_pkt_own(pkt)) {
		nst_pkt_free(pkt);
		return;
	}
	pkt->next = NULL;
	*from->tail = pkt;
	from->tail = &pkt->next;
	from->queued++;
}

static const struct nst_link_ops link_ops = {.transmit = transmit};

static void side_init(struct side *s, const char *addr, uint32_t caps)
{
	struct nst_nic_config nic = {.name = "eth0",
				     .kind = NST_LINK_IP,
				     .caps = caps,
				     .mtu = MTU,
				     .ops = &link_ops,
				     .link = s};
	struct nst_ifaddr a = {.prefix_len = 24};

	memset(s, 0, sizeof(*s));
	s->tail = &s->head;
	testenv_init(&s->te, 1);
	must(nst_stack_new(&s->te.env, 0, &s->st) == NST_OK, "nst_stack_new");
	must(nst_nic_add(s->st, &nic, &a.ifindex) == NST_OK, "nst_nic_add");
	a.addr = test_addr(addr);
	must(nst_addr_add(s->st, &a, 0) == NST_OK, "nst_addr_add");
}

static bool deliver(struct side *from, struct side *to, nst_time now)
{
	struct nst_pkt *p = from->head;

	if (!p)
		return false;
	from->head = NULL;
	from->tail = &from->head;
	while (p) {
		struct nst_pkt *next = p->next;

		p->next = NULL;
		from->queued--;
		nst_nic_in(to->st, 2, p, now);
		p = next;
	}
	return true;
}

static void settle(struct pair *p)
{
	while (deliver(&p->c, &p->s, p->now) || deliver(&p->s, &p->c, p->now))
		;
}

static void pass(struct pair *p, nst_time dt)
{
	nst_time end = p->now + dt;

	for (;;) {
		nst_time a = nst_next_deadline(p->c.st);
		nst_time b = nst_next_deadline(p->s.st);
		nst_time at = a < b ? a : b;

		if (at > end)
			break;
		p->now = at > p->now ? at : p->now;
		nst_run_timers(p->c.st, p->now);
		nst_run_timers(p->s.st, p->now);
		settle(p);
	}
	p->now = end;
}

static void pair_init(struct pair *p, uint32_t caps)
{
	struct nst_sockaddr a = test_sa(SERVER, PORT);

	side_init(&p->c, CLIENT, caps);
	side_init(&p->s, SERVER, caps);
	p->now = NST_SEC;
	must(nst_sysctl_set(p->s.st, "tcp_syncookies", "0") == NST_OK &&
		 nst_sysctl_set(p->s.st, "somaxconn", "1000000") == NST_OK &&
		 nst_sysctl_set(p->s.st, "tcp_max_syn_backlog", "1000000") ==
		     NST_OK,
	     "settings");
	must(nst_tcp_new(p->s.st, 4, NULL, p->now, &p->lis) == NST_OK &&
		 nst_sock_bind(nst_tcp_sock(p->lis), &a) == NST_OK &&
		 nst_tcp_listen(p->lis, 1 << 20, p->now) == NST_OK,
	     "listen");
}

static void pair_fini(struct pair *p)
{
	for (struct side *s = &p->c;; s = &p->s) {
		while (s->head) {
			struct nst_pkt *next = s->head->next;

			nst_pkt_free(s->head);
			s->head = next;
		}
		nst_stack_free(s->st);
		if (s == &p->s)
			break;
	}
}

static struct nst_tcp *dial(struct pair *p)
{
	struct nst_sockaddr a = test_sa(SERVER, PORT);
	struct nst_tcp *tp;

	must(nst_tcp_new(p->c.st, 4, NULL, p->now, &tp) == NST_OK, "socket");
	must(nst_tcp_connect(tp, &a, p->now) == NST_E_INPROGRESS, "connect");
	return tp;
}

static struct nst_tcp *take(struct pair *p)
{
	struct nst_tcp *tp;

	must(nst_tcp_accept(p->lis, &tp) == NST_OK, "accept");
	return tp;
}

/* ---- bulk ---- */

static size_t push(struct nst_tcp *tp, size_t left, nst_time now)
{
	struct nst_iov iov[2];
	size_t n, space = nst_tcp_snd_space(tp, iov, &n);

	if (space > left)
		space = left;
	if (space)
		nst_tcp_snd_commit(tp, space, false, now);
	return space;
}

static size_t drain(struct nst_tcp *tp, nst_time now)
{
	struct nst_iov iov[2];
	size_t n, got = nst_tcp_rcv_data(tp, iov, &n);

	if (got)
		nst_tcp_rcv_consume(tp, got, now);
	return got;
}

static double transfer(uint32_t caps, size_t bytes, uint64_t *segs)
{
	struct pair p;
	struct nst_tcp *c, *s;
	struct nst_tcp_info info;
	size_t sent = 0, got = 0;
	double start;

	pair_init(&p, caps);
	c = dial(&p);
	settle(&p);
	s = take(&p);
	start = now_ns();
	while (got < bytes) {
		size_t in = push(c, bytes - sent, p.now), out;

		sent += in;
		settle(&p);
		out = drain(s, p.now);
		got += out;
		settle(&p);
		if (!in && !out)
			pass(&p, NST_MS); /* a timer holds it back */
	}
	start = now_ns() - start;
	nst_tcp_info(c, p.now, &info);
	*segs = info.data_segs_out;
	pair_fini(&p);
	return start;
}

static void bulk(void)
{
	size_t bytes = 64u << 20;
	uint32_t offload = NST_CAP_TX_CSUM | NST_CAP_TSO;
	uint64_t segs;
	double ns = transfer(0, bytes, &segs);

	report("segment of 1448 B, out and in, ns",
	       ns / ((double)bytes / 1448));
	ns = transfer(offload, bytes * 8, &segs);
	report("64 KiB, out and in, offloads, ns",
	       ns / ((double)bytes * 8 / 65536));
}

/* ---- connections ---- */

static void connections(void)
{
	enum { N = 20000 };
	struct pair p;
	double start;

	pair_init(&p, 0);
	start = now_ns();
	for (int i = 0; i < N; i++) {
		struct nst_tcp *c = dial(&p), *s;

		settle(&p);
		s = take(&p);
		nst_tcp_close(s, p.now);
		settle(&p);
		nst_tcp_close(c, p.now);
		settle(&p);
		/* TIME-WAITs must go as fast as they come. */
		pass(&p, 10 * NST_MS);
	}
	report("connection, opened and closed, ns", (now_ns() - start) / N);
	pair_fini(&p);
}

/* ---- memory ---- */

enum { MEM_N = 10000 };

static double per_one(const struct side *s, size_t before)
{
	return ((double)s->te.live_bytes - (double)before) / MEM_N;
}

static void memory_half_open(void)
{
	struct pair p;
	size_t before;

	pair_init(&p, 0);
	before = p.s.te.live_bytes;
	for (int i = 0; i < MEM_N; i++) {
		(void)dial(&p);
		deliver(&p.c, &p.s, p.now);
	}
	must(p.s.queued == MEM_N, "a SYN-ACK for each SYN");
	/* The SYN-ACKs on the link are not the connections'. */
	while (p.s.head) {
		struct nst_pkt *next = p.s.head->next;

		nst_pkt_free(p.s.head);
		p.s.head = next;
	}
	p.s.tail = &p.s.head;
	printf("SYN-RCVD object bytes=%zu\n", sizeof(struct tcp_req));
	report("SYN-RCVD with its tables, bytes", per_one(&p.s, before));
	pair_fini(&p);
}

/* Opens MEM_N connections; then closes sides as told, measuring between. */
static void memory_states(void)
{
	static struct nst_tcp *c[MEM_N], *s[MEM_N];
	struct pair p;
	size_t before_c, before_s;

	pair_init(&p, 0);
	before_c = p.c.te.live_bytes;
	before_s = p.s.te.live_bytes;
	for (int i = 0; i < MEM_N; i++) {
		c[i] = dial(&p);
		settle(&p);
		s[i] = take(&p);
	}
	report("ESTABLISHED bytes", per_one(&p.s, before_s));
	for (int i = 0; i < MEM_N; i++)
		(void)push(c[i], 1000, p.now);
	settle(&p);
	report("ESTABLISHED with 1000 B unread, bytes",
	       per_one(&p.s, before_s));
	for (int i = 0; i < MEM_N; i++)
		(void)drain(s[i], p.now);
	settle(&p);
	pass(&p, 5 * NST_SEC);
	report("ESTABLISHED, idle after data, bytes", per_one(&p.s, before_s));
	for (int i = 0; i < MEM_N; i++)
		nst_tcp_close(c[i], p.now);
	settle(&p);
	pass(&p, NST_SEC); /* the ACK of the FIN may be delayed */
	report("FIN-WAIT-2 with its port and tables, bytes",
	       per_one(&p.c, before_c));
	for (int i = 0; i < MEM_N; i++)
		nst_tcp_close(s[i], p.now);
	settle(&p);
	pass(&p, NST_SEC);
	printf("TIME-WAIT, FIN-WAIT-2 object bytes=%zu\n",
	       sizeof(struct tcp_tw));
	report("TIME-WAIT with its port and tables, bytes",
	       per_one(&p.c, before_c));
	pair_fini(&p);
}

static void all_timers(void)
{
	timers(1);
	timers(1000);
	timers(1000000);
}

static void memory(void)
{
	memory_half_open();
	memory_states();
}

/* With a name: that part only. */
int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {{"timers", all_timers},
		     {"bulk", bulk},
		     {"connections", connections},
		     {"memory", memory}};
	bool any = false;

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (argc > 1 && strcmp(argv[1], parts[i].name))
			continue;
		parts[i].run();
		any = true;
	}
	if (!any)
		fprintf(stderr, "netstack_bench: no part %s\n", argv[1]);
	return !any;
}
