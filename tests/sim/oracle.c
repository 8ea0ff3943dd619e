/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold at any time, besides the stacks' own invariants: progress as
 * the RTO rules promise it, and bounded memory. */
#include "netstack/netem/netem_priv.h"
#include "tests/sim/sim_priv.h"

/* RFC 6298 2.5: at most. LINUX: 120 s; timers may be a tick late. */
#define RTO_MAX (120 * NST_SEC)
#define SLACK (1 * NST_SEC)
/* LINUX: tcp_wmem[2] and tcp_rmem[2]; rings are powers of two. */
#define SNDBUF_MAX (2 * 4194304ull)
#define RCVBUF_MAX (2 * 6291456ull)
#define FLOW_BYTES (256u << 10) /* endpoint, scoreboard, intervals */
#define HOST_BYTES (4u << 20)
#define GSO_BYTES 65536
#define PKT_BYTES 1024 /* besides its data */

/* LINUX: a retransmission timer starts when the paced packet has left. It was
 * armed with the RTO of its time; samples since then may have halved it, or
 * ended the back-off without being reasons to arm it again. */
static nst_time paced(const struct nst_tcp_info *info)
{
	if (!info->pacing_rate)
		return SLACK;
	return SLACK +
	       (nst_time)(GSO_BYTES * (uint64_t)NST_SEC / info->pacing_rate);
}

/* Waits for the peer to acknowledge: something must happen by itself. */
static void end_progress(struct sim_end *e)
{
	struct sim *s = e->flow->sim;
	size_t unacked = nst_tcp_outq(e->tp) - nst_tcp_outq_nsd(e->tp);
	struct nst_tcp_info info;
	nst_time deadline, silent;
	int kind;

	nst_tcp_info(e->tp, s->now, &info);
	if (!unacked || info.bytes_acked != e->acked || !e->acked_at) {
		e->acked = info.bytes_acked;
		e->acked_at = s->now;
	}
	e->rto = unacked ? t_max(e->rto, info.rto) : info.rto;
	/* A Fast Open child sends, and closes, while its SYN-ACK's timer runs.
	 */
	if (!unacked || nst_tcp_state(e->tp) == NST_TCP_SYN_SENT ||
	    e->tp->fo.pending)
		return;
	nst_tcp_timer(e->tp, &kind, &deadline);
	if (kind != 1 && kind != 4)
		sim_fail(s,
			 "flow %u side %d: %zu bytes unacknowledged and no "
			 "timer",
			 e->flow->i, e->side, unacked);
	else if (deadline > s->now + RTO_MAX + SLACK)
		sim_fail(s, "flow %u side %d: a timer in %lld s", e->flow->i,
			 e->side, (long long)((deadline - s->now) / NST_SEC));
	else if (kind == 1 && deadline > s->now + 2 * e->rto + paced(&info))
		sim_fail(s, "flow %u side %d: a timer in %lld ms, rto %lld ms",
			 e->flow->i, e->side,
			 (long long)((deadline - s->now) / NST_MS),
			 (long long)(info.rto / NST_MS));
	/* RFC 6298 5.3: an acknowledgement starts the timer again. One byte
	 * may be a FIN, which is no data. */
	silent = s->now - t_max(e->data_at, e->acked_at);
	if (unacked > 1 && kind == 1 && silent > RTO_MAX + paced(&info))
		sim_fail(s, "flow %u side %d: silent for %lld s", e->flow->i,
			 e->side, (long long)(silent / NST_SEC));
}

void oracle_progress(struct sim *s)
{
	for (uint32_t i = 0; i < s->conf.nflows; i++)
		for (int k = 0; k < 2; k++)
			if (s->flows[i].end[k].tp)
				end_progress(&s->flows[i].end[k]);
}

static uint64_t buffers(const struct sim *s)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->conf.nflows; i++) {
		const struct sim_flow_conf *c = &s->conf.flows[i];

		if (s->flows[i].end[0].gone && s->flows[i].end[1].gone)
			continue;
		for (int k = 0; k < 2; k++) {
			sum += c->sndbuf[k] ? 2ull * c->sndbuf[k] : SNDBUF_MAX;
			sum += c->rcvbuf[k] ? 2ull * c->rcvbuf[k] : RCVBUF_MAX;
			sum += FLOW_BYTES;
		}
	}
	return sum;
}

static uint64_t on_line(const struct netem *nm)
{
	return nm ? 2 * nm->line.bytes +
			PKT_BYTES * (uint64_t)(nm->line.n + nm->nheld)
		  : 0;
}

/* Orphans have the buffers they had; they are few and soon over. */
void oracle_memory(struct sim *s)
{
	uint64_t may = buffers(s), has = 0;

	for (uint32_t i = 0; i < s->nhosts; i++) {
		const struct tcp_layer *l = s->host[i].st->tcp;

		has += s->host[i].te.live_bytes;
		/* Buried rings are freed with the next event. */
		may += l->grave_bytes;
		may += HOST_BYTES + l->norphans * (SNDBUF_MAX + RCVBUF_MAX);
	}
	may += on_line(s->forward.nm) + on_line(s->backward.nm);
	for (uint32_t i = 0; i < s->conf.nclients; i++)
		may += on_line(s->up[i].nm) + on_line(s->down[i].nm);
	if (has > may)
		sim_fail(s, "%llu KiB of memory, expected at most %llu",
			 (unsigned long long)has / 1024,
			 (unsigned long long)may / 1024);
}
