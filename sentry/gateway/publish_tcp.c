/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. A connection accepted on the host becomes a relay whose
 * guest side is an active open of the gateway's netstack, from its own address
 * to the guest's. The host's client is of one family and the guest's server
 * may listen on the other only: a refusal is tried once more over the other
 * family, as a client that knows both addresses would. A second refusal, or any
 * other failure, resets the client.
 *
 * When accept fails (descriptors exhausted), the client waits in the host's
 * queue and we try again a little later.
 */
#include "sentry/gateway/publish.h"

#include <errno.h>
#include <unistd.h>

static void guest_failed(struct relay *r, enum nst_err err);

const struct relay_kind relay_publish = {.guest_failed = guest_failed};

static void drop_guest(struct relay *r)
{
	struct nst_tcp *tp = r->tp;

	r->tp = NULL;
	owner_forget(r->gw->sb, &r->owner);
	if (tp)
		nst_tcp_abort(tp, gw_now(r->gw));
}

/* Starts the guest's side. False: it cannot be reached that way. */
static bool connect_guest(struct relay *r, uint8_t family)
{
	struct gateway *gw = r->gw;
	nst_time now = gw_now(gw);
	struct nst_sockaddr to = {.port = r->guest_port};
	struct nst_addr from;
	enum nst_err err;

	if (!pub_addrs(gw, family, &from, &to.addr))
		return false;
	r->tried |= pub_family_bit(to.addr.family);
	err = nst_tcp_new(gw->stack, to.addr.family, &r->owner, now, &r->tp);
	if (err != NST_OK) {
		r->tp = NULL;
		gw->count.TcpNoMemory++;
		return false;
	}
	relay_tune_guest(r);
	err = pub_bind(nst_tcp_sock(r->tp), &from, now);
	if (err == NST_OK)
		err = nst_tcp_connect(r->tp, &to, now);
	if (err == NST_OK || err == NST_E_INPROGRESS)
		return true;
	drop_guest(r);
	return false;
}

static void guest_failed(struct relay *r, enum nst_err err)
{
	struct gateway *gw = r->gw;
	uint8_t other = pub_other_family(gw, r->tried);

	drop_guest(r);
	if (err == NST_E_CONNREFUSED && other && connect_guest(r, other))
		return;
	gw->count.PubRefused++;
	relay_reset(r);
}

static void accepted(struct pub_port *p, int fd)
{
	struct gateway *gw = p->gw;
	struct relay *r = relay_new(gw, &relay_publish, NULL);

	if (!r) {
		gw->count.PubRefused++;
		close(fd);
		return;
	}
	gw->count.PubAccepted++;
	r->guest_port = p->guest_port;
	if (relay_take_host(r, fd) == 0 && connect_guest(r, p->family))
		return;
	gw->count.PubRefused++;
	relay_reset(r);
}

static void retry(struct gw_timer *t, nst_time now)
{
	struct pub_port *p = GW_OWNER_OF(t, struct pub_port, retry);

	if (pub_tcp_start(p) < 0)
		gw_timer_arm(p->gw, t, GWQ_PUB_RETRY, now);
}

static void host_event(void *arg, const struct loop_event *ev)
{
	struct pub_port *p = arg;

	if (ev->res >= 0)
		accepted(p, ev->res);
	else
		p->gw->count.PubAcceptErrors++;
	if (!ev->last)
		return;
	p->op = NULL;
	if (ev->res < 0 || pub_tcp_start(p) < 0)
		gw_timer_arm(p->gw, &p->retry, GWQ_PUB_RETRY, gw_now(p->gw));
}

int pub_tcp_start(struct pub_port *p)
{
	p->retry.fn = retry;
	p->op = loop_accept(p->gw->sb->loop, p->fd, host_event, p);
	return p->op ? 0 : -ENOMEM;
}

int pub_tcp_resume(struct pub_port *p)
{
	p->retry.fn = retry;
	return p->retry.armed ? 0 : pub_tcp_start(p);
}
