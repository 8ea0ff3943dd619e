/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The answer to getsockopt(TCP_INFO) as Linux lays it out, from what the
 * netstack knows. Pure: no lock, no memory. tools/packetdrill-adapter uses it
 * too, so that wire tests see what a guest sees.
 */
#ifndef SENTRY_SOCK_TCP_INFO_H
#define SENTRY_SOCK_TCP_INFO_H

#include "netstack/nst_tcp.h"

#define TCP_INFO_LINUX_BYTES 280 /* LINUX 6.18: sizeof(struct tcp_info) */

void tcp_info_linux(const struct nst_tcp_info *i,
		    uint8_t out[TCP_INFO_LINUX_BYTES]);

#endif
