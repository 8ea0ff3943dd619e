/* SPDX-License-Identifier: Apache-2.0 */
/* The host's kernel, in a network namespace of this test's own. */
#include "tests/unit/pkt_adapter/backend.h"

#include <criterion/criterion.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/pkt/kernel_backend.h"

void backend_open(struct packetdrill_interface *out)
{
	static const struct pkt_kernel_conf conf = {
	    .local = "192.168.0.1",
	    .remote = "192.0.2.1",
	    .gateway = "192.168.0.2",
	    .local_plen = 16,
	    .remote_plen = 24,
	    .mtu = 1500,
	};

	if (access("/dev/net/tun", R_OK | W_OK) != 0)
		cr_skip_test("no /dev/net/tun");
	if (unshare(CLONE_NEWNET) != 0)
		cr_skip_test("no network namespace");
	signal(SIGPIPE, SIG_IGN); /* the netstack raises none */
	cr_assert_eq(pkt_kernel_backend(&conf, out), 0);
	cr_assert_eq(system("ip addr add fd3d:0a0b:17d6::1/48 dev tun0 nodad;"
			    "ip -6 route add 2001:db8::/32 dev tun0"),
		     0);
}

bool backend_is_virtual(void)
{
	return false;
}
