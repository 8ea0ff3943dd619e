/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/gateway/resolvers.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX_BYTES 65536
#define DNS_PORT 53

void resolvers_init(struct resolvers *rs, const char *path)
{
	memset(rs, 0, sizeof(*rs));
	rs->path = path;
}

static void add(struct resolvers *rs, const struct nst_addr *a)
{
	struct nst_sockaddr sa = {.addr = *a, .port = DNS_PORT};

	if (rs->count < RESOLVERS_MAX)
		host_addr_from(&sa, &rs->list[rs->count++]);
}

/* ADDR or ADDR%INTERFACE; what is neither is skipped, as glibc does. */
static void add_text(struct resolvers *rs, char *s)
{
	struct nst_addr a = {0};
	char *scope = strchr(s, '%');

	if (scope)
		*scope++ = '\0';
	if (inet_pton(AF_INET, s, a.b) == 1)
		a.family = 4;
	else if (inet_pton(AF_INET6, s, a.b) == 1)
		a.family = 6;
	else
		return;
	if (scope) {
		a.scope = if_nametoindex(scope);
		if (a.scope == 0)
			a.scope = (uint32_t)strtoul(scope, NULL, 10);
	}
	add(rs, &a);
}

static void parse_line(struct resolvers *rs, const char *line, size_t bytes)
{
	static const char word[] = "nameserver";
	char buf[128], *save, *key, *value;

	if (bytes >= sizeof(buf))
		return;
	memcpy(buf, line, bytes);
	buf[bytes] = '\0';
	key = strtok_r(buf, " \t\r", &save);
	if (!key || strcmp(key, word) != 0)
		return;
	value = strtok_r(NULL, " \t\r", &save);
	if (value)
		add_text(rs, value);
}

void resolvers_parse(struct resolvers *rs, const char *text)
{
	rs->count = 0;
	while (*text) {
		size_t bytes = strcspn(text, "\n");

		parse_line(rs, text, bytes);
		text += bytes + (text[bytes] == '\n');
	}
	if (rs->count == 0)
		add(rs, &(struct nst_addr){.family = 4, .b = {127, 0, 0, 1}});
}

static void load(struct resolvers *rs)
{
	char *text = calloc(1, FILE_MAX_BYTES + 1);
	int fd = open(rs->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	size_t at = 0;
	ssize_t n = 1;

	while (fd >= 0 && text && n > 0 && at < FILE_MAX_BYTES) {
		n = read(fd, text + at, FILE_MAX_BYTES - at);
		at += n > 0 ? (size_t)n : 0;
	}
	if (fd >= 0)
		close(fd);
	resolvers_parse(rs, text ? text : "");
	free(text);
}

static bool same_file(const struct stat *a, const struct stat *b)
{
	return a->st_ino == b->st_ino && a->st_dev == b->st_dev &&
	       a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

bool resolvers_refresh(struct resolvers *rs, nst_time now)
{
	struct stat st = {0};

	if (!rs->path)
		return false;
	if (rs->loaded && now < rs->checked + NST_SEC)
		return false;
	rs->checked = now;
	if (stat(rs->path, &st) < 0)
		memset(&st, 0, sizeof(st));
	if (rs->loaded && same_file(&st, &rs->seen))
		return false;
	rs->seen = st;
	rs->loaded = true;
	load(rs);
	return true;
}
