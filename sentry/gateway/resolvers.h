/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's name servers, from resolv.conf(5), read again when the file has
 * changed. A value owned by the DNS forwarder; under the stack lock.
 */
#ifndef SENTRY_GATEWAY_RESOLVERS_H
#define SENTRY_GATEWAY_RESOLVERS_H

#include <sys/stat.h>

#include "sentry/gateway/gateway_priv.h"

#define RESOLVERS_MAX 8

struct resolvers {
	const char *path;
	struct host_addr list[RESOLVERS_MAX];
	size_t count;
	bool loaded;
	nst_time checked; /* when the file was last looked at */
	struct stat seen; /* what it was */
};

void resolvers_init(struct resolvers *rs, const char *path);
/* Looks at the file, at most once a second. True: the list may have changed. */
bool resolvers_refresh(struct resolvers *rs, nst_time now);
/*
 * Parses the text of a resolv.conf into the list. LINUX (glibc): without any
 * nameserver line, 127.0.0.1 is asked.
 */
void resolvers_parse(struct resolvers *rs, const char *text);

#endif
