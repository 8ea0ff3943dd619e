/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How often errors are sent: RFC 1812 4.3.2.8, RFC 4443 2.4 (f). LINUX: one a
 * second per destination with a burst of six (net.ipv4.icmp_ratelimit,
 * net.ipv6.icmp.ratelimit), and 1000 a second to everybody with a burst of 50
 * (icmp_msgs_per_sec, icmp_msgs_burst).
 */
#include "netstack/ip/icmp.h"

#define DST_PERIOD NST_SEC
#define DST_BURST 6
#define ALL_PERIOD (NST_SEC / 1000)
#define ALL_BURST 50

/* `credit` is time saved up; a message costs one period. A fresh bucket is
 * full. */
static void fill(struct icmp_bucket *b, nst_time period, uint32_t burst,
		 nst_time now)
{
	nst_time full = period * (nst_time)burst;

	b->credit += now - b->when;
	if (b->credit > full)
		b->credit = full;
	b->when = now;
}

bool icmp_bucket_has(struct icmp_bucket *b, nst_time period, uint32_t burst,
		     nst_time now)
{
	fill(b, period, burst, now);
	return b->credit >= period;
}

/*
 * A slot is shared by the destinations that hash to it: whoever finds it full
 * takes it over, others use up each other's tokens. The hash is keyed.
 */
static struct icmp_bucket *slot_for(struct ip_layer *ip,
				    const struct nst_addr *dst)
{
	uint64_t h = ip_hash(ip, dst, 1);
	struct icmp_bucket *b = &ip->icmp_dst[h % ICMP_LIMIT_SLOTS];

	if (!b->dst.family) {
		b->credit = DST_PERIOD * DST_BURST;
		b->when = ip->st->now;
	}
	b->dst = *dst;
	return b;
}

static bool saved_ok(const struct ip_layer *ip, const struct icmp_bucket *b,
		     nst_time full)
{
	return b->dst.family && saved_time_ok(ip, b->when) && b->credit >= 0 &&
	       b->credit <= full;
}

bool icmp_limit_restore(struct ip_layer *ip, const struct icmp_bucket *b)
{
	if (!saved_ok(ip, b, DST_PERIOD * DST_BURST))
		return false;
	*slot_for(ip, &b->dst) = *b;
	return true;
}

bool icmp_limit_all_ok(const struct ip_layer *ip)
{
	const struct icmp_bucket *b = &ip->icmp_all;

	return (!b->dst.family && !b->credit && !b->when) ||
	       saved_ok(ip, b, ALL_PERIOD * ALL_BURST);
}

bool icmp_limit_take(struct ip_layer *ip, const struct nst_addr *dst)
{
	struct icmp_bucket *one = slot_for(ip, dst), *all = &ip->icmp_all;
	nst_time now = ip->st->now;

	if (!all->dst.family) {
		all->dst.family = 4; /* in use: it begins full */
		all->credit = ALL_PERIOD * ALL_BURST;
		all->when = now;
	}
	if (!icmp_bucket_has(one, DST_PERIOD, DST_BURST, now) ||
	    !icmp_bucket_has(all, ALL_PERIOD, ALL_BURST, now)) {
		ip->st->count.IcmpOutRateLimit++;
		return false;
	}
	one->credit -= DST_PERIOD;
	all->credit -= ALL_PERIOD;
	return true;
}
