/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's UDP to the world: one connected host socket per flow (dflow.h).
 *
 * Theory of operation. A datagram of the guest finds or makes its flow and is
 * sent at once, inline. What the host's network answers with ICMP is told to
 * the guest as ICMP, so that its connected sockets see the same error. A
 * datagram that the host's socket does not take is dropped, as a router would.
 */
#include "sentry/gateway/dflow.h"

#include <errno.h>
#include <unistd.h>

#include "sentry/core/errmap.h"

/* Port, host or network unreachable: the three that ICMP can say. */
static enum nst_err unreach_of(int err)
{
	enum nst_err e = err_of_errno(err);

	if (e == NST_E_CONNREFUSED || e == NST_E_NETUNREACH)
		return e;
	return NST_E_HOSTUNREACH;
}

static void udp_error(struct dflow *f, int err, nst_time now)
{
	f->gw->count.UdpHostErrors++;
	nst_fwd_udp_unreach(f->gw->stack, &f->src, &f->dst, unreach_of(err),
			    now);
}

static void udp_reply(struct dflow *f, uint8_t *data, size_t bytes,
		      nst_time now)
{
	if (nst_fwd_udp_send(f->gw->stack, &f->dst, &f->src, data, bytes,
			     now) != NST_OK)
		f->gw->count.UdpToGuestDrops++;
}

const struct dflow_ops flow_udp_ops = {.in = udp_reply, .error = udp_error};

static void deny(struct gateway *gw, const struct nst_sockaddr *src,
		 const struct nst_sockaddr *dst, enum nst_err why)
{
	if (why == NST_E_ACCES)
		gw->count.UdpPolicyDenied++;
	else
		gw->count.UdpBadDest++;
	if (why == NST_E_ACCES)
		why = NST_E_HOSTUNREACH;
	/* RFC 1122 3.2.2: no ICMP about multicast or broadcast. */
	if (dst->addr.b[0] >= (dst->addr.family == 4 ? 224 : 255))
		return;
	nst_fwd_udp_unreach(gw->stack, src, dst, why, gw_now(gw));
}

static struct dflow *open_flow(struct gateway *gw,
			       const struct nst_sockaddr *src,
			       const struct nst_sockaddr *dst, nst_time now)
{
	struct host_addr to;
	enum nst_err why = host_map(gw, IPPROTO_UDP, dst, &to);
	int fd, err;

	if (why != NST_OK) {
		deny(gw, src, dst, why);
		return NULL;
	}
	fd = host_socket(gw, to.u.sa.sa_family, SOCK_DGRAM, 0);
	if (fd >= 0 && connect(fd, &to.u.sa, to.len) == 0) {
		gw->count.UdpFlows++;
		return dflow_new(gw, DFLOW_UDP, &flow_udp_ops, src, dst, fd,
				 now);
	}
	err = fd < 0 ? -fd : errno;
	if (fd >= 0)
		close(fd);
	gw->count.UdpHostErrors++;
	if (err == EMFILE || err == ENFILE || err == ENOBUFS || err == ENOMEM)
		return NULL;
	if (err == EAFNOSUPPORT || err == EADDRNOTAVAIL || err == EINVAL)
		err = ENETUNREACH;
	nst_fwd_udp_unreach(gw->stack, src, dst, unreach_of(err), now);
	return NULL;
}

static void send_host(struct dflow *f, const struct nst_iov *iov, size_t niov,
		      nst_time now)
{
	struct msghdr msg = {.msg_iov = (struct iovec *)(void *)iov,
			     .msg_iovlen = niov};

	/* The second try is for an error that an earlier datagram caused. */
	for (int attempt = 0; attempt < 2; attempt++) {
		if (sendmsg(f->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
			return;
		if (errno != ECONNREFUSED && errno != EHOSTUNREACH &&
		    errno != ENETUNREACH)
			break;
		udp_error(f, errno, now);
	}
	f->gw->count.UdpSendDrops++;
}

void flow_udp_in(void *ctx, const struct nst_sockaddr *src,
		 const struct nst_sockaddr *dst, const struct nst_iov *iov,
		 size_t niov)
{
	struct gateway *gw = ctx;
	nst_time now = gw_now(gw);
	struct dflow *f;

	if (gw_forged_source(gw, &src->addr))
		return;
	f = dflow_find(gw, DFLOW_UDP, src, dst);
	if (f)
		dflow_touch(f, now);
	else
		f = open_flow(gw, src, dst, now);
	if (f)
		send_host(f, iov, niov, now);
}
