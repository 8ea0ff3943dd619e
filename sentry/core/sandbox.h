/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One guest, its sentry, its netstack: the object that ties the parts together.
 *
 * Locking: `lock` is *the stack lock*. It guards both netstacks, all sockets,
 * gateway flows, links and the sentry's tables. It is never held over ADDFD,
 * pidfd_getfd or process_vm calls. The loop calls its callbacks with it held.
 */
#ifndef SENTRY_CORE_SANDBOX_H
#define SENTRY_CORE_SANDBOX_H

#include <pthread.h>
#include <stdatomic.h>

#include "netstack/nst_stack.h"
#include "sentry/core/options.h"
#include "sentry/core/owner.h"

struct loop;
struct gateway;
struct link;
struct trapper;
struct sock_table;
struct capture;
struct control;
struct guest;
struct saves;
struct upgrade;

struct sandbox {
	pthread_mutex_t lock;      /* R */
	pthread_mutex_t turn;      /* R whose turn it is; sandbox_lock_turn */
	atomic_uint turns;         /* R how many wait for theirs */
	const struct options *opt; /* R */
	struct nst_env env;        /* R */
	struct nst_stack *stack;   /* R the guest's netstack */
	uint32_t ifindex;          /* S its eth0; 0 with --net none */
	struct gateway *gw;        /* R NULL unless --net nat */
	struct link *link;         /* R carries eth0; NULL with --net none */
	struct capture *cap;       /* R NULL unless --pcap */
	struct loop *loop;         /* R */
	struct trapper *trapper;   /* R */
	struct sock_table *socks;  /* R */
	struct control *control;   /* R its name and control socket, or NULL */
	struct guest *guest;       /* R the launcher's record of it, or NULL */
	struct upgrade *upgrade;   /* R how it becomes another process's */
	struct ep_owner *dirty, **dirty_tail; /* D */
	_Atomic nst_time behind; /* S the stack's clock, of CLOCK_MONOTONIC */
	_Atomic nst_time stopped_at; /* D it stands still here; 0: it runs */
	bool settling;               /* D */
	bool unsettled; /* D the last settle gave up before it was quiet */
	bool holding;   /* D nothing is taken from guests: it shall get quiet */
	bool poison;    /* R freed netstack memory is overwritten */
	/* sandbox_unlock calls it, settled, after each event (a settle that
	 * did something), or NULL. Under the lock; see sentry/save. R */
	void (*autosave)(struct sandbox *sb);

	/* Saves and restores now; -errno. Under the lock, as above. R */
	int (*save)(struct sandbox *sb);

	struct saves *saves; /* D what was saved and restored in place */
	int fds_max;       /* S lasting descriptors are below (fds.h); 0: any */
	int notify_fd;     /* S seccomp listener */
	int guest_diag_fd; /* S UNIX_DIAG in the guest's namespace, or -1 */
	int guest_pid;     /* S first guest process */
	uint64_t magic;    /* S shared with filter and shim: abi.h */
	char dir[64];      /* S private 0700 directory for socket names */
	int dir_fd;        /* S */
};

/* Empty: no stack, no loop, no directory. Copies nothing, borrows opt. */
void sandbox_init(struct sandbox *sb, const struct options *opt);
/* Closes notify_fd; everything else must be gone. */
void sandbox_fini(struct sandbox *sb);
/*
 * The private 0700 directory for socket names, in $XDG_RUNTIME_DIR, else
 * /dev/shm, else /tmp.
 * dir_name only chooses the name, so that the watcher knows it before it
 * exists and can remove it whatever happens to the sentry; dir_new makes it
 * (and chooses, if that was not done): sets dir and dir_fd (O_PATH). -errno
 * after one line on stderr.
 */
void sandbox_dir_name(struct sandbox *sb);
int sandbox_dir_new(struct sandbox *sb);
void sandbox_dir_free(struct sandbox *sb);

/* The stack's clock: CLOCK_MONOTONIC in ns less the time that it stood still
 * while everything else did. Any thread. */
nst_time sandbox_now(const struct sandbox *sb);
/* When that is by CLOCK_MONOTONIC: what threads sleep until. */
nst_time sandbox_monotonic(const struct sandbox *sb, nst_time t);
/* Stops the stack's clock at `at`; lets it go on from there. Only where nobody
 * else looks: no other thread runs, or they wait for the lock. */
void sandbox_clock_stop(struct sandbox *sb, nst_time at);
void sandbox_clock_start(struct sandbox *sb);

void sandbox_lock(struct sandbox *sb);
/*
 * The same for who comes seldom, a command: whoever asks for the lock later
 * gets it later. Without it a thread that slept for the lock finds it taken
 * again by those that give and take it all the time under traffic. They have it
 * once more each at most before this returns.
 */
void sandbox_lock_turn(struct sandbox *sb);
/*
 * Settles, saves if that is due (autosave), releases the lock, then wakes the
 * loop if the next deadline has become earlier than what it sleeps for. Every
 * lock is undone by this. No pointer into netstack may be kept over it but
 * those of struct sock and of the gateway's objects: the stacks may be others
 * afterwards.
 */
void sandbox_unlock(struct sandbox *sb);
/*
 * Runs everything that is pending until quiet, under the lock: packets between
 * the guest's netstack and the gateway's (links), then dirty owners' events.
 * Re-entrant calls return at once (the outer one goes on). True: there was
 * something.
 */
bool sandbox_settle(struct sandbox *sb);
/* Earliest moment at which sandbox_run_timers has work; 0: now, since a settle
 * was cut short. Both under the lock: they are the loop's hooks. */
nst_time sandbox_next_deadline(const struct sandbox *sb);
void sandbox_run_timers(struct sandbox *sb);
/* Marks an owner dirty (as netstack's event callback does). */
void owner_mark(struct sandbox *sb, struct ep_owner *o, uint32_t events);
/* Takes an owner off the dirty list: call before freeing it. */
void owner_forget(struct sandbox *sb, struct ep_owner *o);

/* env of both netstacks: malloc, libsodium; event = owner_mark. */
void sandbox_env_init(struct sandbox *sb);
/* About so many bytes will be allocated soon, in small pieces: makes ready for
 * it, until sandbox_env_expected(), so that nobody waits for a page of memory
 * each time. now: the kernel gives all of them at once. Without the lock, too.
 */
void sandbox_env_expect(size_t bytes, bool now);
void sandbox_env_expected(void);
/*
 * From now on this thread uses env without the lock, beside who holds it: on
 * memory that nobody else has, and no packet on a link refers to. It takes no
 * random numbers, and nothing it does is an event.
 */
void sandbox_env_apart(void);
bool sandbox_env_is_apart(void);

#endif
