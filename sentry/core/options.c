/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The command line as a table: one line per option with the function that
 * takes its value. Options end at the first word that is not one, or at "--".
 */
#include "sentry/core/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/log.h"
#include "sentry/core/values.h"
#include "sentry/gateway/policy.h"

struct parse {
	struct options *o;
	bool ip4_given, ip6_given;
};

/* The value of one option. Prints and returns -EINVAL. */
typedef int (*option_fn)(struct parse *p, const char *value);

static int opt_net(struct parse *p, const char *v)
{
	if (!strcmp(v, "nat")) {
		p->o->net = NET_NAT;
	} else if (!strcmp(v, "none")) {
		p->o->net = NET_NONE;
	} else if (!strncmp(v, "tap:", 4) && v[4]) {
		size_t len = strlen(v + 4);

		if (len >= sizeof p->o->tap_name || strchr(v + 4, '/')) {
			log_error("--net %s: not an interface name (at most 15 "
				  "bytes, no slash)",
				  v);
			return -EINVAL;
		}
		p->o->net = NET_TAP;
		memcpy(p->o->tap_name, v + 4, len + 1);
	} else {
		log_error("--net %s: unknown; use nat, none or tap:NAME", v);
		return -EINVAL;
	}
	return 0;
}

static int opt_ip(struct parse *p, const char *v)
{
	struct nst_addr a;
	uint8_t len;

	if (value_prefix(v, &a, &len)) {
		log_error("--ip %s: not ADDRESS/LENGTH, as in 10.0.2.15/24", v);
		return -EINVAL;
	}
	bool *given = a.family == 4 ? &p->ip4_given : &p->ip6_given;
	if (*given) {
		log_error("--ip %s: one address of each family is enough; "
			  "remove one --ip",
			  v);
		return -EINVAL;
	}
	*given = true;
	if (a.family == 4) {
		p->o->ip4 = a;
		p->o->ip4_len = len;
	} else {
		p->o->ip6 = a;
		p->o->ip6_len = len;
	}
	return 0;
}

/* An address into the field of its family. */
static int take_addr(const char *name, const char *v, struct nst_addr *a4,
		     struct nst_addr *a6)
{
	struct nst_addr a;

	if (value_addr(v, &a)) {
		log_error("--%s %s: not an IPv4 or IPv6 address", name, v);
		return -EINVAL;
	}
	*(a.family == 4 ? a4 : a6) = a;
	return 0;
}

static int opt_gateway(struct parse *p, const char *v)
{
	return take_addr("gateway", v, &p->o->gw4, &p->o->gw6);
}

static int opt_dns(struct parse *p, const char *v)
{
	return take_addr("dns", v, &p->o->dns4, &p->o->dns6);
}

static int opt_mtu(struct parse *p, const char *v)
{
	/* Below 1280 (RFC 8200 5) there is no IPv6 on eth0. */
	if (!value_number(v, 576, 65535, &p->o->mtu))
		return 0;
	log_error("--mtu %s: not a number from 576 to 65535", v);
	return -EINVAL;
}

static int opt_mac(struct parse *p, const char *v)
{
	if (value_mac(v, p->o->mac)) {
		log_error("--mac %s: not a unicast address such as "
			  "02:00:00:00:00:15",
			  v);
		return -EINVAL;
	}
	p->o->has_mac = true;
	return 0;
}

/* Room for one more element of `size` bytes in an array of n. */
static int grow(void **array, size_t n, size_t size)
{
	void *p = reallocarray(*array, n + 1, size);

	if (!p) {
		log_error("out of memory");
		return -ENOMEM;
	}
	*array = p;
	return 0;
}

