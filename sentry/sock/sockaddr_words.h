/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Socket addresses between the words of system calls and the netstack's.
 * Pure: no lock, no memory. tools/packetdrill-adapter uses it too.
 */
#ifndef SENTRY_SOCK_SOCKADDR_WORDS_H
#define SENTRY_SOCK_SOCKADDR_WORDS_H

#include <sys/socket.h>

#include "netstack/nst_types.h"

/* Parses what a guest passed for a socket of `domain`; v4-mapped becomes
 * family 4; AF_UNSPEC gives family 0. -EINVAL, -EAFNOSUPPORT. */
int sockaddr_parse(int domain, const void *sa, socklen_t len,
		   struct nst_sockaddr *out);
/* Builds what a socket of `domain` shows; returns its length. */
socklen_t sockaddr_build(int domain, const struct nst_sockaddr *a,
			 struct sockaddr_storage *out);

#endif
