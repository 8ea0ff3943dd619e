/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What saving and loading a netstack costs (PERFORMANCE.md P13, the netstack's
 * part): two stacks, N established connections between them, each with bytes
 * that were not read and bytes that were not acknowledged. Prints for each N
 * the CPU time of saving, of loading with all timers armed, of freeing the old
 * stack, of all three a record at a time (in place), the best of some rounds;
 * and the image's bytes per connection, as "key=value" lines; times per
 * connection say whether it is linear.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "netstack/nst_tcp.h"
#include "tests/lib/reborn.h"
#include "tests/unit/testenv.h"

#define PORTS 4     /* listeners: a client has 28 000 ports towards each */
#define QUEUED 1000 /* bytes that the server's program did not read */
#define SENT 500    /* bytes that the client has not acknowledged */
#define MTU 1500
#define ROUNDS 5
#define BACKLOG 4096

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "save_bench: %s failed\n", what);
	exit(1);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* ---- memory: the process's own, as the sentry's ---- */

static void *take(void *ctx, size_t bytes)
{
	(void)ctx;
	return calloc(1, bytes);
}

static void *take_raw(void *ctx, size_t bytes)
{
	(void)ctx;
	return malloc(bytes);
}

static void give(void *ctx, void *p, size_t bytes)
{
	(void)ctx;
	(void)bytes;
	free(p);
}

/* ---- two stacks and a list of packets between them ---- */

struct side {
	struct testenv te;
	struct nst_stack *st;
	struct nst_pkt *head, **tail; /* sent, not delivered */
	bool cut;                     /* what it sends is lost */
};

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct side *s = link;

	if (s->cut || !nst_pkt_own(pkt)) {
		nst_pkt_free(pkt);
		return;
	}
	pkt->next = NULL;
	*s->tail = pkt;
	s->tail = &pkt->next;
}

static const struct nst_link_ops ops = {.transmit = transmit};

static void side_init(struct side *s, const char *addr)
{
	struct nst_nic_config nic = {.name = "eth0",
				     .kind = NST_LINK_IP,
				     .mtu = MTU,
				     .ops = &ops,
				     .link = s};
	struct nst_ifaddr a = {test_addr(addr), 8, 2};
	uint32_t ifindex;

	memset(s, 0, sizeof(*s));
	testenv_init(&s->te, 1);
	s->te.env.alloc = take;
	s->te.env.alloc_raw = take_raw;
	s->te.env.free = give;
	s->tail = &s->head;
	must(!nst_stack_new(&s->te.env, NST_SEC, &s->st), "stack");
	must(!nst_nic_add(s->st, &nic, &ifindex), "nic");
	must(!nst_addr_add(s->st, &a, NST_SEC), "address");
	must(!nst_sysctl_set(s->st, "tcp_max_syn_backlog", "4096"), "sysctl");
}

static bool deliver(struct side *from, struct side *to, nst_time now)
{
	struct nst_pkt *p = from->head, *next;

	from->head = NULL;
	from->tail = &from->head;
	for (struct nst_pkt *q = p; q; q = next) {
		next = q->next;
		q->next = NULL;
		nst_nic_in(to->st, 2, q, now);
	}
	return p != NULL;
}

static void settle(struct side *a, struct side *b, nst_time now)
{
	while (deliver(a, b, now) | deliver(b, a, now))
		;
}

static void push(struct nst_tcp *tp, size_t n, nst_time now)
{
	struct nst_iov iov[2];
	size_t niov;

	must(nst_tcp_snd_space(tp, iov, &niov) >= n && iov[0].len >= n, "room");
	memset(iov[0].p, 'x', n);
	nst_tcp_snd_commit(tp, n, 0, now);
}

/* One connection: QUEUED bytes at the server, SENT on their way from it. */
static void connect_one(struct side *c, struct side *s, struct nst_tcp *lis,
			uint16_t port, nst_time now)
{
	struct nst_sockaddr to = test_sa("10.0.0.1", port);
	struct nst_tcp *tp, *child;

	must(!nst_tcp_new(c->st, 4, NULL, now, &tp), "endpoint");
	must(nst_tcp_connect(tp, &to, now) == NST_E_INPROGRESS, "connect");
	settle(c, s, now);
	must(!nst_tcp_accept(lis, &child), "accept");
	push(tp, QUEUED, now);
	settle(c, s, now);
	s->cut = true;
	push(child, SENT, now);
	s->cut = false;
}

