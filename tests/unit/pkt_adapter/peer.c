/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pkt_adapter/peer.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <string.h>

#define TCP_MSS_OPT 0x020405b4 /* kind 2, 4 bytes, 1460 */

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v & 0xffff);
}

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) << 16 | get16(p + 2);
}

static uint32_t sum(uint32_t s, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		s += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	return s;
}

static uint16_t fold(uint32_t s)
{
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

/* The header in front of n bytes of `proto`; returns its length. */
static size_t ip_header(const struct peer *p, uint8_t *h, uint8_t proto,
			size_t n)
{
	if (p->v6) {
		memset(h, 0, 40);
		h[0] = 0x60;
		put16(h + 4, (uint32_t)n);
		h[6] = proto;
		h[7] = 64;
		inet_pton(AF_INET6, "2001:db8::1", h + 8);
		inet_pton(AF_INET6, "fd3d:0a0b:17d6::1", h + 24);
		return 40;
	}
	memset(h, 0, 20);
	h[0] = 0x45;
	put16(h + 2, (uint32_t)n + 20);
	h[8] = 64;
	h[9] = proto;
	inet_pton(AF_INET, "192.0.2.1", h + 12);
	inet_pton(AF_INET, "192.168.0.1", h + 16);
	put16(h + 10, fold(sum(0, h, 20)));
	return 20;
}

static void inject(struct peer *p, uint8_t proto, uint8_t *l4, size_t n,
		   size_t csum_at)
{
	uint8_t pkt[40 + 2048];
	size_t h = ip_header(p, pkt, proto, n);
	uint32_t s = sum(0, pkt + h - (p->v6 ? 32 : 8), p->v6 ? 32 : 8);

	s += proto + (uint32_t)n;
	put16(l4 + csum_at, fold(sum(s, l4, n)));
	memcpy(pkt + h, l4, n);
	p->i->netdev_send(p->i->userdata, pkt, h + n);
}

static void send_tcp(struct peer *p, uint8_t flags, uint16_t window,
		     const void *data, size_t n)
{
	uint8_t t[2048] = {0};
	size_t hl = flags & SYN ? 24 : 20;

	put16(t, p->sport);
	put16(t + 2, p->dport);
	put32(t + 4, p->seq);
	put32(t + 8, flags & ACK ? p->ack : 0);
	t[12] = (uint8_t)(hl / 4 << 4);
	t[13] = flags;
	put16(t + 14, window);
	if (flags & SYN)
		put32(t + 20, TCP_MSS_OPT);
	if (n)
		memcpy(t + hl, data, n);
	if (flags & URG)
		put16(t + 18, (uint32_t)n);
	inject(p, IPPROTO_TCP, t, hl + n, 16);
	p->seq += (uint32_t)n + !!(flags & SYN) + !!(flags & FIN);
}

void peer_send(struct peer *p, uint8_t flags, const void *data, size_t n)
{
	send_tcp(p, flags, 65535, data, n);
}

void peer_send_window(struct peer *p, uint8_t flags, uint16_t window)
{
	send_tcp(p, flags, window, NULL, 0);
}

void peer_send_udp(struct peer *p, const void *data, size_t n)
{
	uint8_t u[2048];

	put16(u, p->sport);
	put16(u + 2, p->dport);
	put16(u + 4, (uint32_t)n + 8);
	put16(u + 6, 0);
	memcpy(u + 8, data, n);
	inject(p, IPPROTO_UDP, u, n + 8, 6);
}

static void parse_tcp(const uint8_t *t, size_t n, struct seg *s)
{
	size_t hl = (size_t)(t[12] >> 4) * 4;

	s->seq = get32(t + 4);
	s->ack = get32(t + 8);
	s->flags = t[13];
	s->window = get16(t + 14);
	s->urg = get16(t + 18);
	s->bytes = n - hl;
	memcpy(s->data, t + hl, s->bytes);
	if (hl > 20 && t[20] == 2)
		s->mss = get16(t + 22);
}

/* Is the packet of the peer's family, and of a transport it knows? The host's
 * kernel sends others of its own: router solicitations, reports of groups. */
static bool is_ours(const struct peer *p, const uint8_t *pkt)
{
	uint8_t proto = pkt[p->v6 ? 6 : 9];

	return pkt[0] >> 4 == (p->v6 ? 6 : 4) &&
	       (proto == IPPROTO_TCP || proto == IPPROTO_UDP);
}

bool peer_recv(struct peer *p, struct seg *s)
{
	static __thread uint8_t pkt[65536 + 40];
	size_t n, h = p->v6 ? 40 : 20;
	uint8_t proto;

	memset(s, 0, offsetof(struct seg, data));
	s->mss = 0;
	do {
		n = sizeof(pkt);
		if (p->i->netdev_receive(p->i->userdata, pkt, &n, &s->usecs))
			return false;
		if (n < h)
			return false;
	} while (!is_ours(p, pkt));
	proto = p->v6 ? pkt[6] : pkt[9];
	s->sport = get16(pkt + h);
	s->dport = get16(pkt + h + 2);
	if (proto == IPPROTO_TCP) {
		parse_tcp(pkt + h, n - h, s);
	} else {
		s->bytes = n - h - 8;
		memcpy(s->data, pkt + h + 8, s->bytes);
	}
	return true;
}

bool peer_take(struct peer *p, struct seg *s)
{
	if (!peer_recv(p, s))
		return false;
	p->ack = s->seq + (uint32_t)s->bytes + !!(s->flags & SYN) +
		 !!(s->flags & FIN);
	return true;
}

struct sockaddr_in peer_addr(const char *text, uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};

	inet_pton(AF_INET, text, &a.sin_addr);
	return a;
}

int peer_listen(struct peer *p, int backlog)
{
	struct packetdrill_interface *i = p->i;
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(OUR_PORT)};
	struct sockaddr_in a = peer_addr("0.0.0.0", OUR_PORT);
	int fd = i->socket(i->userdata, p->v6 ? AF_INET6 : AF_INET, SOCK_STREAM,
			   IPPROTO_TCP);

	p->sport = PEER_PORT;
	p->dport = OUR_PORT;
	if (i->bind(i->userdata, fd,
		    p->v6 ? (struct sockaddr *)&a6 : (struct sockaddr *)&a,
		    p->v6 ? sizeof(a6) : sizeof(a)) != 0)
		return -1;
	return i->listen(i->userdata, fd, backlog) == 0 ? fd : -1;
}

int peer_accept(struct peer *p, int lfd)
{
	struct seg s;

	peer_send(p, SYN, NULL, 0);
	if (!peer_take(p, &s) || s.flags != (SYN | ACK))
		return -1;
	peer_send(p, ACK, NULL, 0);
	return p->i->accept(p->i->userdata, lfd, NULL, NULL);
}

long long peer_now(struct peer *p)
{
	struct timeval tv;

	p->i->gettimeofday(p->i->userdata, &tv, NULL);
	return tv.tv_sec * 1000000LL + tv.tv_usec;
}
