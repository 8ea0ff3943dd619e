/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A connection in a state, with something under way, saved there, and brought
 * to its end by a scripted peer; what came of it, to compare.
 */
#ifndef TESTS_SAVE_TABLE_H
#define TESTS_SAVE_TABLE_H

#include "netstack/nst_counters.h"
#include "netstack/nst_types.h"

enum cond {
	NOTHING,
	QUEUED,
	FLIGHT,
	OOO,
	SACKED,
	ZERO_WINDOW,
	FIN_PENDING,
	URGENT,
	CORK,
	PACING,
	RECOVERY,
	TLP,
	BACKED_OFF,
	CONDS
};
enum where {
	IN_SYN_SENT,
	IN_SYN_RCVD,
	IN_ESTABLISHED,
	IN_FIN_WAIT1,
	IN_FIN_WAIT2,
	IN_CLOSE_WAIT,
	IN_CLOSING,
	IN_LAST_ACK,
	IN_TIME_WAIT,
	STATES
};
struct outcome {
	uint64_t trace, read, info;
	nst_time end;
	struct nst_counters count;
};

/* Bytes of struct nst_tcp that loading forgets: they are zero. */
extern struct table_lost {
	size_t at, bytes;
} table_lost;

bool table_possible(enum where s, enum cond k);
/* mode 0: undisturbed, 1: saved once at the point, 2: after every event. */
struct outcome table_run(enum where s, enum cond k, const char *cc, int mode);

#endif
