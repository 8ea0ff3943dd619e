/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the corpus of fuzz_image: `seed_image DIRECTORY` drives pairs of stacks
 * into every state there is and saves both. What only makes an image long
 * (tables of random numbers) is left out of it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/base/base.pb-c.h"
#include "netstack/ip/ip.pb-c.h"
#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"
#include "netstack/save/save.h"
#include "tests/fuzz/fuzz.h"

#define START (1000 * NST_SEC)
#define PORT 80
#define FLIGHT_MAX 512
#define MTU 1500

struct wire_pkt {
	struct wire_pkt *next;
	uint32_t bytes;
	uint8_t data[];
};

struct side {
	struct testenv te;
	struct nst_stack *st;
	struct side *peer;
	struct wire_pkt *in, **in_tail; /* on its way to this side */
	uint32_t ifindex;
	uint32_t sent; /* packets so far */
	uint64_t lose; /* a bit for each: it is lost; the last one repeats */
	bool deaf;     /* nothing arrives */
};

static struct pair {
	struct side a, b;
	nst_time now;
} w;

static const char *directory;

static void out_of_luck(const char *what)
{
	fprintf(stderr, "seed_image: %s\n", what);
	exit(1);
}

static void must(enum nst_err e)
{
	if (e)
		out_of_luck("a call has failed");
}

/* ---- the wire ---- */

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct side *from = link, *to = from->peer;
	uint32_t n = nst_pkt_bytes(pkt), at = from->sent++;
	struct wire_pkt *p;

	if (!to || to->deaf || (from->lose >> (at < 63 ? at : 63) & 1)) {
		nst_pkt_free(pkt);
		return;
	}
	p = malloc(sizeof(*p) + n);
	if (!p)
		out_of_luck("no memory");
	p->next = NULL;
	p->bytes = n;
	nst_pkt_copy(pkt, 0, p->data, n);
	nst_pkt_free(pkt);
	*to->in_tail = p;
	to->in_tail = &p->next;
}

static const struct nst_link_ops ops = {transmit};

static bool deliver(struct side *s)
{
	struct wire_pkt *p = s->in;
	struct nst_pkt *pkt;

	if (!p)
		return false;
	s->in = p->next;
	if (!s->in)
		s->in_tail = &s->in;
	pkt = nst_pkt_new(&s->te.env, 0, p->bytes);
	memcpy(nst_pkt_put(pkt, p->bytes), p->data, p->bytes);
	free(p);
	nst_nic_in(s->st, s->ifindex, pkt, w.now);
	return true;
}

/* Time passes, packets travel in no time. */
static void pass(nst_time dt)
{
	nst_time end = w.now + dt;

	for (int i = 0; i < 100000; i++) {
		nst_time a, b, next;

		while (deliver(&w.a) || deliver(&w.b))
			;
		a = nst_next_deadline(w.a.st);
		b = nst_next_deadline(w.b.st);
		next = a < b ? a : b;
		if (next > end)
			break;
		if (next > w.now)
			w.now = next;
		nst_run_timers(w.a.st, w.now);
		nst_run_timers(w.b.st, w.now);
	}
	w.now = end;
}

static void side_open(struct side *s, struct side *peer, enum nst_link_kind k,
		      const char *a4, const char *a6, uint64_t seed)
{
	struct nst_nic_config cfg = {.name = "eth0",
				     .kind = k,
				     .mtu = MTU,
				     .mac = {2, 0, 0, 0, 0, (uint8_t)seed},
				     .ops = &ops,
				     .link = s};
	struct nst_ifaddr a = {.prefix_len = 24};

	testenv_init(&s->te, seed);
	s->peer = peer;
	must(nst_stack_new(&s->te.env, w.now, &s->st));
	must(nst_nic_add(s->st, &cfg, &s->ifindex));
	a.addr = test_addr(a4);
	a.ifindex = s->ifindex;
	must(nst_addr_add(s->st, &a, w.now));
	a.addr = test_addr(a6);
	a.prefix_len = 64;
	must(nst_addr_add(s->st, &a, w.now));
}

