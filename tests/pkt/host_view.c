/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/host_view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "netstack/nst_counters.h"

#ifdef PKT_HAVE_NETSTACK
#include "tools/packetdrill-adapter/adapter.h"
#endif

enum { PATH_ROOM = 64, SOL_TCP_LEVEL = 6, OPT_TCP_INFO = 11 };

#define NAME(x) #x,
static const char *const COUNTERS[] = {NST_COUNTERS(NAME)};
enum { COUNTER_COUNT = sizeof(COUNTERS) / sizeof(COUNTERS[0]) };

bool host_view_wanted(const char *text)
{
	while (*text == ' ' || *text == '\t' || *text == '\n')
		text++;
	if (strncmp(text, "nstat", 5) == 0)
		return true;
	return strncmp(text, "grep", 4) == 0 &&
	       strstr(text, "/proc/net/tcp") != NULL;
}

static unsigned long long counter(const struct run *r, size_t i)
{
	unsigned long long v = 0;

#ifdef PKT_HAVE_NETSTACK
	if (pkt_netstack_counter(r->ifc.userdata, COUNTERS[i], &v) != 0)
		return 0;
#else
	(void)r;
	(void)i;
#endif
	return v;
}

/*
 * As nstat does: what grew since it was last asked.  Ours have Linux's names
 * without the table they are in, so each is shown under all it could have.
 */
static void write_counters(struct run *r, FILE *f)
{
	if (r->counters == NULL)
		r->counters = arena_alloc(r->arena, COUNTER_COUNT *
							sizeof(r->counters[0]));
	fputs("#kernel\n", f);
	for (size_t i = 0; i < COUNTER_COUNT; i++) {
		unsigned long long now = counter(r, i);
		unsigned long long grew = now - r->counters[i];
		const char *rest = COUNTERS[i];

		r->counters[i] = now;
		if (grew == 0)
			continue;
		fprintf(f, "%-32s%-16llu   0.0\n", rest, grew);
		if (strncmp(rest, "Tcp", 3) != 0)
			continue;
		fprintf(f, "TcpExt%-26s%-16llu   0.0\n", rest + 3, grew);
		fprintf(f, "TcpExtTCP%-23s%-16llu   0.0\n", rest + 3, grew);
	}
}

static void write_sockets(struct run *r, FILE *f, int family)
{
	unsigned n = 0;

	fputs("  sl  local_address rem_address   st\n", f);
	for (struct sock *s = r->socks; s != NULL; s = s->next) {
		unsigned char info[8];
		socklen_t len = sizeof(info);
		unsigned lport;

		if (!s->is_socket || s->closed || s->live_fd < 0 ||
		    s->family != family ||
		    r->ifc.getsockopt(r->ifc.userdata, s->live_fd,
				      SOL_TCP_LEVEL, OPT_TCP_INFO, info,
				      &len) != 0)
			continue;
		lport = s->live.lport ? s->live.lport : r->conf->bind_port;
		fprintf(f, "%4u: %08X:%04X %08X:%04X %02X 0\n", n++, 0, lport,
			0, s->live.rport, info[0]);
	}
}

static FILE *create(const char *folder, const char *name, mode_t mode)
{
	char path[PATH_ROOM];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "w");
	if (f != NULL)
		(void)fchmod(fileno(f), mode);
	return f;
}

static int write_view(struct run *r, const char *folder, bool counters)
{
	FILE *tool = create(folder, "nstat", 0755);
	FILE *shown = create(folder, "nstat.txt", 0644);
	FILE *tcp = create(folder, "tcp", 0644);
	FILE *tcp6 = create(folder, "tcp6", 0644);

	if (tool == NULL || shown == NULL || tcp == NULL || tcp6 == NULL)
		return -1;
	fprintf(tool, "#!/bin/sh\ncat %s/nstat.txt\n", folder);
	if (counters)
		write_counters(r, shown);
	write_sockets(r, tcp, AF_INET);
	write_sockets(r, tcp6, AF_INET6);
	return fclose(tool) | fclose(shown) | fclose(tcp) | fclose(tcp6);
}

/* The command, with our folder in the place of /proc/net. */
static char *redirect(struct run *r, const char *text, const char *folder)
{
	static const char PROC[] = "/proc/net";
	char *out = arena_printf(r->arena, "PATH=%s:$PATH; ", folder);
	const char *hit;

	while ((hit = strstr(text, PROC)) != NULL) {
		out = arena_printf(r->arena, "%s%.*s%s", out, (int)(hit - text),
				   text, folder);
		text = hit + sizeof(PROC) - 1;
	}
	return arena_printf(r->arena, "%s%s", out, text);
}

static void remove_view(const char *folder)
{
	static const char *const FILES[] = {"nstat", "nstat.txt", "tcp",
					    "tcp6"};
	char path[PATH_ROOM];

	for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, FILES[i]);
		(void)unlink(path);
	}
	(void)rmdir(folder);
}

const char *host_view_run(struct run *r, const char *text)
{
	char folder[] = "/tmp/pkt_view_XXXXXX";
	int status = -1;

	if (mkdtemp(folder) == NULL)
		return strerror(errno);
	fflush(NULL);
	if (write_view(r, folder, strstr(text, "nstat") != NULL) == 0)
		status = system(redirect(r, text, folder));
	remove_view(folder);
	if (status == 0)
		return NULL;
	return arena_printf(r->arena, "non-zero status %d of: %s",
			    WIFEXITED(status) ? WEXITSTATUS(status) : -1, text);
}
