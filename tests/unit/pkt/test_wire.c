/* SPDX-License-Identifier: Apache-2.0 */
/* Packets made, taken apart and printed. */
#include <criterion/criterion.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pkt/wire.h"

static struct arena arena;

static const struct ip_spec PLAIN = {.tos_check = TOS_ANY};

static struct packet *tcp(int af, size_t payload)
{
	static const uint8_t OPTS[] = {1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6};
	const struct tcp_spec t = {.seq = 100,
				   .ack = 7,
				   .flags = TCP_ACK | TCP_PSH,
				   .window = 1000,
				   .options = OPTS,
				   .options_len = sizeof(OPTS),
				   .payload_len = payload};
	struct packet *p = wire_tcp(&arena, af, &PLAIN, &t);

	p->any_window = false;
	return p;
}

static void end(void)
{
	arena_fini(&arena);
}

TestSuite(wire, .fini = end);

Test(wire, round_trip)
{
	static const int FAMILIES[] = {AF_INET, AF_INET6};

	for (int i = 0; i < 2; i++) {
		struct packet *p = tcp(FAMILIES[i], 10), q;

		wire_checksum(p);
		cr_assert_eq(wire_parse(&q, p->data, p->len), 0);
		cr_expect_eq(q.payload, p->payload);
		cr_expect(wire_ip_checksum_ok(&q));
		cr_expect(wire_l4_checksum_ok(&q));
		cr_expect_eq(tcp_seq(&q), 100);
		cr_expect_eq(get32(tcp_timestamp(&q)), 5);
		q.data[q.payload] ^= 1;
		cr_expect_not(wire_l4_checksum_ok(&q));
	}
}

/* Whatever a stack sends, we do not read past it. */
Test(wire, broken_packets)
{
	struct packet *p = tcp(AF_INET, 0), q;

	for (size_t n = 0; n < p->len; n++)
		cr_expect_neq(wire_parse(&q, p->data, n), 0, "%zu", n);
	p->data[p->l4 + 12] = 0x40; /* a header of 16 bytes */
	cr_expect_eq(wire_parse(&q, p->data, p->len), -2);
	p->data[p->l4 + 12] = 0xf0; /* longer than the packet */
	cr_expect_eq(wire_parse(&q, p->data, p->len), -2);
	p->data[9] = 99;
	cr_expect_eq(wire_parse(&q, p->data, p->len), -1);
	p->data[9] = IPPROTO_TCP;
	p->data[6] = 0x20; /* a fragment */
	cr_expect_eq(wire_parse(&q, p->data, p->len), -1);
}

Test(wire, broken_options)
{
	struct packet *p = tcp(AF_INET, 0);
	size_t total, at = 0, len;
	uint8_t *o = tcp_options(p, &total);
	bool broken = false;

	o[3] = 0;
	while (tcp_option_next(o, total, &at, &len, &broken) != NULL)
		;
	cr_expect(broken);
	cr_expect_null(tcp_timestamp(p));
	o[3] = 11;
	at = 0;
	broken = false;
	while (tcp_option_next(o, total, &at, &len, &broken) != NULL)
		;
	cr_expect(broken);
}

Test(wire, text)
{
	char *s = wire_to_string(tcp(AF_INET, 10));

	cr_expect_str_eq(s, "P. 100:110(10) ack 7 win 1000 "
			    "<nop,nop,TS val 5 ecr 6>");
	free(s);
}

Test(wire, sack_edges_move_together)
{
	static const uint8_t SACK[] = {1, 1, 5, 10, 0, 0, 0, 5, 0, 0, 0, 9};
	const struct tcp_spec t = {
	    .flags = TCP_ACK, .options = SACK, .options_len = sizeof(SACK)};
	struct packet *p = wire_tcp(&arena, AF_INET, &PLAIN, &t);
	size_t n;
	uint8_t *o = tcp_options(p, &n);

	tcp_shift_sack(p, 0xffffffff);
	cr_expect_eq(get32(o + 4), 4);
	cr_expect_eq(get32(o + 8), 8);
}

/* RFC 792: the header and 8 bytes of what caused it come back. */
Test(wire, icmp_quotes_the_packet)
{
	const struct icmp_spec i = {.type = 3,
				    .code = 4,
				    .word = 1200,
				    .echo_proto = IPPROTO_TCP,
				    .echo_seq = 77};
	struct ip_addr a = {AF_INET, {10, 0, 0, 1}},
		       b = {AF_INET, {10, 0, 0, 2}};
	struct packet *p = wire_icmp(&arena, AF_INET, &PLAIN, &i), q;
	uint8_t *in;

	cr_assert_eq(p->len, 20 + 8 + 20 + 8);
	wire_set_tuple(p, &a, &b, 0, 0);
	wire_set_echo(p, &b, &a, 8080, 40000);
	wire_checksum(p);
	cr_assert_eq(wire_parse(&q, p->data, p->len), 0);
	cr_expect(wire_l4_checksum_ok(&q));
	in = p->data + p->payload;
	cr_expect_eq(in[15], 2);
	cr_expect_eq(get16(in + 20), 8080);
	cr_expect_eq(get32(in + 24), 77);
}
