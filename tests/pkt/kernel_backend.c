/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Outbound packets are taken from a packet socket on the tun device: there
 * they are still as large as the kernel made them (segmentation offload is
 * on), and carry the time they were handed to the device.  The copy that
 * the tun itself delivers is read and dropped, which completes the transmit.
 */
#include "tests/pkt/kernel_backend.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <net/ethernet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <time.h>

enum { SNIFF_BUFFER = 8 << 20, COMMAND_ROOM = 512 };

struct kernel {
	int tun;
	int sniff; /* packet socket */
};

static int command(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int command(const char *fmt, ...)
{
	char text[COMMAND_ROOM];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (system(text) == 0)
		return 0;
	fprintf(stderr, "kernel backend: failed: %s\n", text);
	errno = EINVAL;
	return -1;
}

static int open_tun(void)
{
	struct ifreq ifr = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR};
	unsigned offload = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return -1;
	strcpy(ifr.ifr_name, "tun0");
	if (ioctl(fd, TUNSETIFF, &ifr) != 0 ||
	    ioctl(fd, TUNSETOFFLOAD, (unsigned long)offload) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int configure(const struct pkt_kernel_conf *c)
{
	int v6 = strchr(c->local, ':') != NULL;

	if (command("ip link set lo up") != 0 ||
	    command("ip link set tun0 mtu %u up", c->mtu) != 0)
		return -1;
	if (command("ip addr add %s/%u dev tun0 %s", c->local, c->local_plen,
		    v6 ? "nodad" : "") != 0)
		return -1;
	return command("ip -%d route add %s/%u dev tun0 via %s", v6 ? 6 : 4,
		       c->remote, c->remote_plen, c->gateway);
}

/* The network of `text`, for a route. */
static void network_of(const char *text, unsigned plen,
		       char out[INET6_ADDRSTRLEN])
{
	unsigned char b[16];
	int af = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	unsigned n = af == AF_INET ? 32 : 128;

	if (inet_pton(af, text, b) != 1) {
		snprintf(out, INET6_ADDRSTRLEN, "%s", text);
		return;
	}
	for (unsigned i = plen; i < n; i++)
		b[i / 8] &= (unsigned char)~(0x80 >> (i % 8));
	inet_ntop(af, b, out, INET6_ADDRSTRLEN);
}

static int open_sniffer(void)
{
	struct sockaddr_ll sll = {
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = (int)if_nametoindex("tun0"),
	};
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int on = 1, room = SNIFF_BUFFER;

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on)) == 0 &&
	    bind(fd, (struct sockaddr *)&sll, sizeof(sll)) == 0)
		return fd;
	close(fd);
	return -1;
}

static void k_free(void *ud)
{
	struct kernel *k = ud;

	close(k->sniff);
	close(k->tun);
	free(k);
}

static int k_netdev_send(void *ud, const void *buf, size_t count)
{
	struct kernel *k = ud;
	struct virtio_net_hdr head = {.flags = 0};
	struct iovec v[2] = {{&head, sizeof(head)}, {(void *)buf, count}};

	return writev(k->tun, v, 2) < 0 ? -1 : 0;
}

static void drain_tun(const struct kernel *k)
{
	char head[64];

	while (read(k->tun, head, sizeof(head)) > 0)
		;
}

