/* SPDX-License-Identifier: Apache-2.0 */
/* A first-in first-out queue of packets, linked through nst_pkt.next. */
#ifndef SENTRY_LINK_QUEUE_H
#define SENTRY_LINK_QUEUE_H

#include "netstack/nst_pkt.h"

struct pkt_queue {
	struct nst_pkt *head, *tail;
	uint32_t count;
	uint32_t refs; /* queued packets with fragments of others' memory */
};

static inline void pkt_queue_push(struct pkt_queue *q, struct nst_pkt *pkt)
{
	pkt->next = NULL;
	if (q->tail)
		q->tail->next = pkt;
	else
		q->head = pkt;
	q->tail = pkt;
	q->count++;
	q->refs += pkt->nfrags != 0;
}

static inline struct nst_pkt *pkt_queue_pop(struct pkt_queue *q)
{
	struct nst_pkt *pkt = q->head;

	if (!pkt)
		return NULL;
	q->head = pkt->next;
	if (!q->head)
		q->tail = NULL;
	q->count--;
	q->refs -= pkt->nfrags != 0;
	pkt->next = NULL;
	return pkt;
}

static inline void pkt_queue_fini(struct pkt_queue *q)
{
	struct nst_pkt *pkt;

	while ((pkt = pkt_queue_pop(q)))
		nst_pkt_free(pkt);
}

#endif
