/* SPDX-License-Identifier: Apache-2.0 */
/* The command line as tables: what is taken, and what is refused with one line
 * that names the option. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sentry/core/options.h"
#include "sentry/core/values.h"

#define MAX_WORDS 12

static int parse(const char *const *words, struct options *o)
{
	int n = 0;

	while (words[n])
		n++;
	return options_parse(n, (char **)(uintptr_t)words, o);
}

/* ---- accepted ---- */

Test(options, defaults)
{
	const char *words[] = {"prog", "--help", NULL};
	struct options o;
	char text[VALUE_TEXT_BYTES];

	cr_assert_eq(parse(words, &o), 0);
	cr_assert_eq(o.net, NET_NAT);
	cr_assert(o.shim && o.netns && !o.isolate && !o.help && !o.verbose);
	cr_assert_eq(o.mtu, 65520);
	cr_assert_eq(o.ip4_len, 24);
	cr_assert_eq(o.ip6_len, 64);
	cr_assert_str_eq(value_addr_text(&o.ip4, text), "10.0.2.15");
	cr_assert_str_eq(value_addr_text(&o.ip6, text), "fd00::15");
	cr_assert_str_eq(value_addr_text(&o.gw4, text), "10.0.2.2");
	cr_assert_str_eq(value_addr_text(&o.gw6, text), "fd00::2");
	cr_assert_str_eq(value_addr_text(&o.dns4, text), "10.0.2.3");
	cr_assert_str_eq(value_addr_text(&o.dns6, text), "fd00::3");
	cr_assert_str_eq(o.argv[0], "prog");
	cr_assert_str_eq(o.argv[1], "--help");
	options_fini(&o);
}

/* Options end at "--" or at the first word that is none. */
static const struct end_case {
	const char *words[MAX_WORDS];
	const char *program;
	bool verbose;
} ends[] = {
    {{"-v", "--", "-x", NULL}, "-x", true},
    {{"-v", "x", "-v", NULL}, "x", true},
    {{"--", "--", NULL}, "--", false},
    {{"--", "-v", NULL}, "-v", false},
    {{"-", NULL}, "-", false},
    {{"--net", "none", "-v", "x", NULL}, "x", true},
    {{"--net=none", "x", "--bad", NULL}, "x", false},
    {{"-vp", "80:80", "x", NULL}, "x", true},
    {{"-vp80:80", "x", NULL}, "x", true},
    {{"-p", "80:80", "x", NULL}, "x", false},
};

Test(options, where_they_end)
{
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		struct options o;

		cr_assert_eq(parse(ends[i].words, &o), 0, "case %zu", i);
		cr_assert_str_eq(o.argv[0], ends[i].program, "case %zu", i);
		cr_assert_eq(o.verbose, ends[i].verbose, "case %zu", i);
		options_fini(&o);
	}
}

Test(options, every_switch)
{
	const char *words[] = {"--no-shim", "--no-netns",      "--isolate",
			       "--verbose", "--host-loopback", "--dry-run",
			       NULL};
	struct options o;

	cr_assert_eq(parse(words, &o), 0);
	cr_assert(!o.shim && !o.netns && o.isolate && o.verbose &&
		  o.host_loopback && o.dry_run);
	cr_assert_null(o.argv[0]);
}

Test(options, values_arrive)
{
	const char *words[] = {"--mac=02:00:00:00:00:fF",
			       "--mtu=1500",
			       "--ip=192.168.7.9/16",
			       "--gateway=192.168.0.1",
			       "--dns=192.168.0.2",
			       "--pcap=/tmp/x",
			       "--log=/tmp/y",
			       "x",
			       NULL};
	struct options o;
	char text[VALUE_TEXT_BYTES];

	cr_assert_eq(parse(words, &o), 0);
	cr_assert(o.has_mac);
	cr_assert_arr_eq(o.mac, ((uint8_t[]){2, 0, 0, 0, 0, 255}), 6);
	cr_assert_eq(o.mtu, 1500);
	cr_assert_eq(o.ip4_len, 16);
	cr_assert_str_eq(value_addr_text(&o.gw4, text), "192.168.0.1");
	cr_assert_str_eq(value_addr_text(&o.dns4, text), "192.168.0.2");
	cr_assert_str_eq(value_addr_text(&o.ip6, text), "fd00::15");
	cr_assert_str_eq(o.pcap_path, "/tmp/x");
	cr_assert_str_eq(o.log_path, "/tmp/y");
}

Test(options, tap_has_no_gateway_of_its_own)
{
	const char *words[] = {"--net", "tap:t0", "x", NULL};
	struct options o;

	cr_assert_eq(parse(words, &o), 0);
	cr_assert_eq(o.net, NET_TAP);
	cr_assert_str_eq(o.tap_name, "t0");
	cr_assert_eq(o.gw4.family, 0);
	cr_assert_eq(o.mtu, 0);
}