static void connect_all(struct side *c, struct side *s, size_t n, nst_time now)
{
	struct nst_tcp *lis[PORTS];

	for (uint16_t i = 0; i < PORTS; i++) {
		struct nst_sockaddr at = test_sa("10.0.0.1", 0);

		at.port = (uint16_t)(80 + i);
		must(!nst_tcp_new(s->st, 4, NULL, now, &lis[i]), "listener");
		must(!nst_sock_bind(nst_tcp_sock(lis[i]), &at), "bind");
		must(!nst_tcp_listen(lis[i], BACKLOG, now), "listen");
	}
	for (size_t i = 0; i < n; i++)
		connect_one(c, s, lis[i % PORTS], (uint16_t)(80 + i % PORTS),
			    now);
}

/* ---- measuring ---- */

struct cost {
	double save, load, free, move, bytes;
};

static bool keep(void *ctx, struct nst_nic_config *cfg)
{
	cfg->ops = &ops;
	cfg->link = ctx;
	return true;
}

static bool put(void *ctx, const void *data, size_t bytes)
{
	return nst_load_put(ctx, data, bytes);
}

/* As in place: records are loaded as they are saved. */
static void move(struct side *s)
{
	struct nst_load how = {.env = &s->te.env, .ctx = s, .nic = keep};
	struct nst_save_sink sink = {.put = put};
	struct nst_loading *loading;
	char why[NST_SAVE_WHY];
	struct nst_stack *made;

	must(!nst_load_begin(&how, &loading, why), "begin");
	sink.ctx = loading;
	must(!nst_stack_save(s->st, &sink), "save");
	must(!nst_load_end(loading, &made), why);
	nst_stack_free(s->st);
	s->st = made;
}

static void in_parts(struct side *s, struct cost *c)
{
	struct reborn_nic nic = {"eth0", &ops, s};
	struct reborn how = {.env = &s->te.env, .nics = &nic, .nnics = 1};
	struct reborn_image image = {0};
	char why[NST_SAVE_WHY];
	struct nst_stack *made;
	double t0, t1, t2, t3;

	reborn_save(s->st, &image); /* the buffer has its size now */
	t0 = now_ns();
	reborn_save(s->st, &image);
	t1 = now_ns();
	must(!reborn_load(NULL, &how, image.p, image.bytes, &made, why), why);
	t2 = now_ns();
	nst_stack_free(s->st);
	t3 = now_ns();
	s->st = made;
	*c = (struct cost){t1 - t0, t2 - t1, t3 - t2, 0, (double)image.bytes};
	reborn_image_free(&image);
}

static void least(double *best, double v, bool first)
{
	if (first || v < *best)
		*best = v;
}

static void once(struct side *s, struct cost *best)
{
	bool first = !best->bytes;
	struct cost c;
	double t0;

	t0 = now_ns();
	move(s);
	least(&best->move, now_ns() - t0, first);
	in_parts(s, &c);
	least(&best->save, c.save, first);
	least(&best->load, c.load, first);
	least(&best->free, c.free, first);
	best->bytes = c.bytes;
}

static void measure(size_t n)
{
	struct side *c = calloc(1, sizeof(*c)), *s = calloc(1, sizeof(*s));
	struct cost best = {0};
	double per = 1.0 / (double)n;

	must(c && s, "memory");
	side_init(c, "10.0.0.2");
	side_init(s, "10.0.0.1");
	connect_all(c, s, n, NST_SEC);
	for (int i = 0; i < ROUNDS; i++)
		once(s, &best);
	printf("save_ms_%zu=%.3f\nload_ms_%zu=%.3f\nfree_ms_%zu=%.3f\n", n,
	       best.save / 1e6, n, best.load / 1e6, n, best.free / 1e6);
	printf("in_place_ms_%zu=%.3f\n", n, best.move / 1e6);
	printf("in_place_ns_per_conn_%zu=%.0f\n", n, best.move * per);
	printf("image_bytes_per_conn_%zu=%.0f\n", n, best.bytes * per);
	fflush(stdout);
	nst_stack_free(c->st);
	nst_stack_free(s->st);
	free(c);
	free(s);
}

int main(int argc, char **argv)
{
	size_t most = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;

	for (size_t n = 10; n <= most; n *= 10)
		measure(n);
	return 0;
}
