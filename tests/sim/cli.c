/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/sim/cli.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

void cli_usage(FILE *f)
{
	fputs(
	    "Usage: sim [OPTIONS]             flows over one bottleneck\n"
	    "       sim seed N [--trace FILE] [--save WHEN]\n"
	    "                                 one random scenario\n"
	    "       sim seeds FROM COUNT [-j JOBS] [--save WHEN]\n"
	    "       sim long FLOWS TIME SEED  everything impaired\n"
	    "\n"
	    "  --flows N          (1)\n"
	    "  --cc NAME[,NAME]   congestion control, flow by flow in turn\n"
	    "  --rate RATE        of the bottleneck, both ways (100mbit)\n"
	    "  --delay TIME       round trip, half of it each way (50ms)\n"
	    "  --queue LIMIT      1bdp, 625000b, 430p (1bdp, of the trip)\n"
	    "  --loss SHARE       of data packets (0%)\n"
	    "  --link SPEC        more settings of the data's direction\n"
	    "  --back SPEC        more settings of the other direction\n"
	    "  --time TIME        (30s)\n"
	    "  --skip TIME        goodput and fairness count from here (0)\n"
	    "  --stagger TIME     each flow begins so much later (0)\n"
	    "  --both             data in both directions\n"
	    "  --mtu N            (1500)\n"
	    "  --sndbuf N, --rcvbuf N\n"
	    "                     bytes (automatic)\n"
	    "  --no-sack, --no-ts, --ecn N\n"
	    "  --tso              super-segments (one packet on the wire each\n"
	    "                     segment all the same)\n"
	    "  --seed N           (1)\n"
	    "  --csv FILE         time series\n"
	    "  --sample TIME      of the series (10ms)\n"
	    "  --trace FILE       packets, pcapng\n"
	    "\n"
	    "Prints the outcome as JSON. With --save a scenario runs twice, "
	    "once\n"
	    "with stacks saved, freed and loaded: the same packets, or it "
	    "fails.\n"
	    "WHEN: every (event of a host), N (each N events), random; with\n"
	    "--saves N only the first N of them.\n",
	    f);
}

enum {
	O_FLOWS = 1,
	O_CC,
	O_RATE,
	O_DELAY,
	O_QUEUE,
	O_LOSS,
	O_LINK,
	O_BACK,
	O_TIME,
	O_STAGGER,
	O_SKIP,
	O_BOTH,
	O_MTU,
	O_SNDBUF,
	O_RCVBUF,
	O_NO_SACK,
	O_NO_TS,
	O_ECN,
	O_TSO,
	O_SEED,
	O_CSV,
	O_SAMPLE,
	O_TRACE,
	O_HELP,
};

static const struct option options[] = {
    {"flows", 1, NULL, O_FLOWS},
    {"cc", 1, NULL, O_CC},
    {"rate", 1, NULL, O_RATE},
    {"delay", 1, NULL, O_DELAY},
    {"queue", 1, NULL, O_QUEUE},
    {"loss", 1, NULL, O_LOSS},
    {"link", 1, NULL, O_LINK},
    {"back", 1, NULL, O_BACK},
    {"time", 1, NULL, O_TIME},
    {"stagger", 1, NULL, O_STAGGER},
    {"both", 0, NULL, O_BOTH},
    {"skip", 1, NULL, O_SKIP},
    {"mtu", 1, NULL, O_MTU},
    {"sndbuf", 1, NULL, O_SNDBUF},
    {"rcvbuf", 1, NULL, O_RCVBUF},
    {"no-sack", 0, NULL, O_NO_SACK},
    {"no-ts", 0, NULL, O_NO_TS},
    {"ecn", 1, NULL, O_ECN},
    {"tso", 0, NULL, O_TSO},
    {"seed", 1, NULL, O_SEED},
    {"csv", 1, NULL, O_CSV},
    {"sample", 1, NULL, O_SAMPLE},
    {"trace", 1, NULL, O_TRACE},
    {"help", 0, NULL, O_HELP},
    {0},
};

/* ---- values ---- */

bool cli_save(const char *text, uint32_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (!strcmp(text, "random"))
		*out = SIM_SAVE_RANDOM;
	else if (!strcmp(text, "every"))
		*out = 1;
	else if (n && n < SIM_SAVE_RANDOM && !*end)
		*out = (uint32_t)n;
	else
		return false;
	return true;
}

