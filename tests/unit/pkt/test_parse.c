/* SPDX-License-Identifier: Apache-2.0 */
/* The language: what is taken, and above all what is not. */
#include <criterion/criterion.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "tests/pkt/script.h"

static struct arena arena;
static struct config conf;
static struct script script;
static char err[1024];

static int parse(const char *text)
{
	config_init(&conf, &arena);
	err[0] = '\0';
	return script_parse(&script, &conf, &arena, "t.pkt", text, strlen(text),
			    NULL, NULL, err, sizeof(err));
}

static const struct event *first(const char *text)
{
	cr_assert_eq(parse(text), 0, "%s: %s", text, err);
	return script.events;
}

static const struct packet *packet(const char *line)
{
	char text[512];

	snprintf(text, sizeof(text), "0 %s", line);
	return first(text)->packet;
}

static void refuse(const char *text, const char *why)
{
	cr_assert_eq(parse(text), -1, "taken: %s", text);
	cr_assert_not_null(strstr(err, why), "%s: '%s', not '%s'", text, err,
			   why);
}

static void end(void)
{
	arena_fini(&arena);
}

TestSuite(parse, .fini = end);

Test(parse, times)
{
	const struct event *e = first("0 > . 1:1(0) ack 1\n"
				      "+.5 > . 1:1(0) ack 1\n"
				      "* > . 1:1(0) ack 1\n"
				      "0.1~0.25 > . 1:1(0) ack 1\n"
				      "+1~+2 > . 1:1(0) ack 1\n"
				      "+0...0.2 read(3, ..., 10) = 10\n"
				      "1.5...2 read(3, ..., 10) = 10\n");

	cr_expect_eq(e->time, TIME_ABSOLUTE);
	e = e->next;
	cr_expect_eq(e->time, TIME_RELATIVE);
	cr_expect_eq(e->usecs, 500000);
	e = e->next;
	cr_expect_eq(e->time, TIME_ANY);
	e = e->next;
	cr_expect_eq(e->time, TIME_ABSOLUTE_RANGE);
	cr_expect_eq(e->usecs, 100000);
	cr_expect_eq(e->usecs_end, 250000);
	e = e->next;
	cr_expect_eq(e->time, TIME_RELATIVE_RANGE);
	cr_expect_eq(e->usecs_end, 2000000);
	e = e->next;
	cr_expect(e->call->blocking);
	cr_expect_eq(e->call->end_usecs, 200000);
	e = e->next;
	cr_expect(e->call->blocking);
	cr_expect_eq(e->usecs, 1500000);
	cr_expect_eq(e->call->end_usecs, 2000000);
	cr_expect_eq(e->line, 7);
}

Test(parse, bad_times)
{
	refuse("", "no events");
	refuse("-1 close(3) = 0", "negative");
	refuse("0.2~0.1 > . 1:1(0) ack 1", "backwards");
	refuse("* close(3) = 0", "outbound");
	refuse("* < . 1:1(0) ack 1 win 1", "outbound");
	refuse("0~1 < . 1:1(0) ack 1 win 1", "outbound");
	refuse("+0 ~ 1 > . 1:1(0) ack 1", "expected '+'");
	refuse("close(3) = 0", "expected a time");
}

Test(parse, comments_and_lines)
{
	const struct event *e = first("// one\n# two\n/* three\n four */\n"
				      "0 close(3) = 0 // five\n");

	cr_expect_eq(e->line, 5);
	refuse("/* 0 close(3) = 0", "t.pkt:1: comment");
}

