/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A world from its flags: NAME=VALUE settings between commas (README.md). The
 * network is packetdrill's own: the local address on a link that carries bare
 * IP packets and needs no resolution, and everything else behind it.
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/errmap.h"

#define START_TIME (1000 * NST_SEC)
#define DEFAULT_SEED 1
#define DEFAULT_MTU 1500
#define DEFAULT_LOCAL4 "192.168.0.1/16"
#define DEFAULT_LOCAL6 "fd3d:0a0b:17d6::1/48"
#define WORD_MAX 256

struct conf {
	unsigned long seed, mtu, tso, hostsysctl;
	bool local4, local6, remote4, remote6; /* some were named */
};

/* ---- words ---- */

static int parse_number(const char *text, unsigned long lo, unsigned long hi,
			unsigned long *out)
{
	char *end;

	errno = 0;
	*out = strtoul(text, &end, 10);
	if (errno || end == text || *end || *out < lo || *out > hi)
		return -EINVAL;
	return 0;
}

/* ADDRESS or ADDRESS/BITS. */
static int parse_prefix(const char *text, struct nst_addr *a, uint8_t *bits)
{
	char word[INET6_ADDRSTRLEN + 8];
	char *slash;
	unsigned long n;

	memset(a, 0, sizeof(*a));
	if (snprintf(word, sizeof(word), "%s", text) >= (int)sizeof(word))
		return -EINVAL;
	slash = strchr(word, '/');
	if (slash)
		*slash++ = 0;
	if (inet_pton(AF_INET, word, a->b) == 1)
		a->family = 4;
	else if (inet_pton(AF_INET6, word, a->b) == 1)
		a->family = 6;
	else
		return -EINVAL;
	n = a->family == 4 ? 32 : 128;
	if (slash && parse_number(slash, 0, n, &n) < 0)
		return -EINVAL;
	*bits = (uint8_t)n;
	return 0;
}

static void mask_prefix(struct nst_addr *a, uint8_t bits)
{
	for (unsigned i = 0; i < sizeof(a->b); i++) {
		unsigned keep = bits > 8 * i ? bits - 8 * i : 0;

		if (keep < 8)
			a->b[i] &= (uint8_t)(0xff00 >> keep);
	}
}

/* ---- addresses and routes ---- */

static int add_local(struct world *w, const char *text, uint8_t *family)
{
	struct nst_ifaddr ifa = {.ifindex = w->ifindex};
	int rc = parse_prefix(text, &ifa.addr, &ifa.prefix_len);

	*family = ifa.addr.family;
	return rc < 0 ? rc : -errno_of(nst_addr_add(w->st, &ifa, w->now));
}

static int add_remote(struct world *w, const char *text, uint8_t *family)
{
	struct nst_route r = {.ifindex = w->ifindex};
	int rc = parse_prefix(text, &r.dst, &r.prefix_len);

	*family = r.dst.family;
	if (rc < 0)
		return rc;
	mask_prefix(&r.dst, r.prefix_len);
	return -errno_of(nst_route_add(w->st, &r));
}

static int add_defaults(struct world *w, const struct conf *c)
{
	uint8_t family;
	int rc = 0;

	if (!c->local4)
		rc = add_local(w, DEFAULT_LOCAL4, &family);
	if (rc == 0 && !c->local6)
		rc = add_local(w, DEFAULT_LOCAL6, &family);
	if (rc == 0 && !c->remote4)
		rc = add_remote(w, "0.0.0.0/0", &family);
	if (rc == 0 && !c->remote6)
		rc = add_remote(w, "::/0", &family);
	return rc;
}

/* ---- settings ---- */

