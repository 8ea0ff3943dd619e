/* SPDX-License-Identifier: Apache-2.0 */
/* sentry/gateway/policy.c: rules that parse, rules that do not, decisions. */
#include "sentry/gateway/policy.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "tests/unit/testenv.h"

#define ARRAY(a) (sizeof(a) / sizeof(*(a)))

struct good {
	const char *text;
	uint8_t proto;
	const char *net; /* NULL: any */
	uint8_t len;
	uint16_t lo, hi;
};

static const struct good good[] = {
    {"*", 0, NULL, 0, 0, 65535},
    {"tcp", 6, NULL, 0, 0, 65535},
    {"udp", 17, NULL, 0, 0, 65535},
    {"icmp", 1, NULL, 0, 0, 65535},
    {"any", 0, NULL, 0, 0, 65535},
    {"tcp:*", 6, NULL, 0, 0, 65535},
    {"tcp:*:443", 6, NULL, 0, 443, 443},
    {"*:*", 0, NULL, 0, 0, 65535},
    {"*:1-1023", 0, NULL, 0, 1, 1023},
    {"192.0.2.1", 0, "192.0.2.1", 32, 0, 65535},
    {"192.0.2.1:80", 0, "192.0.2.1", 32, 80, 80},
    {"10.1.2.3/8", 0, "10.0.0.0", 8, 0, 65535},
    {"10.255.255.255/9:0-0", 0, "10.128.0.0", 9, 0, 0},
    {"0.0.0.0/0", 0, "0.0.0.0", 0, 0, 65535},
    {"udp:10.0.2.3:53", 17, "10.0.2.3", 32, 53, 53},
    {"icmp:10.0.0.0/8", 1, "10.0.0.0", 8, 0, 65535},
    {"2001:db8::1", 0, "2001:db8::1", 128, 0, 65535},
    {"tcp:2001:db8::/32", 6, "2001:db8::", 32, 0, 65535},
    {"tcp:::1", 6, "::1", 128, 0, 65535},
    {"[2001:db8::1]:80-90", 0, "2001:db8::1", 128, 80, 90},
    {"tcp:[2001:db8::ffff]/33:80", 6, "2001:db8::", 33, 80, 80},
    {"[2001:db8::/32]:443", 0, "2001:db8::", 32, 443, 443},
    {"[::1]", 0, "::1", 128, 0, 65535},
};

Test(policy, parses)
{
	for (size_t i = 0; i < ARRAY(good); i++) {
		const struct good *g = &good[i];
		struct opt_rule r = {0};
		const char *why = NULL;
		struct nst_addr net = {0};

		cr_assert_eq(policy_parse(g->text, true, &r, &why), 0, "%s: %s",
			     g->text, why);
		if (g->net)
			net = test_addr(g->net);
		cr_assert(r.allow);
		cr_assert_eq(r.proto, g->proto, "%s", g->text);
		cr_assert(test_addr_eq(&r.net, &net), "%s", g->text);
		cr_assert_eq(r.prefix_len, g->len, "%s", g->text);
		cr_assert_eq(r.port_lo, g->lo, "%s", g->text);
		cr_assert_eq(r.port_hi, g->hi, "%s", g->text);
	}
}

static const char *const bad[] = {
    "",
    ":",
    ":80",
    "tcp:",
    "tcp:443", /* that would be an address */
    "sctp:1.2.3.4",
    "example.com",
    "tcp:example.com:443",
    "localhost",
    "1.2.3",
    "1.2.3.256",
    "1.2.3.4/33",
    "1.2.3.4/",
    "1.2.3.4/-1",
    "1.2.3.4/8x",
    "*/8",
    "1.2.3.4:",
    "1.2.3.4:65536",
    "1.2.3.4:99999999999999999999",
    "1.2.3.4:80-",
    "1.2.3.4:90-80",
    "1.2.3.4:80x",
    "1.2.3.4:-80",
    "icmp:1.2.3.4:80",
    "[2001:db8::1",
    "[2001:db8::1]80",
    "[2001:db8::1]:",
    "[1.2.3.4]:80",
    "[]:80",
    "2001:db8::/129",
    "::ffff:127.0.0.1",
    "fe80::1%eth0",
    " 1.2.3.4",
    "1.2.3.4 ",
    "1111111111111111111111111111111111111111111111111111111111111111111111111"
    "11111111111111111111111111111111111111111111111111111111111111111111111",
};

Test(policy, refuses)
{
	for (size_t i = 0; i < ARRAY(bad); i++) {
		struct opt_rule r = {.port_lo = 7};
		const char *why = NULL;

		cr_assert_eq(policy_parse(bad[i], true, &r, &why), -EINVAL,
			     "'%s' was taken", bad[i]);
		cr_assert(why && *why);
		cr_assert_eq(r.port_lo, 7, "nothing is stored");
	}
}

struct decision {
	const char *rules[4]; /* '+' allow, '-' deny */
	uint8_t proto;
	const char *addr;
	uint16_t port;
	bool allowed;
};

static const struct decision decisions[] = {
    {{NULL}, 6, "192.0.2.1", 80, true},
    {{"-*"}, 6, "192.0.2.1", 80, false},
    {{"-tcp"}, 17, "192.0.2.1", 80, true},
    {{"-udp:10.0.0.0/8"}, 17, "10.9.9.9", 80, false},
    {{"-udp:10.0.0.0/8"}, 17, "11.9.9.9", 80, true},
    {{"+tcp:192.0.2.0/24:443"}, 6, "192.0.2.9", 443, true},
    {{"+tcp:192.0.2.0/24:443"}, 6, "192.0.2.9", 80, false},
    {{"+tcp:192.0.2.0/24:443"}, 6, "2001:db8::1", 443, false},
    {{"-192.0.2.1", "+192.0.2.0/24"}, 6, "192.0.2.1", 1, false},
    {{"-192.0.2.1", "+192.0.2.0/24"}, 6, "192.0.2.2", 1, true},
    {{"-192.0.2.1", "+192.0.2.0/24"}, 6, "192.0.3.2", 1, false},
    {{"+192.0.2.0/24", "-192.0.2.1"}, 6, "192.0.2.1", 1, true},
    {{"-2001:db8::/33"}, 6, "2001:db8:7fff::1", 1, false},
    {{"-2001:db8::/33"}, 6, "2001:db8:8000::1", 1, true},
    {{"-0.0.0.0/0"}, 6, "2001:db8::1", 1, true},
    {{"-0.0.0.0/0"}, 6, "192.0.2.1", 1, false},
    {{"-icmp"}, 58, "2001:db8::1", 0, false},
    {{"-icmp"}, 1, "192.0.2.1", 0, false},
    {{"-*:1-1023", "+*"}, 6, "192.0.2.1", 1023, false},
    {{"-*:1-1023", "+*"}, 6, "192.0.2.1", 1024, true},
};

Test(policy, decides)
{
	for (size_t i = 0; i < ARRAY(decisions); i++) {
		const struct decision *d = &decisions[i];
		struct opt_rule r[4];
		struct options o = {.rules = r};
		struct nst_sockaddr to = test_sa(d->addr, d->port);
		const char *why;

		for (; o.nrules < 4 && d->rules[o.nrules]; o.nrules++) {
			const char *s = d->rules[o.nrules];

			cr_assert_eq(
			    policy_parse(s + 1, *s == '+', &r[o.nrules], &why),
			    0);
			o.default_deny |= *s == '+';
		}
		cr_assert_eq(policy_allows(&o, d->proto, &to), d->allowed,
			     "decision %zu", i);
	}
}
