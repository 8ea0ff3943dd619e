/* SPDX-License-Identifier: Apache-2.0 */
/* One packet line. */
#include "tests/pkt/parse_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct named {
	const char *name;
	int value;
};

/* RFC 792, 1122, 1812. */
static const struct named ICMP4_TYPES[] = {
    {"echo_reply", 0},          {"unreachable", 3},
    {"source_quench", 4},       {"redirect", 5},
    {"echo_request", 8},        {"time_exceeded", 11},
    {"parameter_problem", 12},  {"timestamp_request", 13},
    {"timestamp_reply", 14},    {"information_request", 15},
    {"information_reply", 16},  {"address_mask_request", 17},
    {"address_mask_reply", 18}, {NULL, 0},
};
static const struct named ICMP4_UNREACHABLE[] = {
    {"net_unreachable", 0},
    {"host_unreachable", 1},
    {"protocol_unreachable", 2},
    {"port_unreachable", 3},
    {"frag_needed", 4},
    {"source_route_failed", 5},
    {"net_unknown", 6},
    {"host_unknown", 7},
    {"source_host_isolated", 8},
    {"net_prohibited", 9},
    {"host_prohibited", 10},
    {"net_unreachable_for_tos", 11},
    {"host_unreachable_for_tos", 12},
    {"packet_filtered", 13},
    {"precedence_violation", 14},
    {"precedence_cutoff", 15},
    {NULL, 0},
};
/* RFC 4443. */
static const struct named ICMP6_TYPES[] = {
    {"unreachable", 1},
    {"packet_too_big", 2},
    {"time_exceeded", 3},
    {"parameter_problem", 4},
    {"echo_request", 128},
    {"echo_reply", 129},
    {NULL, 0},
};
static const struct named ICMP6_CODES[] = {
    {"net_unreachable", 0},     {"no_route", 0},
    {"admin_prohibited", 1},    {"not_neighbour", 2},
    {"address_unreachable", 3}, {"port_unreachable", 4},
    {"exceeded_hop_limit", 0},  {"exceeded_frag_time", 1},
    {"header_field", 0},        {"unknown_next_header", 1},
    {"unknown_option", 2},      {NULL, 0},
};

/* The value of `name`; "type_7" and "code_3" are numbers; -1: unknown. */
static int named_value(const struct named *table, const char *prefix,
		       const char *name)
{
	int n;
	size_t len = strlen(prefix);

	if (strncmp(name, prefix, len) == 0) {
		n = atoi(name + len);
		return n >= 0 && n <= 255 ? n : -1;
	}
	for (; table->name != NULL; table++)
		if (strcmp(table->name, name) == 0)
			return table->value;
	return -1;
}

static void set_ecn(struct ip_spec *ip, enum tos_check check, unsigned tos)
{
	ip->tos_check = check;
	ip->tos = (uint8_t)tos;
}

static unsigned parse_hex(struct parser *p, unsigned max, const char *what)
{
	unsigned long long n = (unsigned long long)p->t.num;

	if (p->t.kind != T_HEX || n > max)
		parse_fail(p, what);
	parse_step(p);
	return (unsigned)n;
}

static void parse_ip_item(struct parser *p, struct ip_spec *ip)
{
	if (parse_accept_word(p, "noecn"))
		set_ecn(ip, TOS_ECN, 0);
	else if (parse_accept_word(p, "ect0"))
		set_ecn(ip, TOS_ECN, 2);
	else if (parse_accept_word(p, "ect1"))
		set_ecn(ip, TOS_ECN, 1);
	else if (parse_accept_word(p, "ce"))
		set_ecn(ip, TOS_ECN, 3);
	else if (parse_accept_word(p, "ect01"))
		set_ecn(ip, TOS_ECT01, 2);
	else if (parse_accept_word(p, "tos"))
		set_ecn(ip, TOS_WHOLE, parse_hex(p, 0xff, "bad tos"));
	else if (parse_accept_word(p, "flowlabel"))
		ip->flow_label = parse_hex(p, 0xfffff, "bad flowlabel");
	else if (parse_accept_word(p, "ttl"))
		ip->ttl = (uint8_t)parse_int(p, 1, 255, "ttl");
	else
		parse_fail(p, "syntax error in the IP header");
}

/* [ect0], (tos 0x10), [ttl 64], [ect0, flowlabel 0x1]... */
static void parse_ip(struct parser *p, struct ip_spec *ip)
{
	char close = parse_is(p, '(') ? ')' : ']';

	if (!parse_accept(p, '(') && !parse_accept(p, '['))
		return;
	do
		parse_ip_item(p, ip);
	while (parse_accept(p, ','));
	parse_expect(p, close);
}

