/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "sentry/sock/sock.h"

static struct sockaddr_in6 in6_of(const char *text16)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons(80),
				 .sin6_scope_id = 7};

	memcpy(&a.sin6_addr, text16, 16);
	return a;
}

Test(sockaddr, ipv4_round_trip)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_port = htons(8080),
				 .sin_addr.s_addr = htonl(0x0a00020f)};
	struct sockaddr_storage ss;
	struct nst_sockaddr a;

	cr_assert_eq(sockaddr_parse(AF_INET, &in, sizeof in, &a), 0);
	cr_assert_eq(a.addr.family, 4);
	cr_assert_eq(a.port, 8080);
	cr_assert_eq(sockaddr_build(AF_INET, &a, &ss), sizeof in);
	cr_assert_eq(memcmp(&ss, &in, sizeof in), 0);
}

Test(sockaddr, mapped_is_family_4_and_comes_back_mapped)
{
	struct sockaddr_in6 in6 =
	    in6_of("\0\0\0\0\0\0\0\0\0\0\xff\xff\x7f\0\0\1");
	struct sockaddr_storage ss;
	struct nst_sockaddr a;

	cr_assert_eq(sockaddr_parse(AF_INET6, &in6, sizeof in6, &a), 0);
	cr_assert_eq(a.addr.family, 4);
	cr_assert_eq(memcmp(a.addr.b, "\x7f\0\0\1", 4), 0);
	cr_assert_eq(sockaddr_build(AF_INET6, &a, &ss), sizeof in6);
	cr_assert_eq(memcmp((char *)&ss + 8, &in6.sin6_addr, 16), 0);
}

Test(sockaddr, scope_only_where_it_means_something)
{
	struct sockaddr_in6 ll = in6_of("\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
	struct sockaddr_in6 gl = in6_of("\x20\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\1");
	struct nst_sockaddr a;

	cr_assert_eq(sockaddr_parse(AF_INET6, &ll, sizeof ll, &a), 0);
	cr_assert_eq(a.addr.scope, 7);
	cr_assert_eq(sockaddr_parse(AF_INET6, &gl, sizeof gl, &a), 0);
	cr_assert_eq(a.addr.scope, 0);
	/* RFC 2133 length: no scope at all */
	cr_assert_eq(sockaddr_parse(AF_INET6, &ll, 24, &a), 0);
	cr_assert_eq(a.addr.scope, 0);
}

Test(sockaddr, refusals)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	struct nst_sockaddr a;

	cr_assert_eq(sockaddr_parse(AF_INET, &in, 1, &a), -EINVAL);
	cr_assert_eq(sockaddr_parse(AF_INET, &in, 15, &a), -EINVAL);
	cr_assert_eq(sockaddr_parse(AF_INET6, &in, sizeof in, &a), -EINVAL);
	cr_assert_eq(sockaddr_parse(AF_INET6, &in6, 23, &a), -EINVAL);
	cr_assert_eq(sockaddr_parse(AF_INET, &in6, sizeof in6, &a),
		     -EAFNOSUPPORT);
	in6.sin6_family = AF_UNIX;
	cr_assert_eq(sockaddr_parse(AF_INET6, &in6, sizeof in6, &a),
		     -EAFNOSUPPORT);
	in.sin_family = AF_UNSPEC;
	cr_assert_eq(sockaddr_parse(AF_INET, &in, 2, &a), 0);
	cr_assert_eq(a.addr.family, 0);
}
