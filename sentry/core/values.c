/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/core/values.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

int value_number(const char *text, uint32_t lo, uint32_t hi, uint32_t *out)
{
	uint64_t v = 0;

	if (!*text)
		return -EINVAL;
	for (const char *p = text; *p; p++) {
		if (*p < '0' || *p > '9')
			return -EINVAL;
		v = v * 10 + (uint64_t)(*p - '0');
		if (v > hi)
			return -EINVAL;
	}
	if (v < lo)
		return -EINVAL;
	*out = (uint32_t)v;
	return 0;
}

int value_addr(const char *text, struct nst_addr *out)
{
	struct in6_addr a6;
	struct in_addr a4;

	memset(out, 0, sizeof *out);
	if (inet_pton(AF_INET, text, &a4) == 1) {
		out->family = 4;
		memcpy(out->b, &a4, 4);
		return 0;
	}
	if (inet_pton(AF_INET6, text, &a6) != 1)
		return -EINVAL;
	/* netstack knows IPv4-mapped addresses as family 4 only. */
	if (IN6_IS_ADDR_V4MAPPED(&a6)) {
		out->family = 4;
		memcpy(out->b, a6.s6_addr + 12, 4);
		return 0;
	}
	out->family = 6;
	memcpy(out->b, &a6, 16);
	return 0;
}

/* Copies the first n bytes of text as a string; -EINVAL if too long. */
static int cut(const char *text, size_t n, char buf[VALUE_TEXT_BYTES])
{
	if (n >= VALUE_TEXT_BYTES)
		return -EINVAL;
	memcpy(buf, text, n);
	buf[n] = '\0';
	return 0;
}

int value_prefix(const char *text, struct nst_addr *out, uint8_t *len)
{
	const char *slash = strchr(text, '/');
	char addr[VALUE_TEXT_BYTES];
	uint32_t v;

	if (!slash || cut(text, (size_t)(slash - text), addr))
		return -EINVAL;
	if (value_addr(addr, out))
		return -EINVAL;
	if (value_number(slash + 1, 1, out->family == 4 ? 32 : 128, &v))
		return -EINVAL;
	*len = (uint8_t)v;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int value_mac(const char *text, uint8_t out[6])
{
	uint8_t any = 0;

	if (strlen(text) != 17)
		return -EINVAL;
	for (int i = 0; i < 6; i++) {
		int hi = hex_digit(text[3 * i]);
		int lo = hex_digit(text[3 * i + 1]);

		if (hi < 0 || lo < 0 || (i < 5 && text[3 * i + 2] != ':'))
			return -EINVAL;
		out[i] = (uint8_t)(hi << 4 | lo);
		any |= out[i];
	}
	return any && !(out[0] & 1) ? 0 : -EINVAL;
}

/* The optional "/tcp" or "/udp" at the end of the guest's port. */
static int publish_proto(char *guest, bool *udp)
{
	char *slash = strchr(guest, '/');

	*udp = false;
	if (!slash)
		return 0;
	*slash = '\0';
	*udp = !strcmp(slash + 1, "udp");
	return *udp || !strcmp(slash + 1, "tcp") ? 0 : -EINVAL;
}

/* What stands before the last colon but one: "", "ADDR:" or "[ADDR]:". */
static int publish_addr(char *addr, struct nst_addr *out)
{
	size_t n = strlen(addr);

	if (n == 0)
		return -EINVAL;
	if (addr[0] != '[')
		return value_addr(addr, out) || out->family != 4 ? -EINVAL : 0;
	if (addr[n - 1] != ']')
		return -EINVAL;
	addr[n - 1] = '\0';
	return value_addr(addr + 1, out) || out->family != 6 ? -EINVAL : 0;
}

int value_publish(const char *text, struct opt_publish *out)
{
	char buf[VALUE_TEXT_BYTES], *guest, *host;
	uint32_t gport, hport;

	memset(out, 0, sizeof *out);
	if (cut(text, strlen(text), buf))
		return -EINVAL;
	guest = strrchr(buf, ':');
	if (!guest)
		return -EINVAL;
	*guest++ = '\0';
	host = strrchr(buf, ':');
	if (host) {
		*host++ = '\0';
		if (publish_addr(buf, &out->host.addr))
			return -EINVAL;
	} else {
		host = buf;
	}
	if (publish_proto(guest, &out->udp) ||
	    value_number(guest, 1, 65535, &gport) ||
	    value_number(host, 1, 65535, &hport))
		return -EINVAL;
	out->guest_port = (uint16_t)gport;
	out->host.port = (uint16_t)hport;
	return 0;
}

bool value_id_ok(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_.-";
	size_t len = strlen(text);

	return len > 0 && len < VALUE_ID_BYTES && *text != '.' &&
	       *text != '-' && strspn(text, letters) == len;
}

bool value_addr_eq(const struct nst_addr *a, const struct nst_addr *b)
{
	return a->family == b->family &&
	       !memcmp(a->b, b->b, a->family == 4 ? 4 : 16);
}

bool value_addr_is_any(const struct nst_addr *a)
{
	static const uint8_t none[sizeof a->b];

	return !memcmp(a->b, none, a->family == 4 ? 4 : sizeof none);
}

struct nst_addr value_nth(const struct nst_addr *a, uint8_t len, uint8_t n)
{
	struct nst_addr r = *a;
	unsigned bytes = a->family == 4 ? 4 : 16;

	if (!a->family)
		return r;
	/* Eight host bits hold any n; fewer may not, nor a broadcast. */
	unsigned host_bits = bytes * 8 - len;
	if (host_bits < 8 && n + 1u >= 1u << host_bits)
		return (struct nst_addr){0};
	for (unsigned bit = len; bit < bytes * 8; bit++)
		r.b[bit / 8] &= (uint8_t) ~(0x80u >> (bit % 8));
	r.b[bytes - 1] |= n;
	if (value_addr_eq(&r, a))
		return (struct nst_addr){0};
	return r;
}

char *value_addr_text(const struct nst_addr *a, char buf[VALUE_TEXT_BYTES])
{
	if (!a->family)
		return memcpy(buf, "none", sizeof "none");
	inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, buf,
		  VALUE_TEXT_BYTES);
	return buf;
}
