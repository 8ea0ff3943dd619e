/* SPDX-License-Identifier: Apache-2.0 */
/* Echo for addresses not ours: requests to the embedder, its replies. */
#include "netstack/ip/icmp.h"

static enum nst_err echo_reply(struct nst_stack *st, const struct nst_addr *src,
			       const struct nst_addr *dst, uint16_t id,
			       uint16_t seq, const void *data, size_t bytes)
{
	bool v6 = dst->family == 6;
	struct ip_out o = {.proto = v6 ? IP_PROTO_ICMP6 : IP_PROTO_ICMP};
	struct icmp_repr h = {
	    .type = v6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY,
	    .rest = (uint32_t)id << 16 | seq,
	};
	struct ip_path path;
	enum nst_err err;

	if (bytes > IP_MAX_BYTES - ICMP_HDR_BYTES)
		return NST_E_MSGSIZE;
	err = ip_path_find(st, dst, src, 0, true, &path);
	if (err) {
		st->count.IpOutNoRoutes++;
		return err;
	}
	st->count.IcmpOutEchoReps++;
	return icmp_message(st->ip, &path, &h, &o, data, (uint32_t)bytes);
}

enum nst_err nst_fwd_echo_reply(struct nst_stack *st,
				const struct nst_addr *src,
				const struct nst_addr *dst, uint16_t id,
				uint16_t seq, const void *data, size_t bytes,
				nst_time now)
{
	enum nst_err err;

	stack_enter(st, now);
	err = echo_reply(st, src, dst, id, seq, data, bytes);
	stack_leave(st);
	return err;
}

void icmp_echo_forward(struct ip_layer *ip, const struct ip_rx *rx,
		       const uint8_t *p, uint32_t bytes)
{
	const struct nst_forwarder *fwd = &ip->st->fwd;

	if (!fwd->echo) {
		ip->st->count.IcmpNoMatch++;
		return;
	}
	fwd->echo(fwd->ctx, &rx->in.src, &rx->in.dst, wire_get16(p + 4),
		  wire_get16(p + 6), p + ICMP_HDR_BYTES,
		  bytes - ICMP_HDR_BYTES);
}
