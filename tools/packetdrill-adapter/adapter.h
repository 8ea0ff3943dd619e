/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A netstack behind packetdrill's interface: one stack under virtual time,
 * reached through BSD socket calls. Any number of them in a process; nothing
 * is global.
 *
 * Who calls: one thread that moves time (netdev_send, netdev_receive, usleep,
 * gettimeofday) and any others that make system calls. Each instance has one
 * lock of its own, taken inside; a call that blocks sleeps on a futex and is
 * woken by packets and by time. Time does not move while a woken call has
 * something left to do.
 *
 * Units: microseconds where packetdrill's interface says so; the clock of
 * gettimeofday starts at 1000 s. Everything here returns 0 or -1 with errno.
 */
#ifndef TOOLS_PACKETDRILL_ADAPTER_ADAPTER_H
#define TOOLS_PACKETDRILL_ADAPTER_ADAPTER_H

#include <stdbool.h>
#include <stddef.h>

#include "tests/pkt/packetdrill_interface.h"

/*
 * A fresh stack. `flags` (NULL: none) is a list of settings, README.md lists
 * them. out->free ends it. EINVAL: a setting is wrong, ENOENT: no such
 * setting, ENOMEM.
 */
int pkt_netstack_backend(const char *flags, struct packetdrill_interface *out);

/* ---- beyond the struct; `userdata` is that of a netstack backend ---- */

/* A setting by Linux's name ("net.ipv4.tcp_ecn" or "tcp_ecn"), as sysctl(8)
 * reads and writes it. ENOENT, EINVAL. */
int pkt_netstack_sysctl_set(void *userdata, const char *name,
			    const char *value);
int pkt_netstack_sysctl_get(void *userdata, const char *name, char *out,
			    size_t cap);
/* netdev_receive that moves time no further than to `until_usecs` on
 * gettimeofday's clock; *count 0: nothing left by then. */
int pkt_netstack_receive_until(void *userdata, void *buf, size_t *count,
			       long long *time_usecs, long long until_usecs);
/* A counter of the stack by name (netstack/nst_counters.h). ENOENT. */
int pkt_netstack_counter(void *userdata, const char *name,
			 unsigned long long *value);
/* Changes the MTU of the link. EINVAL. */
int pkt_netstack_set_mtu(void *userdata, unsigned mtu);

/* ---- save.c: not in the shared object ---- */

/* The stack is saved, freed and loaded, now; outside, so much time has passed
 * meanwhile; `clone` draws its secrets anew. Fails by ending the process. */
int pkt_netstack_reborn(void *userdata, long long outage_usecs, bool clone);
/* The same after events (system calls, packets, timers): "every", "N" (each N
 * of them), "random:SEED". EINVAL. */
int pkt_netstack_save_mode(void *userdata, const char *mode);

#endif