/* The same settings, not the same fate; the last word counts. */
Test(options, netem_both_ways)
{
	const char *words[] = {
	    "--netem", "delay=5ms,seed=9", "--netem-in", "loss=1%", "x", NULL};
	struct options o;

	cr_assert_eq(parse(words, &o), 0);
	cr_assert(o.netem_on[0] && o.netem_on[1]);
	cr_assert_eq(o.netem[0].delay, 5 * NST_MS);
	cr_assert_eq(o.netem[0].seed, 18);
	cr_assert_eq(o.netem[1].delay, 0);
	cr_assert_eq(o.netem[1].seed, 3);
	cr_assert_eq(o.mtu, 1500);
}

Test(options, rules_keep_their_order)
{
	const char *words[] = {"--deny",     "10.0.0.1", "--allow",
			       "10.0.0.0/8", "x",        NULL};
	struct options o;

	cr_assert_eq(parse(words, &o), 0);
	cr_assert_eq(o.nrules, 2);
	cr_assert(!o.rules[0].allow && o.rules[1].allow && o.default_deny);
	options_fini(&o);
}

/* ---- refused ---- */

static const struct bad_case {
	const char *words[MAX_WORDS];
	const char *says;
} bad[] = {
    {{"--no-such-option", "x", NULL}, "unknown option --no-such-option"},
    {{"--net-", "x", NULL}, "unknown option --net-"},
    {{"--ne", "x", NULL}, "unknown option --ne;"},
    {{"-q", "x", NULL}, "unknown option -q"},
    {{"-vq", "x", NULL}, "unknown option -q"},
    {{"--verbose=1", "x", NULL}, "takes no value"},
    {{"--net", NULL}, "needs a value"},
    {{"-p", NULL}, "needs a value"},
    {{"--net", "moon", "x", NULL}, "use nat, none or tap:NAME"},
    {{"--net=", "x", NULL}, "use nat, none"},
    {{"--net", "tap:", "x", NULL}, "use nat, none"},
    {{"--net", "tap:0123456789abcdef", "x", NULL}, "interface name"},
    {{"--net", "tap:a/b", "x", NULL}, "interface name"},
    {{"--ip", "10.0.0.1", "x", NULL}, "ADDRESS/LENGTH"},
    {{"--ip", "10.0.0.1/99", "x", NULL}, "ADDRESS/LENGTH"},
    {{"--ip", "10.0.0.1/0", "x", NULL}, "ADDRESS/LENGTH"},
    {{"--ip", "10.0.0.1/-1", "x", NULL}, "ADDRESS/LENGTH"},
    {{"--ip", "10.0.0.1/", "x", NULL}, "ADDRESS/LENGTH"},
    {{"--ip", "/24", "x", NULL}, "ADDRESS/LENGTH"},
    {{"--ip", "10.0.0/24", "x", NULL}, "ADDRESS/LENGTH"},
    {{"--ip", "1.0.0.1/8", "--ip", "2.0.0.1/8", "x", NULL}, "each family"},
    {{"--ip", "10.0.0.5/31", "x", NULL}, "no room"},
    {{"--ip", "10.0.0.2/24", "x", NULL}, "no room"},
    {{"--gateway", "10.0.2.15", "x", NULL}, "own address"},
    {{"--gateway", "here", "x", NULL}, "not an IPv4"},
    {{"--dns", "", "x", NULL}, "not an IPv4"},
    {{"--sysctl", "tcp_ecn", "x", NULL}, "NAME=VALUE"},
    {{"--cc", "", "x", NULL}, "reno, cubic or bbr"},
    {{"--sysctl", "=1", "x", NULL}, "NAME=VALUE"},
    {{"--netem", "", "x", NULL}, "a setting is missing"},
    {{"--netem", "delay=50", "x", NULL}, "\"50\""},
    {{"--netem-in", "lag=1ms", "x", NULL}, "--netem-in lag=1ms: unknown"},
    {{"--netem-out", "limit=9p", "x", NULL}, "need a rate"},
    {{"--net", "none", "--netem", "delay=1ms", "x", NULL}, "needs a network"},
    {{"--mtu", "12", "x", NULL}, "576 to 65535"},
    {{"--mtu", "1000", "x", NULL}, "1280 at least"},
    {{"--mtu", "65536", "x", NULL}, "576 to 65535"},
    {{"--mtu", "1500x", "x", NULL}, "576 to 65535"},
    {{"--mtu", "99999999999999999999", "x", NULL}, "576 to 65535"},
    {{"--mac", "zz", "x", NULL}, "unicast"},
    {{"--mac", "01:00:00:00:00:00", "x", NULL}, "unicast"},
    {{"--mac", "00:00:00:00:00:00", "x", NULL}, "unicast"},
    {{"--mac", "02:00:00:00:00:0", "x", NULL}, "unicast"},
    {{"--mac", "02-00-00-00-00-00", "x", NULL}, "unicast"},
    {{"-p", "80", "x", NULL}, "HOSTPORT:GUESTPORT"},
    {{"-p", "0:80", "x", NULL}, "HOSTPORT:GUESTPORT"},
    {{"-p", "80:70000", "x", NULL}, "HOSTPORT:GUESTPORT"},
    {{"-p", "80:80/sctp", "x", NULL}, "HOSTPORT:GUESTPORT"},
    {{"-p", ":80:80", "x", NULL}, "HOSTPORT:GUESTPORT"},
    {{"-p", "::1:80:80", "x", NULL}, "HOSTPORT:GUESTPORT"},
    {{"-p", "[127.0.0.1]:80:80", "x", NULL}, "HOSTPORT:GUESTPORT"},
    {{"-p", "300.0.0.1:80:80", "x", NULL}, "HOSTPORT:GUESTPORT"},
    {{"--net=none", "-p", "80:80", "x", NULL}, "needs --net nat"},
    {{"--net=none", "--host-loopback", "x", NULL}, "needs --net nat"},
    {{"--allow", "300.1.2.3", "x", NULL}, "--allow 300.1.2.3"},
    {{"--deny", "", "x", NULL}, "--deny "},
    {{"--pcap=", "x", NULL}, "empty"},
    {{"--log=", "x", NULL}, "empty"},
    {{"-v", NULL}, "no program given"},
    {{"--", NULL}, "no program given"},
    {{NULL}, "no program given"},
};