static void open_pair(enum nst_link_kind kind)
{
	memset(&w, 0, sizeof(w));
	w.now = START;
	w.a.in_tail = &w.a.in;
	w.b.in_tail = &w.b.in;
	side_open(&w.a, &w.b, kind, FUZZ_LOCAL4, FUZZ_LOCAL6, 1);
	side_open(&w.b, &w.a, kind, FUZZ_PEER4, FUZZ_PEER6, 2);
}

/* ---- saving ---- */

/* Copies a record, without tables of random numbers. */
static bool put(void *ctx, const void *data, size_t bytes)
{
	FILE *f = ctx;
	uint8_t head[8];
	const uint8_t *p = data;
	uint8_t *out;
	uint32_t n = (uint32_t)bytes - 8;

	memcpy(head, p, 8);
	out = malloc(bytes);
	memcpy(out, p + 8, n);
	if (p[0] == NST_SAVE_IP) {
		Cordon__IpLayer *m = cordon__ip_layer__unpack(NULL, n, p + 8);

		m->n_ids = 0;
		n = (uint32_t)cordon__ip_layer__pack(m, out);
	} else if (p[0] == NST_SAVE_PORTS) {
		Cordon__Ports *m = cordon__ports__unpack(NULL, n, p + 8);

		m->n_moved = 0;
		n = (uint32_t)cordon__ports__pack(m, out);
	} else if (p[0] == NST_SAVE_STACK) {
		Cordon__NstStack *m = cordon__nst_stack__unpack(NULL, n, p + 8);

		m->counters.len = 0;
		n = (uint32_t)cordon__nst_stack__pack(m, out);
	}
	for (int i = 0; i < 4; i++)
		head[4 + i] = (uint8_t)(n >> (8 * i));
	return fwrite(head, 1, 8, f) == 8 && fwrite(out, 1, n, f) == n;
}

static void save_side(const struct side *s, const char *name, char which)
{
	char path[512];
	FILE *f;
	struct nst_save_sink sink = {.put = put};

	snprintf(path, sizeof(path), "%s/%s-%c", directory, name, which);
	f = fopen(path, "w");
	if (!f)
		out_of_luck(path);
	sink.ctx = f;
	must(nst_stack_save(s->st, &sink));
	fclose(f);
}

static void close_side(struct side *s)
{
	while (s->in) {
		struct wire_pkt *p = s->in;

		s->in = p->next;
		free(p);
	}
	s->peer = NULL;
	nst_stack_free(s->st);
}

static void save_pair(const char *name)
{
	save_side(&w.a, name, 'a');
	save_side(&w.b, name, 'b');
	close_side(&w.a);
	close_side(&w.b);
}

/* ---- what programs do ---- */

static struct nst_tcp *listener(struct side *s, const char *addr, int backlog)
{
	struct nst_sockaddr a = test_sa(addr, PORT);
	struct nst_tcp *tp;

	must(nst_tcp_new(s->st, a.addr.family, NULL, w.now, &tp));
	must(nst_sock_bind(nst_tcp_sock(tp), &a));
	must(nst_tcp_listen(tp, backlog, w.now));
	return tp;
}

static struct nst_tcp *connecting(struct side *s, const char *to,
				  const char *cc)
{
	struct nst_sockaddr a = test_sa(to, PORT);
	struct nst_tcp *tp;

	must(nst_tcp_new(s->st, a.addr.family, NULL, w.now, &tp));
	must(nst_tcp_set_cc(tp, cc, w.now));
	if (nst_tcp_connect(tp, &a, w.now) != NST_E_INPROGRESS)
		out_of_luck("connect");
	return tp;
}

static void set(struct nst_tcp *tp, enum nst_opt opt, int64_t v)
{
	must(nst_sock_set(nst_tcp_sock(tp), opt, v, w.now));
}

