/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shim and the sentry agree on.
 *
 * Names: the sentry end of an accepted connection is bound to an abstract
 * AF_UNIX name that encodes the endpoint's id and the peer's address, so that
 * whoever accepts natively learns the peer without a trap:
 *
 *   "\0cordon/" ID16 "/" FAMILY "/" ADDRHEX "/" PORTHEX4 ["/" SCOPEHEX8]
 *
 * ID16: 16 hex digits; FAMILY: "4" or "6" (as the guest's socket shows it: an
 * IPv4 peer of an AF_INET6 socket is "6" with a mapped address); ADDRHEX: 8 or
 * 32 hex digits in network order.
 *
 * Passing by: a call whose sixth argument register equals the sandbox's magic
 * is allowed natively by the filter (only calls that cannot make a host network
 * socket: accept, accept4, getsockname, getpeername, sendmsg, recvmsg,
 * sendmmsg, recvmmsg, getsockopt, setsockopt). The magic protects nothing: it
 * only keeps garbage in unused registers from being taken for it.
 *
 * Adoption: the shim makes AF_UNIX sockets itself in place of AF_INET ones; at
 * the first trap on such a socket the sixth argument register carries
 * SHIM_ADOPT(...). Calls that use six arguments are preceded by an explicit
 * getsockopt(fd, SHIM_SOL, SHIM_OPT_ADOPT, NULL, NULL) with that register.
 */
#ifndef SHIM_ABI_H
#define SHIM_ABI_H

#include <stdint.h>

#define SHIM_ENV "CORDON_SHIM" /* "1:" magic in 16 hex digits */
#define SHIM_ENV_VERSION '1'
#define SHIM_NAME_PREFIX "cordon/"
#define SHIM_SOL 0x636f7264
#define SHIM_OPT_ADOPT 1
/* int: the errno behind the ECONNRESET that the backing socket has just shown
 * (a refused UDP port, a failed connect), 0 when that was all. */
#define SHIM_OPT_SHOWN_ERROR 2

/* Upper half of the register: low half of the magic, inverted, so that it never
 * equals the magic. Lower half: cookie, family, type, protocol. */
#define SHIM_ADOPT_TAG(magic) (((uint64_t) ~(uint32_t)(magic)) << 32)
static inline uint64_t shim_adopt(uint64_t magic, uint64_t cookie, int inet6,
				  int type, int proto)
{
	return SHIM_ADOPT_TAG(magic) | ((cookie & 0xfff) << 20) |
	       ((uint64_t)(inet6 & 1) << 19) | ((uint64_t)(type & 7) << 16) |
	       (uint64_t)(proto & 0xffff);
}

#endif