static long long stamp(struct msghdr *m)
{
	struct cmsghdr *c;
	struct timespec ts = {0};

	for (c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c))
		if (c->cmsg_level == SOL_SOCKET &&
		    c->cmsg_type == SCM_TIMESTAMPNS)
			memcpy(&ts, CMSG_DATA(c), sizeof(ts));
	return (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static int k_netdev_receive(void *ud, void *buf, size_t *count,
			    long long *time_usecs)
{
	struct kernel *k = ud;
	struct sockaddr_ll from;
	char control[128];
	struct iovec v = {buf, *count};
	struct msghdr m;
	ssize_t n;

	for (;;) {
		m = (struct msghdr){.msg_name = &from,
				    .msg_namelen = sizeof(from),
				    .msg_iov = &v,
				    .msg_iovlen = 1,
				    .msg_control = control,
				    .msg_controllen = sizeof(control)};
		n = recvmsg(k->sniff, &m, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (from.sll_pkttype != PACKET_OUTGOING)
			continue;
		drain_tun(k);
		*count = (size_t)n;
		*time_usecs = stamp(&m);
		return 0;
	}
}

static int k_socket(void *ud, int domain, int type, int protocol)
{
	(void)ud;
	return socket(domain, type, protocol);
}

static int k_bind(void *ud, int fd, const struct sockaddr *a, socklen_t n)
{
	(void)ud;
	return bind(fd, a, n);
}

static int k_listen(void *ud, int fd, int backlog)
{
	(void)ud;
	return listen(fd, backlog);
}

static int k_accept(void *ud, int fd, struct sockaddr *a, socklen_t *n)
{
	(void)ud;
	return accept(fd, a, n);
}

static int k_connect(void *ud, int fd, const struct sockaddr *a, socklen_t n)
{
	(void)ud;
	return connect(fd, a, n);
}

static ssize_t k_read(void *ud, int fd, void *buf, size_t n)
{
	(void)ud;
	return read(fd, buf, n);
}

static ssize_t k_readv(void *ud, int fd, const struct iovec *v, int n)
{
	(void)ud;
	return readv(fd, v, n);
}

static ssize_t k_recv(void *ud, int fd, void *buf, size_t n, int flags)
{
	(void)ud;
	return recv(fd, buf, n, flags);
}

static ssize_t k_recvfrom(void *ud, int fd, void *buf, size_t n, int flags,
			  struct sockaddr *a, socklen_t *alen)
{
	(void)ud;
	return recvfrom(fd, buf, n, flags, a, alen);
}

static ssize_t k_recvmsg(void *ud, int fd, struct msghdr *m, int flags)
{
	(void)ud;
	return recvmsg(fd, m, flags);
}

static ssize_t k_write(void *ud, int fd, const void *buf, size_t n)
{
	(void)ud;
	return write(fd, buf, n);
}

static ssize_t k_writev(void *ud, int fd, const struct iovec *v, int n)
{
	(void)ud;
	return writev(fd, v, n);
}

static ssize_t k_send(void *ud, int fd, const void *buf, size_t n, int flags)
{
	(void)ud;
	return send(fd, buf, n, flags);
}

static ssize_t k_sendto(void *ud, int fd, const void *buf, size_t n, int flags,
			const struct sockaddr *a, socklen_t alen)
{
	(void)ud;
	return sendto(fd, buf, n, flags, a, alen);
}

static ssize_t k_sendmsg(void *ud, int fd, const struct msghdr *m, int flags)
{
	(void)ud;
	return sendmsg(fd, m, flags);
}

static int k_fcntl(void *ud, int fd, int cmd, ...)
{
	va_list ap;
	int arg;

	(void)ud;
	va_start(ap, cmd);
	arg = va_arg(ap, int);
	va_end(ap);
	return fcntl(fd, cmd, arg);
}

static int k_ioctl(void *ud, int fd, unsigned long request, ...)
{
	va_list ap;
	void *arg;

	(void)ud;
	va_start(ap, request);
	arg = va_arg(ap, void *);
	va_end(ap);
	return ioctl(fd, request, arg);
}

static int k_close(void *ud, int fd)
{
	(void)ud;
	return close(fd);
}

static int k_shutdown(void *ud, int fd, int how)
{
	(void)ud;
	return shutdown(fd, how);
}

static int k_getsockopt(void *ud, int fd, int level, int name, void *val,
			socklen_t *len)
{
	(void)ud;
	return getsockopt(fd, level, name, val, len);
}

static int k_setsockopt(void *ud, int fd, int level, int name, const void *val,
			socklen_t len)
{
	(void)ud;
	return setsockopt(fd, level, name, val, len);
}

static int k_poll(void *ud, struct pollfd *fds, nfds_t n, int timeout)
{
	(void)ud;
	return poll(fds, n, timeout);
}

static int k_usleep(void *ud, useconds_t usec)
{
	const struct timespec ts = {usec / 1000000, usec % 1000000 * 1000L};

	(void)ud;
	return nanosleep(&ts, NULL);
}

static int k_gettimeofday(void *ud, struct timeval *tv, struct timezone *tz)
{
	(void)ud;
	return gettimeofday(tv, tz);
}

static int k_epoll_create(void *ud, int size)
{
	(void)ud;
	return epoll_create(size);
}

static int k_epoll_ctl(void *ud, int ep, int op, int fd, struct epoll_event *ev)
{
	(void)ud;
	return epoll_ctl(ep, op, fd, ev);
}

static int k_epoll_wait(void *ud, int ep, struct epoll_event *ev, int max,
			int timeout)
{
	(void)ud;
	return epoll_wait(ep, ev, max, timeout);
}

static int k_pipe(void *ud, int fds[2])
{
	(void)ud;
	return pipe(fds);
}

static int k_splice(void *ud, int in, loff_t *off_in, int out, loff_t *off_out,
		    size_t len, unsigned flags)
{
	(void)ud;
	return (int)splice(in, off_in, out, off_out, len, flags);
}

static const struct packetdrill_interface CALLS = {
    .free = k_free,
    .socket = k_socket,
    .bind = k_bind,
    .listen = k_listen,
    .accept = k_accept,
    .connect = k_connect,
    .read = k_read,
    .readv = k_readv,
    .recv = k_recv,
    .recvfrom = k_recvfrom,
    .recvmsg = k_recvmsg,
    .write = k_write,
    .writev = k_writev,
    .send = k_send,
    .sendto = k_sendto,
    .sendmsg = k_sendmsg,
    .fcntl = k_fcntl,
    .ioctl = k_ioctl,
    .close = k_close,
    .shutdown = k_shutdown,
    .getsockopt = k_getsockopt,
    .setsockopt = k_setsockopt,
    .poll = k_poll,
    .netdev_send = k_netdev_send,
    .netdev_receive = k_netdev_receive,
    .usleep = k_usleep,
    .gettimeofday = k_gettimeofday,
    .epoll_create = k_epoll_create,
    .epoll_ctl = k_epoll_ctl,
    .epoll_wait = k_epoll_wait,
    .pipe = k_pipe,
    .splice = k_splice,
};

int pkt_kernel_backend(const struct pkt_kernel_conf *conf,
		       struct packetdrill_interface *out)
{
	struct kernel *k = calloc(1, sizeof(*k));
	struct pkt_kernel_conf c = *conf;
	char net[INET6_ADDRSTRLEN];

	if (k == NULL)
		return -1;
	network_of(c.remote, c.remote_plen, net);
	c.remote = net;
	k->tun = open_tun();
	k->sniff = -1;
	if (k->tun >= 0 && configure(&c) == 0)
		k->sniff = open_sniffer();
	if (k->sniff < 0) {
		if (k->tun >= 0)
			close(k->tun);
		free(k);
		return -1;
	}
	*out = CALLS;
	out->userdata = k;
	return 0;
}
