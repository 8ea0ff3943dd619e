# SPDX-License-Identifier: Apache-2.0
"""Hostile wires and hostile guests: the sentry survives, and honest traffic
beside it gets through."""

import os
import random
import socket
import subprocess
import threading
import time

import host
from e2e import test_tap as taps
from e2e.garbage import Garbage, bent
from host import check, equal, inside, modes

NONE = ["--net", "none"]
SECONDS = 4
ETH_P_ALL = 3

# Echoes megabytes over IPv4 and IPv6 until the time is over.
TRANSFER = r"""
import hashlib, os, socket, sys, threading, time
end = time.monotonic() + float(sys.argv[2])
data = os.urandom(1 << 20)
def rounds(address):
    s = socket.create_connection((address, int(sys.argv[1])), 20)
    n = 0
    while time.monotonic() < end or not n:
        t = threading.Thread(target=s.sendall, args=(data,)); t.start()
        got = bytearray()
        while len(got) < len(data): got += s.recv(1 << 16)
        t.join(); n += 1
        if got != data: os._exit(2)
threads = [threading.Thread(target=rounds, args=(a,)) for a in sys.argv[3:]]
# what the garbage may find: sockets of every kind
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); u.bind(('::', 1))
l = socket.socket(); l.bind(('0.0.0.0', 1)); l.listen(1)
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 1) if os.getuid() == 0 else 0
print('up', flush=True)
for t in threads: t.start()
for t in threads: t.join()
print('intact')
"""


class Thrower(threading.Thread):
    """Sends garbage and bent copies of what is on the tap, until stopped."""

    def __init__(self, seed, mac):
        super().__init__(daemon=True)
        self.garbage = Garbage(seed, mac, "10.9.0.2", "fd09::2")
        self.random = random.Random(seed)
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                                  socket.htons(ETH_P_ALL))
        self.sock.bind((taps.TAP, ETH_P_ALL))
        self.sock.setblocking(False)
        self.sent = 0
        self.stop = False

    def seen(self):
        try:
            return self.sock.recv(2000)
        except OSError:
            return b""

    def throw(self, frame):
        try:
            self.sock.send(frame)
            self.sent += 1
        except BlockingIOError:
            time.sleep(0.001)
        except OSError:  # the kernel itself refuses this one
            pass

    def run(self):
        while not self.stop:
            for _ in range(20):
                self.throw(self.garbage.frame())
            frame = self.seen()
            copy = bent(frame, self.random) if len(frame) > 14 else None
            if copy:
                self.throw(copy)


def guest_mac():
    """The sandbox's address on the wire, as the kernel's neighbour has it."""
    check(host.run(["ping", "-c", "1", "-W", "5", "-n", "10.9.0.2"]))
    out = host.run(["ip", "neigh", "show", "10.9.0.2"]).stdout.decode()
    return bytes.fromhex(out.split("lladdr ")[1].split()[0].replace(":", ""))


