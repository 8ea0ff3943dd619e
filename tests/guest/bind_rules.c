/* SPDX-License-Identifier: Apache-2.0 */
/* Who may bind what beside whom: every pair of (address, REUSEADDR, REUSEPORT,
 * listening) for TCP, and the same for UDP; IPv6 and dual stack. */
#include "guest.h"

struct spec {
	const char *name;
	int family;
	const char *addr;
	int v6only;
};

static const struct spec specs[] = {
    {"any4", AF_INET, "0.0.0.0", 0},
    {"lo4", AF_INET, "127.0.0.1", 0},
    {"lo4b", AF_INET, "127.0.0.2", 0},
    {"any6", AF_INET6, "::", 0},
    {"only6", AF_INET6, "::", 1},
    {"lo6", AF_INET6, "::1", 0},
    {"mapped", AF_INET6, "::ffff:127.0.0.1", 0},
};
#define SPECS (sizeof(specs) / sizeof(specs[0]))

static socklen_t fill(const struct spec *sp, uint16_t port,
		      struct sockaddr_storage *out)
{
	struct sockaddr_in *a = (void *)out;
	struct sockaddr_in6 *b = (void *)out;

	memset(out, 0, sizeof(*out));
	if (sp->family == AF_INET) {
		a->sin_family = AF_INET;
		a->sin_port = port;
		inet_pton(AF_INET, sp->addr, &a->sin_addr);
		return sizeof(*a);
	}
	b->sin6_family = AF_INET6;
	b->sin6_port = port;
	inet_pton(AF_INET6, sp->addr, &b->sin6_addr);
	return sizeof(*b);
}

static int bound(const struct spec *sp, int type, uint16_t *port, int flags)
{
	struct sockaddr_storage a;
	socklen_t n;
	int s = socket(sp->family, type, 0), one = 1, e;

	if (sp->family == AF_INET6)
		setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &sp->v6only,
			   sizeof(int));
	if (flags & 1)
		setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (flags & 2)
		setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	n = fill(sp, *port, &a);
	if (bind(s, (void *)&a, n)) {
		e = errno;
		close(s);
		errno = e;
		return -1;
	}
	n = sizeof(a);
	getsockname(s, (void *)&a, &n);
	*port = ((struct sockaddr_in *)&a)->sin_port;
	return s;
}

static void pair(int type, size_t i, size_t j, int flags, int listening)
{
	uint16_t port = 0;
	int a = bound(&specs[i], type, &port, flags), b;
	const char *r = "ok";

	if (a < 0) {
		printf("first %s: %s\n", specs[i].name, strerrorname_np(errno));
		return;
	}
	if (listening)
		listen(a, 1);
	b = bound(&specs[j], type, &port, flags);
	if (b < 0)
		r = strerrorname_np(errno);
	else if (listening && listen(b, 1))
		r = "listen fails";
	printf("%s %s+%s flags %d listening %d: %s\n",
	       type == SOCK_STREAM ? "tcp" : "udp", specs[i].name,
	       specs[j].name, flags, listening, r);
	close(a);
	if (b >= 0)
		close(b);
}

static void mixed_flags(int type)
{
	int f, g;

	for (f = 0; f < 4; f++)
		for (g = 0; g < 4; g++) {
			uint16_t port = 0;
			int a = bound(&specs[1], type, &port, f);
			int b = bound(&specs[1], type, &port, g);

			printf("type %d flags %d then %d: %s\n", type, f, g,
			       b < 0 ? strerrorname_np(errno) : "ok");
			close(a);
			if (b >= 0)
				close(b);
		}
}

static void bind_after_connections(void)
{
	struct sockaddr_in a;
	int l = listener(4, &a), c = dial(&a), s = accept(l, NULL, NULL), n;

	close(l);
	n = socket(AF_INET, SOCK_STREAM, 0);
	show("bind over a live connection", bind(n, (void *)&a, sizeof(a)));
	setsockopt(n, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	show("with REUSEADDR", bind(n, (void *)&a, sizeof(a)));
	show("and listen", listen(n, 1));
	close(n);
	close(s);
	close(c);
	n = socket(AF_INET, SOCK_STREAM, 0);
	sleep_ms(100);
	show("bind over TIME-WAIT", bind(n, (void *)&a, sizeof(a)));
	setsockopt(n, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	show("TIME-WAIT with REUSEADDR", bind(n, (void *)&a, sizeof(a)));
	close(n);
}

int main(void)
{
	size_t i, j;
	int flags;

	for (i = 0; i < SPECS; i++)
		for (j = 0; j < SPECS; j++)
			for (flags = 0; flags < 4; flags++) {
				pair(SOCK_STREAM, i, j, flags, 0);
				pair(SOCK_STREAM, i, j, flags, 1);
				pair(SOCK_DGRAM, i, j, flags, 0);
			}
	mixed_flags(SOCK_STREAM);
	mixed_flags(SOCK_DGRAM);
	bind_after_connections();
	return 0;
}
