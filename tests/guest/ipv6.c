/* SPDX-License-Identifier: Apache-2.0 */
/* Dual stack: mapped peers, IPV6_V6ONLY, ::1, scope ids; every name shown. */
#include "guest.h"

static struct sockaddr_in6 addr6(const char *text, uint16_t port)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6,
				 .sin6_port = htons(port)};

	inet_pton(AF_INET6, text, &a.sin6_addr);
	return a;
}

static void show_name(const char *key, int r, const void *p, socklen_t n)
{
	const struct sockaddr_in6 *a6 = p;
	const struct sockaddr_in *a = p;
	char text[64];

	if (r < 0) {
		show(key, r);
		return;
	}
	if (a->sin_family == AF_INET6)
		printf("%s: %u 6 [%s] port %d scope %u flow %u\n", key, n,
		       inet_ntop(AF_INET6, &a6->sin6_addr, text, sizeof(text)),
		       a6->sin6_port != 0, a6->sin6_scope_id,
		       a6->sin6_flowinfo);
	else
		printf("%s: %u %d [%s] port %d\n", key, n, a->sin_family,
		       inet_ntoa(a->sin_addr), a->sin_port != 0);
}

static void names(const char *who, int fd)
{
	struct sockaddr_storage a = {0};
	socklen_t n = sizeof(a);
	char key[64];
	int r = getsockname(fd, (void *)&a, &n);

	snprintf(key, sizeof(key), "%s name", who);
	show_name(key, r, &a, n);
	n = sizeof(a);
	r = getpeername(fd, (void *)&a, &n);
	snprintf(key, sizeof(key), "%s peer", who);
	show_name(key, r, &a, n);
}

static int only(int fd, int v)
{
	return setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v, sizeof(v));
}

static int listen6(const char *text, int v6only, uint16_t *port)
{
	struct sockaddr_in6 a = addr6(text, 0);
	int l = socket(AF_INET6, SOCK_STREAM, 0);
	socklen_t n = sizeof(a);

	show("v6only", only(l, v6only));
	show("bind", bind(l, (void *)&a, sizeof(a)));
	show("listen", listen(l, 8));
	getsockname(l, (void *)&a, &n);
	*port = ntohs(a.sin6_port);
	names("listener", l);
	return l;
}

/* A client of either family to a listener. */
static void meet(const char *what, int l, const void *to, socklen_t n)
{
	struct sockaddr_storage a = {0};
	socklen_t len = sizeof(a);
	int c = socket(((const struct sockaddr *)to)->sa_family, SOCK_STREAM,
		       0),
	    s;

	printf("case %s: -\n", what);
	if (show("connect", connect(c, to, n)) < 0) {
		names("unconnected", c);
		close(c);
		return;
	}
	s = accept(l, (void *)&a, &len);
	show_name("accept", s, &a, len);
	names("client", c);
	names("server", s);
	show("only when connected", only(s, 1));
	close(s);
	close(c);
}

static void against(const char *bound, int v6only)
{
	uint16_t port;
	int l;
	struct sockaddr_in a;
	struct sockaddr_in6 a6;

	printf("bound to %s, v6only %d: -\n", bound, v6only);
	l = listen6(bound, v6only, &port);
	a = loopback(port);
	meet("v4", l, &a, sizeof(a));
	a6 = addr6("::1", port);
	meet("::1", l, &a6, sizeof(a6));
	a6 = addr6("::ffff:127.0.0.1", port);
	meet("mapped", l, &a6, sizeof(a6));
	a6 = addr6("::", port);
	meet("any", l, &a6, sizeof(a6));
	a6 = addr6("::1", port);
	a6.sin6_scope_id = 1;
	a6.sin6_flowinfo = htonl(7);
	meet("scope and flow", l, &a6, sizeof(a6));
	a6 = addr6("fe80::1", port);
	meet("link-local without scope", l, &a6, sizeof(a6));
	close(l);
}

static void conflicts(void)
{
	int a = socket(AF_INET6, SOCK_STREAM, 0);
	int b = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in6 any6 = addr6("::", 0);
	struct sockaddr_in any4 = {.sin_family = AF_INET};
	socklen_t n = sizeof(any6);

	show("bind ::", bind(a, (void *)&any6, sizeof(any6)));
	getsockname(a, (void *)&any6, &n);
	any4.sin_port = any6.sin6_port;
	show("bind 0.0.0.0 besides", bind(b, (void *)&any4, sizeof(any4)));
	close(a);
	a = socket(AF_INET6, SOCK_STREAM, 0);
	show("v6only", only(a, 1));
	show("bind :: again", bind(a, (void *)&any6, sizeof(any6)));
	show("then 0.0.0.0", bind(b, (void *)&any4, sizeof(any4)));
	show("v6only after bind", only(a, 0));
	close(a);
	close(b);
}

static void bad_addresses(void)
{
	struct sockaddr_in6 a = addr6("::1", 1);
	struct sockaddr_in a4 = loopback(1);
	int s = socket(AF_INET6, SOCK_STREAM, 0);

	show("short", connect(s, (void *)&a, 20));
	show("rfc2133 length", bind(s, (void *)&a, 24));
	show("v4 address", connect(s, (void *)&a4, sizeof(a4)));
	show("v4 bind", bind(s, (void *)&a4, sizeof(a4)));
	a = addr6("2001:db8::1", 0);
	show("foreign", bind(s, (void *)&a, sizeof(a)));
	a = addr6("fe80::1", 0);
	show("link-local bind", bind(s, (void *)&a, sizeof(a)));
	a = addr6("ff02::1", 0);
	show("multicast bind", bind(s, (void *)&a, sizeof(a)));
	close(s);
	s = socket(AF_INET6, SOCK_STREAM, 0);
	a = addr6("ff02::1", 1);
	show("multicast connect", connect(s, (void *)&a, sizeof(a)));
	show("v6only", only(s, 1));
	a = addr6("::ffff:127.0.0.1", 1);
	show("mapped, v6only", connect(s, (void *)&a, sizeof(a)));
	a = addr6("::ffff:127.0.0.1", 0);
	show("mapped bind, v6only", bind(s, (void *)&a, sizeof(a)));
	close(s);
}

static void datagrams(void)
{
	int s = socket(AF_INET6, SOCK_DGRAM, 0);
	int c = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in6 a = addr6("::", 0);
	struct sockaddr_storage from = {0};
	socklen_t n = sizeof(a);
	struct sockaddr_in a4;
	char buf[8];

	show("udp bind", bind(s, (void *)&a, sizeof(a)));
	getsockname(s, (void *)&a, &n);
	a4 = loopback(ntohs(a.sin6_port));
	show("v4 sends", sendto(c, "x", 1, 0, (void *)&a4, sizeof(a4)));
	n = sizeof(from);
	show("v6 receives", recvfrom(s, buf, 8, 0, (void *)&from, &n));
	show_name("from", 0, &from, n);
	show("v6 answers", sendto(s, "y", 1, 0, (void *)&from, n));
	n = sizeof(from);
	show("v4 receives", recvfrom(c, buf, 8, 0, (void *)&from, &n));
	show_name("from", 0, &from, n);
	show("v6 connects mapped", connect(s, (void *)&from, n));
	names("v6", s);
	close(s);
	close(c);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	alarm(60);
	setvbuf(stdout, NULL, _IOLBF, 0);
	against("::", 0);
	against("::", 1);
	against("::1", 0);
	against("::ffff:127.0.0.1", 0);
	conflicts();
	bad_addresses();
	datagrams();
	return 0;
}
