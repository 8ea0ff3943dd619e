/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/core/linger.h"

#include <sys/ioctl.h>
#include <time.h>

#include "netstack/nst_tcp.h"
#include "sentry/gateway/gateway.h"
#include "sentry/sock/sock.h"
#include "sentry/trap/trap.h"

#define LINGER_STEP NST_MS
#define LINGER_STEP_MOST (50 * NST_MS)
/* Looking costs more the more sockets there are, and under the lock: the loop
 * has most of the time. */
#define LINGER_SHARE 8

/* A connection that still has something to tell its peer. */
static bool tcp_is_closing(const struct nst_tcp *tp)
{
	switch (nst_tcp_state(tp)) {
	case NST_TCP_FIN_WAIT1:
	case NST_TCP_CLOSING:
	case NST_TCP_LAST_ACK:
		return true;
	default:
		return false;
	}
}

/* A connection whose close by the (dead) guest the loop has not seen yet, or
 * bytes of datagrams that it has not read. */
static uint64_t sock_left(const struct sock *s)
{
	int bytes = 0;

	if (s->dead || s->send_fd < 0)
		return 0;
	if (s->tcp)
		return nst_tcp_state(s->tcp) != NST_TCP_CLOSE;
	ioctl(s->send_fd, FIONREAD, &bytes);
	return (uint64_t)bytes;
}

/* Bytes and FINs that wait for an acknowledgement, and what the guest left in
 * its backing sockets. */
static uint64_t left_to_do(struct sandbox *sb)
{
	uint64_t left = 0;
	struct nst_sock *ns;

	for (size_t i = 0; (ns = nst_sock_at(sb->stack, i)); i++) {
		struct nst_tcp *tp = nst_sock_tcp(ns);

		if (tp)
			left += nst_tcp_outq(tp) + tcp_is_closing(tp);
	}
	for (struct sock *s = sock_next(sb, NULL); s; s = sock_next(sb, s))
		left += sock_left(s);
	/* Acknowledged by the gateway is not yet written to the host. */
	if (sb->gw)
		left += gateway_left(sb->gw);
	return left;
}

/* Datagrams that the guest wrote and the loop has not seen yet. */
static void drain_datagrams(struct sandbox *sb)
{
	for (struct sock *s = sock_next(sb, NULL); s; s = sock_next(sb, s))
		if (s->dgram && !s->dead)
			datagram_drain_guest(s);
}

static void rest(nst_time t)
{
	t = t < LINGER_STEP ? LINGER_STEP : t;
	t = t > LINGER_STEP_MOST ? LINGER_STEP_MOST : t;
	nanosleep(&(struct timespec){.tv_nsec = t}, NULL);
}

void linger(struct sandbox *sb, bool (*stop)(void *arg), void *arg)
{
	uint64_t least = UINT64_MAX;
	nst_time progress = sandbox_now(sb);

	sandbox_lock(sb);
	drain_datagrams(sb);
	sandbox_unlock(sb);
	for (;;) {
		sandbox_lock(sb);
		nst_time start = sandbox_now(sb);
		uint64_t left = left_to_do(sb);
		nst_time now = sandbox_now(sb);
		sandbox_unlock(sb);

		if (left < least)
			progress = now;
		if (left < least)
			least = left;
		if (!left || now - progress > LINGER_PATIENCE || stop(arg))
			return;
		rest(LINGER_SHARE * (now - start));
	}
}
