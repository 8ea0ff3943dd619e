/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "netstack/netem/netem.h"

static struct netem_conf good(const char *text)
{
	struct netem_conf c;
	struct netem_error err = {0};

	cr_assert_eq(netem_parse(text, &c, &err), NST_OK, "%s: %s at %zu", text,
		     err.what, err.at);
	return c;
}

static void bad(const char *text, const char *what, size_t at)
{
	struct netem_conf c;
	struct netem_error err = {0};

	cr_assert_eq(netem_parse(text, &c, &err), NST_E_INVAL, "%s", text);
	cr_assert(strstr(err.what, what), "%s: '%s'", text, err.what);
	cr_assert_eq(err.at, at, "%s: at %zu", text, err.at);
	cr_assert_leq(err.at + err.len, strlen(text));
}

#define SHARE(pct) (uint64_t)((pct) / 100.0 * 4294967296.0)
#define NEAR(a, b) cr_assert((a) + 2 >= (b) && (b) + 2 >= (a))

Test(netem_parse, everything)
{
	struct netem_conf c = good(
	    "delay=50ms,jitter=2.5ms,jitter-corr=25%,dist=normal,"
	    "order=keep,loss=1%,loss-corr=10%,dup=0.1%,reorder=5%,gap=4,"
	    "by=3p,corrupt=0.01%,flips=2,mark=2%,rate=100mbit,overhead=14b,"
	    "bucket=32kb,limit=430p,ecn=20p,slot=5ms-10ms,"
	    "down=2s+500ms/10s,mtu=1400,seed=7");

	cr_assert_eq(c.delay, 50 * NST_MS);
	cr_assert_eq(c.jitter, 2500 * NST_US);
	cr_assert_eq(c.jitter_corr, NETEM_ONE / 4);
	cr_assert_eq(c.dist, NETEM_NORMAL);
	cr_assert(c.keep_order);
	NEAR(c.loss.p, SHARE(1));
	NEAR(c.loss.corr, SHARE(10));
	NEAR(c.dup.p, SHARE(0.1));
	NEAR(c.reorder.p, SHARE(5));
	NEAR(c.corrupt.p, SHARE(0.01));
	NEAR(c.mark.p, SHARE(2));
	cr_assert(c.gap == 4 && c.by_pkts == 3 && c.flips == 2);
	cr_assert_eq(c.rate_bits, 100000000);
	cr_assert(c.overhead == 14 && c.bucket == 32000);
	cr_assert(c.limit_pkts == 430 && !c.limit_bytes);
	cr_assert_eq(c.ecn_pkts, 20);
	cr_assert(c.slot_min == 5 * NST_MS && c.slot_max == 10 * NST_MS);
	cr_assert_eq(c.down_from, 2 * NST_SEC);
	cr_assert_eq(c.down_for, 500 * NST_MS);
	cr_assert_eq(c.down_every, 10 * NST_SEC);
	cr_assert(c.mtu == 1400 && c.seed == 7);
}

Test(netem_parse, bdp)
{
	/* The order of words does not matter. */
	cr_assert_eq(good("limit=1bdp,rate=100mbit,delay=50ms").limit_bytes,
		     625000);
	cr_assert_eq(good("rate=100mbit,delay=50ms,limit=0.5bdp").limit_bytes,
		     312500);
	cr_assert_eq(good("rate=100mbit,delay=50ms,limit=625000b").limit_bytes,
		     625000);
	/* Of the round trip, if that is what was said; half of it each way. */
	struct netem_conf c = good("rate=100mbit,rtt=50ms,limit=1bdp");
	cr_assert_eq(c.limit_bytes, 625000);
	cr_assert_eq(c.delay, 25 * NST_MS);
}

Test(netem_parse, defaults)
{
	struct netem_conf c = good("rate=1gbit");

	cr_assert_eq(c.limit_pkts, 1000);
	cr_assert_eq(c.seed, 1);
	cr_assert_eq(good("delay=0").delay, 0);
	cr_assert_eq(good("down=0+1s").down_every, 0);
	cr_assert_eq(good("slot=5ms").slot_min, 5 * NST_MS);
	cr_assert_eq(good("rate=1gbit,ecn=5ms").ecn_time, 5 * NST_MS);
	cr_assert_eq(good("rate=1gbit,ecn=30kib").ecn_bytes, 30720);
}

