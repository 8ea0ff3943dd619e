/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The simulator: a server and some clients, each a whole netstack with an
 * environment of its own, joined by netems on virtual time. Everything hangs on
 * the seed: the same configuration runs the same way again.
 *
 *   client i -- access[i] --+-- forward --> server
 *   client i <- access[i] --+<- backward -- server
 *
 * Oracles, looked at while it runs: each stream arrives as it was sent; both
 * stacks' invariants hold after every event; whatever waits for the peer has a
 * timer that fires within what the RTO rules allow; memory is bounded, and all
 * of it comes back. The first thing found wrong ends the run (sim_failed).
 *
 * Not thread-safe; any number of simulations may exist. Times: ns of virtual
 * time, from SIM_START on.
 */
#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include "netstack/netem/netem.h"
#include "netstack/nst_stack.h"
#include "netstack/nst_tcp.h"

#define SIM_START (500 * NST_SEC)
#define SIM_CLIENTS_MAX 16
#define SIM_FLOWS_MAX 1000
#define SIM_CHANGES_MAX 8
#define SIM_CTLS_MAX 8
#define SIM_TALKS_MAX 8
#define SIM_ENDLESS UINT64_MAX

enum { SIM_CLIENT, SIM_SERVER };

enum sim_ending {
	SIM_END_FIN,   /* each side: FIN when all is sent */
	SIM_END_HALF,  /* the server begins when the client has finished */
	SIM_END_ABORT, /* side `breaker` resets after abort_at bytes sent */
	SIM_END_LEAVE, /* side `breaker` closes after abort_at bytes read */
	/* Side `breaker` sends and closes: FIN-WAIT-2 with nobody. The other
	 * sends nothing and stays for up to linger. */
	SIM_END_ORPHAN,
};

/* What becomes of a SYN that waits for the embedder. */
enum sim_answer {
	SIM_FWD_TAKE,
	SIM_FWD_REFUSE,
	SIM_FWD_UNREACH,
	SIM_FWD_DROP, /* the first; the next is taken */
};

/* Per side where there are two: SIM_CLIENT, SIM_SERVER. */
struct sim_flow_conf {
	uint8_t client;    /* which one */
	nst_time start;    /* after the simulation's start */
	uint64_t bytes[2]; /* to send; SIM_ENDLESS: until conf.duration */
	char cc[2][16];    /* empty: the stack's default */
	uint32_t sndbuf[2], rcvbuf[2]; /* 0: automatic */
	uint32_t read_rate[2];         /* bytes/s; 0: as they come */
	nst_time read_pause[2];        /* longest pause after a read */
	nst_time write_pause[2];       /* the same after a write */
	uint32_t write_max[2];         /* bytes a write; 0: what fits */
	uint32_t urgent_every[2];      /* bytes between urgent ones; 0: none */
	bool nodelay[2];
	bool cork[2]; /* corks and uncorks, MSG_MORE, MSG_EOR */
	bool hasty;   /* closes before the peer has acknowledged everything */
	uint8_t ending, breaker;
	uint64_t abort_at;
	nst_time linger;
	/* Urgent bytes out of band: contents are not looked at, as what is in
	 * line depends on when it is read. */
	bool oob;
	/* To an address behind the server: its program is asked, and answers
	 * after up to fwd_pause. */
	bool fwd;
	uint8_t fwd_answer; /* enum sim_answer */
	nst_time fwd_pause;
	/* Data in the SYN, which is held back for up to syn_pause. */
	bool fastopen;
	nst_time syn_pause;
	nst_time accept_pause; /* longest time in the accept queue */
	uint8_t backlog;       /* 0: 5 */
	uint8_t defer_s;       /* TCP_DEFER_ACCEPT; 0: not */
	/* One more option of each side's socket. */
	bool has_opt[2];
	enum nst_opt opt[2];
	int64_t opt_value[2];
};

struct sim_host_conf {
	bool no_sack, no_ts, no_wscale;
	int8_t ecn; /* -1: the stack's default */
	char cc[16];
	/* Packets come in batches (GRO), so far apart; 0: one by one. */
	nst_time batch;
	struct {
		const char *name; /* static */
		int value;
	} ctl[SIM_CTLS_MAX];
	uint32_t nctl;
};

/* What datagrams are exchanged by; see talk.c. */
enum sim_talk_kind {
	SIM_TALK_UDP,
	SIM_TALK_PING,  /* ICMP echo; the server's stack answers */
	SIM_TALK_RAW,   /* an IP protocol nobody else has */
	SIM_TALK_SNIFF, /* UDP, and the server has a raw socket too */
};

struct sim_talk_conf {
	uint8_t client, kind;
	bool connected;
	bool deaf;   /* nobody has the port */
	bool errors; /* error queues (IP_RECVERR) */
	bool group;  /* to a group that the server joins and leaves */
	bool fwd;    /* to an address behind the server */
	bool self;   /* client and server are on the server's host */
	bool cork, gro;
	uint8_t disc;          /* IP_MTU_DISCOVER */
	uint16_t gso;          /* UDP_SEGMENT; 0: not */
	uint32_t most;         /* bytes of a datagram */
	uint32_t count;        /* of datagrams */
	nst_time start, pause; /* the longest between two */
	uint32_t rcvbuf;       /* 0: the default */
};

