/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four memory functions a freestanding compiler needs anyway: all that the
 * netstack uses of a C library. -ffreestanding stops the compiler from knowing
 * them by name; the macros let it open-code small ones again.
 */
#ifndef NETSTACK_BASE_MEM_H
#define NETSTACK_BASE_MEM_H

#include "netstack/base/container.h"
#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);

#define memcpy(dst, src, n) __builtin_memcpy((dst), (src), (n))
#define memmove(dst, src, n) __builtin_memmove((dst), (src), (n))
#define memset(dst, c, n) __builtin_memset((dst), (c), (n))
#define memcmp(a, b, n) __builtin_memcmp((a), (b), (n))

#endif
