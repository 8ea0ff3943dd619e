/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packet events: an inbound packet is put into the stack with live numbers,
 * an outbound one is awaited and compared in the script's numbers.
 *
 * Sequence numbers are as tcpdump writes them: absolute in packets with SYN,
 * else from the first SYN on.
 */
#include "tests/pkt/run.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/pkt/packet_wait.h"

static bool is_icmp(const struct packet *p)
{
	return p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6;
}

/* What turns a script's number of the stack's side into a live one. */
static uint32_t local_offset(const struct sock *s, bool syn)
{
	return syn ? s->live.local_isn - s->script_local_isn
		   : s->live.local_isn;
}

static uint32_t remote_offset(const struct sock *s, bool syn)
{
	return syn ? 0 : s->live.remote_isn;
}

static struct sock *new_child(struct run *r, const struct packet *p)
{
	struct sock *s = sock_new(r);

	s->is_socket = true;
	s->state = SOCK_PACKET_IN;
	s->family = p->af;
	s->proto = IPPROTO_TCP;
	s->script_fd = -1;
	s->live_fd = -1;
	s->live.remote = r->conf->remote_ip;
	s->live.rport = r->next_port++;
	s->live.local = r->conf->local_ip;
	s->live.lport = r->conf->bind_port;
	s->live.remote_isn = tcp_seq(p);
	r->under_test = s;
	return s;
}

static bool belongs(const struct sock *s, const struct packet *p)
{
	if (s->proto == IPPROTO_TCP || s->proto == IPPROTO_UDP)
		return p->proto == s->proto || is_icmp(p);
	return is_icmp(p);
}

/* The socket that a script packet is about; a SYN may make a new one. */
static struct sock *find_sock(struct run *r, const struct packet *p)
{
	struct sock *s = r->under_test;
	unsigned flags = p->proto == IPPROTO_TCP ? tcp_flags(p) : 0;
	bool tcp = p->proto == IPPROTO_TCP;

	if (tcp && p->dir == DIR_IN &&
	    (s == NULL || s->state == SOCK_LISTENING))
		return new_child(r, p);
	if (s == NULL)
		return NULL;
	if (tcp && p->dir == DIR_OUT && s->state == SOCK_CONNECTING &&
	    (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN) {
		s->state = SOCK_SYN_SENT;
		s->script_local_isn = tcp_seq(p);
		return s;
	}
	return belongs(s, p) ? s : NULL;
}

static const struct ts_pair *find_ts(const struct sock *s, uint32_t script)
{
	const struct ts_pair *t;

	for (t = s->ts_pairs; t != NULL; t = t->next)
		if (t->script == script)
			return t;
	return NULL;
}

/* The timestamp that a script echoes is one it saw leave. */
static const char *map_ecr(struct run *r, const struct sock *s,
			   struct packet *p)
{
	uint8_t *ts = tcp_timestamp(p);
	const struct ts_pair *pair;
	uint32_t script;

	if (ts == NULL || !(tcp_flags(p) & TCP_ACK))
		return NULL;
	script = get32(ts + 4);
	pair = find_ts(s, script);
	if (pair != NULL)
		put32(ts + 4, pair->live);
	else if (r->conf->ts_ecr_scaled && s->have_ts)
		put32(ts + 4, script - s->first_ts_script + s->first_ts_live);
	else
		return arena_printf(r->arena,
				    "unable to infer live TS ecr for script "
				    "TS ecr %u;  no matching or preceding "
				    "outbound TS val",
				    script);
	return NULL;
}

/* Addresses and ports; those that the script gave stay. */
static void map_tuple(const struct sock *s, struct packet *p)
{
	struct ip_addr src, dst;
	unsigned sport, dport;

	wire_get_tuple(p, &src, &dst, &sport, &dport);
	wire_set_tuple(p, &s->live.remote, &s->live.local,
		       sport ? sport : s->live.rport,
		       dport ? dport : s->live.lport);
}

static const char *map_inbound(struct run *r, const struct sock *s,
			       struct packet *p)
{
	uint32_t off;
	bool syn;

