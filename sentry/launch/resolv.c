/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A resolver on the host's loopback (systemd-resolved's 127.0.0.53, dnsmasq)
 * cannot be reached from a guest, whose loopback is its own. Then the guest
 * gets a resolv.conf that names the gateway's forwarder, search domains and
 * options kept.
 */
#include "sentry/launch/launch_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sentry/core/values.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* "nameserver ADDRESS" with an address on loopback, scope ignored. */
static bool names_loopback(const char *line)
{
	char addr[VALUE_TEXT_BYTES];
	struct nst_addr a;

	if (sscanf(line, " nameserver %63[0-9a-fA-F.:]", addr) != 1 ||
	    value_addr(addr, &a))
		return false;
	if (a.family == 4)
		return a.b[0] == 127;
	return !memcmp(a.b, (const uint8_t[16]){[15] = 1}, 16);
}

static bool is_nameserver(const char *line)
{
	return !strncmp(line, "nameserver", 10);
}

/* Any loopback resolver, or none at all (the C library then asks 127.0.0.1). */
static bool host_needs_it(FILE *in)
{
	char line[512];
	bool any = false, loopback = false;

	while (fgets(line, sizeof line, in)) {
		any |= is_nameserver(line);
		loopback |= names_loopback(line);
	}
	return loopback || !any;
}

static void copy_rest(FILE *in, FILE *out)
{
	char line[512];

	rewind(in);
	while (fgets(line, sizeof line, in))
		if (!is_nameserver(line))
			fputs(line, out);
}

static int write_ours(const struct options *o, FILE *in, const char *path)
{
	char buf[VALUE_TEXT_BYTES];
	FILE *out = fopen(path, "wxe");

	if (!out)
		return -errno;
	fprintf(out, "nameserver %s\n", value_addr_text(&o->dns4, buf));
	fprintf(out, "nameserver %s\n", value_addr_text(&o->dns6, buf));
	copy_rest(in, out);
	return fclose(out) ? -errno : 0;
}

int resolv_prepare(const struct options *o, const char *dir, bool *needed)
{
	char path[128];
	int rc = 0;

	*needed = false;
	FILE *in = o->net == NET_NAT ? fopen(RESOLV_CONF, "re") : NULL;
	/* Without the file there is nothing to mount over. */
	if (!in)
		return 0;
	snprintf(path, sizeof path, "%s/resolv.conf", dir);
	*needed = host_needs_it(in);
	if (*needed)
		rc = write_ours(o, in, path);
	fclose(in);
	return rc;
}