static void send_bytes(struct nst_tcp *tp, size_t bytes)
{
	while (bytes) {
		struct nst_iov iov[2];
		size_t niov, n = nst_tcp_snd_space(tp, iov, &niov);

		if (!n)
			return;
		n = n < bytes ? n : bytes;
		n = n < iov[0].len ? n : iov[0].len;
		memset(iov[0].p, 'x', n);
		nst_tcp_snd_commit(tp, n, 0, w.now);
		bytes -= n;
	}
}

static void read_all(struct nst_tcp *tp)
{
	struct nst_iov iov[2];
	size_t niov, n;

	while ((n = nst_tcp_rcv_data(tp, iov, &niov)))
		nst_tcp_rcv_consume(tp, n, w.now);
}

/* a connects to b's listener; both ends. */
static void connected(const char *cc, struct nst_tcp **a, struct nst_tcp **b)
{
	struct nst_tcp *l = listener(&w.b, FUZZ_PEER4, 4);

	*a = connecting(&w.a, FUZZ_PEER4, cc);
	pass(50 * NST_MS);
	must(nst_tcp_accept(l, b));
}

/* ---- scenes ---- */

static void scene_opening(void)
{
	open_pair(NST_LINK_IP);
	w.a.deaf = true;
	listener(&w.b, FUZZ_PEER4, 4);
	connecting(&w.a, FUZZ_PEER4, "cubic");
	pass(4 * NST_SEC);
	save_pair("opening");
}

static void scene_accept_queue(void)
{
	open_pair(NST_LINK_IP);
	listener(&w.b, FUZZ_PEER6, 4);
	send_bytes(connecting(&w.a, FUZZ_PEER6, "reno"), 10);
	connecting(&w.a, FUZZ_PEER6, "bbr");
	pass(50 * NST_MS);
	save_pair("accept-queue");
}

static void scene_bulk(const char *cc, uint64_t lose, const char *name)
{
	struct nst_tcp *a, *b;

	open_pair(NST_LINK_IP);
	connected(cc, &a, &b);
	for (int i = 0; i < 5; i++) {
		send_bytes(a, 8000);
		pass(5 * NST_MS);
		read_all(b);
	}
	w.a.sent = 0;
	w.a.lose = lose;
	send_bytes(a, 9000);
	pass(3 * NST_MS);
	save_pair(name);
}

static void scene_zero_window(void)
{
	struct nst_tcp *a;

	open_pair(NST_LINK_IP);
	set(listener(&w.b, FUZZ_PEER4, 4), NST_SO_RCVBUF, 2500);
	a = connecting(&w.a, FUZZ_PEER4, "cubic");
	set(a, NST_SO_SNDBUF, 4000);
	for (int i = 0; i < 60; i++) {
		send_bytes(a, 1000);
		pass(NST_MS);
	}
	pass(3 * NST_SEC);
	save_pair("zero-window");
}

static void scene_half_closed(void)
{
	struct nst_tcp *a, *b;

	open_pair(NST_LINK_IP);
	connected("cubic", &a, &b);
	must(nst_tcp_shutdown(a, false, true, w.now));
	pass(10 * NST_MS);
	save_pair("fin-wait2-close-wait");
}

static void scene_orphans(void)
{
	struct nst_tcp *a, *b;

	open_pair(NST_LINK_IP);
	connected("cubic", &a, &b);
	nst_tcp_close(a, w.now);
	pass(10 * NST_MS);
	w.a.deaf = true;
	send_bytes(b, 100);
	nst_tcp_close(b, w.now);
	pass(100 * NST_MS);
	save_pair("fin-wait2-small-last-ack");
}

static void scene_time_wait(void)
{
	struct nst_tcp *a, *b;

	open_pair(NST_LINK_IP);
	connected("cubic", &a, &b);
	nst_tcp_close(a, w.now);
	pass(10 * NST_MS);
	nst_tcp_close(b, w.now);
	pass(10 * NST_MS);
	save_pair("time-wait");
}

