/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The event loop: io_uring behind typed completions. liburing.h appears in this
 * folder only.
 *
 * Threads: one loop thread runs loop_run(). Any thread may start and cancel
 * operations while it holds the stack lock: from the loop thread they go to the
 * ring at once, from others they are queued and the loop is woken through its
 * eventfd. Callbacks run on the loop thread with the stack lock held (one lock
 * for a batch of completions; the unlock settles).
 *
 * An operation is owned by the loop; the caller holds a handle until
 * loop_cancel or the final callback (`last` set). After loop_cancel returns,
 * the callback is never called again; the loop frees the operation when the
 * kernel is done.
 */
#ifndef SENTRY_LOOP_LOOP_H
#define SENTRY_LOOP_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "netstack/nst_types.h"

struct loop;
struct loop_op;

struct loop_hooks {
	void *ctx;
	void (*lock)(void *ctx);
	void (*unlock)(void *ctx); /* settles; see sandbox_unlock */
	/* Next deadline (ns, CLOCK_MONOTONIC; NST_NEVER). Under the lock. */
	nst_time (*next_deadline)(void *ctx);
	/* A deadline has passed. Under the lock. */
	void (*run_timers)(void *ctx);
	/* After the completions of a batch, before timers; may be NULL. */
	void (*batch_end)(void *ctx);
	/* After each batch, without the lock (parked traps are answered). */
	void (*idle)(void *ctx);
};

/*
 * Creates the ring. -ENOSYS, -EPERM: the kernel refuses io_uring (the message
 * for the user is the caller's: loop_refusal(err)); -ENOMEM.
 */
int loop_new(const struct loop_hooks *hooks, struct loop **out);
/* One line that explains why the kernel refuses io_uring and what to do. */
const char *loop_refusal(int err);
/* Longest busy wait before sleeping, in ns (0: none). Default 50 us, none on
 * one CPU; it adapts below that. Before loop_run. */
void loop_set_spin(struct loop *l, nst_time max_ns);
/* Runs until loop_stop. Call on the loop thread. */
void loop_run(struct loop *l);
void loop_stop(struct loop *l); /* any thread, async-signal-safe */
/*
 * Takes everything back from the kernel, and waits for that: what completes
 * meanwhile is handled as ever, no operation's owner sees a cancellation, and
 * none is started until resume, which starts them all again. The loop's thread
 * does nothing in between. Another thread, no lock held.
 */
void loop_suspend(struct loop *l);
void loop_resume(struct loop *l);
/* Frees after loop_run has returned; pending operations are dropped. */
void loop_free(struct loop *l);
/* The next deadline has changed: the loop re-reads it. Any thread. */
void loop_wake(struct loop *l);
/* True on the loop thread. */
bool loop_is_self(const struct loop *l);
/* What the loop sleeps until (0: it is awake and will look by itself). */
nst_time loop_sleeps_until(const struct loop *l);

/* res: revents for polls, bytes or fd otherwise, or -errno. data: received
 * bytes (lent for the call). last: the operation is over, handle invalid. */
struct loop_event {
	int res;
	void *data;
	bool last;
	const struct sockaddr_storage *from; /* recvfrom only */
};
typedef void (*loop_fn)(void *arg, const struct loop_event *ev);

/* All return NULL without memory. fds are borrowed until the op is over. */
/* Multishot poll, edge-like: one event per wake-up of the fd. */
struct loop_op *loop_poll(struct loop *l, int fd, unsigned events, loop_fn fn,
			  void *arg);
/* Multishot receive with provided buffers; res 0 (last): end of stream. It is
 * restarted by the loop when the kernel ends it for want of buffers. For
 * datagram sockets, one event per datagram (up to 65536 bytes), with `from` if
 * want_from; a datagram socket's errors (ICMP) are events that are not last.
 * For a tap: read() repeatedly, one event per frame; fd must be O_NONBLOCK. */
struct loop_op *loop_recv(struct loop *l, int fd, bool want_from, loop_fn fn,
			  void *arg);
struct loop_op *loop_read(struct loop *l, int fd, loop_fn fn, void *arg);
/* Pauses/resumes a loop_recv (back-pressure): after pause at most what the
 * kernel already completed is still delivered. */
void loop_recv_pause(struct loop_op *op, bool paused);
/*
 * Connect on a blocking or non-blocking socket; single shot. On a blocking
 * AF_UNIX socket it completes when the listener's queue has room. LINUX: have
 * one such connect at a time per listener: unix_wait_for_peer() wakes a single
 * waiter, and one that is just being cancelled keeps that wake-up from the
 * others.
 */
struct loop_op *loop_connect(struct loop *l, int fd, const struct sockaddr *sa,
			     socklen_t len, loop_fn fn, void *arg);
/* Multishot accept: res is the new fd (CLOEXEC | NONBLOCK), the callback's.
 * Without fds or memory: that -errno, not last; tried again 20 ms later. */
struct loop_op *loop_accept(struct loop *l, int fd, loop_fn fn, void *arg);
/* Cancels; NULL allowed. */
void loop_cancel(struct loop *l, struct loop_op *op);
/* Cancels and closes fd once the kernel holds no request on it (every other
 * operation on fd must have been cancelled too). op NULL allowed. */
void loop_cancel_close(struct loop *l, struct loop_op *op, int fd);

/*
 * A small synchronous ring of the trap thread: accepts from a listener that may
 * be blocking, without blocking (IORING_ACCEPT_DONTWAIT; kernels before 6.10:
 * an accept that is cancelled in the same submission). Returns fd (CLOEXEC) or
 * -errno, -EAGAIN. Thread-safe by its own lock.
 */
int loop_accept_now(struct loop *l, int fd);

#endif