/* What fn wrote to stderr. */
static size_t stderr_of(const char *const *words, char *buf, size_t cap)
{
	int fds[2], saved = dup(STDERR_FILENO);
	struct options o;
	ssize_t n;

	cr_assert_eq(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	int rc = parse(words, &o);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	n = read(fds[0], buf, cap - 1);
	close(fds[0]);
	options_fini(&o);
	cr_assert_eq(rc, -EINVAL);
	cr_assert_gt(n, 0);
	buf[n] = '\0';
	return (size_t)n;
}

Test(options, bad_ones_are_refused_in_one_line)
{
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		char buf[1024];
		size_t n = stderr_of(bad[i].words, buf, sizeof buf);

		cr_assert_eq(strncmp(buf, "cordon: ", 8), 0, "%s", buf);
		cr_assert_eq(strchr(buf, '\n'), buf + n - 1, "%s", buf);
		cr_assert_not_null(strstr(buf, bad[i].says), "%zu: %s", i, buf);
	}
}

/* ---- values ---- */

Test(values, published_ports)
{
	struct opt_publish p;

	cr_assert_eq(value_publish("8080:80", &p), 0);
	cr_assert(p.host.port == 8080 && p.guest_port == 80 && !p.udp);
	cr_assert_eq(p.host.addr.family, 0);
	cr_assert_eq(value_publish("127.0.0.1:1:2/udp", &p), 0);
	cr_assert(p.host.addr.family == 4 && p.host.port == 1 && p.udp);
	cr_assert_eq(value_publish("[::1]:65535:2/tcp", &p), 0);
	cr_assert(p.host.addr.family == 6 && p.host.port == 65535 && !p.udp);
}

Test(values, mapped_addresses_are_ipv4)
{
	struct nst_addr a;

	cr_assert_eq(value_addr("::ffff:1.2.3.4", &a), 0);
	cr_assert_eq(a.family, 4);
	cr_assert_eq(a.b[3], 4);
}

Test(values, addresses)
{
	struct nst_addr a, b;

	cr_assert_eq(value_addr("0.0.0.0", &a), 0);
	cr_assert_eq(value_addr("::", &b), 0);
	cr_assert(value_addr_is_any(&a) && value_addr_is_any(&b));
	cr_assert_not(value_addr_eq(&a, &b));
	cr_assert_eq(value_addr("0.0.0.1", &a), 0);
	cr_assert_eq(value_addr("::1", &b), 0);
	cr_assert_not(value_addr_is_any(&a) || value_addr_is_any(&b));
	b = a;
	memset(b.b + 4, 0xff, sizeof b.b - 4); /* not of an IPv4 address */
	cr_assert(value_addr_eq(&a, &b));
}

Test(values, nth_address_of_a_network)
{
	char text[VALUE_TEXT_BYTES];
	struct nst_addr a, r;

	value_addr("172.16.5.77", &a);
	r = value_nth(&a, 12, 3);
	cr_assert_str_eq(value_addr_text(&r, text), "172.16.0.3");
	r = value_nth(&a, 29, 2);
	cr_assert_str_eq(value_addr_text(&r, text), "172.16.5.74");
	r = value_nth(&a, 30, 3);
	cr_assert_eq(r.family, 0, "a broadcast address");
	r = value_nth(&a, 32, 2);
	cr_assert_eq(r.family, 0);
	value_addr("fd00::15", &a);
	r = value_nth(&a, 64, 0x15);
	cr_assert_eq(r.family, 0, "the guest's own");
}