static int opt_sysctl(struct parse *p, const char *v)
{
	struct options *o = p->o;
	const char *eq = strchr(v, '=');

	if (!eq || eq == v) {
		log_error("--sysctl %s: not NAME=VALUE, as in "
			  "net.ipv4.tcp_ecn=1",
			  v);
		return -EINVAL;
	}
	if (grow((void **)&o->sysctls, o->nsysctls, sizeof v))
		return -EINVAL;
	o->sysctls[o->nsysctls++] = v;
	return 0;
}

static int opt_cc(struct parse *p, const char *v)
{
	if (!*v) {
		log_error("--cc: a name is missing: reno, cubic or bbr");
		return -EINVAL;
	}
	p->o->cc = v;
	return 0;
}

static int opt_publish(struct parse *p, const char *v)
{
	struct options *o = p->o;
	struct opt_publish pub;

	if (value_publish(v, &pub)) {
		log_error("--publish %s: not [ADDRESS:]HOSTPORT:GUESTPORT, "
			  "as in 8080:80, 127.0.0.1:8080:80 or 5353:53/udp",
			  v);
		return -EINVAL;
	}
	if (grow((void **)&o->publish, o->npublish, sizeof pub))
		return -EINVAL;
	o->publish[o->npublish++] = pub;
	return 0;
}

static int add_rule(struct parse *p, const char *v, bool allow)
{
	struct options *o = p->o;
	const char *why = "not a rule";
	struct opt_rule rule;

	if (policy_parse(v, allow, &rule, &why)) {
		log_error("--%s %s: %s; a rule is [PROTO:]ADDRESS[/LENGTH]"
			  "[:PORT[-PORT]], PROTO or *",
			  allow ? "allow" : "deny", v, why);
		return -EINVAL;
	}
	if (grow((void **)&o->rules, o->nrules, sizeof rule))
		return -EINVAL;
	o->rules[o->nrules++] = rule;
	o->default_deny |= allow;
	return 0;
}

static int opt_allow(struct parse *p, const char *v)
{
	return add_rule(p, v, true);
}

static int opt_deny(struct parse *p, const char *v)
{
	return add_rule(p, v, false);
}

/* A path that will be opened: empty ones are refused here and now. */
static int take_path(const char *name, const char *v, const char **out)
{
	if (!*v) {
		log_error("--%s: the file name is empty", name);
		return -EINVAL;
	}
	*out = v;
	return 0;
}

static int opt_pcap(struct parse *p, const char *v)
{
	return take_path("pcap", v, &p->o->pcap_path);
}

static int take_netem(struct parse *p, const char *name, const char *v, int way)
{
	struct netem_error err;

	if (netem_parse(v, &p->o->netem[way], &err)) {
		log_error("--%s %s: %s%s%.*s%s", name, v, err.what,
			  err.len ? ": \"" : "", (int)err.len, v + err.at,
			  err.len ? "\"" : "");
		return -EINVAL;
	}
	/* The same settings both ways, but not the same fate. */
	p->o->netem[way].seed = p->o->netem[way].seed * 2 + (unsigned)way;
	p->o->netem_text[way] = v;
	p->o->netem_on[way] = true;
	return 0;
}

static int opt_netem_out(struct parse *p, const char *v)
{
	return take_netem(p, "netem-out", v, 0);
}

static int opt_netem_in(struct parse *p, const char *v)
{
	return take_netem(p, "netem-in", v, 1);
}

static int opt_netem(struct parse *p, const char *v)
{
	int rc = take_netem(p, "netem", v, 0);

	return rc ? rc : take_netem(p, "netem", v, 1);
}

static int opt_name(struct parse *p, const char *v)
{
	if (!value_id_ok(v)) {
		log_error("--name %s: not 1 to 32 letters, digits, _ . -, with "
			  "neither . nor - in front",
			  v);
		return -EINVAL;
	}
	p->o->name = v;
	return 0;
}

static int opt_autosave(struct parse *p, const char *v)
{
	if (!strcmp(v, "syscall")) {
		p->o->autosave_syscall = true;
		return 0;
	}
	if (!value_number(v, 1, UINT32_MAX, &p->o->autosave))
		return 0;
	log_error("--autosave %s: not a number of events, from 1, nor "
		  "\"syscall\"",
		  v);
	return -EINVAL;
}

