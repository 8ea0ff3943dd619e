/* SPDX-License-Identifier: Apache-2.0 */
/* What the options look like to people: the usage text and --dry-run. */
#include "sentry/core/options.h"

#include <stdio.h>

#include "sentry/core/values.h"

void options_usage(void)
{
	static const char text[] =
	    "Usage: cordon run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
	    "Runs PROGRAM with a TCP/IP stack of its own.\n"
	    "\n"
	    "Network:\n"
	    "  --net nat|none|tap:NAME  what carries packets (default nat)\n"
	    "  --ip ADDRESS/LENGTH      the guest's address, once per family\n"
	    "                           (10.0.2.15/24 and fd00::15/64)\n"
	    "  --gateway ADDRESS        default route (nat: .2 of the "
	    "network)\n"
	    "  --dns ADDRESS            resolver (nat: .3 of the network)\n"
	    "  --mtu BYTES              576 to 65535 (nat: 65520, with\n"
	    "                           --netem 1500);\n"
	    "                           no IPv6 below 1280\n"
	    "  --netem SETTINGS         a bad link, both ways; --netem-in,\n"
	    "                           --netem-out for one: docs/NETEM.md, "
	    "as in\n"
	    "                           delay=50ms,loss=1%,rate=100mbit\n"
	    "  --cc NAME                congestion control of the sandbox's "
	    "TCP:\n"
	    "                           cubic (default), bbr or reno\n"
	    "  --sysctl NAME=VALUE      a setting of the sandbox's stack, as "
	    "in\n"
	    "                           net.ipv4.tcp_ecn=1\n"
	    "  --mac ADDRESS            Ethernet address of eth0\n"
	    "  -p, --publish [ADDRESS:]HOSTPORT:GUESTPORT[/tcp|/udp]\n"
	    "                           makes a guest's port reachable\n"
	    "  --host-loopback          the gateway's address is the host's\n"
	    "                           loopback\n"
	    "Policy (the first match decides):\n"
	    "  --allow RULE, --deny RULE\n"
	    "                           RULE: [PROTO:]ADDRESS[/LENGTH]"
	    "[:PORT[-PORT]],\n"
	    "                           PROTO (tcp, udp, icmp) or *; with any\n"
	    "                           --allow the rest is denied\n"
	    "Guest:\n"
	    "  --isolate                also PID, mount and IPC namespaces\n"
	    "  --no-netns               no network namespace (abstract "
	    "AF_UNIX\n"
	    "                           names of the host stay reachable)\n"
	    "  --no-shim                without the preload library\n"
	    "  --name ID                what `cordon ps` calls it (default: "
	    "a\n"
	    "                           random id)\n"
	    "Output:\n"
	    "  --pcap FILE              captures eth0 (pcapng)\n"
	    "  -v, --verbose            a line per trapped call\n"
	    "  --log FILE               where -v writes (default stderr)\n"
	    "  --autosave N|syscall     saves and restores the stacks in "
	    "place, "
	    "as a\n"
	    "                           test: every N events, or when the "
	    "guest\n"
	    "                           calls init_module(0, 0, 0)\n"
	    "  --dry-run                prints the set-up and does nothing\n"
	    "  -h, --help               prints this text\n"
	    "\n"
	    "Exit status: the program's; 125 cordon failed, 126 PROGRAM "
	    "cannot\n"
	    "be executed, 127 it was not found, 128+N it died by signal N.\n";

	fputs(text, stdout);
}

static const char *net_text(const struct options *o, char buf[24])
{
	if (o->net == NET_NAT)
		return "nat";
	if (o->net == NET_NONE)
		return "none";
	snprintf(buf, 24, "tap:%s", o->tap_name);
	return buf;
}

static void show_addrs(const struct options *o)
{
	char buf[VALUE_TEXT_BYTES];

	printf("ip %s/%u\n", value_addr_text(&o->ip4, buf), o->ip4_len);
	printf("ip %s/%u\n", value_addr_text(&o->ip6, buf), o->ip6_len);
	printf("gateway %s\n", value_addr_text(&o->gw4, buf));
	printf("gateway %s\n", value_addr_text(&o->gw6, buf));
	printf("dns %s\n", value_addr_text(&o->dns4, buf));
	printf("dns %s\n", value_addr_text(&o->dns6, buf));
	if (o->mtu)
		printf("mtu %u\n", o->mtu);
	else
		printf("mtu of the device\n");
	if (o->has_mac)
		printf("mac %02x:%02x:%02x:%02x:%02x:%02x\n", o->mac[0],
		       o->mac[1], o->mac[2], o->mac[3], o->mac[4], o->mac[5]);
}

static void show_publish(const struct opt_publish *p)
{
	char buf[VALUE_TEXT_BYTES];
	const char *open = p->host.addr.family == 6 ? "[" : "";
	const char *close = p->host.addr.family == 6 ? "]" : "";

	printf("publish %s%s%s:%u:%u/%s\n", open,
	       p->host.addr.family ? value_addr_text(&p->host.addr, buf) : "*",
	       close, p->host.port, p->guest_port, p->udp ? "udp" : "tcp");
}

static const char *proto_text(uint8_t proto)
{
	switch (proto) {
	case 0:
		return "any";
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	}
	return "?";
}

static void show_rule(const struct opt_rule *r)
{
	char buf[VALUE_TEXT_BYTES];

	printf("%s %s", r->allow ? "allow" : "deny", proto_text(r->proto));
	if (r->net.family)
		printf(" %s/%u", value_addr_text(&r->net, buf), r->prefix_len);
	else
		printf(" *");
	if (r->port_lo == 0 && r->port_hi == 65535)
		printf(" ports *\n");
	else
		printf(" ports %u-%u\n", r->port_lo, r->port_hi);
}

void options_show(const struct options *o)
{
	char buf[24];

	printf("net %s\n", net_text(o, buf));
	if (o->net != NET_NONE)
		show_addrs(o);
	for (int i = 0; i < 2; i++)
		if (o->netem_on[i])
			printf("netem-%s %s\n", i ? "in" : "out",
			       o->netem_text[i]);
	if (o->cc)
		printf("cc %s\n", o->cc);
	for (size_t i = 0; i < o->nsysctls; i++)
		printf("sysctl %s\n", o->sysctls[i]);
	for (size_t i = 0; i < o->npublish; i++)
		show_publish(&o->publish[i]);
	printf("host-loopback %s\n", o->host_loopback ? "yes" : "no");
	for (size_t i = 0; i < o->nrules; i++)
		show_rule(&o->rules[i]);
	printf("default %s\n", o->default_deny ? "deny" : "allow");
	printf("shim %s\n", o->shim ? "yes" : "no");
	printf("netns %s\n", o->netns ? "yes" : "no");
	printf("isolate %s\n", o->isolate ? "yes" : "no");
	if (o->name)
		printf("name %s\n", o->name);
	if (o->pcap_path)
		printf("pcap %s\n", o->pcap_path);
	if (o->autosave)
		printf("autosave %u\n", o->autosave);
	if (o->autosave_syscall)
		printf("autosave syscall\n");
	for (char **a = o->argv; a && *a; a++)
		printf(a == o->argv ? "program %s" : " %s", *a);
	if (o->argv && *o->argv)
		printf("\n");
}
