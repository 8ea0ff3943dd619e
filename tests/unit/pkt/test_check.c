/* SPDX-License-Identifier: Apache-2.0 */
/* What the comparison of packets and of times lets pass, and what not. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "tests/pkt/run.h"

static struct arena arena;
static struct config conf;
static struct script script;
static struct sock sock;
static struct run run = {.conf = &conf, .script = &script, .arena = &arena};

static struct packet *packet(const char *line)
{
	char text[256], err[256];

	snprintf(text, sizeof(text), "0 > %s", line);
	config_init(&conf, &arena);
	cr_assert_eq(script_parse(&script, &conf, &arena, "t", text,
				  strlen(text), NULL, NULL, err, sizeof(err)),
		     0, "%s", err);
	return script.events->packet;
}

static const char *check(const char *script_line, const char *actual)
{
	struct packet *s = packet(script_line), *a = packet(actual);

	memset(&sock, 0, sizeof(sock));
	return check_packet(&run, &sock, s, a);
}

static void differ(const char *s, const char *a, const char *field)
{
	const char *err = check(s, a);

	cr_assert_not_null(err, "passed: %s for %s", a, s);
	cr_expect_not_null(strstr(err, field), "%s: %s", field, err);
}

static void end(void)
{
	arena_fini(&arena);
}

TestSuite(check, .fini = end);

Test(check, equal_packets)
{
	cr_expect_null(check(". 1:1(0) ack 1", ". 1:1(0) ack 1 win 9"));
	cr_expect_null(check("S 0:0(0) <...>", "S 0:0(0) win 9 <mss 1460>"));
	cr_expect_null(check("S 0:0(0) <mss 1460,nop,wscale *>",
			     "S 0:0(0) <mss 1460,nop,wscale 8>"));
	cr_expect_null(
	    check("[ect01] . 1:1(0) ack 1", "[ect1] . 1:1(0) ack 1"));
	cr_expect_null(check(". 1:1(0) ack 1", "[ce] . 1:1(0) ack 1"));
	cr_expect_null(check("P.5 1:2(1) ack 1", "PEA. 1:2(1) ack 1"));
}

Test(check, every_field_counts)
{
	differ("S 0:0(0)", ". 0:0(0)", "tcp_syn");
	differ("F. 1:1(0) ack 1", ". 1:1(0) ack 1", "tcp_fin");
	differ("P. 1:2(1) ack 1", ". 1:2(1) ack 1", "tcp_psh");
	differ("R. 1:1(0) ack 1", ". 1:1(0) ack 1", "tcp_rst");
	differ("E. 1:1(0) ack 1", ". 1:1(0) ack 1", "tcp_ece");
	differ("W. 1:1(0) ack 1", ". 1:1(0) ack 1", "tcp_cwr");
	differ("A. 1:1(0) ack 1", ". 1:1(0) ack 1", "tcp_ae");
	differ(".5 1:1(0) ack 1", ".4 1:1(0) ack 1", "tcp_ace");
	differ("U. 1:1(0) ack 1 urg 1", ". 1:1(0) ack 1 urg 1", "tcp_urg");
	differ(". 1:1(0) ack 1 urg 1", ". 1:1(0) ack 1 urg 2", "urg_ptr");
	differ(". 1:1(0) ack 1", ". 2:2(0) ack 1", "tcp_seq");
	differ(". 1:1(0) ack 1", ". 1:1(0) ack 2", "tcp_ack_seq");
	differ(". 1:1(0) ack 1 win 5", ". 1:1(0) ack 1 win 6", "tcp_window");
	differ(". 1:11(10) ack 1", ". 1:12(11) ack 1", "ip_total_length");
	differ("[ect0] . 1:1(0) ack 1", "[ect1] . 1:1(0) ack 1", "ip_ecn");
	differ("[noecn] . 1:1(0) ack 1", "[ect0] . 1:1(0) ack 1", "ip_ecn");
	differ("(tos 0x4) . 1:1(0) ack 1", ". 1:1(0) ack 1", "tos");
	differ("[ttl 3] . 1:1(0) ack 1", ". 1:1(0) ack 1", "ttl");
	differ("udp (1)", ". 1:1(0) ack 1", "protocol");
}

Test(check, options_and_their_order)
{
	differ("S 0:0(0) <mss 1460,nop,nop,sackOK>",
	       "S 0:0(0) <mss 1460,sackOK,nop,nop>", "options");
	differ("S 0:0(0) <mss 1460>", "S 0:0(0) <mss 1461>", "option 2");
	differ("S 0:0(0) <mss 1460,nop,wscale 7>",
	       "S 0:0(0) <mss 1460,nop,wscale 8>", "option 3");
	differ("S 0:0(0)", "S 0:0(0) <mss 1460>", "ip_total_length");
	differ(". 1:1(0) ack 1 <nop,nop,sack 1:2>",
	       ". 1:1(0) ack 1 <nop,nop,sack 1:3>", "option 5");
}

static const char *timed(enum event_time time, long long from, long long to,
			 long long happened, long long last)
{
	struct event e = {.time = time, .usecs = from, .usecs_end = to};

	config_init(&conf, &arena);
	run.live_start = 1000;
	return run_check_time(&run, &e, from, happened + 1000, last, "packet");
}

/* The tolerance is 4 ms, or an eighth of the way from the last event. */
Test(check, times)
{
	cr_expect_null(timed(TIME_ABSOLUTE, 10000, 0, 14000, 10000));
	cr_expect_not_null(timed(TIME_ABSOLUTE, 10000, 0, 14001, 10000));
	cr_expect_null(timed(TIME_ABSOLUTE, 10000, 0, 6000, 10000));
	cr_expect_not_null(timed(TIME_ABSOLUTE, 10000, 0, 5999, 10000));
	cr_expect_null(timed(TIME_RELATIVE, 800000, 0, 900000, 0));
	cr_expect_not_null(timed(TIME_RELATIVE, 800000, 0, 900001, 0));
	cr_expect_null(timed(TIME_ANY, 0, 0, 99999999, 0));
	cr_expect_null(timed(TIME_ABSOLUTE_RANGE, 10000, 20000, 24000, 10000));
	cr_expect_not_null(
	    timed(TIME_ABSOLUTE_RANGE, 10000, 20000, 24001, 10000));
}

/* Segments of one large packet must follow each other and be alike. */
Test(check, fragments)
{
	const struct packet *a = packet(". 1:1001(1000) ack 1");
	const struct packet *b = packet("P. 1001:2001(1000) ack 1");
	const struct packet *gap = packet(". 1002:2002(1000) ack 1");
	const struct packet *small = packet(". 1001:1501(500) ack 1");
	const struct packet *none = packet(". 1:1(0) ack 1");

	cr_expect_null(check_fragment(&run, b, a, 1000, 2000));
	cr_expect_not_null(check_fragment(&run, gap, a, 1000, 2000));
	cr_expect_not_null(check_fragment(&run, small, a, 1000, 3000));
	cr_expect_not_null(check_fragment(&run, a, none, 0, 1000));
}