static void scene_closing(void)
{
	struct nst_tcp *a, *b;

	open_pair(NST_LINK_IP);
	connected("cubic", &a, &b);
	must(nst_tcp_shutdown(a, false, true, w.now));
	must(nst_tcp_shutdown(b, false, true, w.now));
	w.a.deaf = true; /* both FINs are under way, the ACKs are lost */
	w.b.deaf = true;
	while (deliver(&w.a) || deliver(&w.b))
		;
	save_pair("closing");
}

static void scene_fin_wait1(void)
{
	struct nst_tcp *a, *b;

	open_pair(NST_LINK_IP);
	connected("reno", &a, &b);
	w.b.deaf = true;
	send_bytes(a, 3000);
	nst_tcp_close(a, w.now);
	pass(NST_SEC);
	save_pair("fin-wait1");
}

static void scene_options(void)
{
	struct nst_tcp *a, *b;

	open_pair(NST_LINK_IP);
	connected("bbr", &a, &b);
	set(a, NST_TCP_CORK, 1);
	set(a, NST_SO_KEEPALIVE, 1);
	set(a, NST_TCP_KEEPIDLE, 2);
	set(b, NST_SO_MAX_PACING_RATE, 10000);
	set(b, NST_TCP_USER_TIMEOUT, 9000);
	send_bytes(a, 300);
	must(nst_tcp_snd_urgent(b, '!', w.now));
	send_bytes(b, 9000);
	w.b.deaf = true;
	pass(3 * NST_SEC);
	save_pair("options");
}

static void scene_out_of_order(void)
{
	struct nst_tcp *a, *b;

	open_pair(NST_LINK_IP);
	connected("cubic", &a, &b);
	w.a.sent = 0;
	w.a.lose = 0x15;
	w.a.deaf = true;
	send_bytes(a, 7000);
	pass(NST_MS);
	save_pair("out-of-order");
}

static void scene_fast_open(void)
{
	struct nst_sockaddr to = test_sa(FUZZ_PEER4, PORT);
	struct nst_tcp *l, *a;

	open_pair(NST_LINK_IP);
	must(nst_sysctl_set(w.b.st, "tcp_fastopen", "3"));
	l = listener(&w.b, FUZZ_PEER4, 4);
	set(l, NST_TCP_FASTOPEN, 4);
	set(l, NST_TCP_SAVE_SYN, 1);
	for (int i = 0; i < 2; i++) {
		must(nst_tcp_new(w.a.st, 4, NULL, w.now, &a));
		must(nst_tcp_connect_fast(a, &to, w.now));
		send_bytes(a, 100);
		w.a.deaf = i;
		pass(20 * NST_MS);
	}
	must(nst_tcp_new(w.a.st, 4, NULL, w.now, &a));
	must(nst_tcp_connect_fast(a, &to, w.now));
	save_pair("fast-open");
}

static void forward(void *ctx, struct nst_fwd_req *req,
		    const struct nst_sockaddr *src,
		    const struct nst_sockaddr *dst)
{
	(void)ctx;
	(void)req;
	(void)src;
	(void)dst;
}

static void scene_forwarder(void)
{
	const struct nst_forwarder fwd = {.tcp = forward};

	open_pair(NST_LINK_IP);
	nst_set_forwarder(w.b.st, &fwd);
	connecting(&w.a, FUZZ_PEER4, "cubic");
	connecting(&w.a, FUZZ_PEER6, "cubic");
	pass(10 * NST_MS);
	save_pair("forwarder");
}

static void scene_neighbours(void)
{
	open_pair(NST_LINK_ETHER);
	connecting(&w.a, FUZZ_PEER4, "cubic");
	pass(10 * NST_MS);
	w.b.deaf = true;
	connecting(&w.a, "10.0.2.77", "cubic");
	connecting(&w.a, "fd00::77", "cubic");
	pass(100 * NST_MS);
	save_pair("neighbours");
}

