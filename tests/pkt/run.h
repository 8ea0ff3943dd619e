/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Running a script against a stack, event after event.
 *
 * One process runs one script and then ends (main.c forks), so a failure is
 * a message and an exit from wherever it was found: run_fail().
 *
 * Two threads: the one that goes through the events, and a second one that
 * makes the calls a script says will block.  `lock` is held by whoever runs;
 * it is given up while waiting for time and around a blocking call.
 *
 * Script and live: a script has its own sequence numbers, ports, descriptors
 * and timestamps; struct sock keeps what they are on the wire.  Time in
 * events is microseconds from the start of the script.
 */
#ifndef CORDON_TESTS_PKT_RUN_H
#define CORDON_TESTS_PKT_RUN_H

#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>

#include "tests/pkt/code_server.h"
#include "tests/pkt/config.h"
#include "tests/pkt/packetdrill_interface.h"
#include "tests/pkt/script.h"

enum sock_state {
	SOCK_FRESH,        /* after socket() */
	SOCK_LISTENING,    /* after listen() */
	SOCK_PACKET_IN,    /* a child: its first packet came */
	SOCK_SYNACK_SENT,  /* a child: we saw the SYN-ACK leave */
	SOCK_SYNACK_ACKED, /* a child: its handshake is over */
	SOCK_CONNECTING,   /* after connect() */
	SOCK_SYN_SENT,     /* we saw the SYN leave */
	SOCK_SYN_ACKED,    /* the SYN-ACK came in */
};

/* One end's view of a connection: as written, or as on the wire. */
struct side {
	struct ip_addr local, remote;
	unsigned lport, rport;
	uint32_t local_isn, remote_isn;
};

/* A script timestamp and what went over the wire in its place. */
struct ts_pair {
	struct ts_pair *next;
	uint32_t script, live;
};

/* What resets a connection at the end. */
struct last_tcp {
	uint32_t seq, ack;
	unsigned flags, window;
	size_t payload;
};

/* A descriptor of the script: a socket, or anything else. */
struct sock {
	struct sock *next;
	int script_fd, live_fd; /* -1 for a child not yet accepted */
	bool is_socket, closed;
	bool is_host; /* the host's descriptor, not the stack's */
	enum sock_state state;
	int family, type, proto;
	struct side live;
	uint32_t script_local_isn;
	struct ts_pair *ts_pairs;
	bool have_ts;
	uint32_t first_ts_script, first_ts_live;
	bool have_label;
	uint32_t label_script, label_live;
	struct last_tcp last_in, last_out;
};

struct code_part; /* code.c */
struct blocking;  /* blocking.c */

struct run {
	struct config *conf;
	struct script *script;
	struct arena *arena;
	struct packetdrill_interface ifc;
	bool virtual_time;
	bool init_done; /* so the cleanup command is due */
	bool in_init;
	bool paced;          /* new sockets are, as behind fq; command.c */
	char congestion[16]; /* of new sockets of the kernel; command.c */
	struct event *event, *last_event;
	unsigned num_events;
	long long live_start;    /* on the stack's clock */
	struct sock *socks;      /* newest first */
	struct sock *under_test; /* packets belong to this one; or NULL */
	unsigned next_port;
	pthread_mutex_t lock;
	struct blocking *blocking;
	struct code_part *code, **code_tail;
	unsigned long long *counters; /* when last shown; host_view.c */
	const struct code_server *code_server; /* borrowed; may be NULL */
	uint8_t *rx;                           /* WIRE_MAX_PACKET */
};

enum { NO_LAST_EVENT = -1 };

/* Runs it.  Returns only if all went well. */
void run_script(struct run *r);

/* "file:line: message" to stderr, the cleanup command, exit(1). */
void run_fail(struct run *r, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4), noreturn));
/* The same without an end, for --non_fatal. */
void run_warn(struct run *r, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends the process with `what` if it is still here in `secs` real seconds. */
void run_arm_alarm(struct run *r, const struct event *e, unsigned secs,
		   const char *what);

/* The stack's clock. */
long long run_now(struct run *r);
/* Waits until it is time for r->event, and checks that it is not late. */
void run_wait_for_event(struct run *r);
/*
 * Did it happen when the script says?  NULL, or a message of the arena.
 * `from` is the event before (the tolerance grows with the distance), or
 * NO_LAST_EVENT.
 */
const char *run_check_time(struct run *r, const struct event *e,
			   long long expected, long long live, long long from,
			   const char *what);
long long run_last_usecs(const struct run *r);

/* blocking.c: calls, of both kinds. */
void blocking_start(struct run *r);
void blocking_stop(struct run *r);
void blocking_syscall_event(struct run *r, struct event *e);
/* Around the call of the stack itself. */
void blocking_begin(struct run *r, const struct syscall_spec *s);
void blocking_end(struct run *r, const struct syscall_spec *s);
/* Lets a blocked call that was woken come to its end. */
void blocking_settle(struct run *r);

/* packet.c */
void packet_event(struct run *r, struct event *e);
/* RSTs, so that the stack forgets its connections. */
void packet_reset(struct run *r, struct sock *s);

/* check.c: NULL, or what is wrong with the packet that left. */
const char *check_packet(struct run *r, struct sock *k,
			 const struct packet *script,
			 const struct packet *actual);
/* Could `next` be the continuation of `prev`?  NULL or what is wrong. */
const char *check_fragment(struct run *r, const struct packet *next,
			   const struct packet *prev, size_t got, size_t want);

/* call.c: makes the call of an event.  NULL, or what went wrong. */
const char *call_run(struct run *r, struct event *e);
struct sock *sock_new(struct run *r);

/* code.c */
void code_event(struct run *r, struct event *e);
/* Runs all that was collected; ends the process if it fails. */
void code_execute(struct run *r);

/* command.c: NULL, or what went wrong. */
const char *command_run(struct run *r, const char *text);
/* Does the init command leave segmentation to the device? */
bool command_wants_tso(const char *text);
/* Mid-script: waits and checks the time, too. */
void command_event(struct run *r, struct event *e);

#endif /* CORDON_TESTS_PKT_RUN_H */