/* What must be known before there is a stack. */
static int early(struct conf *c, const char *name, const char *value)
{
	if (strcmp(name, "seed") == 0)
		return parse_number(value, 0, ULONG_MAX, &c->seed);
	if (strcmp(name, "mtu") == 0)
		return parse_number(value, 68, 65535, &c->mtu);
	if (strcmp(name, "tso") == 0)
		return parse_number(value, 0, 1, &c->tso);
	if (strcmp(name, "hostsysctl") == 0)
		return parse_number(value, 0, 1, &c->hostsysctl);
	return 0;
}

static int late(struct world *w, struct conf *c, const char *name,
		const char *value)
{
	uint8_t family = 0;
	int rc;

	if (strcmp(name, "seed") == 0 || strcmp(name, "mtu") == 0 ||
	    strcmp(name, "tso") == 0 || strcmp(name, "hostsysctl") == 0)
		return 0;
	if (strcmp(name, "local") == 0) {
		rc = add_local(w, value, &family);
		c->local4 |= family == 4;
		c->local6 |= family == 6;
		return rc;
	}
	if (strcmp(name, "remote") == 0) {
		rc = add_remote(w, value, &family);
		c->remote4 |= family == 4;
		c->remote6 |= family == 6;
		return rc;
	}
	return -errno_of(nst_sysctl_set(w->st, name, value));
}

/* Calls early (w NULL) or late for each setting. */
static int each_setting(const char *flags, struct world *w, struct conf *c)
{
	char word[WORD_MAX];
	char *value;
	int rc = 0;

	while (flags && *flags && rc == 0) {
		size_t n = strcspn(flags, ",");

		if (n >= sizeof(word))
			return -EINVAL;
		memcpy(word, flags, n);
		word[n] = 0;
		flags += n + (flags[n] == ',');
		if (n == 0)
			continue;
		value = strchr(word, '=');
		if (!value)
			return -EINVAL;
		*value++ = 0;
		rc = w ? late(w, c, word, value) : early(c, word, value);
	}
	return rc;
}

/* ---- the world ---- */

static const struct nst_link_ops link_ops = {.transmit = world_transmit};

static int add_stack(struct world *w, const struct conf *c)
{
	struct nst_nic_config nic = {
	    .name = "tun0",
	    .kind = NST_LINK_IP,
	    .caps = NST_CAP_TX_CSUM | (c->tso ? NST_CAP_TSO : 0),
	    .mtu = (uint32_t)c->mtu,
	    .ops = &link_ops,
	    .link = w,
	};
	enum nst_err e = nst_stack_new(&w->env, w->now, &w->st);

	if (e == NST_OK)
		e = nst_nic_add(w->st, &nic, &w->ifindex);
	return -errno_of(e);
}

static struct world *new_world(void)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->woken, NULL);
	pthread_cond_init(&w->settled, NULL);
	w->out_tail = &w->out;
	w->now = START_TIME;
	return w;
}

int setup_world(const char *flags, struct world **out)
{
	struct conf c = {.seed = DEFAULT_SEED, .mtu = DEFAULT_MTU, .tso = 1};
	struct world *w;
	int rc = each_setting(flags, NULL, &c);

	if (rc < 0)
		return rc;
	w = new_world();
	if (!w)
		return -ENOMEM;
	env_init(w, c.seed);
	rc = add_stack(w, &c);
	w->mirror = c.hostsysctl != 0;
	if (rc == 0)
		host_sysctl_read(w);
	if (rc == 0)
		rc = each_setting(flags, w, &c);
	if (rc == 0)
		rc = add_defaults(w, &c);
	if (rc < 0) {
		setup_free(w);
		return rc;
	}
	/* What an interface says when it comes up is over before a script
	 * begins. */
	nst_run_timers(w->st, w->now);
	world_drop_packets(w);
	*out = w;
	return 0;
}

void setup_free(struct world *w)
{
	file_free_all(w);
	if (w->st)
		nst_stack_free(w->st);
	world_drop_packets(w);
	free(w->fds);
	free(w->host_sysctl);
	pthread_cond_destroy(&w->settled);
	pthread_cond_destroy(&w->woken);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
