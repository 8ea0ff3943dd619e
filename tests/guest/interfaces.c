/* SPDX-License-Identifier: Apache-2.0 */
/* The interface ioctls, on lo: all there is without a network. */
#include "guest.h"

#include <linux/sockios.h>
#include <net/if.h>

static int sock;

static void ask(const char *key, unsigned long cmd, const char *name)
{
	struct ifreq r;
	unsigned char *p = (unsigned char *)&r.ifr_addr;

	memset(&r, 0, sizeof(r));
	strcpy(r.ifr_name, name);
	if (show(key, ioctl(sock, cmd, &r)) < 0)
		return;
	printf("%s is %s:", key, r.ifr_name);
	for (int i = 0; i < 16; i++)
		printf(" %02x", p[i]);
	printf("\n");
}

static void conf(void)
{
	struct ifreq r[8];
	struct ifconf c = {.ifc_len = sizeof(r), .ifc_req = r};

	memset(r, 0, sizeof(r));
	show("conf", ioctl(sock, SIOCGIFCONF, &c));
	printf("conf: %d %s\n", c.ifc_len, r[0].ifr_name);
	c.ifc_len = 0;
	c.ifc_req = NULL;
	show("conf length", ioctl(sock, SIOCGIFCONF, &c));
	printf("conf length: %d\n", c.ifc_len);
	c.ifc_len = 10;
	c.ifc_req = r;
	show("conf short", ioctl(sock, SIOCGIFCONF, &c));
	printf("conf short: %d\n", c.ifc_len);
	show("conf wild", ioctl(sock, SIOCGIFCONF, (void *)8));
}

static void all(int domain)
{
	struct ifreq r = {.ifr_ifindex = 1};

	sock = socket(domain, SOCK_DGRAM, 0);
	ask("flags", SIOCGIFFLAGS, "lo");
	ask("index", SIOCGIFINDEX, "lo");
	ask("mtu", SIOCGIFMTU, "lo");
	ask("metric", SIOCGIFMETRIC, "lo");
	ask("hwaddr", SIOCGIFHWADDR, "lo");
	ask("txqlen", SIOCGIFTXQLEN, "lo");
	ask("addr", SIOCGIFADDR, "lo");
	ask("netmask", SIOCGIFNETMASK, "lo");
	ask("brdaddr", SIOCGIFBRDADDR, "lo");
	ask("dstaddr", SIOCGIFDSTADDR, "lo");
	ask("no such", SIOCGIFFLAGS, "nope0");
	ask("no such address", SIOCGIFADDR, "nope0");
	show("name", ioctl(sock, SIOCGIFNAME, &r));
	printf("name: %s\n", r.ifr_name);
	r.ifr_ifindex = 77;
	show("no such index", ioctl(sock, SIOCGIFNAME, &r));
	show("wild", ioctl(sock, SIOCGIFFLAGS, (void *)8));
	show("unknown", ioctl(sock, 0x89fe, &r) < 0);
	conf();
	close(sock);
}

int main(void)
{
	all(AF_INET);
	all(AF_INET6);
	printf("nametoindex: %u\n", if_nametoindex("lo"));
	return 0;
}
