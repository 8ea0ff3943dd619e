/* SPDX-License-Identifier: Apache-2.0 */
/* Names of sentry ends: what is built is parsed back; nothing else parses. */
#include <criterion/criterion.h>
#include <stddef.h>
#include <string.h>

#include "sentry/sock/sock.h"

static socklen_t un_of(const char *text, struct sockaddr_un *un)
{
	memset(un, 0, sizeof *un);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path + 1, text, strlen(text));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   strlen(text));
}

static bool parses(const char *text, uint64_t *id, struct nst_sockaddr *peer)
{
	struct sockaddr_un un;
	socklen_t len = un_of(text, &un);

	return listener_parse_name(&un, len, id, peer);
}

Test(child_name, ipv4)
{
	struct nst_sockaddr p;
	uint64_t id;

	cr_assert(parses("cordon/0123456789abcdef/4/0a00020f/1f90", &id, &p));
	cr_assert_eq(id, 0x0123456789abcdefu);
	cr_assert_eq(p.addr.family, 4);
	cr_assert_eq(p.addr.b[0], 10);
	cr_assert_eq(p.addr.b[3], 15);
	cr_assert_eq(p.port, 8080);
}

Test(child_name, mapped_is_family_4)
{
	struct nst_sockaddr p;
	uint64_t id;

	cr_assert(parses("cordon/0000000000000001/6/"
			 "00000000000000000000ffff7f000001/0050",
			 &id, &p));
	cr_assert_eq(p.addr.family, 4);
	cr_assert_eq(p.addr.b[0], 127);
	cr_assert_eq(p.port, 80);
}

Test(child_name, ipv6_with_scope)
{
	struct nst_sockaddr p;
	uint64_t id;

	cr_assert(parses("cordon/0000000000000001/6/"
			 "fe800000000000000000000000000001/0050/00000002",
			 &id, &p));
	cr_assert_eq(p.addr.family, 6);
	cr_assert_eq(p.addr.scope, 2);
}

Test(child_name, refuses_what_is_not_one)
{
	static const char *const bad[] = {
	    "",
	    "c",
	    "cordon/",
	    "cordan/0123456789abcdef/4/0a00020f/1f90",
	    "cordon/0123456789abcde/4/0a00020f/1f90",
	    "cordon/0123456789ABCDEF/4/0a00020f/1f90",
	    "cordon/0123456789abcdef/5/0a00020f/1f90",
	    "cordon/0123456789abcdef/4/0a00020f/1f9",
	    "cordon/0123456789abcdef/4/0a00020f/1f90x",
	    "cordon/0123456789abcdef/4/0a00020f/1f90/1",
	    "cordon/0123456789abcdef/6/0a00020f/1f90",
	};
	struct nst_sockaddr p;
	uint64_t id;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_not(parses(bad[i], &id, &p), "%s", bad[i]);
}

Test(child_name, refuses_paths_and_short_lengths)
{
	struct nst_sockaddr p;
	struct sockaddr_un un;
	socklen_t len = un_of("cordon/0123456789abcdef/4/0a00020f/1f90", &un);
	uint64_t id;

	for (socklen_t l = 0; l < len; l++)
		cr_expect_not(listener_parse_name(&un, l, &id, &p));
	un.sun_path[0] = 'x';
	cr_expect_not(listener_parse_name(&un, len, &id, &p));
}
