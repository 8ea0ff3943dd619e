/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Urgent data, RFC 6093: one mark, one byte, as BSD and Linux do. On the wire
 * the pointer names the byte behind the urgent one.
 */
#include "netstack/tcp/tcp_priv.h"

/* Sequence number of the byte that is read next. */
static struct seq head_seq(const struct nst_tcp *tp)
{
	return seq_add(tp->rcv_nxt,
		       0u - ring_used(&tp->rcv) - (uint32_t)tp->fin_rcvd);
}

/* LINUX: a mark that was reached, but whose byte was not taken, gives way to
 * the new one: the byte is in no stream. */
static void skip_old(struct nst_tcp *tp)
{
	uint32_t used = ring_used(&tp->rcv);

	if (!tp->urg_valid || tp->sk.opt.oobinline || !used ||
	    !seq_eq(head_seq(tp), tp->urg_seq))
		return;
	tcp_rmem_consumed(tp, 1, used);
	tp->rcv.head++;
}

/* LINUX: tcp_check_urg. tcp_stdurg: the pointer names the byte itself (RFC
 * 1122 4.2.2.4), not the one behind it. */
void tcp_urgent_in(struct nst_tcp *tp, const struct tcp_seg *seg)
{
	uint32_t up = seg->up;
	struct seq at;

	if (!tcp_in_states(tp, TCPF_RECEIVING))
		return;
	if (up && !TCP_CTL(tp, stdurg))
		up--;
	at = seq_add(seg->seq, up);
	if (seq_gt(head_seq(tp), at) || seq_lt(at, tp->rcv_nxt))
		return; /* read already, or a repetition */
	if (tp->urg_valid && seq_le(at, tp->urg_seq))
		return;
	skip_old(tp);
	tp->urg_seq = at;
	tp->urg_valid = true;
	tp->urg_seen = false;
	tp->urg_taken = false;
	tp->ev |= NST_EV_IN;
}

void tcp_urgent_arrived(struct nst_tcp *tp)
{
	uint32_t back;

	if (!tp->urg_valid || tp->urg_seen || seq_le(tp->rcv_nxt, tp->urg_seq))
		return;
	back = (uint32_t)seq_diff(tp->rcv_nxt, tp->urg_seq);
	if (back > ring_used(&tp->rcv))
		return;
	ring_read_at(&tp->rcv, tp->rcv.tail - back, &tp->urg_byte, 1);
	tp->urg_seen = true;
}

/* 1 when the next byte is the urgent one and not to be read in line. */
static uint32_t skip(const struct nst_tcp *tp)
{
	return tp->urg_valid && tp->urg_seen && !tp->sk.opt.oobinline &&
	       ring_used(&tp->rcv) && seq_eq(head_seq(tp), tp->urg_seq);
}

uint32_t tcp_urgent_limit(struct nst_tcp *tp, uint32_t avail)
{
	int32_t to_mark;

	if (!tp->urg_valid)
		return avail;
	to_mark = seq_diff(tp->urg_seq, head_seq(tp));
	if (to_mark > 0)
		return u32_min(avail, (uint32_t)to_mark);
	return avail;
}

size_t nst_tcp_rcv_data(struct nst_tcp *tp, struct nst_iov iov[2], size_t *niov)
{
	uint32_t over = skip(tp);
	uint32_t n = ring_used(&tp->rcv) - over;

	if (!over)
		n = tcp_urgent_limit(tp, n);
	*niov = n ? ring_span(&tp->rcv, tp->rcv.head + over, n, iov) : 0;
	return n;
}

void nst_tcp_rcv_consume(struct nst_tcp *tp, size_t bytes, nst_time now)
{
	struct nst_stack *st = tp->sk.st;
	uint32_t over = skip(tp), used = ring_used(&tp->rcv);

	stack_enter(st, now);
	tcp_reap(st);
	if (bytes > used - over)
		bytes = used - over;
	if (bytes) {
		tcp_rmem_consumed(tp, (uint32_t)bytes + over, used);
		tp->rcv.head += bytes + over;
	}
	/* LINUX: the mark is forgotten once it was read past. */
	if (tp->urg_valid && tp->urg_seen && seq_gt(head_seq(tp), tp->urg_seq))
		tp->urg_valid = false;
	tp->last_used = st->now;
	tcp_drs_copied(tp);
	tcp_ack_consumed(tp, bytes);
	tcp_finish(tp);
	stack_leave(st);
}

enum nst_err nst_tcp_rcv_urgent(struct nst_tcp *tp, bool peek, uint8_t *c)
{
	if (tp->sk.opt.oobinline || !tp->urg_valid || tp->urg_taken)
		return NST_E_INVAL;
	if (!tp->urg_seen)
		return NST_E_AGAIN;
	*c = tp->urg_byte;
	tp->urg_taken = !peek;
	return NST_OK;
}

bool nst_tcp_at_mark(const struct nst_tcp *tp)
{
	return tp->urg_valid && seq_eq(head_seq(tp), tp->urg_seq);
}

bool nst_tcp_rcv_eof(const struct nst_tcp *tp)
{
	return tp->fin_rcvd && ring_used(&tp->rcv) == skip(tp);
}

enum nst_err nst_tcp_snd_urgent(struct nst_tcp *tp, uint8_t c, nst_time now)
{
	struct nst_iov iov[2];
	size_t n;

	if (!tcp_in_states(tp, TCPF(ESTABLISHED) | TCPF(CLOSE_WAIT)))
		return tp->fin_queued || tp->sk.shut_wr ? NST_E_PIPE
							: NST_E_NOTCONN;
	if (tp->sk.shut_wr)
		return NST_E_PIPE;
	if (!nst_tcp_snd_space(tp, iov, &n))
		return NST_E_AGAIN;
	*(uint8_t *)iov[0].p = c;
	tp->snd_up = seq_add(tcp_write_seq(tp), 1);
	tp->snd_urg = true;
	nst_tcp_snd_commit(tp, 1, false, now);
	return NST_OK;
}
