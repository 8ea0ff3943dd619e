/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. The gateway's netstack sits at the other end of an
 * in-memory link from the guest's eth0. Its interface takes packets for any
 * address (ANYCAST_IN) and may answer from any (SPOOF), so each of the guest's
 * flows ends here, at a forwarder that opens a socket of the host for it. It
 * owns three addresses' worth of things itself: the gateway's (ping; with
 * --host-loopback the host's loopback behind it) and the DNS forwarder's.
 *
 * No packet of the guest is ever passed on: only bytes are. What the guest can
 * do to the host's network is therefore what sockets can do.
 */
#include "sentry/gateway/gateway_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/log.h"
#include "sentry/gateway/dflow.h"
#include "sentry/gateway/dns.h"
#include "sentry/gateway/relay.h"
#include "sentry/link/link.h"

/* Everything that owns nothing but its place in the configuration. */
static enum nst_err add_addr(struct nst_stack *st, const struct nst_addr *a,
			     uint8_t len, uint32_t ifindex, nst_time now)
{
	struct nst_ifaddr ia = {
	    .addr = *a, .prefix_len = len, .ifindex = ifindex};
	enum nst_err err;

	if (a->family == 0)
		return NST_OK;
	err = nst_addr_add(st, &ia, now);
	return err == NST_E_EXIST ? NST_OK : err;
}

static enum nst_err add_default(struct nst_stack *st, uint8_t family,
				const struct nst_addr *gw, uint32_t ifindex)
{
	struct nst_route r = {.dst.family = family, .ifindex = ifindex};
	enum nst_err err;

	if (gw)
		r.gw = *gw;
	err = nst_route_add(st, &r);
	return err == NST_E_EXIST ? NST_OK : err;
}

static enum nst_err setup_guest(struct sandbox *sb, nst_time now)
{
	const struct options *o = sb->opt;
	enum nst_err err;

	err = add_addr(sb->stack, &o->ip4, o->ip4_len, sb->ifindex, now);
	if (err == NST_OK)
		err =
		    add_addr(sb->stack, &o->ip6, o->ip6_len, sb->ifindex, now);
	if (err == NST_OK && o->ip4.family && o->gw4.family)
		err = add_default(sb->stack, 4, &o->gw4, sb->ifindex);
	if (err == NST_OK && o->ip6.family && o->gw6.family)
		err = add_default(sb->stack, 6, &o->gw6, sb->ifindex);
	return err;
}

/* The gateway's own addresses first: they are what it speaks from. */
static enum nst_err setup_gateway(struct gateway *gw, nst_time now)
{
	const struct options *o = gw->sb->opt;
	const struct {
		const struct nst_addr *addr;
		uint8_t len;
	} own[] = {{&o->gw4, o->ip4_len},
		   {&o->dns4, o->ip4_len},
		   {&o->gw6, o->ip6_len},
		   {&o->dns6, o->ip6_len}};
	enum nst_err err = NST_OK;

	for (size_t i = 0; i < 4 && err == NST_OK; i++)
		err = add_addr(gw->stack, own[i].addr, own[i].len, gw->ifindex,
			       now);
	if (err == NST_OK)
		err = add_default(gw->stack, 4, NULL, gw->ifindex);
	if (err == NST_OK)
		err = add_default(gw->stack, 6, NULL, gw->ifindex);
	return err;
}

static int make_link(struct gateway *gw)
{
	const uint32_t offloads = NST_CAP_TSO | NST_CAP_TX_CSUM;
	struct nst_nic_config guest = {.name = "eth0",
				       .kind = NST_LINK_IP,
				       .caps = offloads,
				       .mtu = gw->sb->opt->mtu};
	struct nst_nic_config own = {.name = "gw0",
				     .kind = NST_LINK_IP,
				     .caps = offloads | NST_CAP_ANYCAST_IN |
					     NST_CAP_SPOOF,
				     .mtu = gw->sb->opt->mtu};
	int err = pair_link_new(gw->sb, gw->stack, &guest, &own, &gw->link,
				&gw->sb->ifindex, &gw->ifindex);

	if (err == 0)
		gw->sb->link = gw->link;
	return err;
}

static int make_network(struct gateway *gw)
{
	nst_time now = gw_now(gw);
	int err;

	if (nst_stack_new(&gw->sb->env, now, &gw->stack) != NST_OK) {
		gw->stack = NULL;
		return -ENOMEM;
	}
	/* What goes to the guest, too; the name was checked by the sandbox. */
	if (gw->sb->opt->cc &&
	    nst_sysctl_set(gw->stack, "tcp_congestion_control",
			   gw->sb->opt->cc) != NST_OK)
		return -EINVAL;
	err = make_link(gw);
	if (err)
		return err;
	if (setup_guest(gw->sb, now) != NST_OK ||
	    setup_gateway(gw, now) != NST_OK) {
		log_error("the network's addresses do not fit together; see "
			  "--ip and --gateway");
		return -EINVAL;
	}
	return 0;
}

void gateway_install_forwarder(struct gateway *gw)
{
	const struct nst_forwarder fwd = {
	    .ctx = gw, .tcp = flow_tcp_in, .udp = flow_udp_in, .echo = echo_in};

	nst_set_forwarder(gw->stack, &fwd);
}

int gateway_new(struct sandbox *sb)
{
	struct gateway *gw = calloc(1, sizeof(*gw));
	int err;

	if (!gw)
		return -ENOMEM;
	gw->sb = sb;
	sb->gw = gw;
	TAILQ_INIT(&gw->relays);
	TAILQ_INIT(&gw->ready);
	gw_timers_init(gw);
	gw->relays_max = host_fd_share(GW_RELAYS_MAX, 2);
	err = make_network(gw);
	if (err == 0)
		err = dflow_table_new(gw);
	if (err == 0)
		err = dns_new(gw);
	if (err == 0)
		err = publish_new(gw);
	if (err) {
		gateway_free(sb);
		return err;
	}
	gateway_install_forwarder(gw);
	return 0;
}

void gateway_free(struct sandbox *sb)
{
	struct gateway *gw = sb->gw;

	if (!gw)
		return;
	if (gw->stack)
		nst_set_forwarder(gw->stack, NULL);
	relay_flush_all(gw);
	while (!TAILQ_EMPTY(&gw->relays))
		relay_free(TAILQ_FIRST(&gw->relays));
	publish_free(gw);
	dns_free(gw);
	dflow_table_free(gw);
	sb->gw = NULL;
	if (gw->link) {
		sb->link = NULL;
		gw->link->free(gw->link);
	}
	if (gw->stack)
		nst_stack_free(gw->stack);
	free(gw);
}

void gateway_leave_guest(struct sandbox *sb)
{
	if (sb->gw)
		dns_leave_guest(sb->gw->dns);
}

void gateway_join_guest(struct sandbox *sb)
{
	if (sb->gw)
		dns_join_guest(sb->gw->dns, gw_now(sb->gw));
}

size_t gateway_left(const struct gateway *gw)
{
	const struct relay *r;
	size_t left = 0;

	for (r = TAILQ_FIRST(&gw->relays); r; r = TAILQ_NEXT(r, all))
		left += relay_left(r);
	return left;
}

nst_time gateway_next_deadline(const struct gateway *gw)
{
	nst_time next = nst_next_deadline(gw->stack);
	nst_time own = gw_timers_next(gw);

	if (!TAILQ_EMPTY(&gw->ready) && gw->ready_since < next)
		next = gw->ready_since;
	return own < next ? own : next;
}

void gateway_run_timers(struct gateway *gw, nst_time now)
{
	nst_run_timers(gw->stack, now);
	gw_timers_run(gw, now);
	relay_run_ready(gw);
}
