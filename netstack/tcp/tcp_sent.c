/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The scoreboard: one record for what left together, in sequence order without
 * gaps from snd_una to snd_nxt. An array with a moving head, so that finding
 * is a binary search and the usual acknowledgement takes from the front.
 * Records never fail to be made: without memory the newest one grows instead.
 */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

void tcp_sent_init(struct tcp_sents *s)
{
	s->v = s->inl;
	s->cap = sizeof(s->inl) / sizeof(s->inl[0]);
	s->head = 0;
	s->n = 0;
}

struct tcp_sent *tcp_sent_at(const struct nst_tcp *tp, uint32_t i)
{
	return &tp->sents.v[tp->sents.head + i];
}

static void release_v(struct nst_tcp *tp)
{
	struct tcp_sents *s = &tp->sents;

	if (s->v != s->inl)
		nst_release(tp->sk.st->env, s->v, s->cap * sizeof(*s->v));
}

void tcp_sent_free(struct nst_tcp *tp)
{
	release_v(tp);
	tcp_sent_init(&tp->sents);
	tp->packets_out = 0;
	tp->sacked_out = 0;
	tp->lost_out = 0;
	tp->retrans_out = 0;
}

/* Segments that len bytes of sequence space make. */
static uint16_t pcount_of(const struct nst_tcp *tp, uint32_t len)
{
	uint32_t n = tp->mss ? (len + tp->mss - 1) / tp->mss : 1;

	return (uint16_t)u32_min(u32_max(n, 1), UINT16_MAX);
}

/* Adds the record to the counters, or takes it out (add false). */
static void account(struct nst_tcp *tp, const struct tcp_sent *r, bool add)
{
	uint32_t n = add ? r->pcount : 0u - r->pcount;

	tp->packets_out += n;
	if (tp->sack_on && (r->flags & SENT_SACKED))
		tp->sacked_out += n;
	if (r->flags & SENT_LOST)
		tp->lost_out += n;
	if (r->flags & SENT_REXMIT)
		tp->retrans_out += n;
}

void tcp_sent_flag(struct nst_tcp *tp, struct tcp_sent *r, uint8_t set,
		   uint8_t clear)
{
	account(tp, r, false);
	r->flags = (uint8_t)((r->flags & ~clear) | set);
	account(tp, r, true);
}

/* Room for one more record; false: limit or memory. */
static bool reserve(struct nst_tcp *tp)
{
	struct tcp_sents *s = &tp->sents;
	struct tcp_sent *v;

	if (s->head + s->n < s->cap)
		return true;
	if (s->head > s->cap / 2 || (s->head && s->cap <= 4)) {
		memmove(s->v, s->v + s->head, s->n * sizeof(*v));
		s->head = 0;
		return true;
	}
	if (s->n >= LIMIT_TCP_SENT)
		return false;
	v = nst_alloc(tp->sk.st->env, 2ul * s->cap * sizeof(*v));
	if (!v)
		return false;
	memcpy(v, s->v + s->head, s->n * sizeof(*v));
	release_v(tp);
	s->v = v;
	s->cap *= 2;
	s->head = 0;
	return true;
}

static void extend_last(struct nst_tcp *tp, uint32_t len)
{
	struct tcp_sent *r = tcp_sent_at(tp, tp->sents.n - 1);
	uint32_t pkts = r->pcount + (uint32_t)pcount_of(tp, len);

	tcp_sent_flag(tp, r, 0, SENT_SACKED | SENT_LOST | SENT_REXMIT);
	account(tp, r, false);
	r->len += len;
	r->pcount = (uint16_t)u32_min(pkts, UINT16_MAX);
	r->when = tp->sk.st->now;
	account(tp, r, true);
}

void tcp_sent_push(struct nst_tcp *tp, struct seq seq, uint32_t len)
{
	struct tcp_sent *r;

	if (!reserve(tp)) {
		extend_last(tp, len);
		return;
	}
	r = tcp_sent_at(tp, tp->sents.n++);
	r->seq = seq;
	r->len = len;
	r->when = tp->sk.st->now;
	r->pcount = pcount_of(tp, len);
	r->flags = 0;
	account(tp, r, true);
}

bool tcp_sent_split(struct nst_tcp *tp, uint32_t i, struct seq at)
{
	struct tcp_sent *r, *right;
	uint32_t left;

	if (!reserve(tp))
		return false;
	r = tcp_sent_at(tp, i);
	right = r + 1;
	memmove(right + 1, right, (tp->sents.n - i - 1) * sizeof(*r));
	tp->sents.n++;
	left = (uint32_t)seq_diff(at, r->seq);
	account(tp, r, false);
	*right = *r;
	right->seq = at;
	right->len = r->len - left;
	right->pcount = pcount_of(tp, right->len);
	r->len = left;
	r->pcount = pcount_of(tp, left);
	account(tp, r, true);
	account(tp, right, true);
	return true;
}

static void note_acked(const struct tcp_sent *r, uint32_t pkts,
		       struct tcp_acked *a)
{
	if (!(r->flags & SENT_SACKED))
		a->pkts += pkts;
	if (r->flags & SENT_EVER)
		a->rexmitted = true;
	else if (!a->first_sent && !(r->flags & SENT_SACKED))
		a->first_sent = r->when;
}

/* The front of the first record is acknowledged. */
static void ack_part(struct nst_tcp *tp, struct tcp_sent *r, struct seq una,
		     struct tcp_acked *a)
{
	uint16_t before = r->pcount, after;

	account(tp, r, false);
	r->len -= (uint32_t)seq_diff(una, r->seq);
	r->seq = una;
	after = pcount_of(tp, r->len);
	r->pcount = after < before ? after : before;
	account(tp, r, true);
	note_acked(r, (uint32_t)before - r->pcount, a);
}

void tcp_sent_ack(struct nst_tcp *tp, struct seq una, struct tcp_acked *a)
{
	struct tcp_sents *s = &tp->sents;

	while (s->n) {
		struct tcp_sent *r = tcp_sent_at(tp, 0);

		if (seq_ge(r->seq, una))
			break;
		if (seq_gt(seq_add(r->seq, r->len), una)) {
			ack_part(tp, r, una, a);
			break;
		}
		account(tp, r, false);
		note_acked(r, r->pcount, a);
		s->head++;
		s->n--;
	}
	if (!s->n)
		s->head = 0;
}

void tcp_sent_repack(struct nst_tcp *tp)
{
	for (uint32_t i = 0; i < tp->sents.n; i++) {
		struct tcp_sent *r = tcp_sent_at(tp, i);

		account(tp, r, false);
		r->pcount = pcount_of(tp, r->len);
		account(tp, r, true);
	}
	if (!tp->sack_on) { /* the estimate from duplicate ACKs starts anew */
		tp->dupacks = 0;
		tp->sacked_out = 0;
	}
}
