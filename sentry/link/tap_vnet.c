/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct virtio_net_hdr (VIRTIO 1.2, 5.1.6) and the packet's own metadata.
 * The header is in host byte order, as a tap without TUNSETVNETLE has it.
 */
#include "sentry/link/tap_priv.h"

#include <string.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif
#define TCP_HDR_MIN 20
#define TCP_FLAG_CWR 0x80
#define UDP_HDR 8

static const uint8_t gso_out[] = {
    [NST_GSO_NONE] = VIRTIO_NET_HDR_GSO_NONE,
    [NST_GSO_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
    [NST_GSO_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
    [NST_GSO_UDP] = VIRTIO_NET_HDR_GSO_UDP_L4,
};

/* Headers in front of the payload, which every segment repeats. */
static bool emit_gso(const struct nst_pkt *pkt, struct virtio_net_hdr *h)
{
	uint32_t l4 = (uint32_t)pkt->csum_start - pkt->off;
	const uint8_t *th = nst_pkt_data(pkt) + l4;
	uint32_t bytes = UDP_HDR;

	if (pkt->csum != NST_CSUM_PARTIAL)
		return false;
	h->gso_type = gso_out[pkt->gso];
	if (pkt->gso != NST_GSO_UDP) {
		if (l4 + TCP_HDR_MIN > pkt->len)
			return false;
		bytes = (uint32_t)(th[12] >> 4) * 4;
		/* CWR on the first segment only, RFC 3168 6.1.2 */
		if (th[13] & TCP_FLAG_CWR)
			h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	}
	if (l4 + bytes > pkt->len)
		return false;
	h->hdr_len = (uint16_t)(l4 + bytes);
	h->gso_size = pkt->gso_size;
	return true;
}

bool tap_vnet_emit(const struct nst_pkt *pkt, struct virtio_net_hdr *h)
{
	memset(h, 0, sizeof(*h));
	if (pkt->csum == NST_CSUM_PARTIAL) {
		uint32_t end = (uint32_t)pkt->csum_start + pkt->csum_off + 2;

		if (pkt->csum_start < pkt->off || end > pkt->off + pkt->len)
			return false;
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = (uint16_t)(pkt->csum_start - pkt->off);
		h->csum_offset = pkt->csum_off;
	}
	if (!pkt->gso_size || pkt->gso == NST_GSO_NONE)
		return true;
	return emit_gso(pkt, h);
}

static bool parse_csum(const struct virtio_net_hdr *h, struct nst_pkt *pkt)
{
	uint32_t field = (uint32_t)h->csum_start + h->csum_offset;

	if (field + 2 > pkt->len || pkt->off + h->csum_start > UINT16_MAX)
		return false;
	pkt->csum = NST_CSUM_PARTIAL;
	pkt->csum_start = (uint16_t)(pkt->off + h->csum_start);
	pkt->csum_off = h->csum_offset;
	return true;
}

static bool parse_gso(const struct virtio_net_hdr *h, struct nst_pkt *pkt)
{
	switch (h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_NONE:
		return true;
	case VIRTIO_NET_HDR_GSO_TCPV4:
		pkt->gso = NST_GSO_TCP4;
		break;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		pkt->gso = NST_GSO_TCP6;
		break;
	default:
		return false; /* we have not offered it */
	}
	pkt->gso_size = h->gso_size;
	return h->gso_size && pkt->csum == NST_CSUM_PARTIAL;
}

bool tap_vnet_parse(const struct virtio_net_hdr *h, struct nst_pkt *pkt)
{
	pkt->csum = NST_CSUM_NONE;
	if (h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		if (!parse_csum(h, pkt))
			return false;
	} else if (h->flags & VIRTIO_NET_HDR_F_DATA_VALID) {
		pkt->csum = NST_CSUM_VALID;
	}
	return parse_gso(h, pkt);
}
