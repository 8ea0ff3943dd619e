/* SPDX-License-Identifier: Apache-2.0 */
/* What an embedder that terminates others' UDP flows sends back to them. */
#include "netstack/dgram/dgram_priv.h"

static enum nst_err fwd_send(struct nst_stack *st,
			     const struct nst_sockaddr *src,
			     const struct nst_sockaddr *dst, const void *data,
			     uint32_t bytes)
{
	struct ip_out out = {.proto = IP_PROTO_UDP};
	struct ip_path path;
	struct nst_pkt *pkt;
	enum nst_err e = ip_path_find(st, &dst->addr, &src->addr,
				      src->addr.scope, true, &path);

	if (e)
		return e;
	if (bytes + UDP_HEADER + (path.dst.family == 4 ? IP4_HDR_BYTES : 0u) >
	    IP_MAX_BYTES)
		return NST_E_MSGSIZE;
	pkt = nst_pkt_new(st->env, NST_PKT_HEADROOM + UDP_HEADER, bytes);
	if (!pkt) {
		st->count.PktNoMemory++;
		return NST_E_NOMEM;
	}
	memcpy(nst_pkt_put(pkt, bytes), data, bytes);
	udp_emit(pkt, &path, src->port, dst->port, false);
	st->count.UdpOutDatagrams++;
	return ip_send(st, &path, &out, pkt);
}

enum nst_err nst_fwd_udp_send(struct nst_stack *st,
			      const struct nst_sockaddr *src,
			      const struct nst_sockaddr *dst, const void *data,
			      size_t bytes, nst_time now)
{
	enum nst_err e;

	if (bytes > DGRAM_MAX_BYTES)
		return NST_E_MSGSIZE;
	if (src->addr.family != dst->addr.family)
		return NST_E_AFNOSUPPORT;
	stack_enter(st, now);
	e = fwd_send(st, src, dst, data, (uint32_t)bytes);
	stack_leave(st);
	return e;
}

void nst_fwd_udp_unreach(struct nst_stack *st, const struct nst_sockaddr *src,
			 const struct nst_sockaddr *dst, enum nst_err why,
			 nst_time now)
{
	uint8_t h[UDP_HEADER] = {0};

	/* The payload is gone; RFC 792 asks for the first 8 bytes: these */
	wire_put16(h, src->port);
	wire_put16(h + 2, dst->port);
	wire_put16(h + 4, UDP_HEADER);
	stack_enter(st, now);
	icmp_send_about(st, &src->addr, &dst->addr, IP_PROTO_UDP, h, sizeof(h),
			why);
	stack_leave(st);
}
