/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the adapter share: the world (stack, clock, lock, wire),
 * and files (what a descriptor stands for). Included by this folder only.
 *
 * Everything is under world.lock, from world_enter() to world_leave();
 * world_wait() gives it up while it sleeps. Functions return 0 or a count, or
 * -errno; interface.c turns that into -1 and errno.
 */
#ifndef TOOLS_PACKETDRILL_ADAPTER_AD_PRIV_H
#define TOOLS_PACKETDRILL_ADAPTER_AD_PRIV_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "netstack/nst_dgram.h"
#include "netstack/nst_stack.h"
#include "netstack/nst_tcp.h"

#define LIMIT_FDS 65536
#define LIMIT_PIPE_BYTES 65536 /* LINUX: 16 pages */
#define LIMIT_IOV 1024         /* LINUX: UIO_MAXIOV */

struct file;

/* A packet that left, until netdev_receive takes it. */
struct out_pkt {
	struct out_pkt *next;
	nst_time when;
	size_t bytes;
	uint8_t data[];
};

/* A blocked call; lives on its stack. */
struct waiter {
	struct waiter *next, **pprev;
	nst_time deadline;
};

/* When the stack is saved and loaded (save.c). */
struct save_mode {
	uint32_t every, one_in; /* events; one of them is 0 */
	uint64_t events, rng;
};

struct world {
	pthread_mutex_t lock;
	pthread_cond_t woken;   /* blocked calls wait here */
	pthread_cond_t settled; /* who moves time waits here */
	struct nst_env env;
	struct nst_stack *st;
	uint32_t ifindex;
	nst_time now;
	uint64_t rng;

	uint64_t gen;     /* counts wake-ups */
	unsigned active;  /* calls inside that are not blocked */
	unsigned blocked; /* calls asleep in this generation */
	struct waiter *waiters;
	bool events; /* wake the blocked before the lock is given up */
	/* A call that had blocked has returned in this thread, which has not
	 * looked at the clock since: time waits a moment for it. */
	bool owed;
	pthread_t owed_to;

	struct out_pkt *out, **out_tail;
	struct file **fds; /* by descriptor */
	size_t nfds;
	struct file *files;              /* all of them */
	bool mirror;                     /* the host's settings are ours */
	struct host_sysctl *host_sysctl; /* host_sysctl.c */

	/* If set: between two events, nobody holds anything of the stack's. */
	void (*after_event)(struct world *w);
	struct save_mode save;
	bool poison; /* memory that is freed */
};

/* ---- world.c: lock, clock, sleep, wire ---- */
void world_enter(struct world *w);
void world_leave(struct world *w);
/* Something has happened to the stack, and is over. */
void world_event(struct world *w);
/* Sleeps until something happened. -ETIMEDOUT: `deadline` is reached. */
int world_wait(struct world *w, nst_time deadline);
/* Whoever is blocked looks again. */
void world_wake(struct world *w);
void world_usleep(struct world *w, uint64_t usec);
nst_time world_clock(struct world *w);
int world_inject(struct world *w, const void *buf, size_t bytes);
/* The next packet, time going on to `until` at most. *bytes is the room,
 * then the packet's bytes, 0: none came. */
int world_receive(struct world *w, void *buf, size_t *bytes, nst_time *when,
		  nst_time until);
void world_transmit(void *link, struct nst_pkt *pkt);
void world_drop_packets(struct world *w);

/* ---- env.c ---- */
void env_init(struct world *w, uint64_t seed);

/* ---- setup.c: the network, from flags ---- */
int setup_world(const char *flags, struct world **out);
void setup_free(struct world *w);

/* ---- host_sysctl.c ---- */
/* If w->mirror: takes over what has changed. */
void host_sysctl_read(struct world *w);

/* ---- files (file.c) ---- */

enum file_kind { FILE_TCP, FILE_DGRAM, FILE_EPOLL, FILE_PIPE };

/* As Linux's socket states; streams only. */
enum conn { CONN_NONE, CONN_PENDING, CONN_UP };