Test(netem_parse, bursts)
{
	/* 1 % lost in bursts of 4: bad to good 1/4, good to bad 1/396. */
	struct netem_conf c = good("loss=1%,burst=4");

	cr_assert(c.ge && !c.loss.p);
	cr_assert_eq(c.ge_r, NETEM_ONE / 4);
	cr_assert_float_eq((double)c.ge_p / (double)NETEM_ONE, 1.0 / 396, 1e-6);
	c = good("ge=1%:25%:90%:0.5%");
	NEAR(c.ge_p, SHARE(1));
	NEAR(c.ge_r, SHARE(25));
	NEAR(c.ge_bad, SHARE(90));
	NEAR(c.ge_good, SHARE(0.5));
}

Test(netem_parse, refused)
{
	bad("", "missing", 0);
	bad("delay=50ms,", "missing", 11);
	bad("delay=50ms,,loss=1%", "missing", 11);
	bad("lag=1ms", "unknown", 0);
	bad("delay=1ms,lag=1ms", "unknown", 10);
	bad("delay", "no value", 0);
	bad("delay=", "no value", 0);
	bad("delay=50", "not a time", 6);
	bad("delay=50m", "not a time", 6);
	bad("delay=-1ms", "not a time", 6);
	bad("delay=1001s", "not a time", 6);
	bad("delay=1.ms", "not a time", 6);
	bad("delay=1ms,delay=2ms", "twice", 10);
	bad("loss=1", "share", 5);
	bad("loss=101%", "share", 5);
	bad("loss=1%,loss-corr=100%", "correlation", 18);
	bad("rate=100", "not a rate", 5);
	bad("rate=100mbps", "not a rate", 5);
	bad("rate=1bit", "not a rate", 5);
	bad("rate=99999999999gbit", "not a rate", 5);
	bad("mtu=67", "MTU", 4);
	bad("mtu=65536", "MTU", 4);
	bad("rate=1mbit,limit=0p", "queue", 17);
	bad("rate=1mbit,limit=5", "queue", 17);
	bad("rate=1mbit,ecn=5", "threshold", 15);
	bad("seed=x", "number", 5);
	bad("seed=1234567890123456789", "digits", 5);
	bad("dist=pareto", "distribution", 5);
	bad("order=any", "keep", 6);
	bad("ge=1%:2%:3%", "P:R:BAD", 3);
	bad("ge=1%:2%:3%:4%:5%", "P:R:BAD", 3);
	bad("slot=10ms-5ms", "MIN-MAX", 5);
	bad("down=5s", "FROM+LENGTH", 5);
	bad("flips=1001", "up to 1000", 6);
}

/* What does not go together is said without a place. */
Test(netem_parse, refused_together)
{
	bad("limit=10p", "need a rate", 0);
	bad("ecn=10p,delay=1ms", "need a rate", 0);
	bad("delay=1ms,rtt=1ms", "exclude", 0);
	bad("rate=1mbit,limit=1bdp", "needs a delay", 0);
	bad("rate=1000gbit,delay=1000s,limit=1bdp", "1 GiB", 0);
	bad("burst=4", "needs a loss", 0);
	bad("loss=1%,burst=4,loss-corr=5%", "exclude", 0);
	bad("loss=90%,burst=1", "too short", 0);
	bad("reorder=5%", "delay to skip", 0);
	bad("gap=5", "need reorder", 0);
	bad("down=0+2s/1s", "never be up", 0);
}

/* Every cut and every flipped byte of a good text: an answer, no accident. */
Test(netem_parse, mutilated)
{
	const char *text = "delay=50ms,loss=1%,ge=1%:2%:3%:4%,down=1s+2s/9s,"
			   "rate=1.5mbit,limit=1bdp,by=3p,reorder=1%,seed=9";
	size_t n = strlen(text);
	struct netem_conf c;
	struct netem_error err;
	char buf[256];

	for (size_t i = 0; i < n; i++) {
		for (int x = 1; x < 256; x++) {
			memcpy(buf, text, n + 1);
			buf[i] = (char)x;
			if (netem_parse(buf, &c, &err))
				cr_assert_leq(err.at + err.len, n);
		}
		buf[i] = '\0';
		if (netem_parse(buf, &c, &err))
			cr_assert_leq(err.at + err.len, i);
	}
}