/* Other settings from a moment on. */
struct sim_change {
	nst_time at; /* after the start */
	bool backward;
	struct netem_conf conf;
};

/* When hosts are saved, freed and loaded: never, each N events, or after random
 * ones, of which each kind has a probability of its own by the seed. */
#define SIM_SAVE_NEVER 0
#define SIM_SAVE_RANDOM UINT32_MAX

struct tape; /* tape.h */

struct sim_conf {
	uint64_t seed;
	uint8_t family; /* 4 or 6 */
	uint32_t mtu, caps;
	/* Hosts are on Ethernet; how long their router takes to answer, and
	 * how often it asks for groups (0: never). */
	bool ether;
	nst_time ether_answer, ether_query;
	uint32_t nclients;
	struct sim_host_conf host[2];
	struct netem_conf forward, backward;
	nst_time access[SIM_CLIENTS_MAX]; /* one way */
	bool icmp; /* a too long packet is answered, else swallowed */
	uint32_t nchanges;
	struct sim_change change[SIM_CHANGES_MAX];
	uint32_t nflows;
	struct sim_flow_conf *flows; /* borrowed */
	uint32_t ntalks;
	struct sim_talk_conf talk[SIM_TALKS_MAX];
	nst_time duration;          /* endless flows stop */
	nst_time limit;             /* it is a failure to take longer */
	uint32_t check_every;       /* events; 0: never */
	const char *trace;          /* pcapng file; NULL: none */
	uint32_t save;              /* events, or SIM_SAVE_* */
	uint64_t save_most;         /* no more than so many; 0: no limit */
	size_t lost_at, lost_bytes; /* of struct nst_tcp: not loaded */
	struct tape *tape;          /* all packets; borrowed; NULL: none */
};

struct sim;

/* What a flow came to. */
struct sim_flow_result {
	uint64_t got[2];   /* bytes read by each side */
	nst_time took;     /* from start to the last byte read */
	nst_time first[2]; /* when each side read its first and last bytes */
	nst_time last[2];
	uint64_t digest[2];          /* what each side read, how much, when */
	bool broken;                 /* by its ending */
	struct nst_tcp_info info[2]; /* when it was last seen */
};

/* NULL: no memory, or the trace cannot be written. conf is borrowed. */
struct sim *sim_new(const struct sim_conf *conf);
void sim_free(struct sim *s);
/* Runs to the end, or to the first failure: true: all is well. Results stay
 * until sim_close, which takes the hosts down and looks for leaks. */
bool sim_run(struct sim *s);
bool sim_close(struct sim *s);
/* One line that says what is wrong; NULL: nothing. */
const char *sim_failed(const struct sim *s);
/* Calls fn each `every` of virtual time while flows are alive. */
void sim_on_sample(struct sim *s, nst_time every,
		   void (*fn)(void *ctx, struct sim *s), void *ctx);

nst_time sim_now(const struct sim *s);
const struct sim_conf *sim_conf(const struct sim *s);
/* The state of a flow's side now; false: it is not there. */
bool sim_info(const struct sim *s, uint32_t flow, int side,
	      struct nst_tcp_info *out);
void sim_result(const struct sim *s, uint32_t flow,
		struct sim_flow_result *out);
const struct netem_stats *sim_link_stats(const struct sim *s, bool backward);
uint64_t sim_link_queue(struct sim *s, bool backward);
/* A host's: 0 is the server, then the clients. */
const struct nst_counters *sim_counters(const struct sim *s, uint32_t host);
/* Of all events that its programs were told, and when. */
uint64_t sim_events(const struct sim *s, uint32_t host);
/* What each side of a talk got: datagrams, errors, their contents, times. */
struct sim_talk_result {
	uint64_t got[2], errors[2], digest[2];
};
void sim_talk_result(const struct sim *s, uint32_t talk,
		     struct sim_talk_result *out);
/* How often hosts were saved, and loaded; the last time in words. */
uint64_t sim_saves(const struct sim *s);
const char *sim_last_save(const struct sim *s);

/* ---- scenario.c ---- */
/* A scenario of everything, from a seed: fills conf and its flows (to be freed
 * with free()). False: no memory. */
bool sim_random(uint64_t seed, struct sim_conf *conf);
/* extras.c: for three seeds of four, what else there may be: datagrams, SYNs
 * that wait for a program, batches, Fast Open, SYN cookies, AccECN, habits. A
 * generator of its own draws them: the rest of the scenario stays as it is. */
void sim_extras(uint64_t seed, struct sim_conf *conf);
/* Flows of a long run: all kinds of link trouble, for `duration`. */
bool sim_everything(uint64_t seed, uint32_t nflows, nst_time duration,
		    struct sim_conf *conf);

#endif
