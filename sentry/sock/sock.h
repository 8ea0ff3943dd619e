/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest socket as the sentry knows it: the endpoint in the netstack, the
 * backing socket in the guest, and the channel between them (DESIGN 3).
 *
 * Identity is the SO_COOKIE of the guest end. The sentry keeps no dup of a
 * connected guest end: the guest's last close must show as HUP on `send_fd`.
 *
 * All fields are under the stack lock; refs keep the memory while a handler
 * works without the lock (after relocking, check `dead`).
 */
#ifndef SENTRY_SOCK_SOCK_H
#define SENTRY_SOCK_SOCK_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"
#include "sentry/sock/sockaddr_words.h"
#include "sentry/trap/trap.h"

struct loop_op;

enum sock_state {             /* of the backing socket; stream sockets only */
		  SOCK_FRESH, /* unconnected */
		  SOCK_CONNECTING, /* guest end connected and prefilled: poll =
				      0 */
		  SOCK_PARKED_CONNECT, /* blocking connect: guest end still
					  unconnected */
		  SOCK_CONNECTED,
		  SOCK_FAILED, /* connect failed; sentry end closed with the
				  prefill */
		  SOCK_LISTENING,
};

/* The byte pipe: stream.c. */
struct sock_pipe {
	bool eof_from_guest; /* S EOF or HUP seen on the sentry end */
	bool ending;         /* S its end shows: read on until it is reached */
	bool marker; /* S the last byte in the pipe is ours: see stream.c */
	bool eof_to_guest;      /* S SHUT_WR done on the sentry end */
	bool reset;             /* S peer's RST to be shown */
	bool shown;             /* S so_error is, on the guest end */
	bool want_space;        /* S guest has bytes, send ring is full */
	uint32_t prefill;       /* S bytes of prefill in the guest end */
	struct loop_op *out_op; /* R waits for room; datagrams too */
};

/* listener.c */
struct sock_listen {
	int backlog;                /* S */
	struct sock *pushing;       /* S child in an outstanding connect */
	struct loop_op *push_op;    /* R */
	int push_fd;                /* S */
	uint64_t pushing_id;        /* D while it is loaded */
	struct sock *next, **pprev; /* R all listeners */
};

/* datagram.c */
struct sock_dgram {
	bool visible;                /* S one datagram is in the guest end */
	bool connected;              /* S */
	struct nst_dgram_in head;    /* S metadata of the visible one */
	struct nst_addr visible_src; /* S */
	uint16_t visible_port;       /* S */
	bool wants_cmsg;         /* S metadata options are on: one at a time */
	int back_name_fd;        /* S O_PATH of the sentry end's name, or -1 */
	struct dgram_kept *kept; /* S taken back; before the endpoint's */
	struct dgram_kept *unsent; /* S sent natively; no room yet */
	uint64_t drops; /* S native sends that could not be passed on */
	bool injected;  /* S so_error was shown on the guest end */
	bool more;      /* S MSG_MORE under way: the endpoint is corked */
	bool gone;      /* S the guest end was found closed */
	bool closing;   /* D sock_close drains it for the last time */
	struct in_addr mc_addr;  /* S IP_MULTICAST_IF as it was set */
	uint32_t icmp_filter[8]; /* S ICMP_FILTER, ICMP6_FILTER */
};

struct sock {
	struct ep_owner owner; /* R first: netstack's user pointer */
	struct sandbox *sb;    /* R */
	uint64_t id;           /* S stable, never reused */
	uint64_t
	    cookie; /* S of the guest end; 0 not known yet (native accept) */
	struct sock *cookie_next, **cookie_pprev; /* R */
	struct sock *id_next, **id_pprev;         /* R */
	struct sock *all_next, **all_pprev;       /* R */
	unsigned refs;                            /* R */
	bool dead; /* D closed; freed with the last reference */

	int domain, type, proto; /* S as given to socket(2), flags removed */
	enum sock_state state;   /* S */
	struct nst_tcp *tcp;     /* R SOCK_STREAM */
	struct nst_dgram *dgram; /* R SOCK_DGRAM, SOCK_RAW */

