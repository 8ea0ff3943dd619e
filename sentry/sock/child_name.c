/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of the sentry ends of accepted connections (shim/abi.h): whoever
 * accepts natively reads the peer's address in the name of its peer.
 */
#include "sentry/sock/sock.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "shim/abi.h"

/* The address as the guest's socket shows it: 4 or 16 bytes. */
static size_t shown_address(const struct sock *c, const struct nst_addr *a,
			    uint8_t out[16])
{
	if (c->domain != AF_INET6) {
		memcpy(out, a->b, 4);
		return 4;
	}
	if (a->family == 4) {
		memset(out, 0, 10);
		memset(out + 10, 0xff, 2);
		memcpy(out + 12, a->b, 4);
	} else {
		memcpy(out, a->b, 16);
	}
	return 16;
}

socklen_t listener_child_name(const struct sock *c, struct sockaddr_un *un)
{
	struct nst_sockaddr peer = {0};
	char hex[33], text[100];
	uint8_t addr[16];
	size_t bytes;
	int n;

	(void)!nst_sock_remote(nst_tcp_sock(c->tcp), &peer);
	bytes = shown_address(c, &peer.addr, addr);
	for (size_t i = 0; i < bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", addr[i]);
	n = snprintf(text, sizeof text, SHIM_NAME_PREFIX "%016llx/%c/%s/%04x",
		     (unsigned long long)c->id, bytes == 4 ? '4' : '6', hex,
		     peer.port);
	if (peer.addr.scope)
		n += snprintf(text + n, sizeof text - (size_t)n, "/%08x",
			      peer.addr.scope);
	memset(un, 0, sizeof *un);
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path + 1, text, (size_t)n);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)n);
}

static bool parse_hex(const char **p, size_t digits, uint64_t *out)
{
	uint64_t v = 0;

	for (size_t i = 0; i < digits; i++) {
		char ch = (*p)[i];
		unsigned d;

		if (ch >= '0' && ch <= '9')
			d = (unsigned)(ch - '0');
		else if (ch >= 'a' && ch <= 'f')
			d = (unsigned)(ch - 'a') + 10;
		else
			return false;
		v = v << 4 | d;
	}
	*p += digits;
	*out = v;
	return true;
}

static bool parse_char(const char **p, char want)
{
	if (**p != want)
		return false;
	(*p)++;
	return true;
}

static bool parse_addr(const char **p, size_t bytes, struct nst_addr *a)
{
	for (size_t i = 0; i < bytes; i++) {
		uint64_t v;
		if (!parse_hex(p, 2, &v))
			return false;
		a->b[i] = (uint8_t)v;
	}
	return true;
}

/* ::ffff:a.b.c.d is family 4 inside. */
static void unmap(struct nst_addr *a)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0,    0,
					   0, 0, 0, 0, 0xff, 0xff};

	if (a->family != 6 || memcmp(a->b, mapped, 12) != 0)
		return;
	memmove(a->b, a->b + 12, 4);
	memset(a->b + 4, 0, 12);
	a->family = 4;
}

static bool parse_text(const char *p, uint64_t *id, struct nst_sockaddr *peer)
{
	uint64_t port, scope = 0;

	if (!parse_hex(&p, 16, id) || !parse_char(&p, '/'))
		return false;
	peer->addr.family = *p == '6' ? 6 : 4;
	if (!parse_char(&p, *p == '6' ? '6' : '4') || !parse_char(&p, '/') ||
	    !parse_addr(&p, peer->addr.family == 6 ? 16 : 4, &peer->addr) ||
	    !parse_char(&p, '/') || !parse_hex(&p, 4, &port))
		return false;
	if (*p == '/' && (!parse_char(&p, '/') || !parse_hex(&p, 8, &scope)))
		return false;
	peer->port = (uint16_t)port;
	peer->addr.scope = (uint32_t)scope;
	unmap(&peer->addr);
	return *p == '\0';
}

bool listener_parse_name(const struct sockaddr_un *un, socklen_t len,
			 uint64_t *id, struct nst_sockaddr *peer)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	size_t prefix = strlen(SHIM_NAME_PREFIX);
	char text[sizeof un->sun_path + 1] = {0};

	memset(peer, 0, sizeof *peer);
	if (un->sun_family != AF_UNIX || len <= head + 1 + prefix ||
	    len > sizeof *un || un->sun_path[0] != '\0')
		return false;
	memcpy(text, un->sun_path + 1, len - head - 1);
	return memcmp(text, SHIM_NAME_PREFIX, prefix) == 0 &&
	       parse_text(text + prefix, id, peer);
}
