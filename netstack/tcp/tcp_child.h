/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a half-open request to an endpoint; shared by tcp_req.c (making
 * requests), tcp_req_in.c (what comes for them) and tcp_child.c. Locking: as
 * the stack.
 */
#ifndef NETSTACK_TCP_TCP_CHILD_H
#define NETSTACK_TCP_TCP_CHILD_H

#include "netstack/tcp/tcp_req.h"

/* The endpoint that r stands for, in SYN-RECEIVED and in the demux, where it
 * takes r's place. NULL: no way back, no memory, or the flow is taken; r is out
 * of the demux then. */
struct nst_tcp *tcp_child_new(struct nst_tcp *l, struct tcp_req *r);
void tcp_req_send_synack(struct tcp_req *r); /* again */
void tcp_req_send_ack(struct tcp_req *r);
/* SYN-ACK time-outs that TCP_DEFER_ACCEPT lasts; 0: off. */
uint32_t tcp_req_defer_timeouts(const struct nst_tcp *l);
/* What the SYN-ACK said, of a request that only its cookie remembers. */
enum nst_err tcp_req_plan_cookie(struct tcp_req *r, const struct tcp_seg *seg);

#endif
