/* SPDX-License-Identifier: Apache-2.0 */
/*
 * IP packets: made from a script's numbers, taken apart when they leave the
 * stack under test.  One TCP, UDP or ICMP packet straight in IPv4 or IPv6;
 * other packets are not looked at.
 *
 * Numbers are in host order in every argument and result.
 */
#ifndef CORDON_TESTS_PKT_WIRE_H
#define CORDON_TESTS_PKT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/pkt/config.h"

enum direction { DIR_IN, DIR_OUT };

/* What of the traffic class a script wants to see. */
enum tos_check { TOS_ANY, TOS_ECN, TOS_ECT01, TOS_WHOLE };

enum {
	WIRE_MAX_PACKET = 65536 + 64,
	TCP_FIN = 0x001,
	TCP_SYN = 0x002,
	TCP_RST = 0x004,
	TCP_PSH = 0x008,
	TCP_ACK = 0x010,
	TCP_URG = 0x020,
	TCP_ECE = 0x040,
	TCP_CWR = 0x080,
	TCP_AE = 0x100,
	TCP_RESERVED = 0xe00,
	TCP_HEADER = 20,
	TCP_OPTIONS_MAX = 40,
	ICMP_HEADER = 8,
};

enum tcp_opt {
	OPT_EOL = 0,
	OPT_NOP = 1,
	OPT_MSS = 2,
	OPT_WSCALE = 3,
	OPT_SACK_OK = 4,
	OPT_SACK = 5,
	OPT_TS = 8,
	OPT_MD5 = 19,
	OPT_FASTOPEN = 34,
	OPT_ACCECN0 = 172,
	OPT_ACCECN1 = 174,
	OPT_EXP = 254,
	FASTOPEN_MAGIC = 0xf989,
};

struct packet {
	uint8_t *data;
	size_t len;
	int af;
	uint8_t proto;   /* IPPROTO_TCP, UDP, ICMP or ICMPV6 */
	size_t l4;       /* where its header begins */
	size_t payload;  /* where the data begins */
	long long usecs; /* when it left */
	/* Of script packets. */
	enum direction dir;
	enum tos_check tos_check;
	bool check_ttl;
	uint32_t flow_label; /* 0: any */
	bool any_window, any_options, any_wscale, ace;
	bool has_echo; /* ICMP with the head of a packet of ours inside */
};

/* What a script says of a packet's IP header. */
struct ip_spec {
	enum tos_check tos_check;
	uint8_t tos;
	uint32_t flow_label;
	uint8_t ttl; /* 0: any; 64 is sent */
};

struct tcp_spec {
	uint32_t seq, ack;
	unsigned flags;    /* TCP_* */
	unsigned src, dst; /* ports; 0: of the socket */
	unsigned window, urg;
	const uint8_t *options;
	size_t options_len;
	size_t payload_len;
};

struct icmp_spec {
	uint8_t type, code;
	uint32_t word; /* what follows the checksum: MTU, or id and number */
	uint8_t echo_proto; /* IPPROTO_TCP, UDP; IPPROTO_RAW: no echo */
	uint32_t echo_seq;
	size_t payload_len;
};

/* Makers; the packet is of `a`, addresses are zero.  NULL: too large. */
struct packet *wire_tcp(struct arena *a, int af, const struct ip_spec *ip,
			const struct tcp_spec *t);
struct packet *wire_udp(struct arena *a, int af, const struct ip_spec *ip,
			unsigned src, unsigned dst, size_t payload_len);
struct packet *wire_icmp(struct arena *a, int af, const struct ip_spec *ip,
			 const struct icmp_spec *i);
struct packet *wire_copy(struct arena *a, const struct packet *p);

/* Finds the headers of `len` bytes.  0; -1: not one of ours; -2: broken. */
int wire_parse(struct packet *p, uint8_t *data, size_t len);
/* Addresses and, if it has them, ports. */
void wire_get_tuple(const struct packet *p, struct ip_addr *src,
		    struct ip_addr *dst, unsigned *sport, unsigned *dport);
void wire_set_tuple(struct packet *p, const struct ip_addr *src,
		    const struct ip_addr *dst, unsigned sport, unsigned dport);
/* The same for the packet inside an ICMP message. */
void wire_set_echo(struct packet *p, const struct ip_addr *src,
		   const struct ip_addr *dst, unsigned sport, unsigned dport);
/* Where in `data` the sequence number inside an ICMP message is. */
size_t wire_echo_seq(const struct packet *p);
/* Fills in all checksums. */
void wire_checksum(struct packet *p);
/* Is the checksum of the IPv4 header right? */
bool wire_ip_checksum_ok(const struct packet *p);
bool wire_l4_checksum_ok(const struct packet *p);

uint8_t wire_tos(const struct packet *p);
uint8_t wire_ttl(const struct packet *p);
uint32_t wire_flow_label(const struct packet *p);
size_t wire_payload_len(const struct packet *p);

uint16_t get16(const uint8_t *p);
uint32_t get32(const uint8_t *p);
void put16(uint8_t *p, uint32_t v);
void put32(uint8_t *p, uint32_t v);

/* TCP fields. */
uint32_t tcp_seq(const struct packet *p);
uint32_t tcp_ack_seq(const struct packet *p);
void tcp_set_seq(struct packet *p, uint32_t v);
void tcp_set_ack(struct packet *p, uint32_t v);
unsigned tcp_flags(const struct packet *p);
unsigned tcp_window(const struct packet *p);
unsigned tcp_urg(const struct packet *p);
/* The options, padding included. */
uint8_t *tcp_options(const struct packet *p, size_t *len);
/*
 * The option at *at, which is moved behind it.  NULL at the end; *broken
 * is set if a length is wrong.  `*len` is the whole option's.
 */
uint8_t *tcp_option_next(uint8_t *opts, size_t total, size_t *at, size_t *len,
			 bool *broken);
/* The value of the timestamp option, 8 bytes, or NULL. */
uint8_t *tcp_timestamp(const struct packet *p);
/* Adds `off` to every edge of every SACK block. */
void tcp_shift_sack(struct packet *p, uint32_t off);

/* One line as a script would have it; owned by the caller. */
char *wire_to_string(const struct packet *p);

#endif /* CORDON_TESTS_PKT_WIRE_H */
