/* SPDX-License-Identifier: Apache-2.0 */
/* TCP fields and options of a packet, and its line of text. */
#include "tests/pkt/wire.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

uint32_t tcp_seq(const struct packet *p)
{
	return get32(p->data + p->l4 + 4);
}

uint32_t tcp_ack_seq(const struct packet *p)
{
	return get32(p->data + p->l4 + 8);
}

void tcp_set_seq(struct packet *p, uint32_t v)
{
	put32(p->data + p->l4 + 4, v);
}

void tcp_set_ack(struct packet *p, uint32_t v)
{
	put32(p->data + p->l4 + 8, v);
}

unsigned tcp_flags(const struct packet *p)
{
	return get16(p->data + p->l4 + 12) & 0xfff;
}

unsigned tcp_window(const struct packet *p)
{
	return get16(p->data + p->l4 + 14);
}

unsigned tcp_urg(const struct packet *p)
{
	return get16(p->data + p->l4 + 18);
}

uint8_t *tcp_options(const struct packet *p, size_t *len)
{
	*len = p->payload - p->l4 - TCP_HEADER;
	return p->data + p->l4 + TCP_HEADER;
}

uint8_t *tcp_option_next(uint8_t *opts, size_t total, size_t *at, size_t *len,
			 bool *broken)
{
	uint8_t *o = opts + *at;

	if (*at >= total)
		return NULL;
	if (o[0] == OPT_NOP || o[0] == OPT_EOL) {
		*len = 1;
	} else if (*at + 2 > total || o[1] < 2 || *at + o[1] > total) {
		*broken = true;
		return NULL;
	} else {
		*len = o[1];
	}
	*at += *len;
	return o;
}

uint8_t *tcp_timestamp(const struct packet *p)
{
	size_t total, at = 0, len;
	uint8_t *opts = tcp_options(p, &total), *o;
	bool broken = false;

	while ((o = tcp_option_next(opts, total, &at, &len, &broken)) != NULL)
		if (o[0] == OPT_TS && len == 10)
			return o + 2;
	return NULL;
}

void tcp_shift_sack(struct packet *p, uint32_t off)
{
	size_t total, at = 0, len;
	uint8_t *opts = tcp_options(p, &total), *o;
	bool broken = false;

	while ((o = tcp_option_next(opts, total, &at, &len, &broken)) != NULL) {
		if (o[0] != OPT_SACK)
			continue;
		for (size_t i = 2; i + 4 <= len; i += 4)
			put32(o + i, get32(o + i) + off);
	}
}

static void print_hex(FILE *f, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(f, "%02x", p[i]);
}

static uint32_t get24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | get16(p + 1);
}

static void print_accecn(FILE *f, const uint8_t *o, size_t len)
{
	static const char *const NAMES[2][3] = {{"e0b", "ceb", "e1b"},
						{"e1b", "ceb", "e0b"}};

	fputs("ECN", f);
	for (size_t i = 0; i < 3 && 5 + i * 3 <= len; i++)
		fprintf(f, " %s %u", NAMES[o[0] == OPT_ACCECN1][i],
			get24(o + 2 + i * 3));
}

static void print_sack(FILE *f, const uint8_t *o, size_t len)
{
	fputs("sack", f);
	for (size_t i = 2; i + 8 <= len; i += 8)
		fprintf(f, " %u:%u", get32(o + i), get32(o + i + 4));
}

static void print_cookie(FILE *f, const char *name, const uint8_t *p, size_t n)
{
	fprintf(f, "%s%s", name, n > 0 ? " " : "");
	print_hex(f, p, n);
}

