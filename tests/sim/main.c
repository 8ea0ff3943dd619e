/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator as a program; sim --help says what it does. */
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/sim/cli.h"
#include "tests/sim/tape.h"

#define JOBS_MAX 64

/* What a scenario was made of, for people. */
static void describe(const struct sim *s)
{
	const struct sim_conf *c = sim_conf(s);
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < c->nflows; i++) {
		struct sim_flow_result r;

		sim_result(s, i, &r);
		bytes += r.got[0] + r.got[1];
	}
	printf(
	    "%u flows, %u clients, IPv%u, MTU %u: %llu bytes read in %.3f s\n",
	    c->nflows, c->nclients, c->family, c->mtu,
	    (unsigned long long)bytes, (double)(sim_now(s) - SIM_START) / 1e9);
	for (int back = 0; back < 2; back++) {
		const struct netem_stats *n = sim_link_stats(s, back);

		printf(
		    "%s: %llu in, %llu out; lost %llu, queue %llu, down %llu, "
		    "mtu %llu, copies %llu, reordered %llu, damaged %llu, "
		    "marked %llu\n",
		    back ? "backward" : "forward ",
		    (unsigned long long)n->in_pkts,
		    (unsigned long long)n->out_pkts,
		    (unsigned long long)n->lost,
		    (unsigned long long)n->drop_queue,
		    (unsigned long long)n->drop_down,
		    (unsigned long long)n->drop_mtu,
		    (unsigned long long)n->duplicated,
		    (unsigned long long)n->reordered,
		    (unsigned long long)n->corrupted,
		    (unsigned long long)n->marked);
	}
}

/* False after a line that says how to see it again. */
static bool run(const struct sim_conf *c, const char *again, bool talk)
{
	struct sim *s = sim_new(c);
	bool ok;

	if (!s)
		return false;
	ok = sim_run(s);
	if (talk)
		describe(s);
	ok = sim_close(s) && ok;
	if (!ok)
		printf("FAIL seed %llu at %.3f s: %s\n     again: %s\n",
		       (unsigned long long)c->seed,
		       (double)(sim_now(s) - SIM_START) / 1e9, sim_failed(s),
		       again);
	sim_free(s);
	return ok;
}

/* Twice, of which one has saves: they must be the same. */
static bool run_same(const struct sim_conf *c, const char *again, bool talk)
{
	uint64_t saves;
	char *why = sim_same(c, &saves);

	if (why)
		printf("FAIL seed %llu: %s\n     again: %s\n",
		       (unsigned long long)c->seed, why, again);
	else if (talk)
		printf("the same, with %llu saves\n",
		       (unsigned long long)saves);
	fflush(stdout);
	free(why);
	return !why;
}

/* What `sim seed` and `sim seeds` take besides numbers. */
struct seed_options {
	const char *trace, *save;
	uint64_t saves;
	uint64_t jobs;
	bool talk;
};

static bool run_seed(uint64_t seed, const struct seed_options *o)
{
	struct sim_conf c;
	char again[160];
	bool ok;

	if (!sim_random(seed, &c))
		return false;
	c.trace = o->trace;
	snprintf(again, sizeof(again),
		 "build/tests/sim/sim seed %llu%s%s --trace /tmp/sim.pcapng",
		 (unsigned long long)seed, o->save ? " --save " : "",
		 o->save ? o->save : "");
	if (o->save) {
		cli_save(o->save, &c.save);
		c.save_most = o->saves;
		ok = run_same(&c, again, o->talk);
	} else {
		ok = run(&c, again, o->talk);
	}
	free(c.flows);
	return ok;
}

static bool seed_options(struct seed_options *o, int argc, char **argv)
{
	uint32_t n;

	for (int i = 0; i < argc; i += 2) {
		if (i + 1 == argc)
			return false;
		if (!strcmp(argv[i], "--trace"))
			o->trace = argv[i + 1];
		else if (!strcmp(argv[i], "--save") &&
			 cli_save(argv[i + 1], &n))
			o->save = argv[i + 1];
		else if (!strcmp(argv[i], "--saves"))
			o->saves = strtoull(argv[i + 1], NULL, 10);
		else if (!strcmp(argv[i], "-j"))
			o->jobs = strtoull(argv[i + 1], NULL, 10);
		else
			return false;
	}
	return o->jobs > 0 && o->jobs <= JOBS_MAX;
}

static int cmd_seed(int argc, char **argv)
{
	struct seed_options o = {.jobs = 1, .talk = true};

	if (argc < 2 || !seed_options(&o, argc - 2, argv + 2))
		return 2;
	if (!run_seed(strtoull(argv[1], NULL, 10), &o))
		return 1;
	puts("ok");
	return 0;
}

/* Every jobs-th seed; the number of failures, at most 100. */
static int some_seeds(uint64_t from, uint64_t count, uint64_t job,
		      const struct seed_options *o)
{
	int failed = 0;

	for (uint64_t i = job; i < count; i += o->jobs)
		failed += !run_seed(from + i, o);
	fflush(stdout);
	return failed < 100 ? failed : 100;
}

static int cmd_seeds(int argc, char **argv)
{
	struct seed_options o = {.jobs = 1};
	uint64_t from, count;
	int failed = 0, status;

	if (argc < 3 || !seed_options(&o, argc - 3, argv + 3))
		return 2;
	from = strtoull(argv[1], NULL, 10);
	count = strtoull(argv[2], NULL, 10);
	for (uint64_t j = 0; j < o.jobs; j++)
		if (!fork())
			exit(some_seeds(from, count, j, &o));
	while (wait(&status) > 0)
		failed += WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	printf("%llu seeds, %d failed\n", (unsigned long long)count, failed);
	return failed ? 1 : 0;
}

static int cmd_long(int argc, char **argv)
{
	struct sim_conf c;
	nst_time t;
	char again[128];
	bool ok;

	if (argc != 4 || !cli_time(argv[2], &t))
		return 2;
	if (!sim_everything(strtoull(argv[3], NULL, 10),
			    (uint32_t)atoi(argv[1]), t, &c))
		return 1;
	snprintf(again, sizeof(again), "build/tests/sim/sim long %s %s %s",
		 argv[1], argv[2], argv[3]);
	ok = run(&c, again, true);
	free(c.flows);
	if (ok)
		puts("ok");
	return ok ? 0 : 1;
}

static int cmd_flows(int argc, char **argv)
{
	struct cli c;
	struct series *series = NULL;
	struct sim *s;
	bool ok;

	if (!cli_parse(&c, argc, argv)) {
		cli_free(&c);
		return 2;
	}
	s = sim_new(&c.conf);
	if (s)
		series = series_new(&c, s);
	ok = series && sim_run(s);
	if (s && sim_failed(s))
		fprintf(stderr, "sim: %s\n", sim_failed(s));
	if (series)
		series_end(series, stdout);
	ok = s && sim_close(s) && ok;
	sim_free(s);
	cli_free(&c);
	return ok ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*fn)(int argc, char **argv);
	} commands[] = {
	    {"seed", cmd_seed}, {"seeds", cmd_seeds}, {"long", cmd_long}};
	int code;

	for (size_t i = 0; i < 3; i++) {
		if (argc < 2 || strcmp(argv[1], commands[i].name) != 0)
			continue;
		code = commands[i].fn(argc - 1, argv + 1);
		if (code == 2)
			cli_usage(stderr);
		return code;
	}
	return cmd_flows(argc, argv);
}
