/* SPDX-License-Identifier: Apache-2.0 */
/* Every option that is served: default, and how lengths, values and pointers
 * are taken, on each kind of socket. */
#include "guest.h"

#include <linux/icmp.h>
#include <netinet/udp.h>

struct option {
	const char *name;
	int level, opt;
};

#define O(level, opt)                                                          \
	{                                                                      \
#opt, level, opt                                               \
	}
#define N(level, name, opt)                                                    \
	{                                                                      \
		name, level, opt                                               \
	}

static const struct option options[] = {
    O(SOL_SOCKET, SO_REUSEADDR),
    O(SOL_SOCKET, SO_REUSEPORT),
    O(SOL_SOCKET, SO_BROADCAST),
    O(SOL_SOCKET, SO_KEEPALIVE),
    O(SOL_SOCKET, SO_OOBINLINE),
    O(SOL_SOCKET, SO_DONTROUTE),
    O(SOL_SOCKET, SO_NO_CHECK),
    O(SOL_SOCKET, SO_TYPE),
    O(SOL_SOCKET, SO_DOMAIN),
    O(SOL_SOCKET, SO_PROTOCOL),
    O(SOL_SOCKET, SO_ACCEPTCONN),
    O(SOL_SOCKET, SO_ERROR),
    O(SOL_SOCKET, SO_SNDBUF),
    O(SOL_SOCKET, SO_RCVBUF),
    O(SOL_SOCKET, SO_RCVLOWAT),
    O(SOL_SOCKET, SO_SNDLOWAT),
    O(SOL_SOCKET, SO_PRIORITY),
    O(SOL_SOCKET, SO_BSDCOMPAT),
    O(SOL_SOCKET, SO_TIMESTAMP),
    O(SOL_SOCKET, SO_TIMESTAMPNS),
    O(SOL_SOCKET, SO_BUSY_POLL),
    O(SOL_SOCKET, SO_INCOMING_CPU),
    O(SOL_SOCKET, SO_PEEK_OFF),
    O(SOL_SOCKET, SO_PASSCRED),
    O(SOL_SOCKET, SO_PASSSEC),
    N(SOL_SOCKET, "SO_BINDTOIFINDEX", 62),
    N(SOL_SOCKET, "unknown socket option", 12345),
    O(SOL_IP, IP_TTL),
    O(SOL_IP, IP_TOS),
    O(SOL_IP, IP_MTU_DISCOVER),
    O(SOL_IP, IP_MTU),
    O(SOL_IP, IP_FREEBIND),
    O(SOL_IP, IP_HDRINCL),
    O(SOL_IP, IP_RECVTTL),
    O(SOL_IP, IP_RECVTOS),
    O(SOL_IP, IP_PKTINFO),
    O(SOL_IP, IP_RECVERR),
    O(SOL_IP, IP_RECVORIGDSTADDR),
    O(SOL_IP, IP_BIND_ADDRESS_NO_PORT),
    O(SOL_IP, IP_MULTICAST_TTL),
    O(SOL_IP, IP_MULTICAST_LOOP),
    O(SOL_IP, IP_MULTICAST_ALL),
    N(SOL_IP, "unknown ip option", 12345),
    O(SOL_IPV6, IPV6_V6ONLY),
    O(SOL_IPV6, IPV6_UNICAST_HOPS),
    O(SOL_IPV6, IPV6_MULTICAST_HOPS),
    O(SOL_IPV6, IPV6_MULTICAST_LOOP),
    O(SOL_IPV6, IPV6_MULTICAST_ALL),
    O(SOL_IPV6, IPV6_MULTICAST_IF),
    O(SOL_IPV6, IPV6_TCLASS),
    O(SOL_IPV6, IPV6_MTU_DISCOVER),
    O(SOL_IPV6, IPV6_DONTFRAG),
    O(SOL_IPV6, IPV6_RECVHOPLIMIT),
    O(SOL_IPV6, IPV6_RECVTCLASS),
    O(SOL_IPV6, IPV6_RECVPKTINFO),
    O(SOL_IPV6, IPV6_RECVERR),
    N(SOL_IPV6, "IPV6_FREEBIND", 78),
    N(SOL_IPV6, "unknown ipv6 option", 12345),
    O(SOL_TCP, TCP_NODELAY),
    O(SOL_TCP, TCP_CORK),
    O(SOL_TCP, TCP_MAXSEG),
    O(SOL_TCP, TCP_KEEPIDLE),
    O(SOL_TCP, TCP_KEEPINTVL),
    O(SOL_TCP, TCP_KEEPCNT),
    O(SOL_TCP, TCP_SYNCNT),
    O(SOL_TCP, TCP_LINGER2),
    O(SOL_TCP, TCP_DEFER_ACCEPT),
    O(SOL_TCP, TCP_WINDOW_CLAMP),
    O(SOL_TCP, TCP_QUICKACK),
    O(SOL_TCP, TCP_USER_TIMEOUT),
    O(SOL_TCP, TCP_NOTSENT_LOWAT),
    N(SOL_TCP, "unknown tcp option", 12345),
    O(SOL_UDP, UDP_CORK),
    N(SOL_UDP, "UDP_SEGMENT", 103),
    N(SOL_UDP, "UDP_GRO", 104),
    N(SOL_UDP, "unknown udp option", 12345),
    N(12345, "unknown level", 1),
};

