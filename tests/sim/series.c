/* SPDX-License-Identifier: Apache-2.0 */
/* What a run looked like: a CSV row per flow and sample, and its outcome. */
#include <stdlib.h>
#include <string.h>

#include "tests/sim/cli.h"

struct series {
	const struct cli *cli;
	struct sim *sim;
	FILE *csv;
	uint64_t *got;  /* of each flow, both directions, at the last sample */
	uint64_t *base; /* the same at the first that counts */
	nst_time at;    /* of the last sample */
	nst_time from;  /* of the first that counts */
	bool counting;
};

static const char columns[] =
    "time_s,flow,side,cc,state,cwnd,ssthresh,srtt_us,min_rtt_us,inflight,"
    "acked_bytes,sent_bytes,retrans,pacing_rate,delivery_rate,delivered,"
    "queue_bytes\n";

static void row(struct series *r, uint32_t flow, int side, double t)
{
	const struct sim_flow_conf *f = &sim_conf(r->sim)->flows[flow];
	struct nst_tcp_info i;

	if (!sim_info(r->sim, flow, side, &i))
		return;
	fprintf(r->csv,
		"%.6f,%u,%d,%s,%u,%u,%u,%lld,%lld,%u,%llu,%llu,%u,%llu,%llu,%u,"
		"%llu\n",
		t, flow, side, f->cc[side][0] ? f->cc[side] : "default",
		i.ca_state, i.snd_cwnd, i.snd_ssthresh,
		(long long)i.srtt / 1000, (long long)i.min_rtt / 1000,
		i.unacked - i.sacked - i.lost + i.retrans,
		(unsigned long long)i.bytes_acked,
		(unsigned long long)i.bytes_sent, i.total_retrans,
		(unsigned long long)i.pacing_rate,
		(unsigned long long)i.delivery_rate, i.delivered,
		(unsigned long long)sim_link_queue(r->sim, side == SIM_SERVER));
}

static void on_sample(void *ctx, struct sim *s)
{
	const struct sim_conf *c = sim_conf(s);
	struct series *r = ctx;
	nst_time t = sim_now(s) - SIM_START;

	if (t > c->duration)
		return;
	r->at = t;
	if (!r->counting && t >= r->cli->skip) {
		r->counting = true;
		r->from = t;
		memcpy(r->base, r->got, 2 * c->nflows * sizeof(*r->got));
	}
	for (uint32_t i = 0; i < c->nflows; i++) {
		struct sim_flow_result x;

		sim_result(s, i, &x);
		r->got[2 * i] = x.got[SIM_SERVER];
		r->got[2 * i + 1] = x.got[SIM_CLIENT];
		for (int k = 0; r->csv && k < 2; k++)
			if (c->flows[i].bytes[k])
				row(r, i, k, (double)t / 1e9);
	}
}

struct series *series_new(const struct cli *c, struct sim *s)
{
	struct series *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->cli = c;
	r->sim = s;
	r->got = calloc(4 * c->conf.nflows, sizeof(*r->got));
	r->base = r->got + 2 * c->conf.nflows;
	if (c->csv)
		r->csv = fopen(c->csv, "w");
	if (!r->got || (c->csv && !r->csv)) {
		perror(c->csv ? c->csv : "sim");
		free(r->got);
		free(r);
		return NULL;
	}
	if (r->csv)
		fputs(columns, r->csv);
	sim_on_sample(s, c->sample, on_sample, r);
	return r;
}

/* Mbit/s of a flow's direction, from its beginning to the run's end. */
static double goodput(const struct series *r, uint32_t i, int side)
{
	const struct sim_conf *c = sim_conf(r->sim);
	nst_time from =
	    c->flows[i].start > r->from ? c->flows[i].start : r->from;
	uint32_t k = 2 * i + (uint32_t)side;

	if (r->at <= from)
		return 0;
	return (double)(r->got[k] - r->base[k]) * 8e3 / (double)(r->at - from);
}

/* Jain, Chiu, Hawe 1984: 1 is fair, 1/n: one has it all. */
static double jain(const struct series *r)
{
	uint32_t n = sim_conf(r->sim)->nflows;
	double sum = 0, squares = 0;

	for (uint32_t i = 0; i < n; i++) {
		double g = goodput(r, i, SIM_CLIENT);

		sum += g;
		squares += g * g;
	}
	return squares > 0 ? sum * sum / (n * squares) : 0;
}

static void print_flow(const struct series *r, uint32_t i, FILE *f)
{
	const struct sim_conf *c = sim_conf(r->sim);
	struct sim_flow_result x;
	const struct nst_tcp_info *t = &x.info[SIM_CLIENT];

	sim_result(r->sim, i, &x);
	fprintf(f,
		"%s\n  {\"flow\": %u, \"cc\": \"%s\", \"goodput_mbit\": %.3f, "
		"\"back_mbit\": %.3f, \"sent_bytes\": %llu, \"retrans\": %u, "
		"\"min_rtt_us\": %lld, \"srtt_us\": %lld}",
		i ? "," : "", i, c->flows[i].cc[0], goodput(r, i, SIM_CLIENT),
		goodput(r, i, SIM_SERVER), (unsigned long long)t->bytes_sent,
		t->total_retrans, (long long)t->min_rtt / 1000,
		(long long)t->srtt / 1000);
}

static void print_link(const struct series *r, bool back, FILE *f)
{
	const struct netem_stats *n = sim_link_stats(r->sim, back);

	fprintf(f,
		"\"%s\": {\"in\": %llu, \"out\": %llu, \"lost\": %llu, "
		"\"queue_drops\": %llu, \"marked\": %llu, \"reordered\": %llu, "
		"\"peak_queue_bytes\": %llu},\n ",
		back ? "backward" : "forward", (unsigned long long)n->in_pkts,
		(unsigned long long)n->out_pkts, (unsigned long long)n->lost,
		(unsigned long long)n->drop_queue,
		(unsigned long long)n->marked, (unsigned long long)n->reordered,
		(unsigned long long)n->peak_queue_bytes);
}

void series_end(struct series *r, FILE *f)
{
	uint32_t n = sim_conf(r->sim)->nflows;
	double total = 0;

	fprintf(f, "{\"seed\": %llu, \"seconds\": %.3f,\n ",
		(unsigned long long)sim_conf(r->sim)->seed,
		(double)r->at / 1e9);
	print_link(r, false, f);
	print_link(r, true, f);
	fprintf(f, "\"flows\": [");
	for (uint32_t i = 0; i < n; i++) {
		print_flow(r, i, f);
		total += goodput(r, i, SIM_CLIENT);
	}
	fprintf(f, "],\n \"goodput_mbit\": %.3f, \"jain\": %.4f}\n", total,
		jain(r));
	if (r->csv)
		fclose(r->csv);
	free(r->got);
	free(r);
}
