/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a simulation was like, to compare it with another: every packet that
 * left a host with its time, and what came of it all in the end.
 *
 * sim_same() runs a configuration undisturbed, then with saves: the stacks'
 * clocks stand still in a save, so the two must be the same, packet by packet,
 * byte by byte, counter by counter.
 */
#ifndef TESTS_SIM_TAPE_H
#define TESTS_SIM_TAPE_H

#include "tests/sim/sim.h"

#define TAPE_HEAD 100 /* bytes of each packet, to print */

struct tape_entry {
	nst_time at;
	uint64_t hash; /* of all bytes and of what the link is told */
	uint32_t bytes;
	uint16_t gso;
	uint8_t host, head_bytes;
	uint8_t head[TAPE_HEAD];
};

/* What came of a number of the run, by a name for people. */
struct tape_result {
	char name[48];
	uint64_t value;
};

struct tape {
	struct tape_entry *v;
	size_t n, cap;
	struct tape_result *results;
	size_t nresults;
	uint64_t hash;      /* of all packets */
	uint64_t saves;     /* of the run that it is of */
	char last_save[64]; /* the same */
	bool failed;        /* no memory */
};

void tape_free(struct tape *t);
/* NULL: alike. Else what differs first, for people; free(). */
char *tape_diff(const struct tape *a, const struct tape *b);
/* Writes down what a finished run came to: flows, counters. */
void tape_results(struct tape *t, const struct sim *s);

/*
 * Runs conf without saves and with them (conf->save); its trace is of the
 * second. NULL: both well and alike; else why not, and the save from which on
 * it is so, free(). *saves (may be NULL) is how many there were.
 */
char *sim_same(const struct sim_conf *conf, uint64_t *saves);

#endif
