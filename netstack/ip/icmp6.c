/* SPDX-License-Identifier: Apache-2.0 */
/* ICMPv6 input, RFC 4443. */
#include "netstack/ip/icmp.h"
#include "netstack/ip/mcast.h"
#include "netstack/ip/nic.h"

/* RFC 4443 4.2: requests to a group are answered from an address of ours. */
static void echo_in(struct ip_layer *ip, const struct ip_rx *rx,
		    const uint8_t *p, uint32_t bytes)
{
	struct ip_out o = {.proto = IP_PROTO_ICMP6, .tos = rx->in.tos};
	struct icmp_repr h = {.type = ICMP6_ECHO_REPLY};
	struct ip_path path;

	ip->st->count.IcmpInEchos++;
	if (!rx->in.local && !rx->in.mcast) {
		icmp_echo_forward(ip, rx, p, bytes);
		return;
	}
	h.rest = wire_get32(p + 4);
	if (ip_path_find(ip->st, &rx->in.src, rx->in.local ? &rx->in.dst : NULL,
			 rx->in.src.scope, true, &path)) {
		ip->st->count.Ip6OutNoRoutes++;
		return;
	}
	ip->st->count.IcmpOutEchoReps++;
	if (icmp_message(ip, &path, &h, &o, p + ICMP_HDR_BYTES,
			 bytes - ICMP_HDR_BYTES))
		ip->st->count.IcmpOutErrors++;
}

static bool dispatch(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt)
{
	const uint8_t *p = nst_pkt_data(pkt);
	uint32_t bytes = nst_pkt_bytes(pkt);

	switch (p[0]) {
	case ICMP6_ECHO:
		echo_in(ip, rx, p, bytes);
		return false;
	case ICMP6_ECHO_REPLY:
		ip->st->count.IcmpInEchoReps++;
		ping_in(ip->st, pkt, &rx->in);
		return true;
	case ICMP6_UNREACH:
		ip->st->count.IcmpInDestUnreachs++;
		icmp_error_in(ip, rx, p, bytes);
		return false;
	case ICMP6_TIME_EXCEEDED:
		ip->st->count.IcmpInTimeExcds++;
		icmp_error_in(ip, rx, p, bytes);
		return false;
	case ICMP6_TOO_BIG:
	case ICMP6_PARAM:
		icmp_error_in(ip, rx, p, bytes);
		return false;
	case ICMP6_MLD_QUERY:
	case ICMP6_MLD_REPORT:
	case ICMP6_MLD_DONE:
		mld_in(ip, rx, p, bytes);
		return false;
	case ICMP6_RS:
	case ICMP6_RA:
	case ICMP6_NS:
	case ICMP6_NA:
	case ICMP6_REDIRECT:
		ndp_in(ip, rx, p, bytes);
		return false;
	default:
		ip->st->count.IcmpInIgnored++;
		return false;
	}
}

void icmp6_in(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt)
{
	struct nst_counters *c = &ip->st->count;
	uint32_t bytes = nst_pkt_bytes(pkt);

	c->Icmp6InMsgs++;
	if (bytes < ICMP_HDR_BYTES || !nst_pkt_linear(pkt, bytes)) {
		nic_rx_drop(rx->nic, pkt, &c->Icmp6InErrors);
		return;
	}
	if (!ip_l4_csum_ok(pkt, &rx->in)) {
		nic_rx_drop(rx->nic, pkt, &c->Icmp6InCsumErrors);
		return;
	}
	if (!dispatch(ip, rx, pkt))
		nst_pkt_free(pkt);
}
