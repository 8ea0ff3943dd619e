/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the shared object as packetdrill does, finds the one symbol, and
 * takes a connection through a handshake. argv[1]: the file. Exit 0: it works.
 */
#include <dlfcn.h>
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
	return drive(init);
}