	map_tuple(s, p);
	if (is_icmp(p) && p->has_echo) {
		size_t at = wire_echo_seq(p);

		wire_set_echo(p, &s->live.local, &s->live.remote, s->live.lport,
			      s->live.rport);
		if (s->proto == IPPROTO_TCP)
			put32(p->data + at,
			      get32(p->data + at) + local_offset(s, false));
	}
	if (p->proto != IPPROTO_TCP)
		return NULL;
	syn = (tcp_flags(p) & TCP_SYN) != 0;
	off = local_offset(s, syn);
	tcp_set_seq(p, tcp_seq(p) + remote_offset(s, syn));
	if (tcp_flags(p) & TCP_ACK)
		tcp_set_ack(p, tcp_ack_seq(p) + off);
	tcp_shift_sack(p, off);
	return map_ecr(r, s, p);
}

static struct last_tcp remember(const struct packet *p)
{
	return (struct last_tcp){
	    .seq = tcp_seq(p),
	    .ack = tcp_ack_seq(p),
	    .flags = tcp_flags(p),
	    .window = tcp_window(p),
	    .payload = wire_payload_len(p),
	};
}

/* What an inbound packet says about where a connection is. */
static void advance_in(struct sock *s, const struct packet *p)
{
	unsigned flags = tcp_flags(p);

	if (s->state == SOCK_SYNACK_SENT && (flags & TCP_ACK)) {
		s->state = SOCK_SYNACK_ACKED;
	} else if (s->state == SOCK_SYN_SENT && (flags & TCP_SYN) &&
		   (flags & TCP_ACK)) {
		s->state = SOCK_SYN_ACKED;
		s->live.remote_isn = tcp_seq(p);
	}
}

static void send_packet(struct run *r, struct packet *p, int line)
{
	wire_checksum(p);
	if (r->ifc.netdev_send(r->ifc.userdata, p->data, p->len) != 0)
		run_fail(r, line, "error handling packet: netdev_send: %s",
			 strerror(errno));
}

static void show(struct run *r, const char *what, const struct packet *p,
		 long long usecs)
{
	char *text;

	if (!r->conf->verbose)
		return;
	text = wire_to_string(p);
	printf("%s packet: %9.6f %s\n", what,
	       (double)(usecs - r->live_start) / 1e6, text);
	free(text);
}

/* A datagram may come in before anything went out. */
static void fill_anyip(struct run *r, struct sock *s, const struct packet *p)
{
	if (p->proto == IPPROTO_TCP || s->live.local.af != 0)
		return;
	s->live.remote = r->conf->remote_ip;
	s->live.local = r->conf->local_ip;
	if (s->live.rport == 0)
		s->live.rport = r->conf->connect_port;
	if (s->live.lport == 0)
		s->live.lport = r->conf->bind_port;
}

static void inbound(struct run *r, struct event *e, struct sock *s)
{
	struct packet *p = wire_copy(r->arena, e->packet);
	const char *err;

	if (p->proto == IPPROTO_TCP)
		advance_in(s, p);
	fill_anyip(r, s, p);
	err = map_inbound(r, s, p);
	if (err != NULL)
		run_fail(r, e->line, "error handling packet: %s", err);
	if (p->proto == IPPROTO_TCP)
		s->last_in = remember(p);
	show(r, "inbound injected", p, r->conf->verbose ? run_now(r) : 0);
	send_packet(r, p, e->line);
	blocking_settle(r);
}

static bool same_ip(const struct ip_addr *a, const struct ip_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* A first packet of ours: from now on we know the stack's port. */
static bool is_opening(const struct sock *s, const struct packet *p)
{
	if (p->proto != s->proto)
		return false;
	if (p->proto != IPPROTO_TCP)
		return s->state == SOCK_CONNECTING;
	return s->state == SOCK_SYN_SENT &&
	       (tcp_flags(p) & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* Did the socket under test send this packet? */
static bool is_ours(struct sock *s, const struct packet *p)
{
	struct ip_addr src, dst;
	unsigned sport, dport;

	wire_get_tuple(p, &src, &dst, &sport, &dport);
	if (!same_ip(&dst, &s->live.remote))
		return false;
	if (same_ip(&src, &s->live.local) &&
	    (is_icmp(p) ? is_icmp(p) && s->proto != IPPROTO_TCP &&
			      s->proto != IPPROTO_UDP
			: p->proto == s->proto && sport == s->live.lport &&
			      dport == s->live.rport))
		return true;
	if (!is_opening(s, p) || (!is_icmp(p) && dport != s->live.rport))
		return false;
	s->live.local = src;
	s->live.lport = sport;
	if (p->proto == IPPROTO_TCP)
		s->live.local_isn = tcp_seq(p);
	return true;
}

/* The next packet of the socket, in memory of its own. */
static struct packet *sniff(struct run *r, struct event *e, struct sock *s)
{
	struct packet got;
	long long usecs;
	size_t len;
	int rc;

	for (;;) {
		len = packet_await(r, e, &usecs);
		rc = wire_parse(&got, r->rx, len);
		if (rc == -2)
			run_fail(r, e->line,
				 "error handling packet: a broken packet of "
				 "%zu bytes left the stack",
				 len);
		if (rc != 0 || !is_ours(s, &got))
			continue;
		got.usecs = usecs;
		if (r->virtual_time && !wire_l4_checksum_ok(&got))
			run_fail(r, e->line,
				 "error handling packet: bad outbound TCP or "
				 "UDP checksum");
		return wire_copy(r->arena, &got);
	}
}

/* Sequence numbers of a packet that left, in the script's space. */
static void map_outbound(const struct sock *s, struct packet *p)
{
	bool syn = (tcp_flags(p) & TCP_SYN) != 0;
	uint32_t off = 0U - remote_offset(s, syn);

	tcp_set_seq(p, tcp_seq(p) - local_offset(s, syn));
	if (tcp_flags(p) & TCP_ACK)
		tcp_set_ack(p, tcp_ack_seq(p) + off);
	tcp_shift_sack(p, off);
}

static struct packet *sniff_mapped(struct run *r, struct event *e,
				   struct sock *s)
{
	struct packet *p = sniff(r, e, s);
	unsigned want =
	    e->packet->proto == IPPROTO_TCP ? tcp_flags(e->packet) : 0;

	if (p->proto != IPPROTO_TCP)
		return p;
	if (s->state == SOCK_PACKET_IN && (want & TCP_SYN) &&
	    (want & TCP_ACK)) {
		s->state = SOCK_SYNACK_SENT;
		s->live.local_isn = tcp_seq(p);
	}
	show(r, "outbound sniffed", p, p->usecs);
	s->last_out = remember(p);
	if (!wire_ip_checksum_ok(p))
		run_fail(r, e->line,
			 "error handling packet: bad outbound IP checksum");
	map_outbound(s, p);
	return p;
}

/* One packet out of two that follow each other. */
static struct packet *join(struct run *r, const struct packet *a,
			   const struct packet *b)
{
	struct packet *p = arena_alloc(r->arena, sizeof(*p));
	size_t n = wire_payload_len(b);

	*p = *a;
	p->len = a->len + n;
	p->data = arena_alloc(r->arena, p->len);
	memcpy(p->data, a->data, a->len);
	memcpy(p->data + a->len, b->data + b->payload, n);
	put16(p->data + (p->af == AF_INET ? 2 : 4),
	      (uint32_t)(p->af == AF_INET ? p->len : p->len - p->l4));
	p->data[p->l4 + 13] |= (uint8_t)(tcp_flags(b) & (TCP_FIN | TCP_PSH));
	return p;
}

/*
 * A script writes what an interface with segmentation offload would carry;
 * the segments of one such packet are put together again.
 */
static struct packet *sniff_whole(struct run *r, struct event *e,
				  struct sock *s)
{
	size_t want = wire_payload_len(e->packet);
	struct packet *whole = sniff_mapped(r, e, s), *last = whole, *next;
	const char *err;

	while (wire_payload_len(whole) < want && wire_payload_len(whole) > 0 &&
	       whole->proto == IPPROTO_TCP && !r->conf->strict_segments) {
		next = sniff_mapped(r, e, s);
		err = check_fragment(r, next, last, wire_payload_len(whole),
				     want);
		if (err != NULL) {
			packet_explain(r, e, next, err);
			return NULL;
		}
		whole = join(r, whole, next);
		last = next;
	}
	if (whole->proto == e->packet->proto &&
	    wire_payload_len(whole) != want && !is_icmp(whole)) {
		packet_explain(
		    r, e, whole,
		    arena_printf(r->arena,
				 "live packet payload: expected %zu bytes vs "
				 "actual %zu bytes",
				 want, wire_payload_len(whole)));
		return NULL;
	}
	return whole;
}

/* Remembers what the script's timestamps stand for. */
static void learn_ts(struct run *r, struct sock *s, const struct packet *script,
		     struct packet *p)
{
	uint8_t *want = tcp_timestamp(script), *got = tcp_timestamp(p);
	struct ts_pair *t;

	if (want == NULL || got == NULL)
		return;
	t = arena_alloc(r->arena, sizeof(*t));
	t->script = get32(want);
	t->live = get32(got);
	t->next = s->ts_pairs;
	s->ts_pairs = t;
	if (!s->have_ts) {
		s->have_ts = true;
		s->first_ts_script = t->script;
		s->first_ts_live = t->live;
	}
	put32(got, s->first_ts_script + (t->live - s->first_ts_live));
}

static void outbound(struct run *r, struct event *e, struct sock *s)
{
	const struct packet *want = e->packet;
	struct packet *p;
	const char *err;

	if (s->state == SOCK_PACKET_IN && want->proto == IPPROTO_TCP &&
	    (tcp_flags(want) & TCP_SYN) && (tcp_flags(want) & TCP_ACK))
		s->script_local_isn = tcp_seq(want);
	p = sniff_whole(r, e, s);
	if (p == NULL)
		return;
	if (p->proto == IPPROTO_TCP && want->proto == IPPROTO_TCP)
		learn_ts(r, s, want, p);
	err = check_packet(r, s, want, p);
	if (err == NULL)
		err = run_check_time(r, e, e->usecs, p->usecs,
				     run_last_usecs(r), "outbound packet");
	if (err != NULL)
		packet_explain(r, e, p, err);
	blocking_settle(r);
}

void packet_event(struct run *r, struct event *e)
{
	struct sock *s = find_sock(r, e->packet);

	if (s == NULL)
		run_fail(r, e->line,
			 "error handling packet: no matching socket for "
			 "script packet");
	if (e->packet->dir == DIR_OUT) {
		outbound(r, e, s);
		return;
	}
	run_wait_for_event(r);
	inbound(r, e, s);
}

void packet_reset(struct run *r, struct sock *s)
{
	const struct ip_spec ip = {.tos_check = TOS_ANY};
	struct tcp_spec t = {.flags = TCP_RST | TCP_ACK};
	struct packet *p;

	if (s->proto != IPPROTO_TCP || s->live.lport == 0 || s->live.rport == 0)
		return;
	if (s->last_in.flags & TCP_ACK) {
		t.seq = s->last_in.seq + (uint32_t)s->last_in.payload +
			!!(s->last_in.flags & TCP_SYN) +
			!!(s->last_in.flags & TCP_FIN);
		t.ack = s->last_in.ack;
		t.window = s->last_in.window;
	} else if (s->last_out.flags & TCP_ACK) {
		t.seq = s->last_out.ack;
		t.ack = s->last_out.seq;
	} else {
		t.ack = s->last_out.seq + 1;
	}
	p = wire_tcp(r->arena, r->conf->wire_af, &ip, &t);
	wire_set_tuple(p, &s->live.remote, &s->live.local, s->live.rport,
		       s->live.lport);
	wire_checksum(p);
	(void)r->ifc.netdev_send(r->ifc.userdata, p->data, p->len);
}