Test(parse, tcp_flags)
{
	cr_expect_eq(tcp_flags(packet("> S 0:0(0)")), TCP_SYN);
	cr_expect_eq(tcp_flags(packet("> SEWA 0:0(0)")),
		     TCP_SYN | TCP_ECE | TCP_CWR | TCP_AE);
	cr_expect_eq(tcp_flags(packet("> FPU. 1:1(0) ack 1 urg 3")),
		     TCP_FIN | TCP_PSH | TCP_URG | TCP_ACK);
	cr_expect_eq(tcp_flags(packet("> - 1:1(0)")), 0);
	cr_expect_eq(tcp_flags(packet("> P.5 1:2(1) ack 1")),
		     TCP_PSH | TCP_ACK | TCP_AE | TCP_ECE);
	cr_expect_eq(tcp_flags(packet("> .3 1:2(1) ack 1")),
		     TCP_ACK | TCP_CWR | TCP_ECE);
	refuse("0 > X 0:0(0)", "invalid TCP flag: 'X'");
	refuse("0 > E5. 0:0(0)", "conflicting");
	refuse("0 > 5E. 0:0(0)", "conflicting");
	refuse("0 > .8 0:0(0)", "invalid");
}

Test(parse, tcp_numbers)
{
	const struct packet *p =
	    packet("< [ect0] P. 1:101(100) ack 7 win 99 urg 4");

	cr_expect_eq(tcp_seq(p), 1);
	cr_expect_eq(tcp_ack_seq(p), 7);
	cr_expect_eq(tcp_window(p), 99);
	cr_expect_eq(tcp_urg(p), 4);
	cr_expect_eq(wire_payload_len(p), 100);
	cr_expect_eq(wire_tos(p), 2);
	p = packet("< 1234>80 S 4294967295:4294967295(0) win 1");
	cr_expect_eq(get16(p->data + p->l4), 1234);
	cr_expect_eq(get16(p->data + p->l4 + 2), 80);
	refuse("0 < . 1:100(100) ack 1 win 1", "inconsistent");
	refuse("0 < . 1:1(0) ack 1", "window must be specified");
	refuse("0 < . 1:1(0) ack 1 win 70000", "window out of range");
	refuse("0 < 70000>1 . 1:1(0) ack 1 win 1", "src port");
	refuse("0 > . 1:1(0) ack 4294967296", "ack out of range");
	refuse("0 < . 0:65535(65535) win 1", "too large");
}

Test(parse, ip_header)
{
	cr_expect_eq(packet("> [ce] . 1:1(0) ack 1")->tos_check, TOS_ECN);
	cr_expect_eq(packet("> [ect01] . 1:1(0) ack 1")->tos_check, TOS_ECT01);
	cr_expect_eq(wire_tos(packet("> (tos 0x10) . 1:1(0) ack 1")), 16);
	cr_expect_eq(wire_ttl(packet("> [ttl 64] . 1:1(0) ack 1")), 64);
	cr_expect_eq(
	    packet("> [ect0, flowlabel 0x3] . 1:1(0) ack 1")->flow_label, 3);
	refuse("0 < [ect01] . 1:1(0) ack 1 win 1", "outbound");
	refuse("0 > [ect2] . 1:1(0) ack 1", "IP header");
	refuse("0 > [tos 16] . 1:1(0) ack 1", "bad tos");
	refuse("0 > [ect0 . 1:1(0) ack 1", "expected ']'");
	refuse("0 > ipv4 1.2.3.4 > 5.6.7.8: . 1:1(0)", "not supported");
	refuse("0 > gre: . 1:1(0)", "not supported");
}

static void options(const char *text, const char *hex)
{
	char line[256], got[128];
	const struct packet *p;
	size_t len;
	uint8_t *o;

	snprintf(line, sizeof(line), "> . 1:1(0) ack 1 <%s>", text);
	p = packet(line);
	o = tcp_options(p, &len);
	for (size_t i = 0; i < len; i++)
		snprintf(got + 2 * i, 3, "%02x", o[i]);
	cr_expect_str_eq(got, hex, "%s: %s", text, got);
}

Test(parse, tcp_options)
{
	options("mss 1460,nop,wscale 7", "020405b401030307");
	options("sackOK,TS val 1 ecr 2", "0402080a0000000100000002");
	options("nop,nop,sack 1:2 3:4",
		"0101051200000001000000020000000300000004");
	options("FO,eol,eol", "22020000");
	options("FO 0011223344556677,nop,nop", "220a00112233445566770101");
	options("FOEXP aabbccdd", "fe08f989aabbccdd");
	/* RFC 9768 3.2.3: the order of the counters is the kind. */
	options("ECN e1b 1 ceb 0 e0b 2,nop", "ae0b00000100000000000201");
	options("ECN e0b 1 ceb 258,nop,nop,nop,nop",
		"ac0800000100010201010101");
	options("md5 00010203,nop,nop", "1306000102030101");
}