static int opt_log(struct parse *p, const char *v)
{
	return take_path("log", v, &p->o->log_path);
}

/* What an option does: calls fn with its value, or is a switch. */
#define TAKES(fn) fn, 0, false
#define SETS(field) NULL, offsetof(struct options, field), true
#define CLEARS(field) NULL, offsetof(struct options, field), false

static const struct option_def {
	const char *name; /* without the dashes */
	char letter;      /* 0: none */
	option_fn take;   /* of options with a value; NULL: a switch */
	size_t field;     /* a bool of struct options, which becomes `on` */
	bool on;
} option_table[] = {
    {"net", 0, TAKES(opt_net)},
    {"ip", 0, TAKES(opt_ip)},
    {"gateway", 0, TAKES(opt_gateway)},
    {"dns", 0, TAKES(opt_dns)},
    {"mtu", 0, TAKES(opt_mtu)},
    {"mac", 0, TAKES(opt_mac)},
    {"netem", 0, TAKES(opt_netem)},
    {"netem-in", 0, TAKES(opt_netem_in)},
    {"netem-out", 0, TAKES(opt_netem_out)},
    {"sysctl", 0, TAKES(opt_sysctl)},
    {"cc", 0, TAKES(opt_cc)},
    {"publish", 'p', TAKES(opt_publish)},
    {"allow", 0, TAKES(opt_allow)},
    {"deny", 0, TAKES(opt_deny)},
    {"host-loopback", 0, SETS(host_loopback)},
    {"isolate", 0, SETS(isolate)},
    {"no-netns", 0, CLEARS(netns)},
    {"no-shim", 0, CLEARS(shim)},
    {"name", 0, TAKES(opt_name)},
    {"pcap", 0, TAKES(opt_pcap)},
    {"log", 0, TAKES(opt_log)},
    {"autosave", 0, TAKES(opt_autosave)},
    {"verbose", 'v', SETS(verbose)},
    {"dry-run", 0, SETS(dry_run)},
    {"help", 'h', SETS(help)},
};

#define OPTION_COUNT (sizeof option_table / sizeof *option_table)

static const struct option_def *find_long(const char *name, size_t len)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (strlen(option_table[i].name) == len &&
		    !memcmp(option_table[i].name, name, len))
			return &option_table[i];
	return NULL;
}

static const struct option_def *find_letter(char c)
{
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (option_table[i].letter == c)
			return &option_table[i];
	return NULL;
}

static void turn(struct parse *p, const struct option_def *d)
{
	*(bool *)((char *)p->o + d->field) = d->on;
}

/* Applies `d`; the value is `attached` or the next word. Returns how many
 * words were used beyond this one, or -EINVAL. */
static int apply(struct parse *p, const struct option_def *d,
		 const char *attached, const char *next)
{
	const char *v = attached ? attached : next;

	if (!d->take && attached) {
		log_error("--%s takes no value", d->name);
		return -EINVAL;
	}
	if (!d->take) {
		turn(p, d);
		return 0;
	}
	if (!v) {
		log_error("--%s needs a value; see cordon run --help", d->name);
		return -EINVAL;
	}
	int rc = d->take(p, v);
	return rc ? rc : !attached;
}

static int parse_long(struct parse *p, const char *word, const char *next)
{
	const char *eq = strchr(word, '=');
	size_t len = eq ? (size_t)(eq - word) : strlen(word);
	const struct option_def *d = find_long(word, len);

	if (d)
		return apply(p, d, eq ? eq + 1 : NULL, next);
	log_error("unknown option --%.*s; see cordon run --help", (int)len,
		  word);
	return -EINVAL;
}

