/* SPDX-License-Identifier: Apache-2.0 */
/* The simulator's parts among each other; see sim.h. */
#ifndef TESTS_SIM_SIM_PRIV_H
#define TESTS_SIM_SIM_PRIV_H

#include <stdio.h>

#include "netstack/tcp/tcp_priv.h"
#include "tests/sim/sim.h"
#include "tests/unit/testenv.h"

#define SIM_IF 2
#define SIM_PORT 1000 /* the first flow's */

/* What a host does one after the other. */
enum sim_event { SIM_PACKET, SIM_TIMER, SIM_CALL, SIM_EVENTS };

struct sim_host {
	struct sim *sim;
	uint32_t i; /* 0: the server */
	struct testenv te;
	struct nst_stack *st;
	struct sim_hop *out;   /* where its packets go */
	struct netem *noticed; /* ICMP on its way back to it */
	uint64_t events;
};

/* A netem and what is behind it: a hop, else a host, else (NULL) the host that
 * the address names. */
struct sim_hop {
	struct sim *sim;
	struct netem *nm;
	struct sim_hop *next;
	struct sim_host *to;
};

struct sim_flow;

/* One side of a flow: the endpoint and the program that uses it. */
struct sim_end {
	struct sim_flow *flow;
	int side;
	struct sim_host *host;
	struct nst_tcp *tp, *lis;
	uint64_t tp_id, lis_id; /* while the host's stack is reborn */
	struct sim_end *next_dirty;
	bool dirty;
	nst_time wake;                /* the program's own timer; NST_NEVER */
	uint32_t heap_i;              /* place in sim.heap; 0: none */
	nst_time reads_at, writes_at; /* pauses end */
	uint64_t sent, got, want, next_urgent;
	nst_time first, last; /* read */
	nst_time left_at;     /* when gone */
	nst_time heard_at;    /* a packet of the peer's arrived */
	nst_time data_at;     /* data left */
	nst_time acked_at;    /* the peer had acknowledged more */
	uint64_t acked;
	nst_time rto; /* largest while something is unacknowledged */
	bool accepted;
	bool eof, shut, gone;
	enum nst_err error;
	struct nst_tcp_info info; /* when it was last seen */
};

struct sim_flow {
	struct sim *sim;
	uint32_t i;
	const struct sim_flow_conf *conf;
	struct sim_end end[2];
	bool started, broken;
};

struct sim {
	struct sim_conf conf;
	struct testenv rnd; /* the programs' choices */
	struct testenv net; /* memory of netems */
	nst_time now;
	uint32_t nhosts;
	struct sim_host host[1 + SIM_CLIENTS_MAX];
	struct sim_hop forward, backward;
	struct sim_hop up[SIM_CLIENTS_MAX], down[SIM_CLIENTS_MAX];
	uint32_t next_change;
	struct sim_flow *flows;
	uint32_t alive; /* flows that are not over */
	struct sim_end *dirty;
	struct sim_end **heap; /* by wake; from 1 */
	uint32_t nheap;
	nst_time sample_every, sample_at;
	void (*sample)(void *ctx, struct sim *s);
	void *sample_ctx;
	nst_time progress_at;
	uint64_t bound_bytes; /* of memory, all hosts */
	uint64_t misrouted;
	FILE *trace;
	struct testenv saver;             /* chooses when to save */
	uint32_t save_one_in[SIM_EVENTS]; /* random saves: 0: never */
	uint64_t saves;
	char last_save[64];
	struct tape *tape; /* borrowed; NULL: none */
	bool closed;
	char why[256]; /* what is wrong */
};

void sim_fail(struct sim *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- net.c: hosts and links ---- */
bool net_init(struct sim *s);
void net_fini(struct sim *s);
void net_apply_changes(struct sim *s);
nst_time net_next(const struct sim *s);
void net_run(struct sim *s); /* everything due at s->now */
/* After each event of a host: invariants, and perhaps a save. */
void net_check(struct sim_host *h, enum sim_event what);
extern const struct nst_link_ops net_ops; /* of hosts' interfaces */

/* ---- wake.c: when programs run ---- */
/* e runs at t; if it waits already, at the earlier of both. */
void sim_wake_at(struct sim_end *e, nst_time t);
nst_time sim_wake_next(const struct sim *s); /* NST_NEVER: nobody waits */
struct sim_end *sim_wake_pop(struct sim *s); /* the next one; there is one */

/* ---- app.c: the programs ---- */
bool app_init(struct sim *s);
void app_fini(struct sim *s);
void app_event(struct testenv *te, void *user, uint32_t events);
void app_run(struct sim *s); /* due timers, then whoever heard something */

/* ---- oracle.c ---- */
void oracle_progress(struct sim *s);
void oracle_memory(struct sim *s);

/* ---- save.c: stacks are saved, freed and loaded ---- */
void save_init(struct sim *s);
void save_maybe(struct sim_host *h, enum sim_event what);

/* ---- tape.c ---- */
void tape_packet(struct sim_host *h, const struct nst_pkt *pkt);

/* ---- trace.c ---- */
bool trace_open(struct sim *s);
void trace_packet(struct sim_host *h, bool out, const struct nst_pkt *pkt);

#endif