Test(parse, bad_tcp_options)
{
	refuse("0 > . 1:1(0) ack 1 <mss 1460,nop>", "not padded");
	refuse("0 > . 1:1(0) ack 1 <mss 65536>", "out of range");
	refuse("0 > . 1:1(0) ack 1 <mss>", "mss");
	refuse("0 > . 1:1(0) ack 1 <bogus>", "unknown TCP option");
	refuse("0 > . 1:1(0) ack 1 <nop,nop,sack>", "without a block");
	refuse("0 > . 1:1(0) ack 1 <TS val 1>", "expected ecr");
	refuse("0 > . 1:1(0) ack 1 <nop,nop,FO 0>", "hexadecimal");
	refuse("0 > . 1:1(0) ack 1 <sack 1:2 1:2 1:2 1:2 1:2>", "");
	refuse("0 > . 1:1(0) ack 1 <ECN ceb 1>", "");
	refuse("0 < . 1:1(0) ack 1 win 1 <...>", "outbound");
	refuse("0 > . 1:1(0) ack 1 <nop,nop,nop,nop", "expected '>'");
}

Test(parse, icmp)
{
	const struct packet *p =
	    packet("< icmp unreachable frag_needed mtu 1200 [1:1001(1000)]");

	cr_expect_eq(p->proto, IPPROTO_ICMP);
	cr_expect_eq(p->data[p->l4], 3);
	cr_expect_eq(p->data[p->l4 + 1], 4);
	cr_expect_eq(get16(p->data + p->l4 + 6), 1200);
	cr_expect_eq(get32(p->data + wire_echo_seq(p)), 1);
	refuse("0 < icmp nonsense", "bad ICMP type");
	refuse("0 < icmp unreachable nonsense", "bad ICMP code");
	refuse("0 < icmp unreachable mtu 1200", "an MTU goes with");
	p = first("--ip_version=ipv6\n0 < icmp packet_too_big mtu 1300 "
		  "[1:11(10)]")
		->packet;
	cr_expect_eq(p->proto, IPPROTO_ICMPV6);
	cr_expect_eq(p->data[p->l4], 2);
	cr_expect_eq(get32(p->data + p->l4 + 4), 1300);
}

Test(parse, udp)
{
	const struct packet *p = packet("> udp (100)");

	cr_expect_eq(p->proto, IPPROTO_UDP);
	cr_expect_eq(wire_payload_len(p), 100);
	refuse("0 > [ect0] udp (1)", "ECN");
	refuse("0 > udp 100", "expected '('");
}

Test(parse, calls)
{
	const struct event *e = first(
	    "0 poll([{fd=3, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) "
	    "= 1\n"
	    "+0 connect(3, ..., ...) = -1 EINPROGRESS (Operation now in "
	    "progress)\n"
	    "+0 fcntl(3, F_GETFL) = 0x2 (flags O_RDWR)\n"
	    "+0 setsockopt(3, SOL_TCP, TCP_CONGESTION, \"a\\x41\\n\\0\", 4) "
	    "= 0\n"
	    "+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, "
	    "8) = 0\n");
	const struct expr *x = e->call->args->items[0]->items[0];

	cr_expect_eq(x->kind, EXPR_STRUCT);
	cr_expect_eq(x->shape, SHAPE_POLLFD);
	cr_expect_eq(x->items[1]->num, POLLIN | POLLOUT);
	e = e->next;
	cr_expect_eq(e->call->err_num, EINPROGRESS);
	cr_expect_eq(e->call->args->items[1]->kind, EXPR_ELLIPSIS);
	e = e->next;
	cr_expect_eq(e->call->result->num, 2);
	e = e->next;
	x = e->call->args->items[3];
	cr_expect_eq(x->len, 4);
	cr_expect_eq(memcmp(x->text, "aA\n\0", 4), 0);
	e = e->next;
	cr_expect_eq(e->call->args->items[3]->shape, SHAPE_LINGER);
}

