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
#include <sys/stat.h>

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

	while (fgets(line, sizeof line, in))
		if (!is_nameserver(line))
			fputs(line, out);
}

int resolv_write(const struct options *o, const char *dir, const char *path)
{
	char buf[VALUE_TEXT_BYTES];

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	FILE *in = fopen(RESOLV_CONF, "re");
	FILE *out = fopen(path, "wxe");
	if (!in || !out) {
		int err = errno;
		if (in)
			fclose(in);
		if (out)
			fclose(out);
		return -err;
	}
	fprintf(out, "nameserver %s\n", value_addr_text(&o->dns4, buf));
	fprintf(out, "nameserver %s\n", value_addr_text(&o->dns6, buf));
	copy_rest(in, out);
	fchmod(fileno(out), 0644);
	fclose(in);
	return fclose(out) ? -errno : 0;
}

bool resolv_needed(const struct options *o)
{
	/* Without the file there is nothing to mount over. */
	FILE *in = o->net == NET_NAT ? fopen(RESOLV_CONF, "re") : NULL;

	if (!in)
		return false;
	bool needed = host_needs_it(in);
	fclose(in);
	return needed;
}
