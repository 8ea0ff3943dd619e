/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/sock/if_ioctl.h"

#include <errno.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stddef.h>
#include <string.h>

#define TXQLEN 1000 /* LINUX: DEFAULT_TX_QUEUE_LEN */

bool if_is_ioctl(unsigned cmd)
{
	return cmd >= 0x8900 && cmd <= 0x89ff;
}

static bool nic_find(const struct nst_stack *st, const char *name,
		     struct nst_nic_info *out)
{
	for (uint32_t i = nst_nic_next(st, 0); i; i = nst_nic_next(st, i)) {
		if (nst_nic_get(st, i, out) == NST_OK &&
		    strcmp(out->name, name) == 0)
			return true;
	}
	return false;
}

/* The interface's first IPv4 address. */
static bool first_addr4(const struct nst_stack *st, uint32_t ifindex,
			struct nst_ifaddr *out)
{
	for (size_t i = 0; nst_addr_at(st, i, out); i++) {
		if (out->ifindex == ifindex && out->addr.family == 4)
			return true;
	}
	return false;
}

static void put_addr(struct sockaddr *sa, uint32_t host)
{
	struct sockaddr_in in = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(host)};

	memcpy(sa, &in, sizeof(in));
}

static uint32_t addr_of(const struct nst_ifaddr *a)
{
	uint32_t v;

	memcpy(&v, a->addr.b, 4);
	return ntohl(v);
}

static uint32_t mask_of(const struct nst_ifaddr *a)
{
	return a->prefix_len ? ~0u << (32 - a->prefix_len) : 0;
}

static short flags_of(const struct nst_nic_info *n)
{
	unsigned f = n->up ? IFF_UP | IFF_RUNNING : 0;

	if (n->kind == NST_LINK_LOOPBACK)
		f |= IFF_LOOPBACK;
	else if (n->kind == NST_LINK_ETHER)
		f |= IFF_BROADCAST | IFF_MULTICAST;
	else
		f |= IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
	return (short)f;
}

static void put_hwaddr(struct sockaddr *sa, const struct nst_nic_info *n)
{
	memset(sa, 0, sizeof(*sa));
	switch (n->kind) {
	case NST_LINK_LOOPBACK:
		sa->sa_family = ARPHRD_LOOPBACK;
		break;
	case NST_LINK_ETHER:
		sa->sa_family = ARPHRD_ETHER;
		break;
	default:
		sa->sa_family = ARPHRD_NONE;
	}
	memcpy(sa->sa_data, n->mac, sizeof(n->mac));
}

/* LINUX: an interface without an IPv4 address answers EADDRNOTAVAIL. */
static int query_addr(const struct nst_stack *st, const struct nst_nic_info *n,
		      unsigned cmd, struct ifreq *r)
{
	struct nst_ifaddr a;

	if (!first_addr4(st, n->ifindex, &a))
		return -EADDRNOTAVAIL;
	switch (cmd) {
	case SIOCGIFNETMASK:
		put_addr(&r->ifr_addr, mask_of(&a));
		return 0;
	case SIOCGIFBRDADDR:
		put_addr(&r->ifr_addr, n->kind == NST_LINK_LOOPBACK
					   ? 0
					   : addr_of(&a) | ~mask_of(&a));
		return 0;
	default: /* SIOCGIFADDR, SIOCGIFDSTADDR */
		put_addr(&r->ifr_addr, addr_of(&a));
		return 0;
	}
}

