/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which stack the shared tests talk to: backend_netstack.c or
 * backend_kernel.c. The same assertions must hold for both, which is how we
 * know that they say what Linux does.
 */
#ifndef TESTS_UNIT_PKT_ADAPTER_BACKEND_H
#define TESTS_UNIT_PKT_ADAPTER_BACKEND_H

#include <stdbool.h>

#include "tests/pkt/packetdrill_interface.h"

/* A fresh world; skips or fails the test when there cannot be one. */
void backend_open(struct packetdrill_interface *out);
/* Time is virtual, and netdev_receive returns when there is nothing. */
bool backend_is_virtual(void);

#endif