/* start:end(length) */
static uint32_t parse_seq(struct parser *p, size_t *payload)
{
	long long from, to, len;

	from = parse_int(p, 0, UINT32_MAX, "TCP start sequence number");
	parse_expect(p, ':');
	to = parse_int(p, 0, UINT32_MAX, "TCP end sequence number");
	parse_expect(p, '(');
	len = parse_int(p, 0, 65535, "TCP payload size");
	if (((from + len) & UINT32_MAX) != to)
		parse_fail(p, "inconsistent TCP sequence numbers and payload "
			      "size");
	parse_expect(p, ')');
	*payload = (size_t)len;
	return (uint32_t)from;
}

static void parse_ports(struct parser *p, unsigned *src, unsigned *dst)
{
	struct token first = p->t;

	if (p->t.kind != T_INT)
		return;
	parse_step(p);
	if (!parse_is(p, '>')) {
		lex_back(&p->lx, &first);
		parse_step(p);
		return;
	}
	parse_step(p);
	if (first.num < 0 || first.num > 65535)
		parse_fail(p, "src port out of range");
	*src = (unsigned)first.num;
	*dst = (unsigned)parse_int(p, 0, 65535, "dst port");
}

/*
 * "S", "SEW.", "P.5", "-"...: every letter a flag, a digit the three bits
 * of AccECN's counter (RFC 9768 3.2.2) in one.
 */
static unsigned parse_flags(struct parser *p, bool *ace)
{
	static const char LETTERS[] = "FSRPU.EWA";
	static const unsigned BITS[] = {TCP_FIN, TCP_SYN, TCP_RST,
					TCP_PSH, TCP_URG, TCP_ACK,
					TCP_ECE, TCP_CWR, TCP_AE};
	unsigned flags = 0, ecn = TCP_ECE | TCP_CWR | TCP_AE;
	int line = p->t.line;
	const char *s, *hit;

	lex_back(&p->lx, &p->t);
	s = lex_raw_word(&p->lx);
	parse_step(p);
	if (*s == '\0')
		lex_fail(&p->lx, line, "syntax error: expected TCP flags");
	if (strcmp(s, "-") == 0)
		return 0;
	for (; *s != '\0'; s++) {
		hit = strchr(LETTERS, *s);
		if (hit != NULL) {
			unsigned bit = BITS[hit - LETTERS];

			if (*ace && (bit & ecn))
				lex_fail(&p->lx, line,
					 "conflicting TCP flag: '%c'", *s);
			flags |= bit;
			continue;
		}
		if (*s < '0' || *s > '7')
			lex_fail(&p->lx, line, "invalid TCP flag: '%c'", *s);
		if (*ace || (flags & ecn))
			lex_fail(&p->lx, line, "conflicting TCP flag: '%c'",
				 *s);
		*ace = true;
		flags |= (unsigned)(*s - '0') << 6;
	}
	return flags;
}

static struct packet *parse_tcp(struct parser *p, enum direction dir,
				const struct ip_spec *ip)
{
	struct tcp_spec t = {0};
	struct packet *pkt, marks = {0};
	bool ace = false, window = false;
	int line = p->t.line;

	parse_ports(p, &t.src, &t.dst);
	t.flags = parse_flags(p, &ace);
	t.seq = parse_seq(p, &t.payload_len);
	if (parse_accept_word(p, "ack"))
		t.ack = (uint32_t)parse_int(p, 0, UINT32_MAX, "ack");
	if (parse_accept_word(p, "win")) {
		t.window = (unsigned)parse_int(p, 0, 65535, "window");
		window = true;
	}
	if (parse_accept_word(p, "urg"))
		t.urg = (unsigned)parse_int(p, 0, 65535, "urg_ptr");
	if (parse_accept(p, '<'))
		parse_tcp_options(p, &t, &marks);
	if (dir == DIR_IN && !window)
		lex_fail(&p->lx, line,
			 "window must be specified for inbound packets");
	if (dir == DIR_IN && (marks.any_options || marks.any_wscale))
		lex_fail(&p->lx, line,
			 "<...> and wscale * can only be used with outbound "
			 "packets");
	pkt = wire_tcp(p->arena, p->conf->wire_af, ip, &t);
	if (pkt == NULL)
		lex_fail(&p->lx, line, "TCP segment too large");
	pkt->any_window = !window;
	pkt->any_options = marks.any_options;
	pkt->any_wscale = marks.any_wscale;
	pkt->ace = ace;
	return pkt;
}

