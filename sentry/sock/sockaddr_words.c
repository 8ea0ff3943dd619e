/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/sock/sockaddr_words.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

/* LINUX: SIN6_LEN_RFC2133, an AF_INET6 address without sin6_scope_id. */
#define SIN6_LEN_MIN 24

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0,    0,
					  0, 0, 0, 0, 0xff, 0xff};

static int parse_in(const void *sa, socklen_t len, struct nst_sockaddr *out)
{
	struct sockaddr_in in;

	if (len < sizeof(in))
		return -EINVAL;
	memcpy(&in, sa, sizeof(in));
	out->addr.family = 4;
	memcpy(out->addr.b, &in.sin_addr, 4);
	out->port = ntohs(in.sin_port);
	return 0;
}

static int parse_in6(const void *sa, socklen_t len, struct nst_sockaddr *out)
{
	struct sockaddr_in6 in6 = {0};

	if (len < SIN6_LEN_MIN)
		return -EINVAL;
	memcpy(&in6, sa, len < sizeof(in6) ? len : sizeof(in6));
	out->port = ntohs(in6.sin6_port);
	if (memcmp(&in6.sin6_addr, mapped_prefix, 12) == 0) {
		out->addr.family = 4;
		memcpy(out->addr.b, in6.sin6_addr.s6_addr + 12, 4);
		return 0;
	}
	out->addr.family = 6;
	memcpy(out->addr.b, &in6.sin6_addr, 16);
	if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) ||
	    IN6_IS_ADDR_MC_LINKLOCAL(&in6.sin6_addr))
		out->addr.scope = in6.sin6_scope_id;
	return 0;
}

int sockaddr_parse(int domain, const void *sa, socklen_t len,
		   struct nst_sockaddr *out)
{
	sa_family_t family;

	memset(out, 0, sizeof(*out));
	if (len < sizeof(family))
		return -EINVAL;
	memcpy(&family, sa, sizeof(family));
	if (family == AF_UNSPEC)
		return 0;
	/* LINUX: the length is looked at before the family. */
	if (domain == AF_INET6) {
		if (len < SIN6_LEN_MIN)
			return -EINVAL;
		return family == AF_INET6 ? parse_in6(sa, len, out)
					  : -EAFNOSUPPORT;
	}
	if (len < sizeof(struct sockaddr_in))
		return -EINVAL;
	return family == AF_INET ? parse_in(sa, len, out) : -EAFNOSUPPORT;
}

static socklen_t build_in(const struct nst_sockaddr *a,
			  struct sockaddr_storage *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(a->port)};

	if (a->addr.family == 4)
		memcpy(&in.sin_addr, a->addr.b, 4);
	memcpy(out, &in, sizeof(in));
	return sizeof(in);
}

socklen_t sockaddr_build(int domain, const struct nst_sockaddr *a,
			 struct sockaddr_storage *out)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
				   .sin6_port = htons(a->port)};

	if (domain == AF_INET)
		return build_in(a, out);
	if (a->addr.family == 6) {
		memcpy(&in6.sin6_addr, a->addr.b, 16);
		in6.sin6_scope_id = a->addr.scope;
	} else if (a->addr.family == 4) {
		memcpy(in6.sin6_addr.s6_addr, mapped_prefix, 12);
		memcpy(in6.sin6_addr.s6_addr + 12, a->addr.b, 4);
	}
	memcpy(out, &in6, sizeof(in6));
	return sizeof(in6);
}
