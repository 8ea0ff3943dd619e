/* SPDX-License-Identifier: Apache-2.0 */
/* Options of UDP and raw sockets; see sock_priv.h for how they are called. */
#include "netstack/dgram/dgram_priv.h"

static enum nst_err udp_set(struct nst_dgram *d, enum nst_opt opt, int64_t v)
{
	switch (opt) {
	case NST_UDP_CORK:
		d->udp_cork = v != 0;
		/* LINUX: errors of what was corked are not reported */
		if (!d->udp_cork)
			udp_cork_push(d);
		return NST_OK;
	case NST_UDP_SEGMENT:
		if (v < 0 || v > UINT16_MAX)
			return NST_E_INVAL;
		d->udp_segment = (uint16_t)v;
		return NST_OK;
	case NST_UDP_GRO:
		d->udp_gro = v != 0;
		return NST_OK;
	default:
		return NST_E_NOPROTOOPT;
	}
}

static enum nst_err set_raw_csum(struct nst_dgram *d, int64_t v)
{
	/* RFC 3542 3.1: not for ICMPv6, and 16-bit aligned. LINUX: setting
	 * ICMPv6's to any even offset passes at level SOL_RAW only. */
	if (d->s.family != 6)
		return NST_E_NOPROTOOPT;
	if (d->s.proto == IP_PROTO_ICMP6 || (v > 0 && (v & 1)))
		return NST_E_INVAL;
	d->s.opt.raw_csum_off = v < 0 ? -1 : (int32_t)v;
	return NST_OK;
}

enum nst_err dgram_opt_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			   nst_time now)
{
	struct nst_dgram *d = dgram_of(s);

	(void)now; /* nst_sock_set has entered the stack */
	/* LINUX: turning IP_RECVERR off throws its queue away */
	if ((opt == NST_IP_RECVERR || opt == NST_IPV6_RECVERR) && !v)
		dgram_purge_errors(d);
	if (s->kind == SOCK_K_UDP)
		return udp_set(d, opt, v);
	if (s->kind != SOCK_K_RAW)
		return NST_E_NOPROTOOPT;
	if (opt == NST_IPV6_CHECKSUM)
		return set_raw_csum(d, v);
	if (opt != NST_IP_HDRINCL)
		return NST_E_NOPROTOOPT;
	s->opt.hdrincl = v != 0;
	return NST_OK;
}

static enum nst_err udp_get(const struct nst_dgram *d, enum nst_opt opt,
			    int64_t *v)
{
	switch (opt) {
	case NST_UDP_CORK:
		*v = d->udp_cork;
		return NST_OK;
	case NST_UDP_SEGMENT:
		*v = d->udp_segment;
		return NST_OK;
	case NST_UDP_GRO:
		*v = d->udp_gro;
		return NST_OK;
	default:
		return NST_E_NOPROTOOPT;
	}
}

enum nst_err dgram_opt_get(const struct nst_sock *s, enum nst_opt opt,
			   int64_t *v)
{
	if (s->kind == SOCK_K_UDP)
		return udp_get((const struct nst_dgram *)s, opt, v);
	if (s->kind != SOCK_K_RAW)
		return NST_E_NOPROTOOPT;
	if (opt == NST_IP_HDRINCL) {
		*v = s->opt.hdrincl;
		return NST_OK;
	}
	if (opt != NST_IPV6_CHECKSUM || s->family != 6)
		return NST_E_NOPROTOOPT;
	*v = s->opt.raw_csum_off;
	return NST_OK;
}
