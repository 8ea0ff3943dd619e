/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/core/linger.h"

#include <time.h>

#include "netstack/nst_tcp.h"
#include "sentry/gateway/gateway.h"
#include "sentry/sock/sock.h"
#include "sentry/trap/trap.h"

#define LINGER_STEP_NS 1000000

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

/* Bytes and FINs that wait for an acknowledgement, plus connections whose
 * close by the (dead) guest the loop has not seen yet. */
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
		left += s->tcp && s->send_fd >= 0 && !s->dead;
	/* Acknowledged by the gateway is not yet written to the host. */
	if (sb->gw)
		left += gateway_left(sb->gw);
	return left;
}

void linger(struct sandbox *sb, bool (*stop)(void *arg), void *arg)
{
	const struct timespec step = {.tv_nsec = LINGER_STEP_NS};
	uint64_t least = UINT64_MAX;
	nst_time progress = sandbox_now(sb);

	for (;;) {
		sandbox_lock(sb);
		uint64_t left = left_to_do(sb);
		sandbox_unlock(sb);
		nst_time now = sandbox_now(sb);

		if (left < least)
			progress = now;
		if (left < least)
			least = left;
		if (!left || now - progress > LINGER_PATIENCE || stop(arg))
			return;
		nanosleep(&step, NULL);
	}
}
