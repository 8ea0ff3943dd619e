/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Traps: guest system calls delivered by seccomp user notification.
 *
 * One hot trap thread receives them with SYNC_WAKE_UP and runs each handler
 * inline. A handler is prepare → reply → commit (DESIGN 4):
 *   prepare  reads guest memory (no lock), takes the lock, does what must be
 *            visible before the call returns, releases the lock (settling);
 *   reply    trap_reply_* (no lock held: ADDFD waits for the guest);
 *   commit   consumes state under the lock if the reply was delivered, rolls
 *            back if it was not.
 * A call that must wait is parked on its socket; trap_kick() makes its handler
 * run again (t->retry set), on the loop thread without the lock. A parked trap
 * whose thread has a signal pending is answered -ERESTARTSYS by the watch tick
 * (handlers get t->interrupted first, to leave state as Linux would).
 *
 * A trap belongs to the thread that runs it, or to the park list.
 */
#ifndef SENTRY_TRAP_TRAP_H
#define SENTRY_TRAP_TRAP_H

#include <linux/seccomp.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "sentry/core/sandbox.h"

struct sock;

enum trap_verdict {
	TRAP_DONE, /* a reply was sent (or the guest is gone) */
	TRAP_PARK, /* wait on t->sock; handler runs again on trap_kick */
};

struct trap {
	struct sandbox *sb;     /* R */
	struct seccomp_notif n; /* S n.pid: thread id in our PID namespace */
	struct sock *sock;      /* S a reference, or NULL */
	int gfd; /* S dup of the guest's fd args[0], or -1; a reply closes it */
	bool keep_gfd; /* S ... unless the handler needs it afterwards */
	bool retry;    /* R not the first run */
	/* Last run: leave state for EINTR, then TRAP_DONE after
	 * trap_reply_err(t, ERESTARTSYS). D */
	bool interrupted;
	bool expired;      /* D deadline has passed */
	nst_time since;    /* S when it began to wait, if it has a time-out */
	nst_time timeout;  /* S of the socket, when it began */
	nst_time deadline; /* R stack clock; 0: none */

	uint64_t aux;     /* S the handler's own, kept over parking */
	uint8_t fast;     /* S MSG_FASTOPEN, enum trap_fast; kept as well */
	bool fast_nowait; /* S with MSG_DONTWAIT */
	const void *fast_data; /* D for its SYN, during the call */
	size_t fast_bytes;     /* D */
	uint8_t pending_ticks; /* S */
	unsigned kicks; /* R of the socket, when the handler was called */
	int fail;       /* D errno with which the park list answers it, or 0 */
	struct trap *next, **pprev;           /* R park list of the socket */
	struct trap *park_next, **park_pprev; /* R everything that is parked */
};

/* A send that connects: sys_connect_fast (sentry/sock/sys_connect.c). */
enum trap_fast { TRAP_FAST_NONE, TRAP_FAST_CONNECT, TRAP_FAST_SEND };

#define TRAP_ERESTARTSYS 512

static inline uint64_t trap_arg(const struct trap *t, int i)
{
	return t->n.data.args[i];
}
/* int arguments: the low 32 bits. */
static inline int trap_int(const struct trap *t, int i)
{
	return (int)(uint32_t)t->n.data.args[i];
}

/* ---- guest memory; -EFAULT, or -ESRCH when the guest thread is gone ---- */
int trap_read(const struct trap *t, uint64_t addr, void *dst, size_t bytes);
int trap_write(const struct trap *t, uint64_t addr, const void *src,
	       size_t bytes);
/* First src, then len to lenp, as many calls end: one call costs half of two.
 */
int trap_write_sized(const struct trap *t, uint64_t addr, const void *src,
		     size_t bytes, uint64_t lenp, uint32_t len);
/* Gather/scatter over guest iovecs (already read into v); bytes or -EFAULT. */
ssize_t trap_gather(const struct trap *t, const struct iovec *v, size_t nv,
		    void *dst, size_t cap);
ssize_t trap_scatter(const struct trap *t, const struct iovec *v, size_t nv,
		     const void *src, size_t bytes);
/* False when the notification is no longer valid (guest interrupted, dead):
 * call after reading memory or getting fds, before acting. */
bool trap_valid(const struct trap *t);

