/* SPDX-License-Identifier: Apache-2.0 */
/* From a member (a timer, a list node) to the object that embeds it. */
#ifndef NETSTACK_BASE_CONTAINER_H
#define NETSTACK_BASE_CONTAINER_H

#include <stddef.h>

#define container_of(ptr, type, member)                                        \
	((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#endif
