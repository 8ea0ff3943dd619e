/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 9293 3.10.7.2: LISTEN. */
#include "netstack/tcp/tcp_req.h"

void tcp_in_listen(struct nst_tcp *tp, struct tcp_seg *seg,
		   const struct seq *isn)
{
	struct nst_stack *st = tp->sk.st;

	if (seg->flags & TCP_RST) /* first */
		return;
	if (seg->flags & TCP_ACK) { /* second; or a SYN cookie comes back */
		if (!tcp_cookie_in(tp, seg))
			tcp_rst_reply(st, seg);
		return;
	}
	/* Third: SYN. LINUX: SYN with FIN is dropped. Fourth: the rest. */
	if (!(seg->flags & TCP_SYN) || (seg->flags & TCP_FIN)) {
		TCP_COUNT(st, ListenDrops);
		return;
	}
	tcp_req_new(tp, seg, isn);
}