def transfer_beside_garbage(mode, seed, addresses):
    with taps.tap(mode), taps.tap_echo() as port4, taps.servers.threaded(
            V6Server(("fd09::1", port4), taps.servers.Echo)):
        argv = ["/usr/bin/python3", "-c", TRANSFER, str(port4), str(SECONDS),
                *addresses]
        p = subprocess.Popen(host.cordon(argv, mode, taps.OPTIONS),
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            equal(p.stdout.readline(), b"up\n")
            thrower = Thrower(seed, guest_mac())
            thrower.start()
            out, err = p.communicate(timeout=SECONDS + 50)
        finally:
            p.kill()
        thrower.stop = True
        thrower.join()
        equal((p.returncode, out, err), (0, b"intact\n", b""),
              f"seed {seed}: exit code and output")
        assert thrower.sent > 1000, thrower.sent


class V6Server(taps.servers.TCPServer):
    address_family = socket.AF_INET6


@modes("shim", "user-no-shim")
def test_garbage_on_the_wire(mode):
    """Malformed frames of every kind beside a transfer. A failure names its
    seed."""
    seed = int(os.environ.get("SEED", random.randrange(1 << 32)))
    transfer_beside_garbage(mode, seed, ["10.9.0.1", "fd09::1"])


SCRIBBLE = r"""
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
static struct {
	union {
		struct sockaddr_in in;
		struct sockaddr_storage ss;
	} name;
	socklen_t len;
	struct msghdr msg;
	struct mmsghdr many[4];
	struct iovec iov[8];
	char control[256], data[4096];
} m;
static volatile int stop;
static void *scribble(void *arg)
{
	unsigned seed = (unsigned)(size_t)arg;
	while (!stop) {
		size_t at = (size_t)rand_r(&seed) % (sizeof m - 8);
		unsigned long v[] = {0, ~0ul, 1ul << 31, (unsigned long)&m,
				     (unsigned long)rand_r(&seed), 16, 28};
		unsigned long w = v[(unsigned)rand_r(&seed) % 7];
		memcpy((char *)&m + at, &w, 1 + (unsigned)rand_r(&seed) % 8);
	}
	return 0;
}
static void honest(int s)
{
	socklen_t n = sizeof m.name.in;
	m.name.in.sin_family = AF_INET;
	m.name.in.sin_addr.s_addr = htonl(0x7f000001);
	m.len = n;
	for (int i = 0; i < 8; i++)
		m.iov[i] = (struct iovec){m.data, 64};
	m.msg = (struct msghdr){&m.name, n, m.iov, 2, m.control, 64, 0};
	for (int i = 0; i < 4; i++)
		m.many[i].msg_hdr = m.msg;
	getsockname(s, (void *)&m.name, &m.len);
}
static void calls(int s, unsigned *seed)
{
	int level[] = {SOL_SOCKET, IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP, 999};
	int l = level[(unsigned)rand_r(seed) % 5];
	int o = rand_r(seed) % 80, flags = MSG_DONTWAIT | MSG_NOSIGNAL;
	honest(s);
	switch (rand_r(seed) % 12) {
	case 0: connect(s, (void *)&m.name, sizeof m.name.in); break;
	case 1: bind(s, (void *)&m.name, sizeof m.name.in); break;
	case 2: sendto(s, m.data, 99, flags, (void *)&m.name, 16); break;
	case 3: recvfrom(s, m.data, 99, flags, (void *)&m.name, &m.len); break;
	case 4: sendmsg(s, &m.msg, flags); break;
	case 5: recvmsg(s, &m.msg, flags); break;
	case 6: sendmmsg(s, m.many, 4, flags); break;
	case 7: recvmmsg(s, m.many, 4, flags, 0); break;
	case 8: setsockopt(s, l, o, m.data, m.len); break;
	case 9: getsockopt(s, l, o, m.data, &m.len); break;
	case 10: ioctl(s, 0x8900 + rand_r(seed) % 128, &m.name); break;
	case 11: getpeername(s, (void *)&m.name, &m.len); break;
	}
}
static int make(unsigned *seed)
{
	int kind = rand_r(seed) % 2 ? SOCK_STREAM : SOCK_DGRAM;
	return socket(rand_r(seed) % 4 ? AF_INET : AF_INET6,
		      kind | SOCK_NONBLOCK, 0);
}
int main(int argc, char **argv)
{
	unsigned seed = (unsigned)atoi(argv[1]);
	time_t end = time(0) + atoi(argv[2]);
	pthread_t t[2];
	int s[8], n = 0;
	for (int i = 0; i < 8; i++)
		s[i] = make(&seed);
	for (size_t i = 0; i < 2; i++)
		pthread_create(&t[i], 0, scribble, (void *)(seed + i));
	while (time(0) < end) {
		int i = rand_r(&seed) % 8;
		if (n++ % 50 == 0) {
			close(s[i]);
			s[i] = make(&seed);
		}
		calls(s[i], &seed);
	}
	stop = 1;
	pthread_join(t[0], 0);
	pthread_join(t[1], 0);
	puts("survived");
	return argc - 3;
}
"""


def test_scribbled_arguments(mode):
    """Threads overwrite what pointers point to while calls are decoded."""
    seed = os.environ.get("SEED", str(random.randrange(1 << 30)))
    with host.workdir() as d:
        with open(f"{d}/s.c", "w") as f:
            f.write(SCRIBBLE)
        check(host.run(["gcc", "-w", "-O1", "-D_GNU_SOURCE", "-pthread", "-o", f"{d}/s",
                        f"{d}/s.c"]))
        r = host.run(host.cordon([f"{d}/s", seed, "2"], mode, NONE))
    equal((r.returncode, r.stdout, r.stderr), (0, b"survived\n", b""),
          f"seed {seed}: exit code and output")


KILLED = r"""
import os, random, signal, socket, sys, threading, time
def ping_pong():
    l = socket.create_server(('127.0.0.1', 0), backlog=8)
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(('127.0.0.1', 0))
    def server():
        while True: l.accept()[0].close()
    threading.Thread(target=server, daemon=True).start()
    while True:
        c = socket.create_connection(l.getsockname())
        u.sendto(b'x', u.getsockname()); u.recvfrom(9)
        c.setsockopt(6, 1, 1); c.recvmsg(1); c.close()
random.seed(int(sys.argv[1]))
for i in range(int(sys.argv[2])):
    pid = os.fork()
    if not pid:
        try: ping_pong()
        finally: os._exit(1)
    time.sleep(random.random() * 0.01)
    os.kill(pid, signal.SIGKILL)
    if os.WTERMSIG(os.waitpid(pid, 0)[1]) != 9: sys.exit('a call failed')
l = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(l.getsockname()); d, _ = l.accept()
c.sendall(b'still here'); print(d.recv(99).decode())
"""


def test_processes_killed_in_calls(mode):
    """kill -9 in the middle of whatever call it is, 500 times."""
    seed = str(random.randrange(1 << 30))
    out = inside(["/usr/bin/python3", "-c", KILLED, seed, "500"], mode, NONE)
    equal(out, b"still here\n", f"seed {seed}")