/* "-v", "-p8080:80", "-p 8080:80", "-vp 8080:80". */
static int parse_letters(struct parse *p, const char *word, const char *next)
{
	for (; *word; word++) {
		const struct option_def *d = find_letter(*word);

		if (!d) {
			log_error("unknown option -%c; see cordon run --help",
				  *word);
			return -EINVAL;
		}
		if (d->take)
			return apply(p, d, word[1] ? word + 1 : NULL, next);
		turn(p, d);
	}
	return 0;
}

static void set_defaults(struct options *o)
{
	memset(o, 0, sizeof *o);
	o->net = NET_NAT;
	o->shim = true;
	o->netns = true;
	value_prefix("10.0.2.15/24", &o->ip4, &o->ip4_len);
	value_prefix("fd00::15/64", &o->ip6, &o->ip6_len);
}

/* On nat the gateway and resolver are ours: .2 and .3 of the network. */
static int derive_nat(struct options *o)
{
	if (!o->gw4.family)
		o->gw4 = value_nth(&o->ip4, o->ip4_len, 2);
	if (!o->gw6.family)
		o->gw6 = value_nth(&o->ip6, o->ip6_len, 2);
	if (!o->dns4.family)
		o->dns4 = value_nth(&o->ip4, o->ip4_len, 3);
	if (!o->dns6.family)
		o->dns6 = value_nth(&o->ip6, o->ip6_len, 3);
	/* A wire that is to be like one has packets like one. */
	if (!o->mtu)
		o->mtu = o->netem_on[0] || o->netem_on[1] ? 1500 : 65520;
	if (o->gw4.family && o->gw6.family && o->dns4.family && o->dns6.family)
		return 0;
	log_error("--ip leaves no room for the gateway (.2) and resolver (.3); "
		  "name them with --gateway and --dns");
	return -EINVAL;
}

static int check_whole(struct options *o)
{
	if (o->net == NET_NONE && (o->netem_on[0] || o->netem_on[1])) {
		log_error("--netem needs a network: --net nat or tap:NAME");
		return -EINVAL;
	}
	if (o->net != NET_NAT && o->npublish) {
		log_error("--publish needs --net nat");
		return -EINVAL;
	}
	if (o->net != NET_NAT && o->host_loopback) {
		log_error("--host-loopback needs --net nat");
		return -EINVAL;
	}
	if (o->net == NET_NAT && o->mtu && o->mtu < 1280) {
		log_error("--mtu %u: the gateway carries IPv6 too and needs "
			  "1280 at least",
			  o->mtu);
		return -EINVAL;
	}
	if (o->net == NET_NAT && derive_nat(o))
		return -EINVAL;
	if (value_addr_eq(&o->gw4, &o->ip4) ||
	    value_addr_eq(&o->gw6, &o->ip6)) {
		log_error("--gateway is the guest's own address; "
			  "give another one");
		return -EINVAL;
	}
	return 0;
}

int options_parse(int argc, char **argv, struct options *o)
{
	struct parse p = {.o = o};
	int i = 0;

	set_defaults(o);
	while (i < argc && argv[i][0] == '-' && argv[i][1] && !o->help) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;
		const char *word = argv[i++];

		if (!strcmp(word, "--"))
			break;
		int used = word[1] == '-' ? parse_long(&p, word + 2, next)
					  : parse_letters(&p, word + 1, next);
		if (used < 0)
			return -EINVAL;
		i += used;
	}
	if (o->help)
		return 0;
	if (check_whole(o))
		return -EINVAL;
	o->argv = argv + i;
	if (i < argc || o->dry_run)
		return 0;
	log_error("no program given; use: cordon run [OPTIONS] -- PROGRAM");
	return -EINVAL;
}

void options_fini(struct options *o)
{
	free(o->publish);
	free(o->rules);
	free(o->sysctls);
	o->publish = NULL;
	o->rules = NULL;
	o->sysctls = NULL;
	o->npublish = o->nrules = o->nsysctls = 0;
}
