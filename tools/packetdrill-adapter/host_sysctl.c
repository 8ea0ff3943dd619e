/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of the host's /proc/sys/net, taken over. The real packetdrill
 * runs a script's sysctl commands on the host, where this stack never sees
 * them; so they are read when a world is made, and those that have changed
 * again whenever a socket is. What flags say stands until the host changes it.
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_SETTINGS 256
#define NAME_ROOM 48
#define VALUE_ROOM 80

struct host_sysctl {
	size_t n;
	struct setting {
		char path[32 + NAME_ROOM], name[16 + NAME_ROOM];
		char seen[VALUE_ROOM];
	} v[LIMIT_SETTINGS];
};

static const struct {
	const char *folder, *prefix, *start;
} places[] = {
    {"/proc/sys/net/ipv4", "net.ipv4.", "tcp_"},
    {"/proc/sys/net/ipv4", "net.ipv4.", "ip_"},
    {"/proc/sys/net/core", "net.core.", "somaxconn"},
};

static bool read_text(const char *path, char text[VALUE_ROOM])
{
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		return false;
	n = fread(text, 1, VALUE_ROOM - 1, f);
	fclose(f);
	while (n && (text[n - 1] == '\n' || text[n - 1] == ' '))
		n--;
	text[n] = 0;
	return n > 0;
}

/* Only names that the netstack has are worth a look at each socket. */
static void note(struct world *w, struct host_sysctl *h, size_t place,
		 const char *file)
{
	struct setting *s = &h->v[h->n];
	char text[VALUE_ROOM];

	if (h->n == LIMIT_SETTINGS || strlen(file) >= NAME_ROOM ||
	    strncmp(file, places[place].start, strlen(places[place].start)))
		return;
	snprintf(s->path, sizeof(s->path), "%s/%.*s", places[place].folder,
		 NAME_ROOM - 1, file);
	snprintf(s->name, sizeof(s->name), "%s%.*s", places[place].prefix,
		 NAME_ROOM - 1, file);
	if (nst_sysctl_get(w->st, s->name, text, sizeof(text)) == NST_OK)
		h->n++;
}

static struct host_sysctl *look_around(struct world *w)
{
	struct host_sysctl *h = calloc(1, sizeof(*h));

	for (size_t i = 0; h && i < sizeof(places) / sizeof(places[0]); i++) {
		DIR *d = opendir(places[i].folder);
		const struct dirent *e;

		while (d && (e = readdir(d)))
			note(w, h, i, e->d_name);
		if (d)
			closedir(d);
	}
	return h;
}

void host_sysctl_read(struct world *w)
{
	char text[VALUE_ROOM];

	if (!w->mirror)
		return;
	if (!w->host_sysctl)
		w->host_sysctl = look_around(w);
	for (size_t i = 0; w->host_sysctl && i < w->host_sysctl->n; i++) {
		struct setting *s = &w->host_sysctl->v[i];

		if (!read_text(s->path, text) || strcmp(text, s->seen) == 0)
			continue;
		memcpy(s->seen, text, sizeof(text));
		/* A congestion control that only the host has is no error. */
		if (nst_sysctl_set(w->st, s->name, text) != NST_OK)
			continue;
	}
}
