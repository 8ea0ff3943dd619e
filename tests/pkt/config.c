/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/config.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* What an option does; those of one kind share their code. */
enum option_kind {
	OPT_TEXT,
	OPT_PORT,
	OPT_UINT,
	OPT_FLAG,
	OPT_IP_VERSION,
	OPT_TOLERANCE_USECS,
	OPT_TOLERANCE_PERCENT,
	OPT_TICK,
	OPT_SPEED,
	OPT_NON_FATAL,
	OPT_DEFINE,
	OPT_BACKEND,
	OPT_SO,
	OPT_IGNORED, /* with a value, without effect here */
	OPT_REFUSED,
};

struct option_desc {
	const char *name;
	enum option_kind kind;
	size_t at; /* of the field, for the plain kinds */
};

#define FIELD(f) offsetof(struct config, f)

static const struct option_desc OPTIONS[] = {
    {"backend", OPT_BACKEND, 0},
    {"ip_version", OPT_IP_VERSION, 0},
    {"bind_port", OPT_PORT, FIELD(bind_port)},
    {"connect_port", OPT_PORT, FIELD(connect_port)},
    {"local_ip", OPT_TEXT, FIELD(local)},
    {"remote_ip", OPT_TEXT, FIELD(remote)},
    {"gateway_ip", OPT_TEXT, FIELD(gateway)},
    {"netmask_ip", OPT_TEXT, FIELD(netmask)},
    {"mtu", OPT_UINT, FIELD(mtu)},
    {"mss", OPT_UINT, FIELD(mss)},
    {"speed", OPT_SPEED, 0},
    {"init_scripts", OPT_TEXT, FIELD(init_scripts)},
    {"tolerance_usecs", OPT_TOLERANCE_USECS, 0},
    {"tolerance_percent", OPT_TOLERANCE_PERCENT, 0},
    {"tcp_ts_ecr_scaled", OPT_FLAG, FIELD(ts_ecr_scaled)},
    {"tcp_ts_tick_usecs", OPT_TICK, 0},
    {"strict_segments", OPT_FLAG, FIELD(strict_segments)},
    {"non_fatal", OPT_NON_FATAL, 0},
    {"dry_run", OPT_FLAG, FIELD(dry_run)},
    {"is_anyip", OPT_FLAG, FIELD(is_anyip)},
    {"verbose", OPT_FLAG, FIELD(verbose)},
    {"define", OPT_DEFINE, 0},
    {"code_command", OPT_TEXT, FIELD(code_command)},
    {"code_format", OPT_IGNORED, 0},
    {"code_sockopt", OPT_IGNORED, 0},
    {"save", OPT_TEXT, FIELD(save)}, /* not packetdrill's */
    {"so_filename", OPT_SO, 0},
    {"so_flags", OPT_TEXT, FIELD(so_flags)},
    {"send_omit_free", OPT_FLAG, SIZE_MAX},
    {"debug", OPT_FLAG, SIZE_MAX},
    {"wire_client", OPT_REFUSED, 0},
    {"wire_server", OPT_REFUSED, 0},
    {"wire_server_ip", OPT_REFUSED, 0},
    {"wire_server_at", OPT_REFUSED, 0},
    {"wire_server_port", OPT_REFUSED, 0},
    {"wire_client_dev", OPT_REFUSED, 0},
    {"wire_server_dev", OPT_REFUSED, 0},
};

enum { OPTION_COUNT = sizeof(OPTIONS) / sizeof(OPTIONS[0]) };

void config_init(struct config *c, struct arena *a)
{
	memset(c, 0, sizeof(*c));
	c->arena = a;
	c->bind_port = 8080;
	c->connect_port = 8080;
	c->mtu = 1500;
	c->code_command = "python3 -S -E";
	c->tolerance_usecs = 4000;
	/* LINUX: its timer wheel may be late by an eighth. */
	c->tolerance_percent = 12.5;
}

static const struct option_desc *find_option(const char *name)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strcmp(OPTIONS[i].name, name) == 0)
			return &OPTIONS[i];
	return NULL;
}

int config_takes_value(const char *name)
{
	const struct option_desc *o = find_option(name);

	if (o == NULL)
		return -1;
	return o->kind != OPT_FLAG && o->kind != OPT_REFUSED;
}

void config_usage(void)
{
	puts("usage: pkt [--option[=value]...] [-D NAME=VALUE] [-v] FILE...");
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (OPTIONS[i].kind != OPT_REFUSED)
			printf("  --%s%s\n", OPTIONS[i].name,
			       OPTIONS[i].kind == OPT_FLAG ? "" : "=...");
}

