/* SPDX-License-Identifier: Apache-2.0 */
/* The interface ioctls of netdevice(7), answered from the netstack. Each takes
 * the trapped ioctl and returns 0 or -errno; no lock held. */
#ifndef SENTRY_SOCK_IF_IOCTL_H
#define SENTRY_SOCK_IF_IOCTL_H

#include "sentry/sock/sock.h"

bool if_is_ioctl(unsigned cmd);             /* the 0x89xx range */
int if_ioctl(struct trap *t, unsigned cmd); /* one struct ifreq */
int if_conf(struct trap *t);                /* SIOCGIFCONF */

#endif