	int send_fd;             /* S the sentry end, or -1 */
	struct loop_op *poll_op; /* R on the sentry end */
	int name_fd;             /* S O_PATH of the guest end's name, or -1 */
	int spare_fd;        /* S keeps a number for the sentry end, or -1 */
	pid_t hint_tid;      /* S where the guest end was last seen */
	int hint_fd;         /* S */
	struct trap *parked; /* R */
	unsigned
	    kicks;     /* R trap_kick calls: no wake-up is lost while parking */
	unsigned jobs; /* D enum sock_job: wait for a moment without the lock */
	struct sock *job_next;               /* D */
	uint32_t guest_sndbuf, guest_rcvbuf; /* S asked for; 0: default */
	uint64_t parent; /* S id of the listener it came from; 0: of none */
	unsigned shut;   /* S trapped shutdowns: 1 read, 2 write */
	int so_error;    /* S errno of a failed connect etc., until consumed */
	/* As Linux's SS_CONNECTED against SS_CONNECTING: a connect() call has
	 * already told the guest how the attempt ended. S */
	bool connect_told;
	bool used_up;   /* S renew the guest end before it is used again */
	uint8_t unseen; /* S scans in a row that did not find the guest end */

	struct sock_pipe pipe;     /* S */
	struct sock_listen listen; /* S */
	struct sock_dgram dg;      /* S */
};

/* What needs a dup of the guest end, hence no lock: see sock_jobs_run. */
enum sock_job {
	SOCK_JOB_CONNECTED = 1, /* end of a non-blocking connect */
	SOCK_JOB_RESET = 2,     /* show the peer's RST */
};

/* ---- table (sock/table.c); all under the lock ---- */
struct sock_table;
int sock_table_new(struct sandbox *sb);
void sock_table_free(struct sandbox *sb); /* closes every socket */
/* Without an endpoint (sock_open makes it). NULL without memory. The table
 * holds the first reference, until sock_close. */
struct sock *sock_new(struct sandbox *sb, int domain, int type, int proto);
/* Makes s->tcp or s->dgram by domain, type and proto. -errno. */
int sock_open(struct sock *s);
/* The endpoint's common part. */
struct nst_sock *sock_nst(const struct sock *s);
/* The guest's socket that is this user of an endpoint in the guest's stack;
 * NULL: the gateway's resolver, which has endpoints there too. */
struct sock *sock_of_owner(struct ep_owner *o);
void sock_get(struct sock *s);
void sock_put(struct sock *s);
/* The guest has closed it, or it failed for good: frees endpoint and ends.
 * abort: RST instead of FIN. Parked traps get EBADF. */
void sock_close(struct sock *s, bool abort);
struct sock *sock_by_cookie(struct sandbox *sb, uint64_t cookie);
struct sock *sock_by_id(struct sandbox *sb, uint64_t id);
void sock_set_cookie(struct sock *s, uint64_t cookie);
struct sock *sock_next(struct sandbox *sb, struct sock *after); /* all */
/* Gives it an id that is not in use. */
void sock_set_id(struct sock *s, uint64_t id);
/* A new id for a socket whose old name is still held by a dying end. */
void sock_renumber(struct sock *s);
/* The socket that the dup of a guest end stands for, or NULL. Recognises
 * natively accepted children by the name of their peer and learns the cookie.
 */
struct sock *sock_of_guest_fd(struct sandbox *sb, int gfd);
/* Queues a job; under the lock. */
void sock_job(struct sock *s, enum sock_job job);
/* Is any queued? Under the lock. */
bool sock_jobs_waiting(const struct sandbox *sb);
/* Runs queued jobs; no lock held. trap_run_ready calls it. */
void sock_jobs_run(struct sandbox *sb);
/* Closes sockets whose guest end is gone without an event: probes names, and
 * if `scan`, looks through the guest's descriptors. No lock held. */
void sock_sweep(struct sandbox *sb, bool scan);
/* After -EMFILE or -ENFILE: closes sockets that the guest has closed but that
 * no sweep has found yet. True: there were some, try again. Under the lock. */
