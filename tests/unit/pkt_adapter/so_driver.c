/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the shared object as packetdrill does, finds the one symbol, and
 * takes a connection through a handshake. Then, in a network namespace of its
 * own, changes the host's settings, which the object shall take over. argv[1]:
 * the file. Exit 0: it works.
 */
#include <dlfcn.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/pkt_adapter/peer.h"

static int fail(const char *what)
{
	fprintf(stderr, "so_driver: %s\n", what);
	return 1;
}

static int drive(packetdrill_interface_init_t init)
{
	struct packetdrill_interface ifc;
	struct peer p = {.i = &ifc, .seq = 1};
	static struct seg s;
	char b[8];
	int fd;

	memset(&ifc, 0, sizeof(ifc));
	init("net.ipv4.tcp_timestamps=0,seed=3", &ifc);
	fd = peer_accept(&p, peer_listen(&p, 1));
	if (fd < 0)
		return fail("no connection");
	peer_send(&p, PSH | ACK, "ping", 4);
	if (ifc.read(ifc.userdata, fd, b, sizeof(b)) != 4)
		return fail("no bytes");
	if (ifc.write(ifc.userdata, fd, "pong", 4) != 4)
		return fail("no room");
	do
		if (!peer_take(&p, &s))
			return fail("no packet");
	while (s.bytes == 0);
	ifc.free(ifc.userdata);
	return s.bytes == 4 && memcmp(s.data, "pong", 4) == 0
		   ? 0
		   : fail("wrong bytes");
}

/* False: this process may not. */
static bool set_host(const char *wmem)
{
	FILE *f = fopen("/proc/sys/net/ipv4/tcp_wmem", "w");
	bool ok = f && fputs(wmem, f) >= 0;

	if (f)
		ok = fclose(f) == 0 && ok;
	return ok;
}

static int new_sndbuf(struct packetdrill_interface *i)
{
	int fd = i->socket(i->userdata, AF_INET, SOCK_STREAM, 0), v = -1;
	socklen_t len = sizeof(v);

	if (fd < 0 || i->getsockopt(i->userdata, fd, SOL_SOCKET, SO_SNDBUF, &v,
				    &len) != 0)
		return -1;
	return v;
}

static int mirror(packetdrill_interface_init_t init)
{
	struct packetdrill_interface a, b, c;

	memset(&a, 0, sizeof(a));
	memset(&b, 0, sizeof(b));
	memset(&c, 0, sizeof(c));
	if ((unshare(CLONE_NEWNET) != 0 &&
	     unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) ||
	    !set_host("4096 20000 4194304"))
		return 0; /* cannot be tried here */
	init("", &a);
	init("net.ipv4.tcp_wmem=4096 25000 4194304", &b);
	init("hostsysctl=0", &c);
	if (new_sndbuf(&a) != 20000)
		return fail("the host's setting was not taken over");
	if (new_sndbuf(&b) != 25000)
		return fail("a flag does not stand");
	if (!set_host("4096 30000 4194304") || new_sndbuf(&a) != 30000)
		return fail("a change was not seen");
	if (new_sndbuf(&c) != 16384)
		return fail("taken over although it was forbidden");
	a.free(a.userdata);
	b.free(b.userdata);
	c.free(c.userdata);
	return 0;
}

int main(int argc, char **argv)
{
	packetdrill_interface_init_t init;
	void *so;

	if (argc != 2)
		return fail("usage: so_driver FILE.so");
	so = dlopen(argv[1],
		    RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE | RTLD_DEEPBIND);
	if (!so)
		return fail(dlerror());
	*(void **)&init = dlsym(so, "packetdrill_interface_init");
	if (!init)
		return fail("no symbol");
	return drive(init) != 0 ? 1 : mirror(init);
}
