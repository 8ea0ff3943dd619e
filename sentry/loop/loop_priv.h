/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bodies of struct loop and struct loop_op; only this folder includes it.
 *
 * Locks: what is marked "stack lock" is guarded by the hooks' lock; the ring is
 * touched by the loop thread only, and requests are made under the lock;
 * atomics carry the sleep protocol (run.c).
 */
#ifndef SENTRY_LOOP_LOOP_PRIV_H
#define SENTRY_LOOP_LOOP_PRIV_H

#include <liburing.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>

#include "sentry/loop/loop.h"

/* ---- tunables and limits ---- */
#define LOOP_SQ_ENTRIES 1024
#define LOOP_CQ_ENTRIES 8192
#define LOOP_BATCH 256 /* completions handled under one lock */
#define LOOP_BUFS 32   /* provided buffers; a power of two */
#define LOOP_BUF_DATA 65536
/* io_uring_recvmsg_out and a sockaddr_storage come before a datagram. */
#define LOOP_BUF_BYTES (LOOP_BUF_DATA + 256)
#define LOOP_READ_BYTES (LOOP_BUF_DATA + 512) /* a frame with its headers */
#define LOOP_READ_BUDGET 64 /* reads of one descriptor in one batch */
#define LOOP_FREE_OPS 1024  /* kept for re-use */
/* After an error that only time can mend (no fds, no memory). */
#define LOOP_RETRY_NS (20 * NST_MS)

enum op_kind {
	OP_POLL,
	OP_RECV,    /* streams */
	OP_RECVMSG, /* datagrams: zero length is not the end, and `from` */
	OP_READ,
	OP_CONNECT,
	OP_ACCEPT,
};

/*
 * One operation. What the caller wants (cancelled, paused) and what the kernel
 * holds (inflight, cancelling) are separate; op_sync() brings the second
 * towards the first. All fields: stack lock.
 */
struct loop_op {
	struct loop *l;
	struct loop_op *all_next, **all_pprev;
	struct loop_op *next; /* posted, retry or free list */
	loop_fn fn;
	void *arg;
	struct sockaddr *addr; /* OP_CONNECT; owned */
	socklen_t addr_len;
	int fd;
	unsigned events; /* OP_POLL */
	uint8_t kind;
	bool want_from;
	bool held;       /* counted in the fd table */
	bool inflight;   /* the kernel holds the request: completions follow */
	bool cancelling; /* the kernel holds a cancel of it */
	bool cancelled;  /* by the caller: fn is never called again */
	bool paused;
	bool ended;  /* its last event was given */
	bool listed; /* on the posted or the retry list */
	bool busy;   /* a completion of it is being handled */
};

/* How many operations use a descriptor, and whether it shall be closed. */
struct fd_use {
	uint32_t ops;
	bool closing;
};

/* Busy waiting before sleep; grows and shrinks like KVM's halt polling. */
struct spin {
	nst_time max; /* 0: never */
	nst_time now;
};

struct loop {
	struct loop_hooks hooks;
	struct io_uring ring;
	bool ring_up;
	/* Provided buffers (bufs.c). */
	struct io_uring_buf_ring *buf_ring;
	uint8_t *bufs;
	struct msghdr from_hdr; /* template of every OP_RECVMSG */
	uint8_t *read_buf;
	int wake_fd;
	bool wake_armed; /* loop thread: poll on wake_fd is in the kernel */
	/* Sleep protocol. */
	_Atomic uintptr_t thread; /* pthread_t of loop_run, 0: not running */
	_Atomic nst_time sleeps_until;
	atomic_bool wake;
	atomic_bool stop;
	atomic_bool suspend;        /* asked for */
	sem_t suspended_sem, go_on; /* it is; it is over */
	struct spin spin;
	nst_time next_deadline; /* as of the last batch */
	/* Stack lock. */
	bool suspended; /* nothing is given to the kernel */
	struct loop_op *all;
	struct loop_op *posted, **posted_tail;
	struct loop_op *retry;
	nst_time retry_at; /* NST_NEVER: list empty */
	struct loop_op *free_ops;
	size_t nfree;
	struct fd_use *fds;
	size_t nfds;
	/* Synchronous accepts (accept_now.c), under a lock of their own. */
	pthread_mutex_t accept_lock;
	struct io_uring accept_ring;
	bool accept_up;
	bool accept_dontwait; /* the kernel knows IORING_ACCEPT_DONTWAIT */
};

/* user_data of completions: 0 is the wake-up poll; bit 0 marks a cancel. */
#define UD_WAKE 0ull
#define UD_CANCEL 1ull

nst_time loop_now(void);

/* ---- ring.c ---- */
int ring_up(struct loop *l);
void ring_down(struct loop *l);
/* On the loop thread: makes it the ring's issuer. -errno. */
int ring_adopt(struct loop *l);
/* Submits when the queue is full; NULL: the kernel does not take any now. */
struct io_uring_sqe *ring_sqe(struct loop *l);
/* Any thread, stack lock: the kernel has taken every request made so far. */
bool ring_all_taken(const struct loop *l);

/* ---- bufs.c ---- */
int bufs_up(struct loop *l);
void bufs_down(struct loop *l);
uint8_t *bufs_at(struct loop *l, unsigned id);
void bufs_return(struct loop *l, unsigned id);

/* ---- op.c; stack lock ---- */
/* Loop thread: starts, cancels or frees, as the op's state asks. */
void op_sync(struct loop_op *op);
/* Loop thread: op_sync of all of them; does the kernel hold any? */
void op_sync_all(struct loop *l);
bool op_any_held(const struct loop *l);
/* Loop thread: op_sync after LOOP_RETRY_NS. */
void op_retry(struct loop_op *op);
/* Loop thread: what other threads have posted; what is to be retried. */
void op_run_posted(struct loop *l);
void op_run_retry(struct loop *l, nst_time now);
/* Gives the last event. */
void op_end(struct loop_op *op, int res);
void op_free_all(struct loop *l);

/* ---- prep.c ---- */
/* Fills the sqe of the op's request (user_data included). */
void op_prep(struct loop_op *op, struct io_uring_sqe *sqe);

/* ---- complete.c; loop thread, stack lock ---- */
struct completion {
	uint64_t user_data;
	int res;
	unsigned flags;
};
void complete(struct loop *l, const struct completion *c);

/* ---- accept_now.c ---- */
int accept_up(struct loop *l);
void accept_down(struct loop *l);
/* Tests: behave as on a kernel before 6.10. */
void accept_test_no_dontwait(struct loop *l);

#endif