static int query_nic(const struct nst_nic_info *n, unsigned cmd,
		     struct ifreq *r)
{
	switch (cmd) {
	case SIOCGIFFLAGS:
		r->ifr_flags = flags_of(n);
		return 0;
	case SIOCGIFINDEX:
		r->ifr_ifindex = (int)n->ifindex;
		return 0;
	case SIOCGIFMTU:
		r->ifr_mtu = (int)n->mtu;
		return 0;
	case SIOCGIFMETRIC:
		r->ifr_metric = 0;
		return 0;
	case SIOCGIFTXQLEN:
		r->ifr_qlen = TXQLEN;
		return 0;
	case SIOCGIFHWADDR:
		put_hwaddr(&r->ifr_hwaddr, n);
		return 0;
	case SIOCGIFMAP:
		memset(&r->ifr_map, 0, sizeof(r->ifr_map));
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

enum if_kind { IF_UNKNOWN, IF_NAME, IF_ADDR, IF_NIC, IF_SETTER, IF_NONE };

static enum if_kind kind_of(unsigned cmd)
{
	switch (cmd) {
	case SIOCGIFNAME:
		return IF_NAME;
	case SIOCGIFADDR:
	case SIOCGIFDSTADDR:
	case SIOCGIFBRDADDR:
	case SIOCGIFNETMASK:
		return IF_ADDR;
	case SIOCGIFFLAGS:
	case SIOCGIFINDEX:
	case SIOCGIFMTU:
	case SIOCGIFMETRIC:
	case SIOCGIFTXQLEN:
	case SIOCGIFHWADDR:
	case SIOCGIFMAP:
	case SIOCETHTOOL:
	case SIOCGMIIPHY:
	case SIOCGMIIREG:
	case SIOCGHWTSTAMP:
		return IF_NIC;
	case SIOCADDRT:
	case SIOCDELRT:
	case SIOCSARP:
	case SIOCDARP:
	case SIOCSIFADDR:
	case SIOCSIFDSTADDR:
	case SIOCSIFBRDADDR:
	case SIOCSIFNETMASK:
	case SIOCDIFADDR:
	case SIOCSIFFLAGS:
	case SIOCSIFMTU:
	case SIOCSIFMETRIC:
	case SIOCSIFHWADDR:
	case SIOCSIFHWBROADCAST:
	case SIOCSIFTXQLEN:
	case SIOCSIFNAME:
	case SIOCSIFMAP:
	case SIOCSIFPFLAGS:
	case SIOCADDMULTI:
	case SIOCDELMULTI:
	case SIOCBRADDBR:
	case SIOCBRDELBR:
	case SIOCBRADDIF:
	case SIOCBRDELIF:
		return IF_SETTER;
	case SIOCGARP:
		return IF_NONE;
	default:
		return IF_UNKNOWN;
	}
}

static int query_name(const struct nst_stack *st, struct ifreq *r)
{
	struct nst_nic_info n;

	if (nst_nic_get(st, (uint32_t)r->ifr_ifindex, &n) != NST_OK)
		return -ENODEV;
	memcpy(r->ifr_name, n.name, IFNAMSIZ);
	return 0;
}

/* Under the lock. LINUX: "eth0:1" names an alias of eth0. */
static int query(const struct sock *s, unsigned cmd, enum if_kind kind,
		 struct ifreq *r)
{
	const struct nst_stack *st = s->sb->stack;
	char name[IFNAMSIZ], *colon;
	struct nst_nic_info n;

	if (kind == IF_NAME)
		return query_name(st, r);
	memcpy(name, r->ifr_name, IFNAMSIZ);
	name[IFNAMSIZ - 1] = '\0';
	colon = strchr(name, ':');
	if (colon)
		*colon = '\0';
	if (!nic_find(st, name, &n))
		return -ENODEV;
	if (kind == IF_ADDR)
		return query_addr(st, &n, cmd, r);
	return query_nic(&n, cmd, r);
}

int if_ioctl(struct trap *t, unsigned cmd)
{
	enum if_kind kind = kind_of(cmd);
	struct ifreq r;
	int rc;

	if (kind == IF_UNKNOWN)
		return -ENOTTY;
	/* DEVIATION: the sandbox's interfaces are cordon's own; nobody inside
	 * may change them, as for one without CAP_NET_ADMIN. */
	if (kind == IF_SETTER)
		return -EPERM;
	if (kind == IF_NONE)
		return -ENXIO;
	/* LINUX: addresses are asked of an AF_INET socket. */
	if (kind == IF_ADDR && t->sock->domain != AF_INET)
		return -ENOTTY;
	rc = trap_read(t, trap_arg(t, 2), &r, sizeof(r));
	if (rc < 0)
		return rc;
	sandbox_lock(t->sb);
	rc = query(t->sock, cmd, kind, &r);
	sandbox_unlock(t->sb);
	if (rc < 0)
		return rc;
	return trap_write(t, trap_arg(t, 2), &r, sizeof(r));
}

/* ---- SIOCGIFCONF: the IPv4 addresses ---- */

#define CONF_MAX 64

/* Under the lock; returns how many. */
static size_t list_addrs(const struct nst_stack *st, struct ifreq *out)
{
	struct nst_nic_info n;
	struct nst_ifaddr a;
	size_t count = 0;

	for (size_t i = 0; count < CONF_MAX && nst_addr_at(st, i, &a); i++) {
		if (a.addr.family != 4 ||
		    nst_nic_get(st, a.ifindex, &n) != NST_OK)
			continue;
		memset(&out[count], 0, sizeof(*out));
		memcpy(out[count].ifr_name, n.name, IFNAMSIZ);
		put_addr(&out[count].ifr_addr, addr_of(&a));
		count++;
	}
	return count;
}

int if_conf(struct trap *t)
{
	struct ifreq list[CONF_MAX];
	struct ifconf c;
	size_t count, fit;
	int rc = trap_read(t, trap_arg(t, 2), &c, sizeof(c));

	if (rc < 0)
		return rc;
	sandbox_lock(t->sb);
	count = list_addrs(t->sb->stack, list);
	sandbox_unlock(t->sb);
	/* LINUX: without a buffer the length needed is told. */
	if (c.ifc_buf) {
		if (c.ifc_len < 0)
			return -EINVAL;
		fit = (size_t)c.ifc_len / sizeof(*list);
		count = count < fit ? count : fit;
		rc = count ? trap_write(t, (uint64_t)(uintptr_t)c.ifc_buf, list,
					count * sizeof(*list))
			   : 0;
		if (rc < 0)
			return rc;
	}
	c.ifc_len = (int)(count * sizeof(*list));
	return trap_write(t, trap_arg(t, 2), &c, sizeof(c));
}
