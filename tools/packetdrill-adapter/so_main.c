/* SPDX-License-Identifier: Apache-2.0 */
/* The one symbol that packetdrill looks up in a shared object. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/packetdrill-adapter/adapter.h"

void packetdrill_interface_init(const char *flags,
				struct packetdrill_interface *out);

/* There is no way to tell packetdrill that this failed. */
void packetdrill_interface_init(const char *flags,
				struct packetdrill_interface *out)
{
	char all[4096];
	int n =
	    snprintf(all, sizeof(all), "hostsysctl=1,%s", flags ? flags : "");

	/* Scripts set the host's settings: these are meant. */
	if (n >= (int)sizeof(all))
		errno = E2BIG;
	else if (pkt_netstack_backend(all, out) == 0)
		return;
	fprintf(stderr, "packetdrill-adapter: flags '%s': %s\n",
		flags ? flags : "", strerror(errno));
	exit(1);
}
