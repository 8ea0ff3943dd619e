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

struct sandbox {
	pthread_mutex_t lock;
	const struct options *opt;
	struct nst_env env;
	struct nst_stack *stack; /* the guest's netstack */
	uint32_t ifindex;        /* its eth0; 0 with --net none */
	struct gateway *gw;      /* NULL unless --net nat */
	struct link *link;       /* carries eth0; NULL with --net none */
	struct capture *cap;     /* NULL unless --pcap */
	struct loop *loop;
	struct trapper *trapper;
	struct sock_table *socks;
	struct control *control; /* its name and control socket, or NULL */
	struct guest *guest;     /* the launcher's record of it, or NULL */
	struct ep_owner *dirty, **dirty_tail;
	_Atomic nst_time behind;     /* the stack's clock, of CLOCK_MONOTONIC */
	_Atomic nst_time stopped_at; /* it stands still here; 0: it runs */
	bool settling;
	bool unsettled; /* the last settle gave up before it was quiet */
	bool poison;    /* freed netstack memory is overwritten */
	/* sandbox_unlock calls it, settled, after each event (a settle that
	 * did something), or NULL. Under the lock; see sentry/save. */
	void (*autosave)(struct sandbox *sb);
	/* Saves and restores now; -errno. Under the lock, as above. */
	int (*save)(struct sandbox *sb);
	struct saves *saves; /* what was saved and restored in place, or NULL */
	int fds_max;         /* lasting descriptors are below (fds.h); 0: any */
	int notify_fd;       /* seccomp listener */
	int guest_diag_fd;   /* UNIX_DIAG in the guest's namespace, or -1 */
	int guest_pid;       /* first guest process */
	uint64_t magic;      /* shared with filter and shim: abi.h */
	char dir[64];        /* private 0700 directory for socket names */
	int dir_fd;
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

#endif