Test(parse, messages)
{
	const struct event *e = first(
	    "0 recvmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 5},{...,6}],"
	    " msg_flags=MSG_ERRQUEUE, msg_control=[{cmsg_level=SOL_IP,"
	    " cmsg_type=IP_RECVERR, cmsg_data={ee_errno=0, ee_origin=1,"
	    " ee_type=2, ee_code=3, ee_info=4, ee_data=5}}]}, 0) = 0\n"
	    "+0 epoll_wait(4, {events=EPOLLIN, u64=7}, 1, 0) = 1\n");
	const struct expr *m = e->call->args->items[1];

	cr_expect_eq(m->shape, SHAPE_MSGHDR);
	cr_expect_eq(m->msg_iovlen, 2);
	cr_expect_eq(m->items[1]->items[1]->num, 6);
	cr_expect_eq(m->items[3]->items[0]->items[2]->shape, SHAPE_EE);
	e = e->next;
	cr_expect_eq(e->call->args->items[1]->shape, SHAPE_EPOLL_U64);
}

Test(parse, bad_calls)
{
	refuse("0 close(3)", "expected '='");
	refuse("0 close(3 = 0", "expected ')'");
	refuse("0 close(BOGUS) = 0", "unknown symbol: 'BOGUS'");
	refuse("0 close(3) = -1 EBOGUS (x)", "unknown errno");
	refuse("0 close(3) = -1 EBADF", "error text");
	refuse("0 poll([{events=1, fd=3, revents=1}], 1, 0) = 0",
	       "unknown struct");
	refuse("0 poll([{fd=3}], 1, 0) = 0", "unknown struct");
	refuse("0 setsockopt(3, 1, 2, \"x, 4) = 0", "no closing");
	refuse("0 close(3|) = 0", "expected a value");
	refuse("0 close(\"a\"|1) = 0", "numbers only");
	refuse("0 close(99999999999999999999) = 0", "out of range");
	refuse("0 %{ assert True", "without }%");
}

Test(parse, commands_and_code)
{
	cr_assert_eq(parse("`init\nmore`\n0 `mid`\n+0 %{  x = 1 }%\n`end`"), 0,
		     "%s", err);
	cr_expect_str_eq(script.init_command, "init\nmore");
	cr_expect_eq(script.events->kind, EVENT_COMMAND);
	cr_expect_str_eq(script.events->next->text, "x = 1");
	cr_expect_str_eq(script.cleanup_command, "end");
	refuse("0 close(3) = 0\n`end`\n0 close(3) = 0", "first or the last");
}

Test(parse, options_lines)
{
	cr_assert_eq(parse("--tolerance_usecs=10000\n--mtu=1280\n"
			   "--define=N=5\n--ip_version=ipv6\n"
			   "0 close(N) = 0"),
		     0, "%s", err);
	cr_expect_eq(conf.tolerance_usecs, 10000);
	cr_expect_eq(conf.mtu, 1280);
	cr_expect_eq(conf.wire_af, AF_INET6);
	refuse("--bogus=1\n0 close(3) = 0", "unknown");
	refuse("--wire_client\n0 close(3) = 0", "not supported");
	refuse("--mtu\n0 close(3) = 0", "requires an argument");
	refuse("--debug=1\n0 close(3) = 0", "forbids an argument");
	refuse("--mtu=x\n0 close(3) = 0", "bad --mtu");
	refuse("--ip_version=ipv5\n0 close(3) = 0", "bad --ip_version");
	refuse("--remote_ip=nowhere\n0 close(3) = 0", "bad address");
}

Test(parse, defines)
{
	cr_assert_eq(parse("--define=FD=SHUT_RDWR\n--define=CC=\"reno\"\n"
			   "--define=CMD=`true`\n"
			   "CMD 0 setsockopt(FD, 6, 13, CC, 4) = 0"),
		     0, "%s", err);
	cr_expect_str_eq(script.init_command, "true");
	cr_expect_eq(script.events->call->args->items[0]->num, 2);
	cr_expect_str_eq(script.events->call->args->items[3]->text, "reno");
}
