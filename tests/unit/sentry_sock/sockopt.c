/* SPDX-License-Identifier: Apache-2.0 */
/* The option table's own consistency; what it does is tested against the host
 * kernel by tests/guest/sockopt_defaults.c. */
#include <criterion/criterion.h>
#include <netinet/tcp.h>
#include <stdbool.h>

#include "sentry/sock/sockopt.h"

static const int levels[] = {SOL_SOCKET, SOL_IP,  SOL_IPV6,  SOL_TCP,
			     17,         SOL_RAW, SOL_ICMPV6};

Test(sockopt, every_row_can_do_what_it_says)
{
	for (size_t l = 0; l < sizeof levels / sizeof levels[0]; l++) {
		for (int n = -2; n < 300; n++) {
			const struct sockopt *o = sockopt_find(levels[l], n);
			bool plain;

			if (!o)
				continue;
			cr_assert(o->flags & OPT_BOTH);
			plain =
			    o->rule != OPT_SPECIAL && o->opt < NST_OPT_COUNT;
			if (o->err)
				continue;
			if (o->flags & OPT_GET)
				cr_assert(o->get || plain, "get %d/%d",
					  levels[l], n);
			if (o->flags & OPT_SET)
				cr_assert(o->set || plain, "set %d/%d",
					  levels[l], n);
		}
	}
}

Test(sockopt, unknown_is_unknown)
{
	/* by the same number SO_GET_FILTER: may be asked, says "none" */
	cr_assert_not(sockopt_find(SOL_SOCKET, SO_ATTACH_FILTER)->flags &
		      OPT_SET);
	cr_assert_null(sockopt_find(SOL_SOCKET, SO_ZEROCOPY));
	cr_assert_null(sockopt_find(SOL_TCP, TCP_MD5SIG));
	cr_assert_null(sockopt_find(4711, 1));
}