static int set_ip_version(struct config *c, const char *v)
{
	if (strcmp(v, "ipv4") == 0)
		c->ip_version = IP_V4;
	else if (strcmp(v, "ipv4-mapped-ipv6") == 0)
		c->ip_version = IP_V4_MAPPED;
	else if (strcmp(v, "ipv6") == 0)
		c->ip_version = IP_V6;
	else
		return -1;
	return 0;
}

static int set_backend(struct config *c, const char *v)
{
	if (strcmp(v, "netstack") == 0) {
		c->backend = BACKEND_NETSTACK;
	} else if (strcmp(v, "kernel") == 0) {
		c->backend = BACKEND_KERNEL;
	} else if (strncmp(v, "so:", 3) == 0 && v[3] != '\0') {
		c->backend = BACKEND_SO;
		c->so_filename = arena_strdup(c->arena, v + 3);
	} else {
		return -1;
	}
	return 0;
}

static int set_non_fatal(struct config *c, const char *v)
{
	char *copy = arena_strdup(c->arena, v), *save = NULL, *w;

	for (w = strtok_r(copy, ", ", &save); w;
	     w = strtok_r(NULL, ", ", &save)) {
		if (strcmp(w, "packet") == 0)
			c->non_fatal_packet = true;
		else if (strcmp(w, "syscall") == 0)
			c->non_fatal_syscall = true;
		else
			return -1;
	}
	return 0;
}

static int set_define(struct config *c, const char *v)
{
	const char *eq = strchr(v, '=');
	struct define *d;

	if (eq == NULL || eq == v)
		return -1;
	d = arena_alloc(c->arena, sizeof(*d));
	d->name = arena_strndup(c->arena, v, (size_t)(eq - v));
	d->value = arena_strdup(c->arena, eq + 1);
	d->next = c->defines;
	c->defines = d;
	return 0;
}

static int parse_ulong(const char *v, unsigned long max, unsigned long *out)
{
	char *end;

	*out = strtoul(v, &end, 10);
	return end == v || *end != '\0' || *out > max ? -1 : 0;
}

static int set_number(struct config *c, const struct option_desc *o,
		      const char *v)
{
	unsigned long n;

	if (o->kind == OPT_TOLERANCE_PERCENT) {
		c->tolerance_percent = atof(v);
		return c->tolerance_percent >= 0 && c->tolerance_percent <= 100
			   ? 0
			   : -1;
	}
	if (parse_ulong(v, o->kind == OPT_PORT ? UINT16_MAX : INT32_MAX, &n))
		return -1;
	if (o->kind == OPT_TOLERANCE_USECS)
		c->tolerance_usecs = (long)n;
	else if (o->kind == OPT_TICK)
		c->ts_tick_usecs = (int)n;
	else if (o->kind == OPT_SPEED)
		c->speed = n;
	else
		*(unsigned *)((char *)c + o->at) = (unsigned)n;
	return (n == 0 && o->kind != OPT_TICK) ||
		       (o->kind == OPT_TICK && n > 1000000)
		   ? -1
		   : 0;
}

static int apply(struct config *c, const struct option_desc *o, const char *v)
{
	switch (o->kind) {
	case OPT_TEXT:
		*(const char **)((char *)c + o->at) = arena_strdup(c->arena, v);
		return 0;
	case OPT_FLAG:
		if (o->at != SIZE_MAX)
			*(bool *)((char *)c + o->at) = true;
		return 0;
	case OPT_IP_VERSION:
		return set_ip_version(c, v);
	case OPT_BACKEND:
		return set_backend(c, v);
	case OPT_SO:
		c->backend = BACKEND_SO;
		c->so_filename = arena_strdup(c->arena, v);
		return 0;
	case OPT_NON_FATAL:
		return set_non_fatal(c, v);
	case OPT_DEFINE:
		return set_define(c, v);
	case OPT_IGNORED:
		return 0;
	default:
		return set_number(c, o, v);
	}
}

int config_set(struct config *c, const char *name, const char *value, char *err,
	       size_t err_size)
{
	const struct option_desc *o = find_option(name);

	if (o == NULL)
		snprintf(err, err_size, "option '%s' unknown", name);
	else if (o->kind == OPT_REFUSED)
		snprintf(err, err_size, "option '%s' is not supported", name);
	else if (value == NULL && config_takes_value(name) > 0)
		snprintf(err, err_size, "option '%s' requires an argument",
			 name);
	else if (value != NULL && config_takes_value(name) == 0)
		snprintf(err, err_size, "option '%s' forbids an argument",
			 name);
	else if (apply(c, o, value) != 0)
		snprintf(err, err_size, "bad --%s: %s", name, value);
	else
		return 0;
	return -1;
}

