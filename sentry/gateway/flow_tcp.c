/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's TCP connections to the world.
 *
 * Theory of operation. A SYN that reaches the gateway is a request
 * (nst_fwd_req) and stays one until the host has answered: the host's connect()
 * is issued here, inline, by whichever thread delivers the SYN, so that the
 * host's SYN has left before the guest's connect() returns. Success completes
 * the guest's handshake; a refusal becomes RST, an unreachable destination
 * ICMP, and a time-out silence, so that the guest's own SYN timer gives it
 * ETIMEDOUT. A guest that gives up meanwhile is found out by its RST to our
 * SYN-ACK.
 *
 * A policy denial that gets as far as here (the connect handler answers EACCES
 * before any packet) is a RST: a guest that made the packet by hand learns no
 * more than that nobody answers.
 */
#include "sentry/gateway/relay.h"

#include <errno.h>

#include "sentry/core/errmap.h"

static void answer_unreach(struct relay *r, enum nst_err why)
{
	struct nst_fwd_req *req = r->req;

	r->req = NULL;
	r->gw->count.TcpHostUnreach++;
	nst_fwd_unreach(req, why, gw_now(r->gw));
}

static void answer_refuse(struct relay *r)
{
	struct nst_fwd_req *req = r->req;

	r->req = NULL;
	nst_fwd_refuse(req, gw_now(r->gw));
}

static void host_failed(struct relay *r, int err)
{
	switch (err) {
	case ETIMEDOUT:
		r->gw->count.TcpHostTimeout++; /* relay_free drops the SYN */
		break;
	case EHOSTUNREACH:
	case EHOSTDOWN:
	case EACCES: /* LINUX: broadcast, or a firewall of the host */
	case EPERM:
		answer_unreach(r, NST_E_HOSTUNREACH);
		break;
	case ENETUNREACH:
	case ENETDOWN:
	case EADDRNOTAVAIL: /* LINUX: no address of that family */
	case EAFNOSUPPORT:
	case EINVAL: /* LINUX: an address that cannot be connected to */
		answer_unreach(r, NST_E_NETUNREACH);
		break;
	case ECONNREFUSED:
	case ECONNRESET:
		r->gw->count.TcpHostRefused++;
		answer_refuse(r);
		break;
	default: /* EMFILE, ENOBUFS, ENOMEM: the host cannot now */
		r->gw->count.TcpHostOther++;
		answer_refuse(r);
	}
	relay_free(r);
}

static bool host_up(struct relay *r)
{
	struct nst_fwd_req *req = r->req;
	enum nst_err err;

	r->req = NULL;
	err = nst_fwd_complete(req, &r->owner, &r->tp, gw_now(r->gw));
	if (err != NST_OK) {
		r->tp = NULL;
		r->gw->count.TcpNoMemory++;
		relay_reset(r);
		return false;
	}
	relay_tune_guest(r);
	return true;
}

const struct relay_kind relay_flow = {
    .host_up = host_up,
    .host_failed = host_failed,
};

/* What host_map() forbids, told to the guest. */
static void deny(struct gateway *gw, struct nst_fwd_req *req, enum nst_err why)
{
	nst_time now = gw_now(gw);

	if (why == NST_E_ACCES)
		gw->count.TcpPolicyDenied++;
	else
		gw->count.TcpBadDest++;
	if (why == NST_E_NETUNREACH || why == NST_E_HOSTUNREACH)
		nst_fwd_unreach(req, why, now);
	else
		nst_fwd_refuse(req, now);
}

void flow_tcp_in(void *ctx, struct nst_fwd_req *req,
		 const struct nst_sockaddr *src, const struct nst_sockaddr *dst)
{
	struct gateway *gw = ctx;
	struct host_addr to;
	struct relay *r;
	enum nst_err why;
	int err;

	if (gw_forged_source(gw, &src->addr)) {
		nst_fwd_drop(req);
		return;
	}
	why = host_map(gw, IPPROTO_TCP, dst, &to);
	if (why != NST_OK) {
		deny(gw, req, why);
		return;
	}
	r = relay_new(gw, &relay_flow, NULL);
	if (!r) {
		nst_fwd_refuse(req, gw_now(gw));
		return;
	}
	gw->count.TcpFlows++;
	r->req = req;
	err = relay_connect_host(r, &to, host_addr_is_loopback(&to));
	if (err)
		host_failed(r, -err);
}
