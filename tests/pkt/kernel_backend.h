/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's kernel behind packetdrill's interface: real system calls, real
 * time, packets through a tun device "tun0" in the current network namespace,
 * which the caller has made for it.
 */
#ifndef CORDON_TESTS_PKT_KERNEL_BACKEND_H
#define CORDON_TESTS_PKT_KERNEL_BACKEND_H

#include "tests/pkt/packetdrill_interface.h"

/* Addresses as text, all of one family; borrowed for the call. */
struct pkt_kernel_conf {
	const char *local, *remote, *gateway;
	unsigned local_plen, remote_plen;
	unsigned mtu;
};

/* 0, or -1 with errno: no tun, no `ip` command, an address refused. */
int pkt_kernel_backend(const struct pkt_kernel_conf *conf,
		       struct packetdrill_interface *out);

#endif /* CORDON_TESTS_PKT_KERNEL_BACKEND_H */