static struct packet *parse_udp(struct parser *p, const struct ip_spec *ip)
{
	unsigned src = 0, dst = 0;
	struct packet *pkt;
	long long len;

	if (ip->tos_check == TOS_ECN || ip->tos_check == TOS_ECT01)
		parse_fail(p, "ECN can only be used with TCP packets");
	parse_ports(p, &src, &dst);
	parse_expect(p, '(');
	len = parse_int(p, 0, 65535, "UDP payload size");
	parse_expect(p, ')');
	pkt = wire_udp(p->arena, p->conf->wire_af, ip, src, dst, (size_t)len);
	if (pkt == NULL)
		parse_fail(p, "UDP datagram too large");
	return pkt;
}

/* [1:1001(1000)], [udp (100)] or [raw (8)]: what the message quotes. */
static void parse_echo(struct parser *p, struct icmp_spec *i)
{
	i->echo_proto = IPPROTO_TCP;
	if (!parse_accept(p, '['))
		return;
	if (parse_is_word(p, "udp") || parse_is_word(p, "raw")) {
		i->echo_proto =
		    parse_is_word(p, "udp") ? IPPROTO_UDP : IPPROTO_RAW;
		parse_step(p);
		parse_expect(p, '(');
		i->payload_len = (size_t)parse_int(p, 0, 65535, "payload size");
		parse_expect(p, ')');
	} else {
		i->echo_seq = parse_seq(p, &i->payload_len);
	}
	parse_expect(p, ']');
}

static struct packet *parse_icmp(struct parser *p, const struct ip_spec *ip)
{
	bool v4 = p->conf->wire_af == AF_INET;
	struct icmp_spec i = {0};
	struct packet *pkt;
	int type, code = 0;

	if (p->t.kind != T_WORD)
		parse_fail(p, "syntax error: expected an ICMP type");
	type = named_value(v4 ? ICMP4_TYPES : ICMP6_TYPES, "type_", p->t.text);
	if (type < 0)
		parse_fail(p, "bad ICMP type");
	parse_step(p);
	if (p->t.kind == T_WORD && !parse_is_word(p, "mtu") &&
	    !parse_is_word(p, "id")) {
		code = named_value(v4 ? ICMP4_UNREACHABLE : ICMP6_CODES,
				   "code_", p->t.text);
		if (code < 0)
			parse_fail(p, "bad ICMP code");
		parse_step(p);
	}
	i.type = (uint8_t)type;
	i.code = (uint8_t)code;
	if (parse_is_word(p, "mtu") &&
	    !(v4 ? type == 3 && code == 4 : type == 2 && code == 0))
		parse_fail(p, "an MTU goes with frag_needed and "
			      "packet_too_big only");
	if (parse_accept_word(p, "mtu"))
		i.word = (uint32_t)parse_int(p, 0, v4 ? 65535 : UINT32_MAX,
					     "ICMP MTU");
	if (parse_accept_word(p, "id"))
		i.word = (uint32_t)parse_int(p, 0, 65535, "echo id") << 16;
	parse_echo(p, &i);
	pkt = wire_icmp(p->arena, p->conf->wire_af, ip, &i);
	if (pkt == NULL)
		parse_fail(p, "bad ICMP size");
	return pkt;
}

struct packet *parse_packet(struct parser *p, enum direction dir)
{
	static const char *const REFUSED[] = {"ipv4", "ipv6", "gre",  "GREv0",
					      "mpls", "mut",  "trun", "ins"};
	struct ip_spec ip = {.tos_check = TOS_ANY};
	struct packet *pkt;

	for (size_t i = 0; i < sizeof(REFUSED) / sizeof(REFUSED[0]); i++)
		if (parse_is_word(p, REFUSED[i]))
			parse_fail(p, "encapsulated and mutated packets are "
				      "not supported");
	parse_ip(p, &ip);
	if (ip.tos_check == TOS_ECT01 && dir != DIR_OUT)
		parse_fail(p, "[ect01] can only be used with outbound "
			      "packets");
	if (parse_accept_word(p, "udp"))
		pkt = parse_udp(p, &ip);
	else if (parse_accept_word(p, "icmp"))
		pkt = parse_icmp(p, &ip);
	else
		pkt = parse_tcp(p, dir, &ip);
	pkt->dir = dir;
	return pkt;
}
