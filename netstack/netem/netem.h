/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One direction of a bad link, in the manner of Linux's netem and tbf: a
 * bottleneck with a queue, and behind it a line with delay that loses,
 * corrupts, duplicates and reorders. Pure and seeded: the same packets at the
 * same times meet the same fate.
 *
 * A packet's way: mtu, outage → queue (limit, ecn) → serialised at `rate` →
 * loss, corruption → delay, jitter, reordering, duplication, slots → out. Lost
 * packets have used the bottleneck, as on a wire. DEVIATION: Linux's netem
 * loses before a rate is applied, and its limit counts what is on the line.
 *
 * Super-segments are cut into what a wire would carry, unless nothing but delay
 * and outages is configured: then they stay whole.
 *
 * Owner: whoever made it; one caller at a time. netem_in takes packets,
 * netem_out gives them away. Times: ns of the caller's clock, never backwards.
 */
#ifndef NETSTACK_NETEM_NETEM_H
#define NETSTACK_NETEM_NETEM_H

#include "netstack/nst_pkt.h"

/* A share of 2^32. */
#define NETEM_ONE (1ull << 32)
#define NETEM_TIME_MAX (1000 * NST_SEC)
#define NETEM_MTU_MIN 68

/*
 * How often something happens. `corr`: how often the decision before is
 * repeated, which keeps the share p and gives outcomes this correlation.
 * DEVIATION: netem averages random numbers, which bends p.
 */
struct netem_chance {
	uint64_t p;    /* S of NETEM_ONE */
	uint64_t corr; /* S of NETEM_ONE */
};

enum netem_dist { NETEM_UNIFORM, NETEM_NORMAL };

/* S */
struct netem_conf {
	uint64_t seed;
	/* The line. jitter: half width, or the standard deviation. */
	nst_time delay, jitter;
	uint64_t jitter_corr;
	uint8_t dist;    /* enum netem_dist */
	bool keep_order; /* jitter does not reorder */
	struct netem_chance loss, dup, corrupt, reorder, mark;
	/* Gilbert-Elliott: good to bad, bad to good; loss in bad, in good. */
	bool ge;
	uint64_t ge_p, ge_r, ge_bad, ge_good;
	/* A reordered packet skips the delay (netem), or is so much late, or
	 * comes after so many others. gap: only every gap-th may be. */
	uint32_t gap, by_pkts;
	nst_time by_time;
	uint32_t flips; /* bits of a corrupted packet; 0: one */
	/* The bottleneck; rate 0: none. */
	uint64_t rate_bits; /* per second */
	uint32_t overhead;  /* bytes a packet, besides itself */
	uint32_t bucket;    /* bytes that may pass at once after a pause */
	/* Queue, the packet on the wire included; 0: no limit of that kind. */
	uint64_t limit_bytes;
	uint32_t limit_pkts;
	/* CE instead of waiting longer, behind more; 0: off. */
	uint64_t ecn_bytes;
	uint32_t ecn_pkts;
	nst_time ecn_time;
	/* Packets come out at once, each such interval; 0: off. */
	nst_time slot_min, slot_max;
	/* Link down since the start + from, for so long, again each `every`. */
	nst_time down_from, down_for, down_every;
	uint32_t mtu; /* IP bytes; longer ones are lost; 0: any */
};

/* S */
struct netem_stats {
	uint64_t in_pkts, out_pkts, out_bytes; /* as on the wire */
	uint64_t lost, corrupted, duplicated, reordered, marked;
	uint64_t drop_queue, drop_down, drop_mtu;
	uint64_t drop_memory; /* none, or one of the limits below */
	uint64_t peak_queue_bytes, peak_line_pkts;
};

/* What one direction can hold whatever the settings say. */
#define NETEM_LINE_PKTS (1u << 18)
#define NETEM_LINE_BYTES (128u << 20)
#define NETEM_QUEUE_PKTS (1u << 17)
#define NETEM_HELD_PKTS 32
/* A held packet (by_pkts) waits no longer for others. */
#define NETEM_HELD_MAX (100 * NST_MS)

struct netem;

/* l2_bytes: of the link header in front of IP: 14 on Ethernet, else 0. env is
 * borrowed, conf copied. NOMEM; INVAL: settings that do not make sense. */
NST_MUST_CHECK enum nst_err netem_new(const struct nst_env *env,
				      const struct netem_conf *conf,
				      uint32_t l2_bytes, nst_time now,
				      struct netem **out);
/* Packets inside are freed. NULL allowed. */
void netem_free(struct netem *nm);
/* Other settings from now on; what is on its way keeps its time. INVAL. */
NST_MUST_CHECK enum nst_err netem_set(struct netem *nm,
				      const struct netem_conf *conf);
/*
 * Told of each packet that mtu loses (borrowed), so that a router can be
 * played (netem_too_big); called inside netem_in.
 */
void netem_on_mtu(struct netem *nm,
		  void (*fn)(void *ctx, const struct nst_pkt *pkt,
			     uint32_t mtu),
		  void *ctx);
/* A packet enters; taken. Its data is the link header, or IP. */
void netem_in(struct netem *nm, struct nst_pkt *pkt, nst_time now);
/* When netem_out has something; NST_NEVER: nothing is inside. */
nst_time netem_next(const struct netem *nm);
/* The next packet due by now; its `when` is when it was due. NULL: none. */
struct nst_pkt *netem_out(struct netem *nm, nst_time now);
const struct netem_stats *netem_stats(const struct netem *nm);
/* Bytes that wait for the bottleneck at `now`. */
uint64_t netem_queued(struct netem *nm, nst_time now);
bool netem_check(const struct netem *nm);

/*
 * What a router says about a packet that is too long for its next link: ICMP
 * fragmentation needed (RFC 1191) or packet too big (RFC 8201), for the
 * sender of pkt, from pkt's destination, with a link header that goes back.
 * NULL: IPv4 without DF (a router would fragment), not IP, or no memory.
 */
struct nst_pkt *netem_too_big(const struct nst_pkt *pkt, uint32_t l2_bytes,
			      uint32_t mtu);

/* ---- netem_parse.c: settings as text ---- */

struct netem_error {
	const char *what; /* static */
	size_t at, len;   /* the word in question */
};
/*
 * "delay=50ms,loss=1%,rate=100mbit,limit=1bdp": docs/NETEM.md has all words.
 * INVAL, with *err filled. Nothing else is allocated or kept.
 */
NST_MUST_CHECK enum nst_err
netem_parse(const char *text, struct netem_conf *out, struct netem_error *err);

#endif
