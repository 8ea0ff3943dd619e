/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Initial sequence numbers (RFC 6528) and timestamp offsets, both keyed with
 * secrets of the stack, so that neither can be guessed from another flow.
 */
#include "netstack/base/addr.h"
#include "netstack/tcp/tcp_req.h"

#define FLOW_BYTES (1 + 16 + 16 + 2 + 2)

static void flow_bytes(const struct flow_key *k, uint8_t out[FLOW_BYTES])
{
	memset(out, 0, FLOW_BYTES);
	out[0] = k->local.family;
	memcpy(out + 1, k->local.b, addr_bytes(&k->local));
	memcpy(out + 17, k->remote.b, addr_bytes(&k->remote));
	memcpy(out + 33, &k->lport, 2);
	memcpy(out + 35, &k->rport, 2);
}

static uint32_t keyed(const struct nst_stack *st, const uint8_t key[16],
		      const struct flow_key *k)
{
	uint8_t buf[FLOW_BYTES];

	flow_bytes(k, buf);
	return (uint32_t)st->env->hash(st->env->ctx, key, buf, sizeof(buf));
}

/* LINUX: the clock of RFC 6528's M ticks every 64 ns. */
struct seq tcp_isn(struct nst_stack *st, const struct flow_key *key)
{
	uint32_t m = (uint32_t)((uint64_t)st->now >> 6);

	return (struct seq){keyed(st, st->tcp->isn_key, key) + m};
}

uint32_t tcp_cookie_hash(struct nst_stack *st, const struct flow_key *key,
			 uint32_t count, int which)
{
	uint8_t buf[FLOW_BYTES + sizeof(count)];
	uint64_t h;

	flow_bytes(key, buf);
	memcpy(buf + FLOW_BYTES, &count, sizeof(count));
	h = st->env->hash(st->env->ctx, st->tcp->cookie_key[which], buf,
			  sizeof(buf));
	return (uint32_t)h;
}

/* LINUX: any value of tcp_timestamps but 1 makes the clock bare. */
uint32_t tcp_ts_offset(struct nst_stack *st, const struct flow_key *key)
{
	if (st->tcp->ctl.tcp_timestamps != 1)
		return 0;
	return keyed(st, st->tcp->ts_key, key);
}

/* Timestamps tick in milliseconds, RFC 7323 5.4. */
uint32_t tcp_ts_now(const struct nst_stack *st, uint32_t off)
{
	return (uint32_t)((uint64_t)st->now / (uint64_t)NST_MS) + off;
}