bool sock_make_room(struct sandbox *sb, int err);
/* Closes owners of `port` in the protocol of s that are dead already; true if
 * any was (bind and listen then try again). */
bool sock_reap_conflicts(struct sock *s, uint16_t port);
/* Closes the owner of another endpoint if it is dead already. */
bool sock_reap_owner(const struct sock *s, void *user);

/* ---- backing sockets (sock/backing.c) ---- */
/* A fresh guest end for s (stream: bound to a name; datagram: both ends named
 * and connected one way). Returns the fd to install; sets cookie, name_fd,
 * send_fd. -errno. */
int backing_new(struct sock *s, bool nonblock);
/* The same for datagram and raw sockets (sock/backing_dgram.c). */
int backing_new_datagram(struct sock *s, bool nonblock);
/* A datagram socket that the shim made: names both ends, connects. -errno. */
int backing_adopt_datagram(struct sock *s, int gfd);
/* Binds fd to a fresh name in the private directory, opens the name O_PATH
 * and unlinks it. Returns the name's fd or -errno. */
int backing_name(struct sandbox *sb, int fd);
/* The address of a name (through /proc/self/fd). */
socklen_t backing_name_addr(int name_fd, struct sockaddr_un *un);
/* Sets SO_SNDBUF, past wmem_max where we may. 0: the default for streams. */
void backing_sndbuf(int fd, uint32_t bytes);
/* Is the other end of this connected end closed? 1, 0, or -1: unknown. */
int backing_peer_gone(struct sandbox *sb, int fd);
/* Is it still in a queue, and nobody has accepted it? */
bool backing_peer_waits(struct sandbox *sb, int fd);
/* Before a connect: keeps a descriptor for backing_attach, and sees that there
 * is another one (`two`: for the end of the listener's). -EMFILE and the like:
 * nothing may be sent yet. */
int backing_reserve(struct sock *s, bool two);
void backing_unreserve(struct sock *s);
/* Connects the guest end (a dup) to the private listener; sets send_fd. */
int backing_attach(struct sock *s, int guest_dup);
/* attach, then fills the guest end until EAGAIN: poll = 0. */
int backing_attach_prefilled(struct sock *s, int guest_dup);
/* Alive? DGRAM connect to a STREAM name and the like; about 1 us. */
bool backing_alive(const struct sock *s);
/* Gives a guest-made (shim) AF_UNIX socket a sock and, if `named` or not a
 * stream, a name. gfd is a dup. */
int backing_adopt(struct sandbox *sb, int gfd, uint64_t reg, bool named,
		  struct sock **out);
/* A name for a stream that has neither one nor a sentry end; by it the sweep
 * sees when the guest closes it. */
void backing_name_late(struct sock *s, int gfd);
/* Replaces a used-up guest end by a fresh one in place (ADDFD SETFD), epoll
 * registrations renewed. */
int backing_renew(struct trap *t);
int backing_init(struct sandbox *sb); /* directory, private listener */
void backing_fini(struct sandbox *sb);

/* ---- stream channel (sock/stream.c); under the lock ---- */
/* Moves bytes both ways until nothing more can move. May close s. */
void stream_pump(struct sock *s);
/* Only guest → netstack: what a handler does before it acts. */
void stream_drain_guest(struct sock *s);
void stream_events(struct ep_owner *o, uint32_t events);
/* Starts polling the sentry end; -ENOMEM. */
int stream_start(struct sock *s);
/* Closes the sentry end and its operations. */
void stream_drop_end(struct sock *s);
/* Shuts down the guest end through gfd; a marker is left in the pipe when
 * writing ends. */
void stream_shut_guest(struct sock *s, int gfd, int how);
/* The netstack's connection is up and gfd, a dup of the guest end, is at
 * hand: connects or empties the guest end, SOCK_CONNECTED. -errno. */
int stream_established(struct sock *s, int gfd);
/* A pending connect has failed: SOCK_FAILED, so_error set. */
void stream_connect_failed(struct sock *s, int err);
/* The pending error of a stream, 0: none; gfd is a dup of the guest end, which
 * is asked whether the guest has consumed natively what was shown there. */
