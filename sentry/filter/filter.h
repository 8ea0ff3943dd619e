/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The seccomp filter: a short table of calls, built with libseccomp, exported
 * as BPF and installed with seccomp(2) directly (libseccomp 2.5 does not know
 * WAIT_KILLABLE_RECV).
 */
#ifndef SENTRY_FILTER_FILTER_H
#define SENTRY_FILTER_FILTER_H

#include <linux/filter.h>
#include <stdint.h>

/* Builds the program; *out is malloc'ed (free out->filter). -errno. */
int filter_build(uint64_t magic, struct sock_fprog *out);
/*
 * Installs it in the calling thread with a listener; returns the listener's fd
 * (in this process) or -errno. Tries WAIT_KILLABLE_RECV, falls back without.
 * Async-signal-safe (called between fork and exec).
 */
int filter_install(const struct sock_fprog *prog);
/* Evaluates a program over one call, as the kernel would (tests, doctor). */
uint32_t filter_eval(const struct sock_fprog *prog, int nr, uint32_t arch,
		     const uint64_t args[6]);

#endif