bool cli_time(const char *text, nst_time *out)
{
	char spec[64];
	struct netem_conf c;
	struct netem_error err;
	double minutes;
	char unit;

	/* Longer than a netem's: a run may take hours. */
	if (sscanf(text, "%lf%c", &minutes, &unit) == 2 &&
	    (unit == 'm' || unit == 'h') && text[strlen(text) - 1] == unit) {
		*out = (nst_time)(minutes * (unit == 'h' ? 3600e9 : 60e9));
		return true;
	}
	snprintf(spec, sizeof(spec), "delay=%.50s", text);
	if (netem_parse(spec, &c, &err)) {
		fprintf(stderr, "sim: %s: %s\n", text, err.what);
		return false;
	}
	*out = c.delay;
	return true;
}

static bool number(const char *text, uint32_t lo, uint32_t hi, uint32_t *out)
{
	char *end;
	unsigned long long v = strtoull(text, &end, 10);

	*out = (uint32_t)v;
	if (*text >= '0' && *text <= '9' && !*end && v >= lo && v <= hi)
		return true;
	fprintf(stderr, "sim: %s: not a number from %u to %u\n", text, lo, hi);
	return false;
}

static bool take_ecn(struct sim_conf *s, const char *v)
{
	uint32_t n;

	if (!number(v, 0, 5, &n))
		return false;
	s->host[0].ecn = s->host[1].ecn = (int8_t)n;
	return true;
}

static bool take_seed(struct sim_conf *s, const char *v)
{
	char *end;

	s->seed = strtoull(v, &end, 10);
	if (*v && !*end)
		return true;
	fprintf(stderr, "sim: %s: not a number\n", v);
	return false;
}

static bool take_number(struct cli *c, int o, const char *v)
{
	switch (o) {
	case O_FLOWS:
		return number(v, 1, SIM_FLOWS_MAX, &c->conf.nflows);
	case O_MTU:
		return number(v, 576, 65535, &c->conf.mtu);
	case O_SNDBUF:
		return number(v, 4608, 1 << 30, &c->sndbuf);
	case O_RCVBUF:
		return number(v, 2304, 1 << 30, &c->rcvbuf);
	case O_TIME:
		return cli_time(v, &c->conf.duration);
	case O_STAGGER:
		return cli_time(v, &c->stagger);
	case O_SKIP:
		return cli_time(v, &c->skip);
	case O_SAMPLE:
		return cli_time(v, &c->sample) && c->sample > 0;
	case O_SEED:
		return take_seed(&c->conf, v);
	default:
		return take_ecn(&c->conf, v);
	}
}

static void take_switch(struct cli *c, int o)
{
	struct sim_host_conf *h = c->conf.host;

	if (o == O_BOTH)
		c->both_ways = true;
	else if (o == O_NO_SACK)
		h[0].no_sack = h[1].no_sack = true;
	else if (o == O_NO_TS)
		h[0].no_ts = h[1].no_ts = true;
	else
		c->conf.caps = NST_CAP_TSO | NST_CAP_TX_CSUM;
}

static const char **text_of(struct cli *c, int o)
{
	switch (o) {
	case O_CC:
		return &c->cc;
	case O_RATE:
		return &c->rate;
	case O_DELAY:
		return &c->delay;
	case O_QUEUE:
		return &c->queue;
	case O_LOSS:
		return &c->loss;
	case O_LINK:
		return &c->link;
	case O_BACK:
		return &c->back;
	case O_CSV:
		return &c->csv;
	case O_TRACE:
		return &c->conf.trace;
	}
	return NULL;
}

static bool take(struct cli *c, int o, const char *v)
{
	const char **text = text_of(c, o);

	if (text) {
		*text = v;
		return true;
	}
	if (!v) {
		take_switch(c, o);
		return true;
	}
	return take_number(c, o, v);
}

/* ---- putting together ---- */

static bool link_conf(const char *text, struct netem_conf *out)
{
	struct netem_error err;

	if (!netem_parse(text, out, &err))
		return true;
	fprintf(stderr, "sim: %s: %s, at \"%.*s\"\n", text, err.what,
		(int)err.len, text + err.at);
	return false;
}

