/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What sentry, watcher and guest child share: the plan made before the first
 * fork, and the messages between them. All three run this code; each function
 * says in which process it is called.
 *
 * Sockets (SEQPACKET pairs, [0] is the sentry's end, close-on-exec):
 *   boot  sentry ↔ guest child: READY, GO, FAILED; end of file: it has exec'ed
 *   freeze sentry ↔ watcher: pausing, each request answered
 *   ctl   sentry ↔ watcher: what became of processes; end of file: the other
 *         one is dead
 */
#ifndef SENTRY_LAUNCH_LAUNCH_PRIV_H
#define SENTRY_LAUNCH_LAUNCH_PRIV_H

#include <signal.h>
#include <sys/types.h>

#include "sentry/launch/launch.h"

enum launch_msg_kind {
	BOOT_READY = 1, /* child: value is the number of its listener */
	BOOT_GO,        /* sentry: exec now */
	BOOT_FAILED,    /* child or watcher: `step` failed with errno `value` */
	CTL_EXIT,       /* watcher: the guest ended, value is a wait status */
	CTL_STOP,       /* watcher: the guest stopped by signal `value` */
	CTL_CONT,       /* watcher: the guest continued */
	CTL_CHILD,      /* watcher: another process of the guest has exited */
	CTL_KILL,       /* sentry: kill what is left, then answer CTL_GONE */
	CTL_GONE,       /* watcher: no process is left */
	FREEZE_STOP,    /* sentry: stop the guest; `step` numbers requests */
	FREEZE_CONT,    /* sentry: continue what was stopped */
	FREEZE_DONE,    /* watcher: value processes, or -errno */
	BOOT_FDS,       /* sentry: descriptors: hand.c */
};

enum launch_step {
	STEP_NONE,
	STEP_USERNS, /* writing the user namespace's maps */
	STEP_MOUNT,  /* mounts of its own: /proc */
	STEP_FORK,
	STEP_FILTER,
	STEP_EXEC,
	STEP_HAND,
};

struct launch_msg {
	int32_t kind, step, value;
};

struct control_place;

struct launch_plan {
	const struct options *opt;
	uint64_t magic;
	int boot[2], ctl[2], freeze[2];
	int sentry_pidfd;
	pid_t sentry_pid;
	uid_t uid;
	gid_t gid;
	int ns_flags; /* CLONE_NEW* that the watcher has */
	const char *dir;
	const struct control_place *place; /* the control socket, or NULL */
	sigset_t old_mask;
	struct sigaction old_chld;
};

/* ---- watcher.c, in the watcher ---- */
void watcher_main(struct launch_plan *p) __attribute__((noreturn));

/* ---- child.c, in the guest child ---- */
void child_main(struct launch_plan *p, pid_t watcher) __attribute__((noreturn));

/* ---- hand.c, in the guest child ---- */
/* After GO: takes what launch_hand sends. 0, -errno. */
int hand_take(struct launch_plan *p);

/* ---- proc_tree.c ---- */
/* A process below the caller. */
struct proc {
	pid_t pid, parent;
	char state;               /* as in /proc/PID/stat */
	unsigned depth;           /* 1: the caller's child; 0: not below it */
	unsigned long long start; /* when it began: tells pids apart */
};
struct proc_list {
	struct proc *p;
	size_t n, room;
};
/* Every process below the caller, parents before their children. -errno. */
int proc_tree(struct proc_list *l);
/* Reads one process; false: it is gone. */
bool proc_read(pid_t pid, struct proc *out);
/* Is every thread of it stopped, or in the kernel until it stops? */
bool proc_halted(pid_t pid);
int proc_push(struct proc_list *l, const struct proc *p);
void proc_list_free(struct proc_list *l);

/* ---- freeze.c, in the watcher ---- */
struct freezer {
	bool on;
	struct proc_list stopped; /* by us, parents first */
};
/* Processes stopped, or -errno as launch_pause. `first` is the guest's first
 * process: that it continues is not news. */
int freeze_stop(struct freezer *f, pid_t first);
/* Continues them, children first: no parent sees a stopped child. */
int freeze_cont(struct freezer *f, pid_t first);
/* Has the freezer stopped it? */
bool freeze_holds(const struct freezer *f, pid_t pid);

/* ---- message.c ---- */
void message_send(int fd, int kind, int step, int value);
/* 1, 0 at end of file, -errno; *sender is its pid, if SO_PASSCRED is set. */
int message_recv(int fd, struct launch_msg *m, pid_t *sender, bool block);

/* ---- reap.c ---- */
/* Kills every descendant of the caller, a subreaper, and reaps it. in_pidns:
 * the caller is PID 1 of a PID namespace. */
void reap_all(bool in_pidns);
/* Removes the sandbox's directory with everything in it (one level). */
void reap_dir(const char *path);

/* ---- namespaces.c ---- */
/* The sentry: clones the watcher, into namespaces that only clone gives; sets
 * p->ns_flags. Returns like fork; -errno. */
pid_t ns_clone(struct launch_plan *p);
/* The watcher: its network namespace, if one can be had; maps and mounts. 0, or
 * -errno with *step set. */
int ns_enter(struct launch_plan *p, enum launch_step *step);

/* ---- inherited.c, in the sentry ---- */
/* Refuses descriptors that reach the host's network. -EPERM after one line. */
int inherited_check(void);
/* Closes what only the guest inherits (3 and up, not close-on-exec); 0 and 1
 * become /dev/null. */
void inherited_shed(void);

/* ---- preload.c, in the guest child ---- */
/* LD_PRELOAD and SHIM_ENV. False: the library is not there. */
bool preload_setenv(uint64_t magic);

/* ---- signals.c, in the sentry ---- */
/* Passes one signal on to the guest, if it is not there already. */
struct signalfd_siginfo;
void signals_forward(int guest_pidfd, const struct signalfd_siginfo *si);
/* Stops this process as the guest was stopped; returns when continued. */
void signals_stop_self(int sig);
bool signals_asks_to_end(const struct signalfd_siginfo *si);

#endif
