/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TAP device itself: attaching, offloads, MTU, up, and what to tell the
 * user when the kernel says no.
 */
#include "sentry/link/tap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sentry/core/log.h"

#define TUN_PATH "/dev/net/tun"

static int open_failed(int err)
{
	if (err == ENOENT || err == ENODEV || err == ENXIO)
		log_error("--net tap: this host has no " TUN_PATH
			  "; as root: modprobe tun");
	else if (err == EACCES || err == EPERM)
		log_error("--net tap: no permission to open " TUN_PATH
			  "; as root: chmod 0666 " TUN_PATH
			  " (making devices still needs CAP_NET_ADMIN)");
	else
		log_error("--net tap: cannot open " TUN_PATH ": %s",
			  strerror(err));
	return -err;
}

static int attach_failed(const char *name, int err)
{
	switch (err) {
	case EPERM:
	case EACCES:
		log_error("--net tap:%s: no permission; as root: ip tuntap add "
			  "dev %s mode tap user USER && ip link set %s up (or "
			  "run cordon with CAP_NET_ADMIN)",
			  name, name, name);
		break;
	case EBUSY:
		log_error("--net tap:%s: another program uses this device; "
			  "give a tap of its own to each sandbox",
			  name);
		break;
	case EINVAL:
		log_error("--net tap:%s: exists, but is no single-queue tap "
			  "device; choose another name",
			  name);
		break;
	default:
		log_error("--net tap:%s: cannot attach: %s", name,
			  strerror(err));
	}
	return -err;
}

static void set_name(struct ifreq *ifr, const char *name)
{
	memset(ifr, 0, sizeof(*ifr));
	strncpy(ifr->ifr_name, name, IFNAMSIZ - 1);
}

static int attach(int fd, const char *name)
{
	int hdr = sizeof(struct virtio_net_hdr);
	struct ifreq ifr;

	set_name(&ifr, name);
	ifr.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &ifr) < 0)
		return attach_failed(name, errno);
	if (ioctl(fd, TUNSETVNETHDRSZ, &hdr) < 0)
		return attach_failed(name, errno);
	/* Without it the kernel does the work before it gives us frames. */
	(void)ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6);
	return 0;
}

/* A device that is down takes nothing; not ours to decide if not allowed. */
static void bring_up(int s, const char *name)
{
	struct ifreq ifr;

	set_name(&ifr, name);
	if (ioctl(s, SIOCGIFFLAGS, &ifr) < 0 || (ifr.ifr_flags & IFF_UP))
		return;
	ifr.ifr_flags |= IFF_UP;
	if (ioctl(s, SIOCSIFFLAGS, &ifr) < 0)
		log_error("--net tap:%s: the device is down; as root: ip link "
			  "set %s up",
			  name, name);
}

static uint32_t device_mtu(int s, const char *name)
{
	struct ifreq ifr;

	set_name(&ifr, name);
	if (ioctl(s, SIOCGIFMTU, &ifr) < 0 || ifr.ifr_mtu <= 0)
		return 1500;
	return (uint32_t)ifr.ifr_mtu;
}

int tap_dev_open(const char *name, struct tap_dev *out)
{
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC), s, err;

	if (fd < 0)
		return open_failed(errno);
	err = attach(fd, name);
	if (err) {
		close(fd);
		return err;
	}
	out->fd = fd;
	out->mtu = 1500;
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (s < 0)
		return 0;
	bring_up(s, name);
	out->mtu = device_mtu(s, name);
	close(s);
	return 0;
}
