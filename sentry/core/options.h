/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parsed command line of `cordon run`. Parsing is complete before anything
 * is created: an option that cannot be parsed is fatal (exit 125).
 */
#ifndef SENTRY_CORE_OPTIONS_H
#define SENTRY_CORE_OPTIONS_H

#include "netstack/netem/netem.h"
#include "netstack/nst_types.h"

enum net_mode { NET_NAT, NET_NONE, NET_TAP };

/* -p [HOSTADDR:]HOSTPORT:GUESTPORT[/tcp|/udp] */
struct opt_publish {
	struct nst_sockaddr host; /* family 0: every address, both families */
	uint16_t guest_port;
	bool udp;
};

/* --allow / --deny RULE; first match decides; see gateway/policy.h. */
struct opt_rule {
	bool allow;
	uint8_t proto;       /* 0 any, 1 icmp, 6 tcp, 17 udp */
	struct nst_addr net; /* family 0: any address */
	uint8_t prefix_len;
	uint16_t port_lo, port_hi; /* 0,65535: any */
};

struct options {
	enum net_mode net;
	char tap_name[16];
	bool shim;          /* --no-shim clears it */
	bool netns;         /* --no-netns clears it */
	bool isolate;       /* --isolate: PID namespace, stricter AF_UNIX */
	bool host_loopback; /* --host-loopback: 10.0.2.2 is the host's lo */
	bool verbose;       /* -v: a line per trap on stderr */
	bool dry_run;       /* --dry-run: print the effective set-up, exit 0 */
	const char *name;   /* --name ID of the sandbox; NULL: a random one */
	const char *log_path;  /* --log FILE: where -v writes; NULL: stderr */
	const char *pcap_path; /* --pcap FILE */
	/* --autosave: save and restore in place every so many events (0:
	 * not), or when the guest asks by init_module(0, 0, 0) */
	uint32_t autosave;
	bool autosave_syscall;
	/* Addresses of eth0; defaults 10.0.2.15/24 and fd00::15/64. Any number
	 * of --ip ADDR/LEN replaces the defaults of that family. */
	struct nst_addr ip4, ip6;
	uint8_t ip4_len, ip6_len;
	struct nst_addr gw4, gw6;   /* --gateway; defaults .2 and fd00::2 */
	struct nst_addr dns4, dns6; /* defaults .3 and fd00::3 */
	uint32_t mtu; /* --mtu; default 65520 on nat, the device's on tap */
	uint8_t mac[6];
	bool has_mac;
	/* --netem (both), --netem-out, --netem-in: [0] what the guest sends */
	struct netem_conf netem[2];
	const char *netem_text[2];
	bool netem_on[2];
	const char *cc;       /* --cc NAME; NULL: the default, cubic */
	const char **sysctls; /* --sysctl NAME=VALUE, in order */
	size_t nsysctls;
	struct opt_publish *publish;
	size_t npublish;
	struct opt_rule *rules;
	size_t nrules;
	bool default_deny; /* any --allow without a matching rule: denied */
	struct restore *restore; /* of cordon restore, or NULL */
	bool help;               /* --help: print the usage and exit 0 */
	char **argv;             /* program and arguments, NULL-terminated */
};

/*
 * Parses `cordon run` arguments (argv[0] is the first after "run"). Returns 0,
 * or -EINVAL after one line on stderr that says what is wrong and what to do.
 */
int options_parse(int argc, char **argv, struct options *o);
void options_fini(struct options *o);
/* The usage text of `cordon run`, to stdout. */
void options_usage(void);
/* The effective set-up, one "key value" line each, to stdout (--dry-run). */
void options_show(const struct options *o);

#endif