#define COUNT (sizeof(options) / sizeof(options[0]))

static void put(long r)
{
	printf(r < 0 ? " %s" : " ok", strerrorname_np(errno));
}

/* Length and up to eight bytes, as the call left them. */
static void get(int s, const struct option *o, socklen_t n)
{
	unsigned char v[64];
	long r;

	memset(v, 0xee, sizeof(v));
	r = getsockopt(s, o->level, o->opt, v, &n);
	if (r < 0) {
		put(r);
		return;
	}
	printf(" %u:", n);
	for (socklen_t i = 0; i < n && i < 8; i++)
		printf("%02x", v[i]);
	if (v[n] != 0xee)
		printf(" wrote past its length");
}

static void gets_of(int s, const struct option *o)
{
	socklen_t n = 4, neg = (socklen_t)-1;
	char v[4];

	get(s, o, 4);
	get(s, o, 1);
	get(s, o, 0);
	get(s, o, 40);
	put(getsockopt(s, o->level, o->opt, v, &neg));
	put(getsockopt(s, o->level, o->opt, (void *)8, &n));
	put(getsockopt(s, o->level, o->opt, v, (void *)8));
}

static bool is_buffer(const struct option *o)
{
	return o->level == SOL_SOCKET &&
	       (o->opt == SO_SNDBUF || o->opt == SO_RCVBUF);
}

static void sets_of(int s, const struct option *o)
{
	static const int values[] = {1, 0, -1, 5, 200, 300, 70000, -1000};
	int v = 1;

	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		/* {r,w}mem_max are the host's settings */
		if (is_buffer(o) && values[i] < 0)
			continue;
		put(setsockopt(s, o->level, o->opt, &values[i], sizeof(int)));
		get(s, o, 4);
	}
	printf(" |");
	put(setsockopt(s, o->level, o->opt, &v, 1));
	put(setsockopt(s, o->level, o->opt, &v, 3));
	put(setsockopt(s, o->level, o->opt, &v, 0));
	put(setsockopt(s, o->level, o->opt, &v, (socklen_t)-1));
	put(setsockopt(s, o->level, o->opt, (void *)8, sizeof(v)));
}

/* Values that are the host's, or change by themselves. */
static bool unsteady(const struct option *o)
{
	return o->level == SOL_TCP &&
	       (o->opt == TCP_QUICKACK || o->opt == TCP_LINGER2);
}

static void sweep(const char *kind, int domain, int type, int proto)
{
	for (size_t i = 0; i < COUNT; i++) {
		const struct option *o = &options[i];
		int s = socket(domain, type, proto);

		if (s < 0)
			die(kind);
		printf("%s get %s:", kind, o->name);
		gets_of(s, o);
		printf("\n");
		if (!unsteady(o)) {
			printf("%s set %s:", kind, o->name);
			sets_of(s, o);
			printf("\n");
		}
		close(s);
	}
}

static void show_linger(const char *key, int s)
{
	struct linger l = {7, 7};
	socklen_t n = sizeof(l);
	int r = getsockopt(s, SOL_SOCKET, SO_LINGER, &l, &n);

	printf("%s: %d %u %d %d\n", key, r, n, l.l_onoff, l.l_linger);
}