struct ep_item { /* one registration of an epoll */
	struct ep_item *next;
	struct file *file;
	int fd;
	uint32_t events; /* wanted; 0 bits but flags: disabled by ONESHOT */
	uint64_t data;
	bool fresh; /* ET: something happened since it was reported */
};

struct pipe_buf { /* shared by both ends */
	unsigned readers, writers;
	size_t head, used;
	uint8_t v[LIMIT_PIPE_BYTES];
};

struct err_entry { /* what MSG_ERRQUEUE tells of a stream */
	struct err_entry *next;
	uint32_t errno_, info, data;
	uint8_t origin, type, code;
	nst_time stamp; /* of SO_TIMESTAMPING */
};

struct file {
	struct world *w;
	struct file *all_next, **all_pprev;
	unsigned refs; /* descriptors, registrations and calls under way */
	unsigned nfds; /* descriptors: the last one closes */
	enum file_kind kind;
	int status; /* O_NONBLOCK and the like */

	/* sockets */
	int domain, type, proto;
	struct nst_tcp *tcp;
	struct nst_dgram *dgram;
	enum conn conn;
	bool listening, shut_rd, shut_wr;
	bool opened;  /* there was a connection: CLOSE means it is over */
	int so_error; /* kept by us, before the netstack's */
	nst_time rcvtimeo, sndtimeo; /* NST_NEVER: none */
	int peek_off;                /* SO_PEEK_OFF; -1: off */
	bool rcvbuf_set;             /* SO_RCVBUF was given */
	bool zerocopy;               /* SO_ZEROCOPY */
	uint32_t zc_next;            /* number of the next MSG_ZEROCOPY send */
	struct zc_send *zc_sends;    /* zerocopy.c */
	uint64_t written;            /* bytes given to the stream */
	uint32_t stamp_flags;        /* SO_TIMESTAMPING */
	uint64_t stamp_base;         /* byte that OPT_ID calls 0 */
	struct stamp_mark *stamps;   /* timestamping.c */
	struct err_entry *errq, **errq_tail;

	struct ep_item *items; /* epoll, in the order of readiness */
	struct pipe_buf *pipe; /* pipes */
	bool pipe_writes;      /* which end */
};

/* A new file without a descriptor, one reference; NULL: no memory. */
struct file *file_new(struct world *w, enum file_kind kind);
/* Gives it the lowest free descriptor >= from, which takes a reference.
 * -EMFILE, -ENOMEM. */
int file_install(struct file *f, int from);
/* The file of a descriptor with a reference, or NULL. */
struct file *file_get(struct world *w, int fd);
void file_put(struct file *f);
int file_close(struct world *w, int fd);
void file_free_all(struct world *w);
int file_fcntl(struct world *w, int fd, int cmd, long arg);
static inline bool file_is_sock(const struct file *f)
{
	return f->kind == FILE_TCP || f->kind == FILE_DGRAM;
}
struct nst_sock *file_sock(const struct file *f);
bool file_nonblock(const struct file *f, int flags);
/* When a call that starts now gives up. */
nst_time file_deadline(const struct file *f, nst_time timeo);
/* The pending error as a positive errno, consumed. */
int file_error(struct file *f);
int file_error_peek(const struct file *f);
void file_errq_add(struct file *f, const struct err_entry *e);

/* ---- open.c: socket bind listen accept connect shutdown ---- */
int open_socket(struct world *w, int domain, int type, int proto);
int open_bind(struct file *f, const struct sockaddr *a, socklen_t len);
int open_listen(struct file *f, int backlog);
int open_accept(struct file *f, struct sockaddr *a, socklen_t *len);
int open_connect(struct file *f, const struct sockaddr *a, socklen_t len);
/* Waits for the end of an attempt; `pending`: it is not there yet. */
int open_connect_end(struct file *f, int pending);
int open_shutdown(struct file *f, int how);
/* The last descriptor is gone: FIN, RST, or a wait for SO_LINGER. */
void open_close(struct file *f);
/* Copies an address out as accept and recvfrom do. */
void addr_out(int domain, const struct nst_sockaddr *a, void *name,
	      socklen_t *len);

