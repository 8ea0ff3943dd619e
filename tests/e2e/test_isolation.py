# SPDX-License-Identifier: Apache-2.0
"""Nothing leaks out: no guest ever holds a host network socket."""

import ctypes
import os
import re
import socket
import subprocess
import time

import host
from host import check, equal, inside, modes

NONE = ["--net", "none"]

ATTEMPTS = r"""
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, nr, *args):
    ctypes.set_errno(0)
    r = libc.syscall(ctypes.c_long(nr), *[ctypes.c_long(a) for a in args])
    e = ctypes.get_errno()
    print(f"{name}: {'ok' if r >= 0 else errno.errorcode[e]}")
buf = ctypes.create_string_buffer(4096)
p = ctypes.addressof(buf)
call('io_uring_setup', 425, 8, p)
call('io_uring_enter', 426, 0, 0, 0, 0, 0, 0)
call('io_uring_register', 427, 0, 0, 0, 0)
for name, family in dict(packet=17, netlink=16, vsock=40, alg=38, key=15,
                         xdp=44, can=29, bluetooth=31, rds=21, tipc=30,
                         smc=43, ax25=3, ipx=4, x25=9, llc=26, nfc=39,
                         qipcrtr=42, kcm=41, phonet=35).items():
    for kind in 1, 2, 3, 5:
        call(f'socket {name} {kind}', 41, family, kind, 0)
    call(f'socket {name} high word', 41, family | 1 << 32, 3, 0)
call('socketpair inet', 53, 2, 1, 0, p)
call('unshare newnet', 272, 0x40000000)
call('unshare newnet newuser', 272, 0x50000000)
call('clone3', 435, p, 88)
call('clone newnet', 56, 0x40000000 | 17, 0, 0, 0, 0)
call('clone newuser newnet', 56, 0x50000000 | 17, 0, 0, 0, 0)
fd = os.open('/proc/self/ns/net', os.O_RDONLY)
call('setns net', 308, fd, 0x40000000)
call('setns any', 308, fd, 0)
for name, nr in dict(socket=41, connect=42, io_uring_setup=425,
                     sendmsg=518, getpid=39).items():
    call('x32 ' + name, nr | 0x40000000, 2, 1, 0)
call('second listener', 317, 1, 8, p)
"""

REFUSED = {"EPERM", "ENOSYS", "EAFNOSUPPORT", "EACCES", "EINVAL", "EBUSY",
           "EFAULT", "ESOCKTNOSUPPORT", "EPROTONOSUPPORT", "EOPNOTSUPP",
           "ENOTSUP"}


def test_forbidden_calls(mode):
    out = inside(["/usr/bin/python3", "-c", ATTEMPTS], mode, NONE).decode()
    rows = dict(re.findall(r"^(.*): (\w+)$", out, re.M))
    assert len(rows) > 100, out
    for name, result in rows.items():
        assert result in REFUSED, f"{name}: {result}"
    for name in "io_uring_setup", "clone3", "x32 socket", "x32 connect":
        equal(rows[name], "ENOSYS", name)
    for name in "unshare newnet", "clone newnet", "setns net", "setns any":
        equal(rows[name], "EPERM", name)
    equal(rows["socket netlink 3"], "EAFNOSUPPORT")


I386 = r"""
#include <stdio.h>
static int call(int nr, int a, int b, int c)
{
	int r;
	__asm__ volatile("int $0x80" : "=a"(r)
		: "a"(nr), "b"(a), "c"(b), "d"(c) : "memory");
	return r;
}
int main(void)
{
	printf("getpid: %d\n", call(20, 0, 0, 0) > 0);
	printf("socketcall: %d\n", call(102, 1, 0, 0));
	printf("socket: %d\n", call(359, 2, 1, 0));
	printf("connect: %d\n", call(362, 0, 0, 0));
	printf("io_uring_setup: %d\n", call(425, 8, 0, 0));
	printf("unshare: %d\n", call(310, 0x40000000, 0, 0));
	printf("setns: %d\n", call(346, 0, 0x40000000, 0));
	printf("clone: %d\n", call(120, 0x40000000, 0, 0));
	return 0;
}
"""


def test_i386_entry(mode):
    with host.workdir() as d:
        with open(f"{d}/i386.c", "w") as f:
            f.write(I386)
        check(host.run(["gcc", "-o", f"{d}/i386", f"{d}/i386.c"]))
        native = host.run([f"{d}/i386"])
        if native.returncode:
            raise host.Skip("the kernel has no i386 entry")
        out = inside([f"{d}/i386"], mode, NONE).decode()
    rows = dict(re.findall(r"^(\w+): (-?\d+)$", out, re.M))
    for name in "socketcall", "socket", "connect", "io_uring_setup":
        equal(rows[name], "-38", name)
    for name in "unshare", "setns", "clone":
        assert rows[name] in ("-1", "-38"), f"{name}: {rows[name]}"


def test_inherited_host_socket(mode):
    """Refused at start, with one line that says so."""
    for family in socket.AF_INET, socket.AF_INET6:
        with socket.socket(family) as s:
            os.set_inheritable(s.fileno(), True)
            r = host.run(host.cordon(["true"], mode, NONE), close_fds=False,
                         pass_fds=[s.fileno()])
        equal(r.returncode, 125, "exit code")
        assert b"socket" in r.stderr and r.stderr.count(b"\n") == 1, r.stderr


