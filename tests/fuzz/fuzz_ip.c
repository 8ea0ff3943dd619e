/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bare IP packets, as they come: headers, options, extension headers,
 * fragments, ICMP, and what UDP, raw and TCP sockets do with them. The input
 * is a list of steps: a kind, a length, the bytes. Most kinds repair what
 * would otherwise end every packet at once: version, lengths, addresses,
 * checksums.
 */
#include <string.h>

#include "netstack/ip/wire.h"
#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"
#include "tests/fuzz/fuzz.h"

#define PKT_MAX 1500
#define STEPS_MAX 64

enum { REPAIR4 = 1, REPAIR6 = 2, REPAIR_CSUM = 4, REPAIR_ADDR = 8 };

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void repair4(uint8_t *p, uint32_t n, uint8_t how)
{
	static const uint8_t addrs[8] = {10, 0, 2, 2, 10, 0, 2, 15};
	uint32_t hdr;

	if (n < 20)
		return;
	if ((p[0] & 15) < 5)
		p[0] |= 5;
	p[0] = (uint8_t)(0x40 | (p[0] & 15));
	put16(p + 2, n);
	if (how & REPAIR_ADDR)
		memcpy(p + 12, addrs, 8);
	hdr = (p[0] & 15u) * 4;
	if (hdr <= n)
		ip4_fix_csum(p, hdr);
}

static void repair6(uint8_t *p, uint32_t n, uint8_t how)
{
	struct nst_addr src = test_addr(FUZZ_PEER6);
	struct nst_addr dst = test_addr(FUZZ_LOCAL6);

	if (n < 40)
		return;
	p[0] = (uint8_t)(0x60 | (p[0] & 15));
	put16(p + 4, n - 40);
	if (!(how & REPAIR_ADDR))
		return;
	memcpy(p + 8, src.b, 16);
	memcpy(p + 24, dst.b, 16);
}

static void step_packet(struct fuzz_world *w, struct fuzz_in *in, uint8_t how)
{
	uint32_t n = fuzz_u16(in) % (PKT_MAX + 1);
	uint8_t buf[PKT_MAX];
	uint8_t *p = buf;

	for (uint32_t i = 0; i < n; i++)
		p[i] = fuzz_u8(in);
	if (how & REPAIR4)
		repair4(p, n, how);
	else if (how & REPAIR6)
		repair6(p, n, how);
	fuzz_arrive(w, p, n, how & REPAIR_CSUM);
}

static void open_sockets(struct fuzz_world *w)
{
	static const struct {
		enum nst_dgram_kind kind;
		uint8_t family, proto;
	} list[] = {{NST_DGRAM_UDP, 4, 17}, {NST_DGRAM_UDP, 6, 17},
		    {NST_DGRAM_RAW, 4, 1},  {NST_DGRAM_RAW, 6, 58},
		    {NST_DGRAM_PING, 4, 1}, {NST_DGRAM_PING, 6, 58}};
	struct nst_sockaddr a = {.port = 0x4141};
	struct nst_tcp *tp;

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		struct nst_dgram *d;

		if (nst_dgram_new(w->st, list[i].kind, list[i].family,
				  list[i].proto, NULL, &d) != NST_OK)
			continue;
		a.addr.family = list[i].family;
		if (nst_sock_bind(nst_dgram_sock(d), &a) != NST_OK)
			continue;
	}
	a.addr.family = 6;
	if (nst_tcp_new(w->st, 6, NULL, w->now, &tp) != NST_OK)
		return;
	if (nst_sock_bind(nst_tcp_sock(tp), &a) == NST_OK)
		(void)!nst_tcp_listen(tp, 4, w->now);
}

static void step(struct fuzz_world *w, struct fuzz_in *in)
{
	uint8_t op = fuzz_u8(in);

	switch (op >> 6) {
	case 0:
		fuzz_pass(w, (nst_time)fuzz_u16(in) * NST_MS);
		break;
	case 1:
		testenv_fail_nth(&w->te, fuzz_u8(in));
		break;
	default:
		step_packet(w, in, op & 15);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_in in = {data, data + bytes};
	struct fuzz_world w;

	if (bytes > 16384)
		return 0;
	fuzz_open(&w);
	open_sockets(&w);
	for (int i = 0; i < STEPS_MAX && !fuzz_end(&in); i++)
		step(&w, &in);
	testenv_fail_never(&w.te);
	fuzz_pass(&w, 120 * NST_SEC);
	fuzz_close(&w);
	return 0;
}