/* ---- stream_io.c, dgram_io.c, io.c ---- */
ssize_t stream_send(struct file *f, const struct msghdr *m, int flags);
ssize_t stream_recv(struct file *f, struct msghdr *m, int flags);
ssize_t dgram_send(struct file *f, const struct msghdr *m, int flags);
ssize_t dgram_recv(struct file *f, struct msghdr *m, int flags);
ssize_t io_send(struct file *f, const struct msghdr *m, int flags);
ssize_t io_recv(struct file *f, struct msghdr *m, int flags);
/* Bytes of an iovec array; -EINVAL, -EMSGSIZE as the kernel. */
ssize_t iov_bytes(const struct iovec *iov, size_t n);
/* Copies between the iovecs from offset `at` on and a buffer. */
size_t iov_copy_in(const struct msghdr *m, size_t at, void *to, size_t bytes);
size_t iov_copy_out(const struct msghdr *m, size_t at, const void *from,
		    size_t bytes);
/* A control message into m->msg_control; `used` counts. MSG_CTRUNC if it
 * does not fit. */
void cmsg_add(struct msghdr *m, size_t *used, int level, int type,
	      const void *data, size_t bytes);
/* MSG_ERRQUEUE of a stream. */
ssize_t stream_errqueue(struct file *f, struct msghdr *m);

/* ---- fastopen.c ---- */
/* Opens, or lets the held SYN go, with as much as the SYN takes. Bytes sent,
 * or -errno; -EINPROGRESS: only the SYN has left. */
ssize_t fastopen_send(struct file *f, const struct msghdr *m, size_t total,
		      int flags);

/* ---- zerocopy.c ---- */
/* A MSG_ZEROCOPY send was queued, up to f->written. */
void zerocopy_sent(struct file *f);
/* Packets or time may have ended some: tells. */
void zerocopy_scan(struct world *w);
void zerocopy_drop(struct file *f);

/* ---- timestamping.c ---- */
/* A call has queued bytes, up to f->written. */
void timestamping_sent(struct file *f, const struct msghdr *m);
/* Packets or time may have moved some: tells. */
void timestamping_scan(struct world *w);
void timestamping_drop(struct file *f);
/* The time that an entry of the error queue carries. */
void timestamping_cmsg(const struct file *f, struct msghdr *m, size_t *used,
		       const struct err_entry *e);

/* ---- pipe.c ---- */
int pipe_open(struct world *w, int fd[2]);
ssize_t pipe_read(struct file *f, const struct msghdr *m);
ssize_t pipe_write(struct file *f, const struct msghdr *m);
uint32_t pipe_poll(const struct file *f);
void pipe_close(struct file *f);
ssize_t pipe_splice(struct file *in, struct file *out, size_t len,
		    unsigned flags);

/* ---- poll.c, epoll.c ---- */
uint32_t file_poll(struct file *f);
int poll_files(struct world *w, struct pollfd *fds, size_t n, int timeout_ms);
int epoll_open(struct world *w);
int epoll_change(struct world *w, int epfd, int op, int fd,
		 const struct epoll_event *ev);
int epoll_collect(struct world *w, int epfd, struct epoll_event *out, int max,
		  int timeout_ms);
uint32_t epoll_poll(struct file *ep);
void epoll_close(struct file *ep);
/* `events` (enum nst_event) happened to f. */
void epoll_note(struct file *f, uint32_t events);
/* f's descriptor is closed: its registrations go. */
void epoll_forget(struct file *f);

/* ---- opt.c, opt_table.c, ioctl.c ---- */
int opt_set(struct file *f, int level, int name, const void *v, socklen_t len);
int opt_get(struct file *f, int level, int name, void *v, socklen_t *len);
int file_ioctl(struct file *f, unsigned long request, void *arg);

#endif
