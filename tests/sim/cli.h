/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's command line: what one run of named flows is to be. */
#ifndef TESTS_SIM_CLI_H
#define TESTS_SIM_CLI_H

#include <stdio.h>

#include "tests/sim/sim.h"

struct cli {
	struct sim_conf conf; /* flows are ours */
	nst_time sample;
	nst_time skip; /* goodput counts from here */
	const char *csv;
	/* Put together in cli_finish. */
	const char *cc, *rate, *delay, *queue, *loss, *link, *back;
	nst_time stagger;
	uint32_t sndbuf, rcvbuf;
	bool both_ways, reverse;
	char forward_text[512], backward_text[512];
};

/* Options of a run; false after a line on stderr. */
bool cli_parse(struct cli *c, int argc, char **argv);
void cli_usage(FILE *f);
void cli_free(struct cli *c);
/* When to save; false: no such word. */
bool cli_save(const char *text, uint32_t *out);
/* "30s" for options and commands; false: not a time. */
bool cli_time(const char *text, nst_time *out);

/* ---- series.c ---- */
struct series;
/* Opens the CSV (NULL: none). NULL: cannot. */
struct series *series_new(const struct cli *c, struct sim *s);
/* The run's outcome as JSON on f; closes the CSV. */
void series_end(struct series *r, FILE *f);

#endif
