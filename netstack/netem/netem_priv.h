/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The body of a netem. The bottleneck is an account, not a place: what a packet
 * will meet is known when it enters, so it goes on the line at once, with its
 * time of arrival, and the queue only remembers who leaves when.
 */
#ifndef NETSTACK_NETEM_NETEM_PRIV_H
#define NETSTACK_NETEM_NETEM_PRIV_H

#include "netstack/base/mem.h"
#include "netstack/netem/netem.h"

/* One stream of random numbers per kind of decision: one setting more does not
 * change what the others do. */
enum netem_kind {
	NETEM_R_LOSS,
	NETEM_R_GE,
	NETEM_R_DUP,
	NETEM_R_CORRUPT,
	NETEM_R_BIT,
	NETEM_R_REORDER,
	NETEM_R_MARK,
	NETEM_R_JITTER,
	NETEM_R_SLOT,
	NETEM_R_COUNT
};

/* Who is in the queue until when; a ring in order of departure. */
struct netem_leave {
	nst_time at;
	uint32_t bytes;
};
struct netem_queue {
	struct netem_leave *v; /* R from `leaves` of the message */
	uint32_t cap, head, n; /* R */
	uint64_t bytes;        /* R sum of the ring's */
	nst_time tat; /* S when the wire is free (virtual scheduling) */
};

/* On the line, a binary heap by time, then order of entry. */
struct netem_flight {
	nst_time at;         /* S it arrives, as was drawn */
	uint64_t order;      /* S */
	struct nst_pkt *pkt; /* R from the record's packet */
};

struct netem_line {
	struct netem_flight *v; /* R from records of their own */
	uint32_t cap, n;        /* R */
	uint64_t bytes;         /* R of all packets */
	uint64_t order;         /* S */
};

/* Waits until `left` others have been scheduled, or NETEM_HELD_MAX. */
struct netem_held {
	struct nst_pkt *pkt; /* R from the record's packet */
	uint32_t left;       /* S */
	nst_time at;         /* S it would have arrived in its turn */
};

struct netem {
	const struct nst_env *env;   /* R */
	struct netem_conf conf;      /* S */
	uint32_t l2_bytes;           /* S */
	bool split;                  /* R by conf: super-segments are cut */
	nst_time start, now;         /* S */
	uint64_t rng[NETEM_R_COUNT]; /* S */
	bool before[NETEM_R_COUNT];  /* S outcome of the last decision */
	bool ge_is_bad;              /* S */
	int64_t jitter_before;       /* S last draw, for correlation */
	uint32_t gap_n;              /* S since a packet was reordered */
	nst_time last_at;            /* S latest arrival, for keep_order */
	nst_time slot_at;            /* S current slot */
	struct netem_queue queue;    /* S */
	struct netem_line line;      /* S */
	/* From records of their own. R */
	struct netem_held held[NETEM_HELD_PKTS];
	uint32_t nheld;

	struct netem_stats stats; /* S */
	/* By the embedder. R */
	void (*on_mtu)(void *ctx, const struct nst_pkt *pkt, uint32_t mtu);
	void *mtu_ctx;
};

/* ---- netem_rand.c: decisions ---- */
void netem_rand_seed(struct netem *nm, uint64_t seed);
uint64_t netem_rand(struct netem *nm, enum netem_kind k);
bool netem_chance(struct netem *nm, enum netem_kind k,
		  const struct netem_chance *c);
bool netem_lost(struct netem *nm);       /* both models of loss */
nst_time netem_jitter(struct netem *nm); /* to be added to the delay */
nst_time netem_slot(struct netem *nm, nst_time at);

/* ---- netem_queue.c: the bottleneck ---- */
enum netem_verdict { NETEM_PASS, NETEM_MARK, NETEM_FULL, NETEM_NOMEM };
/* Admits a packet; *leaves: when its last bit is on the wire. */
enum netem_verdict netem_queue_in(struct netem *nm, uint32_t bytes,
				  nst_time now, nst_time *leaves);
void netem_queue_run(struct netem_queue *q, nst_time now);
/* Puts back who was in it, from `at` on; false: no memory. */
NST_MUST_CHECK bool netem_queue_restore(struct netem *nm, const nst_time *at,
					const uint32_t *bytes, uint32_t n);
void netem_queue_free(struct netem *nm);
bool netem_queue_check(const struct netem_queue *q);

/* ---- netem_line.c ---- */
/* Takes pkt; false: no room (pkt is freed). */
bool netem_line_in(struct netem *nm, struct nst_pkt *pkt, nst_time at);
/* Out of order by a number of packets. */
bool netem_line_hold(struct netem *nm, struct nst_pkt *pkt, nst_time at);
/* A packet that arrives at `at` was scheduled: held ones come nearer. */
void netem_line_passed(struct netem *nm, nst_time at);
/* Held ones that waited too long join the line. */
void netem_line_overdue(struct netem *nm, nst_time now);
/* Puts back what was in it, in the heap's order; takes pkt. False: no room. */
NST_MUST_CHECK bool netem_line_restore(struct netem *nm,
				       const struct netem_flight *f);
struct nst_pkt *netem_line_out(struct netem *nm, nst_time now);
nst_time netem_line_next(const struct netem *nm);
void netem_line_free(struct netem *nm);
bool netem_line_check(const struct netem *nm);

/* ---- netem_pkt.c: what is done to packets ---- */
/* As nst_pkt_segment, link header included. Takes pkt. */
struct nst_pkt *netem_pkt_split(struct nst_pkt *pkt, uint32_t l2_bytes);
/* Sets CE; false: not ECT, or already. */
bool netem_pkt_mark(struct nst_pkt *pkt, uint32_t l2_bytes);
/* Inverts a bit of the IP packet; pkt owns its bytes. */
void netem_pkt_flip(struct nst_pkt *pkt, uint32_t l2_bytes, uint64_t random);

#endif