static void print_option(FILE *f, const uint8_t *o, size_t len)
{
	if (o[0] == OPT_NOP || o[0] == OPT_EOL) {
		fputs(o[0] == OPT_NOP ? "nop" : "eol", f);
	} else if (o[0] == OPT_MSS && len == 4) {
		fprintf(f, "mss %u", get16(o + 2));
	} else if (o[0] == OPT_WSCALE && len == 3) {
		fprintf(f, "wscale %u", o[2]);
	} else if (o[0] == OPT_SACK_OK && len == 2) {
		fputs("sackOK", f);
	} else if (o[0] == OPT_SACK) {
		print_sack(f, o, len);
	} else if (o[0] == OPT_TS && len == 10) {
		fprintf(f, "TS val %u ecr %u", get32(o + 2), get32(o + 6));
	} else if (o[0] == OPT_FASTOPEN) {
		print_cookie(f, "FO", o + 2, len - 2);
	} else if (o[0] == OPT_EXP && len >= 4 &&
		   get16(o + 2) == FASTOPEN_MAGIC) {
		print_cookie(f, "FOEXP", o + 4, len - 4);
	} else if (o[0] == OPT_MD5) {
		print_cookie(f, "md5", o + 2, len - 2);
	} else if (o[0] == OPT_ACCECN0 || o[0] == OPT_ACCECN1) {
		print_accecn(f, o, len);
	} else {
		fprintf(f, "option %u:", o[0]);
		print_hex(f, o + 2, len - 2);
	}
}

static void print_options(FILE *f, const struct packet *p)
{
	size_t total, at = 0, len;
	uint8_t *opts = tcp_options(p, &total), *o;
	bool broken = false;
	const char *sep = " <";

	if (p->any_options)
		fputs(" <...>", f);
	while ((o = tcp_option_next(opts, total, &at, &len, &broken)) != NULL) {
		fputs(sep, f);
		print_option(f, o, len);
		sep = ",";
	}
	if (broken)
		fprintf(f, "%sbroken option", sep);
	if (sep[0] == ',' || broken)
		fputc('>', f);
}

static void print_flags(FILE *f, const struct packet *p)
{
	static const char LETTERS[] = "FSRPU.EWA";
	static const unsigned BITS[] = {TCP_FIN, TCP_SYN, TCP_RST,
					TCP_PSH, TCP_URG, TCP_ACK,
					TCP_ECE, TCP_CWR, TCP_AE};
	unsigned flags = tcp_flags(p);

	if (flags == 0)
		fputc('-', f);
	for (size_t i = 0; i < sizeof(BITS) / sizeof(BITS[0]); i++)
		if (flags & BITS[i])
			fputc(LETTERS[i], f);
	if (flags & TCP_RESERVED)
		fprintf(f, "(reserved %#x)", flags & TCP_RESERVED);
}

static void print_tcp(FILE *f, const struct packet *p)
{
	uint32_t seq = tcp_seq(p);
	size_t n = wire_payload_len(p);

	print_flags(f, p);
	fprintf(f, " %u:%u(%zu)", seq, seq + (uint32_t)n, n);
	if (tcp_flags(p) & TCP_ACK)
		fprintf(f, " ack %u", tcp_ack_seq(p));
	if (!p->any_window)
		fprintf(f, " win %u", tcp_window(p));
	if (tcp_flags(p) & TCP_URG)
		fprintf(f, " urg %u", tcp_urg(p));
	print_options(f, p);
}

static void print_ip(FILE *f, const struct packet *p)
{
	static const char *const ECN[] = {"noecn", "ect1", "ect0", "ce"};

	if (p->tos_check == TOS_ECT01)
		fputs("[ect01] ", f);
	else if (wire_tos(p) & ~3)
		fprintf(f, "[tos 0x%x] ", wire_tos(p));
	else if (wire_tos(p) != 0 || p->tos_check != TOS_ANY)
		fprintf(f, "[%s] ", ECN[wire_tos(p) & 3]);
	if (p->check_ttl)
		fprintf(f, "[ttl %u] ", wire_ttl(p));
}

char *wire_to_string(const struct packet *p)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	print_ip(f, p);
	if (p->proto == IPPROTO_TCP)
		print_tcp(f, p);
	else if (p->proto == IPPROTO_UDP)
		fprintf(f, "udp (%zu)", wire_payload_len(p));
	else
		fprintf(f, "icmp type %u code %u", p->data[p->l4],
			p->data[p->l4 + 1]);
	fclose(f);
	return text;
}