/*
 * Without any noise flows stay in step with the queue for ever, and one loses
 * whenever it is full (phase effects: Floyd, Jacobson 1992). As they advise, a
 * random time of up to one packet's on the way back loosens that.
 */
static void loosen(struct netem_conf *back)
{
	if (back->jitter || !back->rate_bits)
		return;
	back->jitter = (nst_time)(1500ull * 8 * NST_SEC / back->rate_bits) / 2;
	back->keep_order = true;
}

static bool links(struct cli *c)
{
	snprintf(c->forward_text, sizeof(c->forward_text),
		 "rate=%s,rtt=%s,limit=%s,loss=%s%s%s", c->rate, c->delay,
		 c->queue, c->loss, c->link ? "," : "", c->link ? c->link : "");
	snprintf(c->backward_text, sizeof(c->backward_text),
		 "rate=%s,rtt=%s,limit=%s%s%s", c->rate, c->delay, c->queue,
		 c->back ? "," : "", c->back ? c->back : "");
	if (!link_conf(c->forward_text, &c->conf.forward) ||
	    !link_conf(c->backward_text, &c->conf.backward))
		return false;
	loosen(&c->conf.backward);
	return true;
}

/* The n-th name of a list, beginning again after the last. */
static void nth_name(const char *list, uint32_t n, char out[16])
{
	const char *p = list;
	size_t len;

	out[0] = '\0';
	if (!list)
		return;
	while (n--) {
		p = strchr(p, ',');
		p = p ? p + 1 : list;
	}
	len = strcspn(p, ",");
	if (len < 16) {
		memcpy(out, p, len);
		out[len] = '\0';
	}
}

/* Up to a round trip, of every flow but the first. */
static nst_time start_noise(const struct cli *c, uint32_t i)
{
	uint64_t z = (c->conf.seed * SIM_FLOWS_MAX + i) * 0x9e3779b97f4a7c15ull;
	uint64_t rtt = 2 * (uint64_t)c->conf.forward.delay;

	z = (z ^ (z >> 29)) * 0xbf58476d1ce4e5b9ull;
	return i && rtt ? (nst_time)((z >> 16) % rtt) : 0;
}

static bool flows(struct cli *c)
{
	struct sim_conf *s = &c->conf;

	s->flows = calloc(s->nflows, sizeof(*s->flows));
	if (!s->flows)
		return false;
	for (uint32_t i = 0; i < s->nflows; i++) {
		struct sim_flow_conf *f = &s->flows[i];

		f->start = (nst_time)i * c->stagger + start_noise(c, i);
		f->bytes[SIM_CLIENT] = SIM_ENDLESS;
		f->bytes[SIM_SERVER] = c->both_ways ? SIM_ENDLESS : 0;
		for (int k = 0; k < 2; k++) {
			nth_name(c->cc, i, f->cc[k]);
			f->sndbuf[k] = c->sndbuf;
			f->rcvbuf[k] = c->rcvbuf;
		}
	}
	return true;
}

static void defaults(struct cli *c)
{
	memset(c, 0, sizeof(*c));
	c->rate = "100mbit";
	c->delay = "50ms";
	c->queue = "1bdp";
	c->loss = "0%";
	c->sample = 10 * NST_MS;
	c->conf.seed = 1;
	c->conf.family = 4;
	c->conf.mtu = 1500;
	c->conf.nclients = c->conf.nflows = 1;
	c->conf.host[0].ecn = c->conf.host[1].ecn = -1;
	c->conf.icmp = true;
	c->conf.duration = 30 * NST_SEC;
	c->conf.check_every = 10007;
}

bool cli_parse(struct cli *c, int argc, char **argv)
{
	int o;

	defaults(c);
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == O_HELP) {
			cli_usage(stdout);
			exit(0);
		}
		if (o == '?' || !take(c, o, optarg))
			return false;
	}
	if (optind < argc) {
		fprintf(stderr, "sim: %s: unknown; see --help\n", argv[optind]);
		return false;
	}
	c->conf.limit = c->conf.duration + 1000 * NST_SEC;
	return links(c) && flows(c);
}

void cli_free(struct cli *c)
{
	free(c->conf.flows);
}
