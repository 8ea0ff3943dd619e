/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this folder share. */
#ifndef SENTRY_UPGRADE_UPGRADE_PRIV_H
#define SENTRY_UPGRADE_UPGRADE_PRIV_H

#include "netstack/nst_save.h"
#include "sentry/upgrade/upgrade.h"

/* Raised with every change of what these records mean: those of sandbox, links
 * and traps. Netstack, sockets and gateway have their own. */
#ifndef UPGRADE_VERSION
#define UPGRADE_VERSION 1u
#endif

/* Types of records; numbers are for good. */
enum upgrade_record {
	UPGRADE_SAVE_FIRST = NST_SAVE_EMBEDDER + 32,
	UPGRADE_SAVE_END = NST_SAVE_EMBEDDER + 47,
};

/* What a program says that can take over. */
#define UPGRADE_PROBE_OK "cordon upgrade-probe: this image can be loaded\n"

/* One request, from the control thread to the main thread. */
struct upgrade_job {
	int binary_fd; /* O_PATH */
	int client;
	int err; /* out: -errno, with the reason */
	char why[UPGRADE_WHY];
};

struct upgrade {
	struct sandbox *sb;
	int argc;
	char **argv;
	uint64_t count;
	int event_fd;         /* a job is there */
	pthread_mutex_t lock; /* of the rest */
	pthread_cond_t done;
	struct upgrade_job *job;
	bool closed;
};

/* ---- save.c ---- */
/* Writes everything into the memory file fd, from its start: of a quiet
 * sandbox, or under the lock, for a look (`client` -1). `began` as in
 * upgrade_hand. -errno: -EBUSY, not quiet; -ENOMEM. */
int upgrade_save(struct sandbox *sb, int fd, int client, int64_t began);
/* Every descriptor that goes on. */
void upgrade_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd),
		     void *arg);

/* ---- probe.c ---- */
/* Asks a program whether it can load the image. -errno with the reason. */
int upgrade_probe(const struct upgrade *up, int binary_fd, int image_fd,
		  char *why);

/* ---- exec.c ---- */
/* Does the job. Returns if it failed: then everything is as it was. */
void upgrade_exec(struct upgrade *up, struct upgrade_job *job);

int64_t upgrade_clock(void);

#endif