static void lingers(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	struct linger l = {1, 5};

	show_linger("linger default", s);
	show("linger on", setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	show_linger("linger is on", s);
	show("linger short", setsockopt(s, SOL_SOCKET, SO_LINGER, &l, 4));
	l.l_onoff = 0;
	show("linger off", setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	l.l_linger = -3;
	l.l_onoff = 1;
	show("linger negative",
	     setsockopt(s, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	close(s);
}

static void names(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	char v[64];
	socklen_t n = sizeof(v);

	show("device lo", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "lo", 2));
	show("device is", getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, v, &n));
	printf("device: %u %s\n", n, n ? v : "");
	n = 4;
	show("device, short buffer",
	     getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, v, &n));
	show("device unknown",
	     setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "nope0", 5));
	show("device off", setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, "", 0));
	n = sizeof(v);
	show("device none", getsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, v, &n));
	printf("device length: %u\n", n);
	show("congestion unknown",
	     setsockopt(s, SOL_TCP, TCP_CONGESTION, "nope", 4));
	show("congestion empty", setsockopt(s, SOL_TCP, TCP_CONGESTION, "", 0));
	show("congestion reno",
	     setsockopt(s, SOL_TCP, TCP_CONGESTION, "reno", 4));
	n = sizeof(v);
	show("congestion", getsockopt(s, SOL_TCP, TCP_CONGESTION, v, &n));
	printf("congestion is: %u %s\n", n, v);
	n = 2;
	show("congestion cut", getsockopt(s, SOL_TCP, TCP_CONGESTION, v, &n));
	printf("congestion cut is: %u %.2s\n", n, v);
	show("ulp unknown", setsockopt(s, SOL_TCP, TCP_ULP, "nope", 4));
	close(s);
}

static void big_values(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);
	uint64_t rate = 0;
	unsigned char v[64];
	socklen_t n = sizeof(v);
	struct ucred c;

	show("pacing", getsockopt(s, SOL_SOCKET, 47, v, &n));
	memcpy(&rate, v, 8);
	printf("pacing default: %u %llx\n", n, (unsigned long long)rate);
	rate = 5000000000;
	show("pacing set", setsockopt(s, SOL_SOCKET, 47, &rate, sizeof(rate)));
	n = 8;
	getsockopt(s, SOL_SOCKET, 47, &rate, &n);
	printf("pacing long: %u %llu\n", n, (unsigned long long)rate);
	n = 4;
	rate = 0;
	getsockopt(s, SOL_SOCKET, 47, &rate, &n);
	printf("pacing int: %u %llu\n", n, (unsigned long long)rate);
	n = sizeof(c);
	show("peercred", getsockopt(s, SOL_SOCKET, SO_PEERCRED, &c, &n));
	printf("peercred is: %u %d %d %d\n", n, c.pid, (int)c.uid, (int)c.gid);
	n = 4;
	show("cookie, short", getsockopt(s, SOL_SOCKET, SO_COOKIE, v, &n));
	n = 8;
	show("cookie", getsockopt(s, SOL_SOCKET, SO_COOKIE, v, &n));
	close(s);
}

static void tcp_info_of(const char *key, int s)
{
	unsigned char v[512] = {0};
	socklen_t n = sizeof(v);

	show(key, getsockopt(s, SOL_TCP, TCP_INFO, v, &n));
	printf("%s: length %u state %d options %d\n", key, n, v[0], v[5]);
	n = 3;
	memset(v, 0xee, sizeof(v));
	getsockopt(s, SOL_TCP, TCP_INFO, v, &n);
	printf("%s: cut %u %s\n", key, n, v[3] == 0xee ? "clean" : "dirty");
}

static void tcp_infos(void)
{
	struct sockaddr_in a;
	int p[2], l, s = socket(AF_INET, SOCK_STREAM, 0);
	int v = 0;
	socklen_t n = sizeof(v);

	tcp_info_of("info fresh", s);
	l = listener(5, &a);
	tcp_info_of("info listening", l);
	getsockopt(l, SOL_SOCKET, SO_ACCEPTCONN, &v, &n);
	printf("acceptconn: %d\n", v);
	tcp_pair(p);
	tcp_info_of("info connected", p[0]);
	tcp_info_of("info accepted", p[1]);
	close(p[0]);
	close(p[1]);
	close(l);
	close(s);
}

static void after_bind(void)
{
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6};
	int s = socket(AF_INET6, SOCK_DGRAM, 0), on = 1;

	show("bind v6", bind(s, (struct sockaddr *)&a6, sizeof(a6)));
	show("v6only after bind",
	     setsockopt(s, SOL_IPV6, IPV6_V6ONLY, &on, sizeof(on)));
	close(s);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	sweep("tcp4", AF_INET, SOCK_STREAM, 0);
	sweep("tcp6", AF_INET6, SOCK_STREAM, 0);
	sweep("udp4", AF_INET, SOCK_DGRAM, 0);
	sweep("udp6", AF_INET6, SOCK_DGRAM, 0);
	lingers();
	names();
	big_values();
	tcp_infos();
	after_bind();
	return 0;
}
