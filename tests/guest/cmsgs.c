/* SPDX-License-Identifier: Apache-2.0 */
/* Control messages with datagrams, both ways and both families. */
#include "guest.h"

#include <netinet/udp.h>

struct received {
	char data[64], ctl[512];
	struct sockaddr_storage from;
	struct iovec v;
	struct msghdr m;
	long n;
};

static int udp(int domain, struct sockaddr_storage *a)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6,
				  .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	struct sockaddr_in a4 = loopback(0);
	int s = socket(domain, SOCK_DGRAM, 0);
	socklen_t n = sizeof(*a);

	if (bind(s, domain == AF_INET ? (void *)&a4 : (void *)&a6,
		 domain == AF_INET ? sizeof(a4) : sizeof(a6)) ||
	    getsockname(s, (struct sockaddr *)a, &n))
		die("udp");
	return s;
}

static void on(int s, int level, int opt)
{
	int one = 1;

	if (setsockopt(s, level, opt, &one, sizeof(one)))
		printf("option %d/%d: %s\n", level, opt,
		       strerrorname_np(errno));
}

static void receive(const char *key, int s, size_t room)
{
	struct received r = {0};
	struct cmsghdr *c;

	r.v = (struct iovec){r.data, sizeof(r.data)};
	r.m.msg_iov = &r.v;
	r.m.msg_iovlen = 1;
	r.m.msg_control = r.ctl;
	r.m.msg_controllen = room;
	if (show(key, recvmsg(s, &r.m, MSG_DONTWAIT)) < 0)
		return;
	printf("%s: flags %x controllen %zu\n", key, (unsigned)r.m.msg_flags,
	       r.m.msg_controllen);
	for (c = CMSG_FIRSTHDR(&r.m); c; c = CMSG_NXTHDR(&r.m, c)) {
		size_t n = c->cmsg_len - CMSG_LEN(0);
		unsigned char *p = CMSG_DATA(c);
		bool stamp = c->cmsg_level == SOL_SOCKET;

		printf("%s: level %d type %d length %zu:", key, c->cmsg_level,
		       c->cmsg_type, n);
		/* times and ports differ each time */
		for (size_t i = 0; i < n && !stamp; i++)
			if (c->cmsg_type != IP_ORIGDSTADDR || i < 2 || i > 3)
				printf(" %02x", p[i]);
		printf("\n");
	}
}

static struct cmsghdr *one_cmsg(struct msghdr *m, void *buf, int level,
				int type, const void *p, size_t n)
{
	struct cmsghdr *c = buf;

	m->msg_control = buf;
	m->msg_controllen = CMSG_SPACE(n);
	c->cmsg_level = level;
	c->cmsg_type = type;
	c->cmsg_len = CMSG_LEN(n);
	memcpy(CMSG_DATA(c), p, n);
	return c;
}

static long send_with(int s, struct sockaddr_storage *to, int level, int type,
		      const void *p, size_t n)
{
	char ctl[128] = {0};
	struct iovec v = {"data", 4};
	struct msghdr m = {.msg_name = to,
			   .msg_namelen = to->ss_family == AF_INET
					      ? sizeof(struct sockaddr_in)
					      : sizeof(struct sockaddr_in6),
			   .msg_iov = &v,
			   .msg_iovlen = 1};

	one_cmsg(&m, ctl, level, type, p, n);
	return sendmsg(s, &m, 0);
}

static void v4(void)
{
	struct sockaddr_storage to, me;
	int r = udp(AF_INET, &to), s = udp(AF_INET, &me), v;
	unsigned char byte = 0x20;
	struct in_pktinfo pi = {.ipi_ifindex = 1};

	v = 0;
	show("plain", send_with(s, &to, SOL_SOCKET, SCM_RIGHTS, &v, 4));
	receive("plain", r, 512);
	on(r, SOL_IP, IP_RECVTTL);
	on(r, SOL_IP, IP_RECVTOS);
	on(r, SOL_IP, IP_PKTINFO);
	on(r, SOL_IP, IP_RECVORIGDSTADDR);
	on(r, SOL_SOCKET, SO_TIMESTAMP);
	v = 9;
	show("ttl", send_with(s, &to, SOL_IP, IP_TTL, &v, 4));
	receive("ttl", r, 512);
	v = 0x10;
	show("tos", send_with(s, &to, SOL_IP, IP_TOS, &v, 4));
	receive("tos", r, 512);
	show("tos byte", send_with(s, &to, SOL_IP, IP_TOS, &byte, 1));
	receive("tos byte", r, 512);
	show("pktinfo", send_with(s, &to, SOL_IP, IP_PKTINFO, &pi, sizeof(pi)));
	receive("pktinfo, short", r, 40);
	v = 0;
	show("ttl 0", send_with(s, &to, SOL_IP, IP_TTL, &v, 4));
	v = 300;
	show("ttl 300", send_with(s, &to, SOL_IP, IP_TTL, &v, 4));
	show("ttl short", send_with(s, &to, SOL_IP, IP_TTL, &v, 2));
	show("unknown ip", send_with(s, &to, SOL_IP, 99, &v, 4));
	show("unknown socket", send_with(s, &to, SOL_SOCKET, 99, &v, 4));
	show("unknown level", send_with(s, &to, 99, 99, &v, 4));
	receive("unknown level", r, 0);
	receive("none", r, 512);
	close(r);
	close(s);
}

