/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/pkt_adapter/backend.h"

#include <criterion/criterion.h>

#include "tools/packetdrill-adapter/adapter.h"

void backend_open(struct packetdrill_interface *out)
{
	cr_assert_eq(pkt_netstack_backend(NULL, out), 0);
}

bool backend_is_virtual(void)
{
	return true;
}
