/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hot upgrade: the sentry becomes another program, in place, and the guest does
 * not notice. README.md has the theory of operation.
 *
 * Owner: core/run.c. All functions are for the main thread unless told
 * otherwise.
 */
#ifndef SENTRY_UPGRADE_UPGRADE_H
#define SENTRY_UPGRADE_UPGRADE_H

#include "sentry/core/sandbox.h"

#define UPGRADE_WHY 512

/* ---- the process that goes ---- */
/*
 * From now on `cordon upgrade` is obeyed, while launch_wait waits. The words
 * behind "run" are borrowed: the next program gets the same. `count`: upgrades
 * so far. -errno.
 */
int upgrade_open(struct sandbox *sb, int argc, char **argv, uint64_t count);
/* The guest has ended, or nothing more is wanted: refuses those that wait. */
void upgrade_close(struct sandbox *sb);
void upgrade_free(struct sandbox *sb);

/* ---- the process that comes ---- */
/* For a process that only tried upgrade_load, and could: tells who asked. */
void upgrade_probe_ok(void);

/* Before an image number, in the words of the program that comes: "cordon", the
 * command, the number. */
#define UPGRADE_WORDS 3
/*
 * The words behind these, copied for good; and the process's own line becomes
 * "cordon run WORDS", as it was, so that who looks for the sandbox with ps or
 * pgrep finds it. argc and argv are main's. NULL: no memory.
 */
char **upgrade_words(int argc, char **argv);

/* What the other one says beside the sandbox itself. */
struct upgrade_hand {
	int client;     /* who asked, to be answered; -1: gone */
	uint64_t count; /* upgrades, this one included */
	int64_t
	    began; /* CLOCK_MONOTONIC: since then the sandbox stands still */
};

/*
 * Makes all of a sandbox of the image in the memory file fd: the options are
 * parsed, sandbox_init was called. Touches no descriptor, starts nothing, and
 * leaves the stack's clock standing. -errno with `why` (UPGRADE_WHY bytes): the
 * process cannot go on.
 */
int upgrade_load(struct sandbox *sb, int fd, struct upgrade_hand *out,
		 char *why);
/* After upgrade_load: are all descriptors there? Nobody else inherits them from
 * now on. -errno. */
int upgrade_take_fds(struct sandbox *sb, char *why);
/* With sb->loop: the clock runs, links, gateway and sockets work. -ENOMEM. */
int upgrade_start(struct sandbox *sb, const struct upgrade_hand *hand);
/* With all threads: answers who asked. */
void upgrade_done(struct sandbox *sb, const struct upgrade_hand *hand);
/* It does not work: says so to who asked. */
void upgrade_lost(const struct upgrade_hand *hand, const char *why);

#endif