static void v6(void)
{
	struct sockaddr_storage to, me;
	int r = udp(AF_INET6, &to), s = udp(AF_INET6, &me), v = 7;
	struct in6_pktinfo pi = {.ipi6_addr = IN6ADDR_LOOPBACK_INIT,
				 .ipi6_ifindex = 1};

	on(r, SOL_IPV6, IPV6_RECVHOPLIMIT);
	on(r, SOL_IPV6, IPV6_RECVTCLASS);
	on(r, SOL_IPV6, IPV6_RECVPKTINFO);
	on(r, SOL_SOCKET, SO_TIMESTAMPNS);
	show("hops", send_with(s, &to, SOL_IPV6, IPV6_HOPLIMIT, &v, 4));
	receive("hops", r, 512);
	v = 0x40;
	show("tclass", send_with(s, &to, SOL_IPV6, IPV6_TCLASS, &v, 4));
	receive("tclass", r, 512);
	show("pktinfo6",
	     send_with(s, &to, SOL_IPV6, IPV6_PKTINFO, &pi, sizeof(pi)));
	receive("pktinfo6", r, 512);
	v = 256;
	show("hops 256", send_with(s, &to, SOL_IPV6, IPV6_HOPLIMIT, &v, 4));
	show("unknown ipv6", send_with(s, &to, SOL_IPV6, 99, &v, 4));
	close(r);
	close(s);
}

static void segments(void)
{
	struct sockaddr_storage to, me;
	int r = udp(AF_INET, &to), s = udp(AF_INET, &me);
	uint16_t size = 3;
	char buf[8];

	show("segment", send_with(s, &to, SOL_UDP, 103, &size, 2));
	show("first", recv(r, buf, sizeof(buf), MSG_DONTWAIT));
	await(r, POLLIN, 2000);
	show("second", recv(r, buf, sizeof(buf), MSG_DONTWAIT));
	show("no third", recv(r, buf, sizeof(buf), MSG_DONTWAIT));
	show("segment short", send_with(s, &to, SOL_UDP, 103, &size, 1));
	close(r);
	close(s);
}

static void multicast(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct sockaddr_storage me;
	struct ip_mreqn m = {.imr_ifindex = 1};
	int r = socket(AF_INET, SOCK_DGRAM, 0), s = udp(AF_INET, &me);
	int t = socket(AF_INET, SOCK_STREAM, 0);
	socklen_t n = sizeof(to);
	char buf[8];

	m.imr_multiaddr.s_addr = inet_addr("239.1.2.3");
	to.sin_addr.s_addr = INADDR_ANY;
	bind(r, (struct sockaddr *)&to, sizeof(to));
	getsockname(r, (struct sockaddr *)&to, &n);
	to.sin_addr = m.imr_multiaddr;
	show("join", setsockopt(r, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	show("again", setsockopt(r, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	show("short", setsockopt(r, SOL_IP, IP_ADD_MEMBERSHIP, &m, 4));
	show("stream", setsockopt(t, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	show("if", setsockopt(s, SOL_IP, IP_MULTICAST_IF, &m, sizeof(m)));
	show("send", sendto(s, "m", 1, 0, (void *)&to, sizeof(to)));
	show("recv", recv(r, buf, sizeof(buf), MSG_DONTWAIT));
	show("leave", setsockopt(r, SOL_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	show("again", setsockopt(r, SOL_IP, IP_DROP_MEMBERSHIP, &m, sizeof(m)));
	m.imr_ifindex = 77;
	show("no if", setsockopt(r, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	m.imr_ifindex = 1;
	m.imr_multiaddr.s_addr = inet_addr("10.1.2.3");
	show("unicast",
	     setsockopt(r, SOL_IP, IP_ADD_MEMBERSHIP, &m, sizeof(m)));
	close(r);
	close(s);
	close(t);
}

int main(void)
{
	v4();
	v6();
	segments();
	multicast();
	return 0;
}