def domains_of(pid):
    """SO_DOMAIN of every socket that a process holds."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    found = []
    for fd in os.listdir(f"/proc/{pid}/fd"):
        try:
            link = os.readlink(f"/proc/{pid}/fd/{fd}")
        except OSError:
            continue
        if not link.startswith("socket:"):
            continue
        dup = libc.syscall(438, pidfd, int(fd), 0)
        assert dup >= 0, os.strerror(ctypes.get_errno())
        with socket.socket(fileno=dup) as s:
            found.append(s.getsockopt(socket.SOL_SOCKET, 39))
    os.close(pidfd)
    return found


HOLDER = r"""
import socket, sys, time
a = socket.socket(); a.bind(('127.0.0.1', 0)); a.listen()
b = socket.create_connection(a.getsockname()); c = a.accept()
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
e = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM); e.bind(('::1', 0))
f = socket.socket(socket.AF_INET6)
print('ready', flush=True); time.sleep(60)
"""


def test_only_unix_sockets_in_the_guest(mode):
    p = subprocess.Popen(host.cordon(["/usr/bin/python3", "-c", HOLDER], mode,
                                     NONE), stdout=subprocess.PIPE)
    try:
        equal(p.stdout.readline(), b"ready\n")
        pids = guests_of(p.pid)
        assert pids
        domains = [d for pid in pids for d in domains_of(pid)]
        assert len(domains) >= 6, domains
        equal(set(domains), {socket.AF_UNIX}, "families in the guest")
    finally:
        p.terminate()
        p.wait(10)


def guests_of(sentry):
    """Descendants that run python's HOLDER."""
    found, todo = [], [sentry]
    while todo:
        pid = todo.pop()
        try:
            kids = open(f"/proc/{pid}/task/{pid}/children").read().split()
            for t in os.listdir(f"/proc/{pid}/task"):
                kids += open(f"/proc/{pid}/task/{t}/children").read().split()
        except OSError:
            continue
        for k in {int(x) for x in kids}:
            todo.append(k)
            cmd = open(f"/proc/{k}/cmdline").read()
            if cmd.startswith("/usr/bin/python3\0-c"):
                found.append(k)
    return sorted(set(found))


RACE = r"""
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
static struct sockaddr_in a = {.sin_family = AF_INET};
static volatile int stop;
static void *flip(void *x)
{
	for (unsigned i = 0; !stop; i++) {
		((volatile struct sockaddr_in *)&a)->sin_addr.s_addr =
		    htonl(i & 1 ? 0x7f000001 : 0xc0000201);
		((volatile struct sockaddr_in *)&a)->sin_family =
		    i % 3 ? AF_INET : AF_UNIX;
	}
	return x;
}
static void *swap(void *x)
{
	int *fds = x;
	while (!stop) {
		dup2(fds[0], fds[2]);
		dup2(fds[1], fds[2]);
	}
	return 0;
}
int main(int argc, char **argv)
{
	pthread_t t, u;
	int ok = 0, fds[3];
	a.sin_port = htons(8080);
	pthread_create(&t, 0, flip, 0);
	for (int i = 0; i < 3000; i++) {
		int s = socket(AF_INET, SOCK_STREAM, 0);
		ok += connect(s, (void *)&a, sizeof a) == 0;
		close(s);
	}
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	fds[1] = dup(2);
	fds[2] = dup(2);
	pthread_create(&u, 0, swap, fds);
	for (int i = 0; i < 3000; i++)
		ok += connect(fds[2], (void *)&a, sizeof a) == 0;
	stop = 1;
	pthread_join(t, 0);
	pthread_join(u, 0);
	printf("connected %d\n", ok);
	return 0;
}
"""


def test_racing_memory_and_descriptors(mode):
    """A thread rewrites the address and swaps descriptors during traps; the
    host's server must not see a connection, since the policy denies all."""
    with host.workdir() as d, socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind(("0.0.0.0", 8080))
        s.listen(64)
        s.settimeout(0)
        with open(f"{d}/race.c", "w") as f:
            f.write(RACE)
        check(host.run(["gcc", "-pthread", "-o", f"{d}/race", f"{d}/race.c"]))
        out = inside([f"{d}/race"], mode, ["--deny", "*"])
        equal(out, b"connected 0\n")
        try:
            s.accept()
            raise AssertionError("a connection reached the host")
        except BlockingIOError:
            pass


def test_policy(mode):
    code = r"""
import socket, sys
for port in 8080, 8081:
    s = socket.socket(); s.settimeout(5)
    try: s.connect(('192.0.2.1', port)); print(port, 'ok')
    except OSError as e: print(port, type(e).__name__)
"""
    with host.background(["/usr/bin/python3", "-m", "http.server", "8080"]), \
            host.background(["/usr/bin/python3", "-m", "http.server", "8081"]):
        assert host.wait_port(8080) and host.wait_port(8081)
        out = inside(["/usr/bin/python3", "-c", code], mode,
                     ["--allow", "tcp:192.0.2.0/24:8080"])
        equal(out, b"8080 ok\n8081 PermissionError\n")
        out = inside(["/usr/bin/python3", "-c", code], mode,
                     ["--deny", "tcp:192.0.2.1:8080"])
        equal(out, b"8080 PermissionError\n8081 ok\n")
