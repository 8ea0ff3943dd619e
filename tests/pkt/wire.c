/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/wire.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

enum {
	V4_HEADER = 20,
	V6_HEADER = 40,
	UDP_HEADER = 8,
	ECHOED_L4 = 8, /* ICMP brings so much of the packet's own header */
	DEFAULT_TTL = 255,
	MAX_L3 = 65535,
};

uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

static size_t ip_header(int af)
{
	return af == AF_INET ? V4_HEADER : V6_HEADER;
}

static void put_ip(uint8_t *d, int af, size_t len, uint8_t proto,
		   const struct ip_spec *ip)
{
	uint8_t ttl = ip->ttl != 0 ? ip->ttl : DEFAULT_TTL;

	if (af == AF_INET) {
		d[0] = 0x45;
		d[1] = ip->tos;
		put16(d + 2, (uint32_t)len);
		d[8] = ttl;
		d[9] = proto;
		return;
	}
	put32(d, 6U << 28 | (uint32_t)ip->tos << 20 | ip->flow_label);
	put16(d + 4, (uint32_t)(len - V6_HEADER));
	d[6] = proto;
	d[7] = ttl;
}

/* A packet of zeroes behind its IP header; NULL if it is too large. */
static struct packet *make(struct arena *a, int af, uint8_t proto,
			   const struct ip_spec *ip, size_t l4_header,
			   size_t payload_len)
{
	struct packet *p = arena_alloc(a, sizeof(*p));

	p->af = af;
	p->proto = proto;
	p->l4 = ip_header(af);
	p->payload = p->l4 + l4_header;
	p->len = p->payload + payload_len;
	if (p->len > MAX_L3)
		return NULL;
	p->data = arena_alloc(a, p->len);
	put_ip(p->data, af, p->len, proto, ip);
	p->tos_check = ip->tos_check;
	p->check_ttl = ip->ttl != 0;
	p->flow_label = ip->flow_label;
	return p;
}

struct packet *wire_tcp(struct arena *a, int af, const struct ip_spec *ip,
			const struct tcp_spec *t)
{
	struct packet *p = make(a, af, IPPROTO_TCP, ip,
				TCP_HEADER + t->options_len, t->payload_len);
	uint8_t *h;

	if (p == NULL)
		return NULL;
	h = p->data + p->l4;
	put16(h, t->src);
	put16(h + 2, t->dst);
	put32(h + 4, t->seq);
	put32(h + 8, t->ack);
	put16(h + 12,
	      (uint32_t)((TCP_HEADER + t->options_len) / 4) << 12 | t->flags);
	put16(h + 14, t->window);
	put16(h + 18, t->urg);
	if (t->options_len > 0)
		memcpy(h + TCP_HEADER, t->options, t->options_len);
	return p;
}

struct packet *wire_udp(struct arena *a, int af, const struct ip_spec *ip,
			unsigned src, unsigned dst, size_t payload_len)
{
	struct packet *p =
	    make(a, af, IPPROTO_UDP, ip, UDP_HEADER, payload_len);
	uint8_t *h;

	if (p == NULL)
		return NULL;
	h = p->data + p->l4;
	put16(h, src);
	put16(h + 2, dst);
	put16(h + 4, (uint32_t)(UDP_HEADER + payload_len));
	return p;
}

struct packet *wire_icmp(struct arena *a, int af, const struct ip_spec *ip,
			 const struct icmp_spec *i)
{
	const struct ip_spec plain = {.ttl = 0};
	uint8_t proto = af == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	bool echo = i->echo_proto != IPPROTO_RAW;
	size_t body = i->payload_len + (echo ? ip_header(af) + ECHOED_L4 : 0);
	size_t l4 = i->echo_proto == IPPROTO_UDP ? UDP_HEADER : TCP_HEADER;
	struct packet *p;
	uint8_t *h;

	if (!echo && body < ICMP_HEADER)
		return NULL;
	p = make(a, af, proto, ip, ICMP_HEADER,
		 echo ? body : body - ICMP_HEADER);
	if (p == NULL)
		return NULL;
	h = p->data + p->l4;
	h[0] = i->type;
	h[1] = i->code;
	put32(h + 4, i->word);
	p->has_echo = echo;
	if (!echo)
		return p;
	put_ip(h + ICMP_HEADER, af, ip_header(af) + l4 + i->payload_len,
	       i->echo_proto, &plain);
	if (i->echo_proto == IPPROTO_TCP)
		put32(p->data + wire_echo_seq(p), i->echo_seq);
	return p;
}

struct packet *wire_copy(struct arena *a, const struct packet *p)
{
	struct packet *c = arena_alloc(a, sizeof(*c));

	*c = *p;
	c->data = arena_alloc(a, p->len);
	memcpy(c->data, p->data, p->len);
	return c;
}

static int parse_l4(struct packet *p)
{
	size_t room = p->len - p->l4, header;

	switch (p->proto) {
	case IPPROTO_TCP:
		if (room < TCP_HEADER)
			return -2;
		header = (size_t)(p->data[p->l4 + 12] >> 4) * 4;
		if (header < TCP_HEADER || header > room)
			return -2;
		break;
	case IPPROTO_UDP:
		header = UDP_HEADER;
		if (room < header || get16(p->data + p->l4 + 4) != room)
			return -2;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		header = ICMP_HEADER;
		if (room < header)
			return -2;
		break;
	default:
		return -1;
	}
	p->payload = p->l4 + header;
	return 0;
}