int stream_error(struct sock *s, int gfd);
/* The error was told: it is gone, on the guest end too. */
void stream_error_clear(struct sock *s, int gfd);
/* Jobs, with a dup of the guest end (or -1: not found). Under the lock. */
void stream_job_connected(struct sock *s, int gfd);
void stream_job_reset(struct sock *s, int gfd);
/* ---- listener (sock/listener.c) ---- */
void listener_push(struct sock *s); /* netstack's accept queue → guest's */
/* Is this child waiting for a place in the guest's queue? */
bool listener_is_pushing(const struct sock *c);
/* Puts an accepted connection back into the guest's queue; g is its guest
 * end (borrowed). Closes c when that fails. */
void listener_requeue(struct sock *s, struct sock *c, int g);
/* Goes on with a push that was under way, or with the next. */
void listener_resume(struct sock *s);
void listener_link(struct sock *s);   /* enters the list of listeners */
void listener_unlink(struct sock *s); /* and leaves it, push abandoned */
/* Closes listeners on this port whose guest end is gone: before a connect. */
void listener_reap(struct sandbox *sb, uint16_t port);
/* The name of a sentry end, as in shim/abi.h. */
socklen_t listener_child_name(const struct sock *c, struct sockaddr_un *un);
/* Parses it. False: not one. */
bool listener_parse_name(const struct sockaddr_un *un, socklen_t len,
			 uint64_t *id, struct nst_sockaddr *peer);
/* ---- datagram channel (sock/datagram.c) ---- */
void datagram_pump(struct sock *s);
void datagram_drain_guest(struct sock *s);
void datagram_events(struct ep_owner *o, uint32_t events);
/* Frees what the datagram half holds besides the two ends; sock_close calls it
 * (after datagram_drain_guest, so that what the guest sent last still goes). */
void datagram_fini(struct sock *s);

/* ---- addresses (sock/sockaddr.c) ---- */
/* Reads a guest sockaddr argument (addr, len); -errno. */
int trap_read_sockaddr(const struct trap *t, uint64_t addr, uint32_t len,
		       int domain, struct nst_sockaddr *out);
/* Writes (addr, *lenp) as getsockname does; addr NULL is -EFAULT unless
 * `optional`. */
int trap_write_sockaddr(const struct trap *t, uint64_t addr, uint64_t lenp,
			int domain, const struct nst_sockaddr *a,
			bool optional);

/* ---- system calls (sock/sys_*.c) ---- */
enum trap_verdict sys_socket(struct trap *t);
enum trap_verdict sys_bind(struct trap *t);
enum trap_verdict sys_connect(struct trap *t); /* dispatches by type */
/* MSG_FASTOPEN: connects, with the first of `bytes` in the SYN. When it leaves
 * t->fast at TRAP_FAST_SEND nothing was answered: the connection is up, and
 * t->aux of the bytes have been sent. */
enum trap_verdict sys_connect_fast(struct trap *t,
				   const struct nst_sockaddr *to,
				   const void *data, size_t bytes);
enum trap_verdict sys_connect_stream(struct trap *t);
enum trap_verdict sys_connect_datagram(struct trap *t);
enum trap_verdict sys_listen(struct trap *t);
enum trap_verdict sys_accept(struct trap *t);
enum trap_verdict sys_shutdown(struct trap *t);
enum trap_verdict sys_getsockname(struct trap *t);
enum trap_verdict sys_getpeername(struct trap *t);
enum trap_verdict sys_getsockopt(struct trap *t);
enum trap_verdict sys_setsockopt(struct trap *t);
enum trap_verdict sys_ioctl(struct trap *t);
enum trap_verdict sys_sendto(struct trap *t);
enum trap_verdict sys_recvfrom(struct trap *t);
enum trap_verdict sys_sendmsg(struct trap *t);
enum trap_verdict sys_recvmsg(struct trap *t);
enum trap_verdict sys_sendmmsg(struct trap *t);
enum trap_verdict sys_recvmmsg(struct trap *t);

#endif
