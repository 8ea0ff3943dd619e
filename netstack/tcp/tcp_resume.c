/* SPDX-License-Identifier: Apache-2.0 */
/*
 * After an outage: the stack's clock stood still while the world went on. What
 * left before tells nothing about the path (tcp_before_outage(), asked wherever
 * a sample is made), an ACK clock that stopped for longer than the RTO is none
 * (RFC 2861, RFC 7661), and peers may have backed off far: an ACK shows each
 * that we are back, and reopens a window whose update they missed.
 */
#include "netstack/nst_save.h"
#include "netstack/tcp/tcp_priv.h"

void nst_stack_resumed(struct nst_stack *st, nst_time now)
{
	nst_time outage = st->tcp->outage;
	struct nst_sock *s, *next;

	if (outage <= 0)
		return;
	st->tcp->outage = 0;
	stack_enter(st, now);
	tcp_reap(st);
	for (s = st->tcps; s; s = next) {
		struct nst_tcp *tp = tcp_of(s);

		next = s->next;
		if (!tcp_in_states(tp, TCPF_SYNCED))
			continue;
		tcp_cc_outage(tp, outage);
		tcp_send_ack(tp);
		tcp_finish(tp);
	}
	stack_leave(st);
}
