/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of options as text: numbers, addresses, prefixes, MAC addresses,
 * published ports. Every parser takes the whole string or fails with -EINVAL;
 * none of them allocates or prints. The formatters write into the caller's
 * buffer and return it.
 */
#ifndef SENTRY_CORE_VALUES_H
#define SENTRY_CORE_VALUES_H

#include "sentry/core/options.h"

#define VALUE_TEXT_BYTES 64
/* An id with its NUL. */
#define VALUE_ID_BYTES 33

/* Decimal, no sign, lo..hi. */
int value_number(const char *text, uint32_t lo, uint32_t hi, uint32_t *out);
/* "10.0.0.1" or "fd00::1", without brackets or scope. */
int value_addr(const char *text, struct nst_addr *out);
/* ADDR/LEN; the length is required. */
int value_prefix(const char *text, struct nst_addr *out, uint8_t *len);
/* aa:bb:cc:dd:ee:ff; unicast and not all zero. */
int value_mac(const char *text, uint8_t out[6]);
/* [HOSTADDR:]HOSTPORT:GUESTPORT[/tcp|/udp]; IPv6 addresses in brackets. */
int value_publish(const char *text, struct opt_publish *out);
/* A sandbox's id: 1 to 32 of A-Z a-z 0-9 _ . -, the first no dot or dash. */
bool value_id_ok(const char *text);
/* The n-th address of the prefix that `a` lies in; family 0 if it does not
 * exist or is `a` itself. n < 256. */
struct nst_addr value_nth(const struct nst_addr *a, uint8_t len, uint8_t n);
bool value_addr_eq(const struct nst_addr *a, const struct nst_addr *b);
/* Is it 0.0.0.0 or ::? */
bool value_addr_is_any(const struct nst_addr *a);

/* "none" for family 0. */
char *value_addr_text(const struct nst_addr *a, char buf[VALUE_TEXT_BYTES]);

#endif
