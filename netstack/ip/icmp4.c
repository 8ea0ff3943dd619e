/* SPDX-License-Identifier: Apache-2.0 */
/* ICMP input, RFC 792. DEVIATION: timestamp requests are not answered, the
 * stack's clock knows no time of day. */
#include "netstack/ip/icmp.h"
#include "netstack/ip/nic.h"

/* LINUX: icmp_echo_ignore_broadcasts is on. The reply's type of service is the
 * request's. */
static void echo_in(struct ip_layer *ip, const struct ip_rx *rx,
		    const uint8_t *p, uint32_t bytes)
{
	struct ip_out o = {.proto = IP_PROTO_ICMP, .tos = rx->in.tos};
	struct icmp_repr h = {.type = ICMP4_ECHO_REPLY};
	struct ip_path path;

	ip->st->count.IcmpInEchos++;
	if (rx->in.bcast || rx->in.mcast) {
		ip->st->count.IcmpInIgnored++;
		return;
	}
	if (!rx->in.local) {
		icmp_echo_forward(ip, rx, p, bytes);
		return;
	}
	h.rest = wire_get32(p + 4);
	if (ip_path_find(ip->st, &rx->in.src, &rx->in.dst, 0, true, &path)) {
		ip->st->count.IpOutNoRoutes++;
		return;
	}
	ip->st->count.IcmpOutEchoReps++;
	if (icmp_message(ip, &path, &h, &o, p + ICMP_HDR_BYTES,
			 bytes - ICMP_HDR_BYTES))
		ip->st->count.IcmpOutErrors++;
}

static void count_error(struct ip_layer *ip, uint8_t type)
{
	if (type == ICMP4_UNREACH)
		ip->st->count.IcmpInDestUnreachs++;
	if (type == ICMP4_TIME_EXCEEDED)
		ip->st->count.IcmpInTimeExcds++;
}

/* Borrows pkt unless it returns true (a reply for ping sockets: taken). */
static bool dispatch(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt)
{
	const uint8_t *p = nst_pkt_data(pkt);
	uint32_t bytes = nst_pkt_bytes(pkt);

	switch (p[0]) {
	case ICMP4_ECHO:
		echo_in(ip, rx, p, bytes);
		return false;
	case ICMP4_ECHO_REPLY:
		ip->st->count.IcmpInEchoReps++;
		ping_in(ip->st, pkt, &rx->in);
		return true;
	case ICMP4_UNREACH:
	case ICMP4_TIME_EXCEEDED:
	case ICMP4_PARAM:
		count_error(ip, p[0]);
		icmp_error_in(ip, rx, p, bytes);
		return false;
	default:
		ip->st->count.IcmpInIgnored++;
		return false;
	}
}

void icmp4_in(struct ip_layer *ip, struct ip_rx *rx, struct nst_pkt *pkt)
{
	struct nst_counters *c = &ip->st->count;
	uint32_t bytes = nst_pkt_bytes(pkt);

	c->IcmpInMsgs++;
	if (bytes < ICMP_HDR_BYTES || !nst_pkt_linear(pkt, bytes)) {
		nic_rx_drop(rx->nic, pkt, &c->IcmpInErrors);
		return;
	}
	if (!ip_l4_csum_ok(pkt, &rx->in)) {
		nic_rx_drop(rx->nic, pkt, &c->IcmpInCsumErrors);
		return;
	}
	if (!dispatch(ip, rx, pkt))
		nst_pkt_free(pkt);
}
