/* SPDX-License-Identifier: Apache-2.0 */
/* Egress rules: text to rule, rule against destination. Stateless. */
#include "sentry/gateway/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMP6 58

static bool net_matches(const struct opt_rule *r, const struct nst_addr *a)
{
	uint8_t whole = r->prefix_len / 8, rest = r->prefix_len % 8;

	if (r->net.family == 0)
		return true;
	if (r->net.family != a->family || memcmp(r->net.b, a->b, whole) != 0)
		return false;
	return rest == 0 ||
	       ((r->net.b[whole] ^ a->b[whole]) >> (8 - rest)) == 0;
}

static bool rule_matches(const struct opt_rule *r, uint8_t proto,
			 const struct nst_sockaddr *to)
{
	if (r->proto != 0 && r->proto != proto)
		return false;
	if (to->port < r->port_lo || to->port > r->port_hi)
		return false;
	return net_matches(r, &to->addr);
}

bool policy_allows(const struct options *o, uint8_t proto,
		   const struct nst_sockaddr *to)
{
	if (proto == PROTO_ICMP6)
		proto = PROTO_ICMP;
	for (size_t i = 0; i < o->nrules; i++) {
		if (rule_matches(&o->rules[i], proto, to))
			return o->rules[i].allow;
	}
	return !o->default_deny;
}

static int bad(const char **why, const char *reason)
{
	*why = reason;
	return -EINVAL;
}

/* A decimal number up to max; returns what follows it, NULL if it is none. */
static const char *number(const char *s, unsigned max, unsigned *out)
{
	unsigned v = 0;

	if (*s < '0' || *s > '9')
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (unsigned)(*s - '0');
		if (v > max)
			return NULL;
	}
	*out = v;
	return s;
}

static int parse_ports(const char *s, struct opt_rule *r, const char **why)
{
	unsigned lo, hi;

	if (r->proto == PROTO_ICMP)
		return bad(why, "icmp has no ports");
	if (strcmp(s, "*") == 0)
		return 0;
	s = number(s, 65535, &lo);
	hi = lo = s ? lo : 0;
	if (s && *s == '-')
		s = number(s + 1, 65535, &hi);
	if (!s || *s)
		return bad(why, "a port is a number up to 65535, or LOW-HIGH");
	if (hi < lo)
		return bad(why, "the port range ends before it begins");
	r->port_lo = (uint16_t)lo;
	r->port_hi = (uint16_t)hi;
	return 0;
}

/* Clears the bits behind the prefix, so that 10.0.0.1/8 means 10/8. */
static void mask_net(struct opt_rule *r)
{
	for (unsigned i = 0; i < sizeof(r->net.b); i++) {
		unsigned keep =
		    r->prefix_len > i * 8 ? r->prefix_len - i * 8 : 0;

		if (keep < 8)
			r->net.b[i] &= (uint8_t)(0xff00u >> keep);
	}
}

static int parse_prefix(const char *s, struct opt_rule *r, const char **why)
{
	unsigned max = r->net.family == 4 ? 32 : 128, len;
	const char *end = number(s, max, &len);

	if (r->net.family == 0)
		return bad(why, "* takes no prefix length");
	if (!end || *end)
		return bad(why, "a prefix length is 0 to 32 (IPv6: 128)");
	r->prefix_len = (uint8_t)len;
	mask_net(r);
	return 0;
}

static int parse_addr(const char *s, struct opt_rule *r, const char **why)
{
	static const char digits[] = "0123456789.:abcdefABCDEF";

	if (strcmp(s, "*") == 0)
		return 0;
	if (inet_pton(AF_INET, s, r->net.b) == 1) {
		r->net.family = 4;
		r->prefix_len = 32;
		return 0;
	}
	if (inet_pton(AF_INET6, s, r->net.b) == 1) {
		static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

		if (memcmp(r->net.b, mapped, sizeof(mapped)) == 0)
			return bad(why, "write an IPv4-mapped address as IPv4");
		r->net.family = 6;
		r->prefix_len = 128;
		return 0;
	}
	if (*s && (s[strspn(s, digits)] || !strpbrk(s, ".:0123456789")))
		return bad(why, "names are not supported yet: "
				"give an address");
	return bad(why, "that is not an IP address");
}

/* ADDR[/LEN] in text that the caller owns. */
static int parse_net(char *s, struct opt_rule *r, const char **why)
{
	char *slash = strchr(s, '/');
	int err;

	if (slash)
		*slash++ = '\0';
	err = parse_addr(s, r, why);
	return err || !slash ? err : parse_prefix(slash, r, why);
}

/* [ADDR]..., [ADDR/LEN]..., then /LEN and :PORT if they follow. */
static int parse_bracket(char *s, struct opt_rule *r, const char **why)
{
	char *close = strchr(s, ']'), *colon;
	int err;

	if (!close)
		return bad(why, "the bracket is not closed");
	*close++ = '\0';
	err = parse_net(s + 1, r, why);
	if (err)
		return err;
	if (r->net.family != 6)
		return bad(why, "brackets are for IPv6 addresses");
	colon = strchr(close, ':');
	if (colon)
		*colon++ = '\0';
	if (*close == '/')
		err = parse_prefix(close + 1, r, why);
	else if (*close)
		err = bad(why, "after ] comes /LENGTH or :PORT");
	return err || !colon ? err : parse_ports(colon, r, why);
}

/* A protocol's number, -1: not one. */
static int proto_of(const char *s, size_t bytes)
{
	static const struct {
		const char *name;
		int proto;
	} known[] = {{"icmp", PROTO_ICMP},
		     {"tcp", PROTO_TCP},
		     {"udp", PROTO_UDP},
		     {"any", 0}};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		if (strlen(known[i].name) == bytes &&
		    memcmp(known[i].name, s, bytes) == 0)
			return known[i].proto;
	}
	return -1;
}

int policy_parse(const char *text, bool allow, struct opt_rule *out,
		 const char **why)
{
	struct opt_rule r = {.allow = allow, .port_hi = 65535};
	size_t word = strcspn(text, ":"), bytes = strlen(text);
	int proto = proto_of(text, word), err;
	char buf[128], *s = buf, *colon;

	if (bytes == 0)
		return bad(why, "the rule is empty");
	if (bytes >= sizeof(buf))
		return bad(why, "the rule is too long");
	memcpy(buf, text, bytes + 1);
	if (proto >= 0) {
		r.proto = (uint8_t)proto;
		s += text[word] == ':' ? word + 1 : word;
		if (text[word] == '\0') {
			*out = r;
			return 0;
		}
	}
	colon = strchr(s, ':');
	if (*s == '[') {
		err = parse_bracket(s, &r, why);
	} else if (colon && !strchr(colon + 1, ':')) {
		*colon = '\0';
		err = parse_net(s, &r, why);
		err = err ? err : parse_ports(colon + 1, &r, why);
	} else {
		err = parse_net(s, &r, why);
	}
	if (err == 0)
		*out = r;
	return err;
}
