/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/sock/scratch.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool have_key;

static void make_key(void)
{
	have_key = pthread_key_create(&key, free) == 0;
}

struct scratch *scratch_get(void)
{
	struct scratch *sc;

	(void)pthread_once(&once, make_key);
	if (!have_key)
		return NULL;
	sc = pthread_getspecific(key);
	if (sc)
		return sc;
	sc = malloc(sizeof(*sc));
	if (sc && pthread_setspecific(key, sc) != 0) {
		free(sc);
		return NULL;
	}
	return sc;
}
