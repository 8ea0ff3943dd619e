/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/link/pcapng.h"

#include <string.h>

#define BLOCK_SECTION 0x0a0d0d0au
#define BLOCK_INTERFACE 1u
#define BLOCK_STATISTICS 5u
#define BLOCK_PACKET 6u
#define BYTE_ORDER_MAGIC 0x1a2b3c4du

#define OPT_END 0
#define OPT_SHB_USERAPPL 4
#define OPT_IF_NAME 2
#define OPT_IF_TSRESOL 9
#define OPT_EPB_FLAGS 2
#define OPT_ISB_IFDROP 5

#define EPB_INBOUND 1u
#define EPB_OUTBOUND 2u
/* Type, length, five words, the flags option, end of options, length. */
#define EPB_OVERHEAD (28 + 8 + 4 + 4)

/* Appends to a block under construction. */
struct out {
	uint8_t *start, *p;
};

static void put(struct out *o, const void *src, size_t n)
{
	size_t pad = -n & 3;

	memcpy(o->p, src, n);
	memset(o->p + n, 0, pad);
	o->p += n + pad;
}

static void put32(struct out *o, uint32_t v)
{
	put(o, &v, 4);
}

/* Two 16-bit fields. */
static void put16x2(struct out *o, uint16_t a, uint16_t b)
{
	const uint16_t v[2] = {a, b};

	put(o, v, 4);
}

static void put_option(struct out *o, uint16_t code, const void *v,
		       size_t bytes)
{
	put16x2(o, code, (uint16_t)bytes);
	put(o, v, bytes);
}

/* High word first, whatever the byte order. */
static void put_time(struct out *o, uint64_t ns)
{
	put32(o, (uint32_t)(ns >> 32));
	put32(o, (uint32_t)ns);
}

static struct out begin(uint8_t *to, uint32_t type)
{
	struct out o = {to, to};

	put32(&o, type);
	put32(&o, 0); /* length, see end() */
	return o;
}

static size_t end(struct out *o)
{
	uint32_t n = (uint32_t)(o->p - o->start) + 4;

	memcpy(o->start + 4, &n, 4);
	put32(o, n);
	return n;
}

size_t pcapng_section(uint8_t *to)
{
	static const char app[] = "cordon";
	struct out o = begin(to, BLOCK_SECTION);

	put32(&o, BYTE_ORDER_MAGIC);
	put16x2(&o, 1, 0);     /* version */
	put32(&o, UINT32_MAX); /* section length: unknown */
	put32(&o, UINT32_MAX);
	put_option(&o, OPT_SHB_USERAPPL, app, sizeof(app) - 1);
	put32(&o, OPT_END);
	return end(&o);
}

size_t pcapng_interface(uint8_t *to, const char *name, uint16_t linktype,
			uint32_t snaplen)
{
	const uint8_t nanoseconds = 9;
	struct out o = begin(to, BLOCK_INTERFACE);

	put16x2(&o, linktype, 0);
	put32(&o, snaplen);
	put_option(&o, OPT_IF_NAME, name, strnlen(name, 63));
	put_option(&o, OPT_IF_TSRESOL, &nanoseconds, 1);
	put32(&o, OPT_END);
	return end(&o);
}

size_t pcapng_statistics(uint8_t *to, uint32_t interface, uint64_t when,
			 uint64_t dropped)
{
	struct out o = begin(to, BLOCK_STATISTICS);

	put32(&o, interface);
	put_time(&o, when);
	put_option(&o, OPT_ISB_IFDROP, &dropped, sizeof(dropped));
	put32(&o, OPT_END);
	return end(&o);
}

static uint32_t captured(const struct pcapng_packet *p)
{
	uint32_t all = nst_pkt_bytes(p->pkt);

	return all < p->snaplen ? all : p->snaplen;
}

size_t pcapng_packet_max(const struct pcapng_packet *p)
{
	return EPB_OVERHEAD + captured(p) + 3;
}

/* nst_pkt_csum_finish() on the copied bytes, if all of them are there. */
static void finish_csum(const struct nst_pkt *pkt, uint8_t *data,
			uint32_t bytes)
{
	uint32_t start, field;
	uint16_t sum;

	if (pkt->csum != NST_CSUM_PARTIAL || pkt->csum_start < pkt->off)
		return;
	start = pkt->csum_start - pkt->off;
	field = start + pkt->csum_off;
	if (bytes != nst_pkt_bytes(pkt) || field + 2 > bytes)
		return;
	sum = (uint16_t)~nst_csum_add(0, data + start, bytes - start);
	if (!sum && pkt->csum_off == 6)
		sum = 0xffff; /* RFC 768 */
	data[field] = (uint8_t)(sum >> 8);
	data[field + 1] = (uint8_t)sum;
}

size_t pcapng_packet(uint8_t *to, const struct pcapng_packet *p)
{
	const uint32_t flags = p->outbound ? EPB_OUTBOUND : EPB_INBOUND;
	uint32_t bytes = captured(p), pad = -bytes & 3;
	struct out o = begin(to, BLOCK_PACKET);

	put32(&o, p->interface);
	put_time(&o, p->when);
	put32(&o, bytes);
	put32(&o, nst_pkt_bytes(p->pkt));
	nst_pkt_copy(p->pkt, 0, o.p, bytes);
	finish_csum(p->pkt, o.p, bytes);
	memset(o.p + bytes, 0, pad);
	o.p += bytes + pad;
	put_option(&o, OPT_EPB_FLAGS, &flags, sizeof(flags));
	put32(&o, OPT_END);
	return end(&o);
}