/* "address[/length]" of the family wanted. */
static int parse_ip(int af, const char *text, struct ip_addr *ip,
		    unsigned *plen)
{
	char buf[INET6_ADDRSTRLEN + 1];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	unsigned long len = 0;

	if (n >= sizeof(buf))
		return -1;
	memcpy(buf, text, n);
	buf[n] = '\0';
	memset(ip, 0, sizeof(*ip));
	ip->af = af;
	if (inet_pton(af, buf, ip->b) != 1)
		return -1;
	if (slash == NULL)
		return 0;
	if (plen == NULL ||
	    parse_ulong(slash + 1, af == AF_INET ? 32 : 128, &len) != 0)
		return -1;
	*plen = (unsigned)len;
	return 0;
}

static unsigned mask_length(const struct ip_addr *mask)
{
	unsigned n = 0;

	while (n < 32 && (mask->b[n / 8] & (0x80 >> (n % 8))))
		n++;
	return n;
}

/*
 * Names that the runner of Linux's scripts defines; the cookies are those of
 * the default addresses under the key that the scripts set.
 */
static void define_well_known(struct config *c)
{
	static const char *const NAMES[4][3] = {
	    {"CMSG_LEVEL_IP", "SOL_IP", "SOL_IPV6"},
	    {"CMSG_TYPE_RECVERR", "IP_RECVERR", "IPV6_RECVERR"},
	    {"TFO_COOKIE", "3021b9d889017eeb", "c1d1e9742a47a9bc"},
	    {"TFO_COOKIE_ZERO", "b7c12350a90dc8f5", "82af1a8f9a205c34"},
	};

	for (size_t i = 0; i < 4; i++) {
		const struct define *d = c->defines;
		struct define *own;

		while (d != NULL && strcmp(d->name, NAMES[i][0]) != 0)
			d = d->next;
		if (d != NULL)
			continue;
		own = arena_alloc(c->arena, sizeof(*own));
		own->name = NAMES[i][0];
		own->value = NAMES[i][c->wire_af == AF_INET6 ? 2 : 1];
		own->next = c->defines;
		c->defines = own;
	}
}

int config_finish(struct config *c, char *err, size_t err_size)
{
	struct ip_addr mask;
	bool v6 = c->ip_version == IP_V6;
	int af = v6 ? AF_INET6 : AF_INET;
	const char *mask_text = c->netmask ? c->netmask : "255.255.0.0";

	c->wire_af = af;
	c->socket_domain = c->ip_version >= IP_V4_MAPPED ? AF_INET6 : AF_INET;
	c->remote_plen = v6 ? 32 : 24;
	c->local_plen = 48;
	if (c->local == NULL)
		c->local = v6 ? "fd3d:0a0b:17d6::1" : "192.168.0.1";
	if (c->remote == NULL)
		c->remote = v6 ? "fd3d:fa7b:d17d::1" : "192.0.2.1";
	if (c->gateway == NULL)
		c->gateway = v6 ? "fd3d:0a0b:17d6:8888::1" : "192.168.0.1";
	if (parse_ip(af, c->local, &c->local_ip, NULL) != 0 ||
	    parse_ip(af, c->remote, &c->remote_ip, &c->remote_plen) != 0 ||
	    parse_ip(af, c->gateway, &c->gateway_ip, NULL) != 0 ||
	    (!v6 && parse_ip(AF_INET, mask_text, &mask, NULL) != 0)) {
		snprintf(err, err_size, "bad address for %s: %s %s %s %s",
			 v6 ? "ipv6" : "ipv4", c->local, c->remote, c->gateway,
			 mask_text);
		return -1;
	}
	if (!v6)
		c->local_plen = mask_length(&mask);
	define_well_known(c);
	return 0;
}

void ip_to_string(const struct ip_addr *ip, char out[INET6_ADDRSTRLEN])
{
	if (inet_ntop(ip->af, ip->b, out, INET6_ADDRSTRLEN) == NULL)
		snprintf(out, INET6_ADDRSTRLEN, "none");
}

socklen_t config_sockaddr(const struct config *c, const struct ip_addr *ip,
			  unsigned port, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (c->socket_domain == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		memcpy(&v4->sin_addr, ip->b, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)port);
	if (ip->af == AF_INET6) {
		memcpy(&v6->sin6_addr, ip->b, 16);
	} else {
		v6->sin6_addr.s6_addr[10] = 0xff;
		v6->sin6_addr.s6_addr[11] = 0xff;
		memcpy(&v6->sin6_addr.s6_addr[12], ip->b, 4);
	}
	return sizeof(*v6);
}
