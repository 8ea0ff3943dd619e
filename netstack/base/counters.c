/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/nst_counters.h"

static const char *const names[] = {
#define NST_COUNTER_NAME(name) #name,
    NST_COUNTERS(NST_COUNTER_NAME)
#undef NST_COUNTER_NAME
};

_Static_assert(sizeof(struct nst_counters) ==
		   sizeof(names) / sizeof(names[0]) * sizeof(uint64_t),
	       "one name per counter");

const char *nst_counter_name(size_t i)
{
	return i < sizeof(names) / sizeof(names[0]) ? names[i] : NULL;
}
