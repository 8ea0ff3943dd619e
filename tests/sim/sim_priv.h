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
#define SIM_TALK_PORT 7000
#define SIM_BEHIND 9 /* third byte of addresses behind the server */

/* What a host does one after the other. */
enum sim_event { SIM_PACKET, SIM_TIMER, SIM_CALL, SIM_EVENTS };

struct sim_host {
	struct sim *sim;
	uint32_t i; /* 0: the server */
	struct testenv te;
	struct nst_stack *st;
	struct sim_hop *out;   /* where its packets go */
	struct netem *noticed; /* ICMP on its way back to it */
	struct netem *answers; /* of its router; NULL: no Ethernet */
	nst_time query_at;     /* the router asks for groups */
	uint64_t events;
	uint64_t told; /* digest of events that programs were told */
	/* What came since the last batch, and when the next one is. */
	struct nst_pkt *batch, **batch_tail;
	nst_time batch_at; /* NST_NEVER: nothing waits */
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

/* What a socket's `user` points to. */
struct sim_user {
	struct sim_host *host;
	uint32_t name;       /* unique */
	struct sim_end *end; /* NULL: of a talk */
};

/* One side of a flow: the endpoint and the program that uses it. */
struct sim_end {
	struct sim_user user;
	struct sim_flow *flow;
	int side;
	struct sim_host *host;
	struct nst_tcp *tp, *lis;
	struct nst_fwd_req *req; /* a SYN that waits for the program */
	/* While the host's stack is reborn: */
	uint64_t tp_id, lis_id, req_id;
	struct sim_end *next_dirty;
	bool dirty;
	nst_time wake;                /* the program's own timer; NST_NEVER */
	uint32_t heap_i;              /* place in sim.heap; 0: none */
	nst_time reads_at, writes_at; /* pauses end */
	nst_time accepts_at;          /* 0: nobody has come */
	nst_time leaves_at;           /* 0: not known */
	uint64_t digest;              /* of what was read, and when */
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
	bool corked, dropped; /* a SYN was */
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

/* One side of a talk: a socket and a program that looks at it at times. */
struct sim_talker {
	struct sim_user user;
	struct nst_dgram *d, *raw;
	uint64_t d_id, raw_id; /* while the host's stack is reborn */
	nst_time wake;
	uint64_t got, errors, digest;
	bool member;
};

struct sim_talk {
	struct sim *sim;
	uint32_t i;
	const struct sim_talk_conf *conf;
	struct sim_talker side[2];
	uint32_t sent;
	bool corked, over;
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
	struct sim_talk talk[SIM_TALKS_MAX];
	uint32_t alive; /* flows and talks that are not over */
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
/* Before a netem that was made anew. */
void net_hop_told(struct sim_hop *hop);
/* The text's address, or one behind the server. */
struct nst_addr net_addr(const struct sim *s, uint32_t host, bool behind);

/* ---- ether.c: a router on each host's Ethernet ---- */
bool ether_init(struct sim_host *h);
void ether_mac(const struct sim_host *h, uint8_t mac[6]);
/* A frame of the host's. True: pkt is a packet now, and goes on; else it was
 * for the router, and is gone. */
bool ether_out(struct sim_host *h, struct nst_pkt *pkt);
/* A frame for the host of a packet; takes pkt. NULL: no memory. */
struct nst_pkt *ether_in(struct sim_host *h, struct nst_pkt *pkt);
void ether_run(struct sim_host *h); /* what is due at query_at */

/* ---- wake.c: when programs run ---- */
/* e runs at t; if it waits already, at the earlier of both. */
void sim_wake_at(struct sim_end *e, nst_time t);
nst_time sim_wake_next(const struct sim *s); /* NST_NEVER: nobody waits */
struct sim_end *sim_wake_pop(struct sim *s); /* the next one; there is one */

/* ---- app.c: the programs of flows ---- */
bool app_init(struct sim *s);
void app_fini(struct sim *s);
void app_event(struct testenv *te, void *user, uint32_t events);
void app_run(struct sim *s);      /* due timers, then whoever heard something */
void app_mark(struct sim_end *e); /* it has something to do */
/* The time after a pause of at most so long. */
nst_time app_pause(struct sim_end *e, nst_time max);
/* Bytes of the pattern, at most max, into free space. */
size_t app_fill(struct sim_end *e, const struct nst_iov *iov, size_t niov,
		uint64_t max);
/* The end of a side; its socket is gone already. */
void app_gone(struct sim_end *e);

/* ---- open.c: how connections begin ---- */
bool open_server(struct sim_flow *f);
void open_client(struct sim_flow *f);
/* The server's side, which has no connection: perhaps it gets one now. */
void open_wait(struct sim_end *e);
/* Sends the SYN with data that is held back. False: not yet. */
bool open_syn(struct sim_end *e);
extern const struct nst_forwarder open_forwarder; /* but for its ctx */

/* ---- talk.c: programs that exchange datagrams ---- */
bool talk_init(struct sim *s);
void talk_run(struct sim *s);
nst_time talk_next(const struct sim *s);
void talk_forget(struct sim_host *h);
bool talk_find(struct sim_host *h); /* false: a socket is gone */

/* ---- oracle.c ---- */
void oracle_progress(struct sim *s);
void oracle_memory(struct sim *s);

/* ---- save.c: stacks are saved, freed and loaded ---- */
void save_init(struct sim *s);
void save_maybe(struct sim_host *h, enum sim_event what);

/* ---- tape.c ---- */
void tape_packet(struct sim_host *h, const struct nst_pkt *pkt);
/* A digest goes on. */
uint64_t tape_mix(uint64_t h, const void *data, size_t n);

/* ---- trace.c ---- */
bool trace_open(struct sim *s);
void trace_packet(struct sim_host *h, bool out, const struct nst_pkt *pkt);

#endif