/* Is the calling descriptor in non-blocking mode? */
bool trap_nonblock(const struct trap *t);
/* Sets the deadline from SO_RCVTIMEO or SO_SNDTIMEO of the guest's end, once.
 */
void trap_set_deadline(struct trap *t, int timeo_opt);
/* Computes it again. */
void trap_rearm(struct trap *t);
/* What an interrupted call answers: ERESTARTSYS, or EINTR if it has a time-out
 * (LINUX: sock_intr_errno). */
int trap_intr_errno(const struct trap *t);

/* ---- replies; 0, or -ENOENT when it could not be delivered ---- */
int trap_reply(struct trap *t, int64_t value);
int trap_reply_err(struct trap *t, int err); /* positive errno */
int trap_reply_continue(struct trap *t);
/* How most handlers end: the call's value, or -errno. Nothing is to be rolled
 * back if it cannot be delivered. TRAP_DONE. */
enum trap_verdict trap_answer(struct trap *t, int64_t rc);
/* Installs fd in the guest and returns it as the call's value (ADDFD|SEND).
 * Returns the guest's fd number, or -errno (-ENOENT: not delivered; others,
 * e.g. -EMFILE: nothing sent yet). Borrows fd. */
int trap_reply_fd(struct trap *t, int fd, bool cloexec);
/* Replaces the guest's descriptor `number` by fd (SETFD); no reply yet. */
int trap_replace_fd(struct trap *t, int fd, int number, bool cloexec);

/* ---- the guest's descriptors ---- */
/* A dup of (thread id, fd number), via a cached PIDFD_THREAD; -EBADF, -ESRCH,
 * -EPERM. No lock may be held. */
int guest_fd_get(struct sandbox *sb, pid_t tid, int fd);
/* Finds a dup of the socket with this cookie: hint first, then every process
 * of the guest. -ENOENT. Slow path. */
int guest_fd_find(struct sandbox *sb, uint64_t cookie, pid_t hint_tid,
		  int hint_fd);
uint64_t socket_cookie(int fd); /* 0 on error */
/*
 * Shows fn a dup of every socket in the guest's processes until it returns
 * true: that dup is returned (and its place in tid and fd). -ENOENT: none did;
 * -EMFILE: nor could all be shown, for want of descriptors or memory.
 * Slow; no lock may be held.
 */
typedef bool (*guest_fd_match)(void *arg, int dup);
int guest_fd_scan(struct sandbox *sb, guest_fd_match fn, void *arg, pid_t *tid,
		  int *fd);
/* /proc/PID/LEAF as a string, as much as fits; false: there is none. */
bool guest_proc_text(pid_t pid, const char *leaf, char *buf, size_t size);
/* Thread group of a guest thread (for signals: SIGPIPE). */
pid_t guest_tgid(pid_t tid);
void guest_signal(pid_t tid, int sig); /* tgkill to the calling thread */

/* ---- parking; all under the stack lock ---- */
/* Makes every trap parked on s ready; they run in trap_run_ready(). */
void trap_kick(struct sock *s);
/* Answers all parked traps of a socket that goes away with this errno. */
void trap_fail_parked(struct sock *s, int err);
/* Runs ready traps. No lock held. Loop's idle hook, and the trap thread after
 * each handler. */
void trap_run_ready(struct sandbox *sb);

/* Handlers, one per system call; table in trap/dispatch.c. t->sock is set for
 * all but sys_socket. Calls on descriptors that are not ours are answered
 * CONTINUE before any handler runs. */
typedef enum trap_verdict (*trap_handler)(struct trap *t);

/* Starts the trap thread on sb->notify_fd, after trapper_new if that was not
 * called; stop joins it. -errno. */
int trapper_new(struct sandbox *sb);
int trapper_start(struct sandbox *sb);
void trapper_stop(struct sandbox *sb);
/*
 * Ends both threads; what is parked stays so, and new traps wait in the
 * listener. Resume starts the threads again; -errno.
 */
void trapper_suspend(struct sandbox *sb);
/* Runs, on the calling thread, what is ready until nothing is, nor a job of a
 * socket's: false if that does not end. */
NST_MUST_CHECK bool trapper_quiet(struct sandbox *sb);
int trapper_resume(struct sandbox *sb);
/* A process of the guest has exited (pid), or the slow sweep: sockets without
 * a peer are probed and dead ones freed. Takes the lock itself. */
void trapper_sweep(struct sandbox *sb);

#endif
