/* SPDX-License-Identifier: Apache-2.0 */
/* What types of records there are, and which versions this program knows. */
#include "sentry/image/image.h"

#include "netstack/base/base.pb-c.h"
#include "netstack/dgram/dgram.pb-c.h"
#include "netstack/ip/ip.pb-c.h"
#include "netstack/netem/netem.pb-c.h"
#include "netstack/tcp/tcp.pb-c.h"
#include "sentry/gateway/gateway.pb-c.h"
#include "sentry/gateway/gateway_save.h"
#include "sentry/sock/sock_save.h"

const struct image_version image_modules[] = {
    {"netstack", NST_SAVE_VERSION},
    {"gateway", GATEWAY_VERSION},
    {NULL, 0},
};

static const struct image_type types[] = {
    {NST_SAVE_STACK, "stack", &cordon__nst_stack__descriptor},
    {NST_SAVE_NIC, "interface", &cordon__nic__descriptor},
    {NST_SAVE_IP, "ip", &cordon__ip_layer__descriptor},
    {NST_SAVE_NEIGH, "neighbour", &cordon__neigh__descriptor},
    {NST_SAVE_REASM, "reassembly", &cordon__reasm__descriptor},
    {NST_SAVE_GROUP, "group", &cordon__mcast_group__descriptor},
    {NST_SAVE_TCP_LAYER, "tcp-layer", &cordon__tcp_layer__descriptor},
    {NST_SAVE_TCP, "tcp", &cordon__nst_tcp__descriptor},
    {NST_SAVE_TCP_REQ, "tcp-request", &cordon__tcp_req__descriptor},
    {NST_SAVE_TCP_TW, "tcp-time-wait", &cordon__tcp_tw__descriptor},
    {NST_SAVE_TCP_FWD, "tcp-forward", &cordon__nst_fwd_req__descriptor},
    {NST_SAVE_DGRAM, "datagram-socket", &cordon__nst_dgram__descriptor},
    {NST_SAVE_DGRAM_RX, "datagram", &cordon__dgram_rx__descriptor},
    {NST_SAVE_DGRAM_ERR, "datagram-error", &cordon__dgram_ee__descriptor},
    {NST_SAVE_LOOP_PKT, "loopback-packet", &cordon__nst_pkt__descriptor},
    {NST_SAVE_PORTS, "ports", &cordon__ports__descriptor},
    {NST_SAVE_END, "stack-end", &cordon__stack_end__descriptor},
    {NST_SAVE_NETEM, "netem", &cordon__netem__descriptor},
    {NST_SAVE_NETEM_FLIGHT, "netem-flight", &cordon__netem_flight__descriptor},
    {NST_SAVE_NETEM_HELD, "netem-held", &cordon__netem_held__descriptor},
    {SOCK_SAVE_UNREAD, "unread", &cordon__unread_bytes__descriptor},
    {GATEWAY_SAVE_FIRST, "gateway", &cordon__gateway__descriptor},
    {GATEWAY_SAVE_RELAY, "relay", &cordon__relay__descriptor},
    {GATEWAY_SAVE_DFLOW, "datagram-flow", &cordon__dflow__descriptor},
    {GATEWAY_SAVE_DNS_SERVER, "dns-server", &cordon__dns_server__descriptor},
    {GATEWAY_SAVE_DNS_QUERY, "dns-query", &cordon__dns_query__descriptor},
    {GATEWAY_SAVE_PUB_PORT, "published-port", &cordon__pub_port__descriptor},
    {GATEWAY_SAVE_PUB_PEER, "published-peer", &cordon__pub_peer__descriptor},
    {GATEWAY_SAVE_END, "gateway-end", &cordon__gateway_end__descriptor},
};

const struct image_type *image_type_of(uint32_t type)
{
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		if (types[i].type == type)
			return &types[i];
	return NULL;
}