int wire_parse(struct packet *p, uint8_t *data, size_t len)
{
	size_t total;

	memset(p, 0, sizeof(*p));
	p->data = data;
	p->dir = DIR_OUT;
	if (len >= V4_HEADER && data[0] >> 4 == 4) {
		p->af = AF_INET;
		p->l4 = (size_t)(data[0] & 15) * 4;
		p->proto = data[9];
		total = get16(data + 2);
		if (get16(data + 6) & 0x3fff)
			return -1; /* a fragment */
	} else if (len >= V6_HEADER && data[0] >> 4 == 6) {
		p->af = AF_INET6;
		p->l4 = V6_HEADER;
		p->proto = data[6];
		total = V6_HEADER + (size_t)get16(data + 4);
	} else {
		return -1;
	}
	if (p->l4 < ip_header(p->af) || p->l4 > total || total > len)
		return -2;
	p->len = total;
	return parse_l4(p);
}

static size_t addr_at(int af)
{
	return af == AF_INET ? 12 : 8;
}

static size_t addr_len(int af)
{
	return af == AF_INET ? 4 : 16;
}

static bool has_ports(uint8_t proto)
{
	return proto == IPPROTO_TCP || proto == IPPROTO_UDP;
}

void wire_get_tuple(const struct packet *p, struct ip_addr *src,
		    struct ip_addr *dst, unsigned *sport, unsigned *dport)
{
	size_t n = addr_len(p->af);
	const uint8_t *from = p->data + addr_at(p->af);

	memset(src, 0, sizeof(*src));
	memset(dst, 0, sizeof(*dst));
	src->af = dst->af = p->af;
	memcpy(src->b, from, n);
	memcpy(dst->b, from + n, n);
	*sport = has_ports(p->proto) ? get16(p->data + p->l4) : 0;
	*dport = has_ports(p->proto) ? get16(p->data + p->l4 + 2) : 0;
}

static void put_tuple(uint8_t *ip, uint8_t *l4, int af, uint8_t proto,
		      const struct ip_addr *src, const struct ip_addr *dst,
		      unsigned sport, unsigned dport)
{
	size_t n = addr_len(af);

	memcpy(ip + addr_at(af), src->b, n);
	memcpy(ip + addr_at(af) + n, dst->b, n);
	if (!has_ports(proto))
		return;
	put16(l4, sport);
	put16(l4 + 2, dport);
}

void wire_set_tuple(struct packet *p, const struct ip_addr *src,
		    const struct ip_addr *dst, unsigned sport, unsigned dport)
{
	put_tuple(p->data, p->data + p->l4, p->af, p->proto, src, dst, sport,
		  dport);
}

void wire_set_echo(struct packet *p, const struct ip_addr *src,
		   const struct ip_addr *dst, unsigned sport, unsigned dport)
{
	uint8_t *ip = p->data + p->payload;
	uint8_t proto = p->af == AF_INET ? ip[9] : ip[6];

	put_tuple(ip, ip + ip_header(p->af), p->af, proto, src, dst, sport,
		  dport);
	if (p->af == AF_INET)
		put16(ip + 10, 0);
}

size_t wire_echo_seq(const struct packet *p)
{
	return p->payload + ip_header(p->af) + 4;
}

static uint32_t sum(uint32_t s, const uint8_t *p, size_t n)
{
	for (; n > 1; p += 2, n -= 2)
		s += get16(p);
	if (n == 1)
		s += (uint32_t)p[0] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

/* Over the pseudo header and all behind the IP header. */
static uint32_t l4_sum(const struct packet *p)
{
	size_t n = p->len - p->l4;
	uint32_t s = 0;

	if (p->proto != IPPROTO_ICMP)
		s = sum((uint32_t)n + p->proto, p->data + addr_at(p->af),
			2 * addr_len(p->af));
	return sum(s, p->data + p->l4, n);
}

static size_t checksum_at(const struct packet *p)
{
	if (p->proto == IPPROTO_TCP)
		return p->l4 + 16;
	return p->l4 + (p->proto == IPPROTO_UDP ? 6 : 2);
}

void wire_checksum(struct packet *p)
{
	uint8_t *c = p->data + checksum_at(p);
	uint32_t v;

	if (p->has_echo && p->af == AF_INET)
		put16(p->data + p->payload + 10,
		      ~sum(0, p->data + p->payload, V4_HEADER));
	put16(c, 0);
	v = ~l4_sum(p) & 0xffff;
	put16(c, p->proto == IPPROTO_UDP && v == 0 ? 0xffff : v);
	if (p->af == AF_INET) {
		put16(p->data + 10, 0);
		put16(p->data + 10, ~sum(0, p->data, p->l4));
	}
}

bool wire_ip_checksum_ok(const struct packet *p)
{
	return p->af != AF_INET || sum(0, p->data, p->l4) == 0xffff;
}

bool wire_l4_checksum_ok(const struct packet *p)
{
	return l4_sum(p) == 0xffff;
}

uint8_t wire_tos(const struct packet *p)
{
	return p->af == AF_INET ? p->data[1]
				: (uint8_t)(get16(p->data) >> 4 & 0xff);
}

uint8_t wire_ttl(const struct packet *p)
{
	return p->data[p->af == AF_INET ? 8 : 7];
}

uint32_t wire_flow_label(const struct packet *p)
{
	return p->af == AF_INET ? 0 : get32(p->data) & 0xfffff;
}

size_t wire_payload_len(const struct packet *p)
{
	return p->len - p->payload;
}