static struct nst_dgram *datagram(struct side *s, enum nst_dgram_kind kind,
				  uint8_t proto, const char *addr,
				  uint16_t port)
{
	struct nst_sockaddr a = test_sa(addr, port);
	struct nst_dgram *d;

	must(nst_dgram_new(s->st, kind, a.addr.family, proto, NULL, &d));
	must(nst_sock_bind(nst_dgram_sock(d), &a));
	return d;
}

static void send_to(struct nst_dgram *d, const char *to, uint16_t port,
		    size_t bytes)
{
	static uint8_t data[4000];
	struct nst_sockaddr a = test_sa(to, port);
	struct nst_iov iov = {data, bytes};

	data[0] = 8; /* an echo request, for who sends ICMP */
	(void)!nst_dgram_send(d, &a, &iov, 1, NULL, w.now);
}

static void scene_datagrams(void)
{
	struct nst_addr group = test_addr("239.1.2.3");
	struct nst_addr group6 = test_addr("ff15::7");
	struct nst_mc_source not_him = {
	    .group = group, .source = test_addr(FUZZ_PEER4), .add = true};
	struct nst_dgram *u, *v, *u6;

	open_pair(NST_LINK_IP);
	u = datagram(&w.a, NST_DGRAM_UDP, 17, FUZZ_LOCAL4, 53);
	v = datagram(&w.b, NST_DGRAM_UDP, 17, FUZZ_PEER4, 53);
	u6 = datagram(&w.a, NST_DGRAM_UDP, 17, FUZZ_LOCAL6, 53);
	datagram(&w.a, NST_DGRAM_RAW, 1, FUZZ_LOCAL4, 0);
	datagram(&w.a, NST_DGRAM_PING, 1, FUZZ_LOCAL4, 7);
	not_him.ifindex = w.a.ifindex;
	must(nst_dgram_join(u, &group, w.a.ifindex, w.now));
	must(nst_dgram_source(u, &not_him, w.now));
	must(nst_dgram_join(u6, &group6, w.a.ifindex, w.now));
	must(nst_sock_set(nst_dgram_sock(u), NST_IP_RECVERR, 1, w.now));
	send_to(u, FUZZ_PEER4, 53, 30);
	send_to(v, FUZZ_LOCAL4, 53, 40);
	send_to(v, FUZZ_LOCAL4, 53, 3000);
	send_to(u, FUZZ_PEER4, 9, 20);
	pass(10 * NST_MS);
	must(nst_sock_set(nst_dgram_sock(u), NST_UDP_CORK, 1, w.now));
	send_to(u, FUZZ_PEER4, 53, 50);
	w.b.sent = 0;
	w.b.lose = 2;
	send_to(v, FUZZ_LOCAL4, 53, 4000); /* its second fragment is lost */
	pass(10 * NST_MS);
	save_pair("datagrams");
}

int main(int argc, char **argv)
{
	if (argc != 2)
		out_of_luck("needs a directory");
	directory = argv[1];
	scene_opening();
	scene_accept_queue();
	scene_bulk("cubic", 0, "bulk-cubic");
	scene_bulk("bbr", 0, "bulk-bbr");
	scene_bulk("reno", ~(uint64_t)0xf | 0x1, "recovery-reno");
	scene_bulk("cubic", ~(uint64_t)0x3f | 0x12, "recovery-cubic");
	scene_bulk("bbr", UINT64_MAX, "in-flight-bbr");
	scene_zero_window();
	scene_half_closed();
	scene_orphans();
	scene_time_wait();
	scene_closing();
	scene_fin_wait1();
	scene_options();
	scene_out_of_order();
	scene_fast_open();
	scene_forwarder();
	scene_neighbours();
	scene_datagrams();
	return 0;
}
