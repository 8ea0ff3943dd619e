/* SPDX-License-Identifier: Apache-2.0 */
/* Between neigh.c (the machine) and neigh_table.c (where entries are kept). */
#ifndef NETSTACK_IP_NEIGH_PRIV_H
#define NETSTACK_IP_NEIGH_PRIV_H

#include "netstack/ip/neigh.h"

struct neigh *neigh_find(struct ip_layer *ip, uint32_t ifindex,
			 const struct nst_addr *a);
/* A new entry in FAILED, or NULL (counted). May free another entry. */
struct neigh *neigh_new(struct ip_layer *ip, uint32_t ifindex,
			const struct nst_addr *a);
/* Frees the entry and its packets. */
void neigh_free(struct ip_layer *ip, struct neigh *n);
/* The last of its bucket, FAILED, for one that was saved; NULL: no memory. */
struct neigh *neigh_append(struct ip_layer *ip, uint32_t ifindex,
			   const struct nst_addr *a);
/* Arms the timer that the state wants, or stops it. */
void neigh_arm(struct neigh *n);
/* Could such times and counts have come about? Of one that was saved. */
NST_MUST_CHECK bool neigh_facts_ok(const struct neigh *n);
/* Handler of neigh.timer. */
void neigh_timer(struct wheel_timer *t, nst_time now);

#endif
