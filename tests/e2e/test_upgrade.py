# SPDX-License-Identifier: Apache-2.0
"""Hot upgrades: the sentry is replaced under a running program."""

import contextlib
import fcntl
import hashlib
import http.server
import os
import pty
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

import host
from e2e import test_servers, test_tap, test_tools
from e2e.test_control import NONE, place, until
from host import check, equal, modes, seconds, slow

NAT = ["--host-loopback"]


def upgrade(pl, name, *options, times=1, pause=0.0):
    """Upgrades, and says how long each stood still, in us."""
    stalls = []
    for _ in range(times):
        r = check(pl.ctl("upgrade", name, *options))
        m = re.fullmatch(rb"upgraded; it stood still for (\d+) us\n", r.stdout)
        assert m and not r.stderr, r
        stalls.append(int(m[1]))
        time.sleep(pause)
    return stalls


def say(stalls):
    stalls = sorted(stalls)
    print(f"    {len(stalls)} upgrades: stall median "
          f"{stalls[len(stalls) // 2]} us, worst {stalls[-1]} us",
          file=sys.stderr)


def identity(pl, name, p):
    """The process stays, and so does the guest."""
    row = pl.ps()[name]
    equal(row["pid"], p.pid)
    return row["guest_pid"]


def test_idle(mode):
    with place(mode) as pl:
        p = pl.start("idle", ["sh", "-c", "read x; echo $x; exit 7"],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        guest = identity(pl, "idle", p)
        upgrade(pl, "idle", times=3)
        upgrade(pl, "id", "--binary", host.CORDON)
        equal(identity(pl, "idle", p), guest)
        equal(p.communicate(b"hello\n", 20)[0], b"hello\n")
        equal(p.wait(20), 7)


def test_signals_after(mode):
    for sig in signal.SIGTERM, signal.SIGKILL:
        with place(mode) as pl:
            p = pl.start("sig", ["sleep", "100"])
            upgrade(pl, "sig")
            p.send_signal(sig)
            equal(p.wait(20), -sig)


def test_paused(mode):
    with place(mode) as pl:
        p = pl.start("p", ["sleep", "100"])
        pl.ok("pause", "p")
        upgrade(pl, "p")
        equal(pl.ps()["p"]["state"], "paused")
        pl.ok("resume", "p")
        equal(pl.ps()["p"]["state"], "running")
        p.terminate()
        equal(p.wait(20), -signal.SIGTERM)


@contextlib.contextmanager
def web(megabytes):
    """Serves so much at any path; its port and its SHA-256."""
    block = os.urandom(1 << 20)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(megabytes << 20))
            self.end_headers()
            for _ in range(megabytes):
                self.wfile.write(block)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    digest = hashlib.sha256(block * megabytes).digest()
    try:
        yield server.server_port, digest
    finally:
        server.shutdown()
        server.server_close()


def digest_of(f, wait=None):
    h = hashlib.sha256()
    while block := f.read(1 << 18):
        h.update(block)
        if wait:
            wait.set()
    return h.digest()


def test_download(mode):
    """Real curl; the reader is slow, so that it lasts for 20 upgrades."""
    with place(mode) as pl, web(300) as (port, want):
        p = pl.start("dl", ["curl", "-sS", f"http://10.0.2.2:{port}/"],
                     [*NAT, "--netem", "rate=1gbit,delay=1ms"],
                     stdout=subprocess.PIPE)
        got, begun = [], threading.Event()
        t = threading.Thread(
            target=lambda: got.append(digest_of(p.stdout, begun)))
        t.start()
        assert begun.wait(20)
        stalls = upgrade(pl, "dl", times=20, pause=0.01)
        t.join(50)
        equal(p.wait(20), 0)
        equal(got, [want])
        say(stalls)


SERVER = r"""
import http.server
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', '100000')
        self.end_headers()
        self.wfile.write(b'x' * 100000)
    def log_message(self, *_): pass
s = http.server.ThreadingHTTPServer(('0.0.0.0', 80), H)
s.daemon_threads = True
s.serve_forever()
"""


def fetch_all(port, n, failures):
    for _ in range(n):
        try:
            with socket.create_connection(("127.0.0.1", port), 20) as s:
                s.settimeout(20)
                s.sendall(b"GET / HTTP/1.0\r\nConnection: close\r\n\r\n")
                total = 0
                while block := s.recv(65536):
                    total += len(block)
                assert total > 100000, total
        except (OSError, AssertionError) as e:
            failures.append(repr(e))


def test_published_server(mode):
    with place(mode) as pl:
        pl.start("srv", ["/usr/bin/python3", "-c", SERVER],
                 ["-p", "127.0.0.1:8081:80"])
        until(lambda: b"x" * 100 in curl(8081), "the server does not answer")
        failures = []
        clients = [threading.Thread(target=fetch_all,
                                    args=(8081, 40, failures))
                   for _ in range(4)]
        for c in clients:
            c.start()
        n = 0
        while any(c.is_alive() for c in clients):
            upgrade(pl, "srv")
            n += 1
        equal(failures, [])
        assert n > 1


def curl(port):
    return host.run(["curl", "-s", f"http://127.0.0.1:{port}/"]).stdout


WAITING = r"""
import errno, faulthandler, os, select, socket, struct, sys, threading, time
faulthandler.dump_traceback_later(30, exit=True)
L = ('127.0.0.1', 0)
done, errors = [], []
def listener():
    s = socket.socket(); s.bind(L); s.listen(5); return s
def pair():
    l = listener(); a = socket.create_connection(l.getsockname())
    b = l.accept()[0]; l.close(); return a, b
def task(fn):
    def run():
        try: fn(); done.append(fn.__name__)
        except BaseException as e: errors.append((fn.__name__, repr(e)))
    t = threading.Thread(target=run); t.start(); return t
go = threading.Event()
acc = listener()
def accepts():
    c, peer = acc.accept()
    assert c.recv(10) == b'late' and peer[0] == '127.0.0.1' and peer[1]
a1, b1 = pair()
def receives_all():
    assert a1.recv(6, socket.MSG_WAITALL) == b'abcdef'
u1 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u1.bind(L)
u2 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u2.bind(L)
def receives_from():
    assert u1.recvfrom(100) == (b'datagram', u2.getsockname())
a2, b2 = pair()
a2.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack('ll', 4, 0))
def times_out():
    t = time.monotonic()
    try: a2.recvfrom(10, socket.MSG_WAITALL); raise Exception('received')
    except BlockingIOError: pass
    t = time.monotonic() - t
    assert 3.9 < t < 8, t
big = b'0123456789' * 400000
a3, b3 = pair()
def sends():
    a3.sendall(big); a3.shutdown(socket.SHUT_WR)
def connects():
    s = socket.create_connection(('10.0.2.2', int(sys.argv[1])))
    s.sendall(b'here I am'); assert s.recv(10) == b'welcome'; s.close()
tasks = [task(f) for f in (accepts, receives_all, receives_from, times_out,
                           sends, connects)]
b1.send(b'abc')
# Unread bytes, a half-closed connection, an edge that is spent.
a4, b4 = pair(); a4.sendall(b'waits'); a4.shutdown(socket.SHUT_WR)
a5, b5 = pair(); a5.send(b'1')
ep = select.epoll(); ep.register(b5, select.EPOLLIN | select.EPOLLET)
assert len(ep.poll(5)) == 1
n = socket.socket(); n.setblocking(False)
assert n.connect_ex(('10.0.2.2', int(sys.argv[1]))) == errno.EINPROGRESS
assert select.select([], [n], [], 0)[1] == []
many = [pair() for i in range(20)]
free = socket.socket(); bound = socket.socket(); bound.bind(L)
was = bound.getsockname()
a2.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
# Datagrams that wait; a listener with more connections than it has room for.
u3 = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u3.bind(L)
for i in range(5): u2.sendto(b'%d' % i, u3.getsockname())
full = socket.socket(); full.bind(L); full.listen(0)
crowd = [socket.socket() for i in range(2)]
for x in crowd: x.setblocking(False); x.connect_ex(full.getsockname())
# A reset that nobody has seen yet.
a6, b6 = pair()
b6.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
b6.close()
print('ready', flush=True)
assert sys.stdin.readline() == 'upgraded\n'
assert ep.poll(0.3) == [], 'an edge twice'
a5.send(b'2'); assert len(ep.poll(5)) == 1 and ep.poll(0.1) == []
assert b5.recv(10) == b'12'
assert b4.recv(10) == b'waits' and b4.recv(10) == b''
b4.send(b'back'); assert a4.recv(10) == b'back'
assert bound.getsockname() == was
bound.listen(1); free.connect(was); assert bound.accept()[1] == free.getsockname()
assert a2.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
for i, (x, y) in enumerate(many):
    x.send(b'%d' % i); assert y.recv(10) == b'%d' % i
for i in range(5):
    assert u3.recvfrom(10) == (b'%d' % i, u2.getsockname())
full.settimeout(20)
assert len({full.accept()[1] for x in crowd}) == 2
try: a6.recv(1); raise Exception('no reset')
except ConnectionResetError: pass
c = socket.create_connection(acc.getsockname()); c.send(b'late')
b1.send(b'def'); u2.sendto(b'datagram', u1.getsockname())
got = b''
while True:
    x = b3.recv(1 << 20)
    if not x: break
    got += x
assert got == big, len(got)
print('accept now', flush=True)
assert select.select([], [n], [], 20)[1] == [n]
assert n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
for t in tasks: t.join(30)
assert not errors and len(done) == 6, (errors, done)
print('fine')
"""


@contextlib.contextmanager
def busy_listener():
    """A listener of the host whose queue is full: SYNs get no answer."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        fill = [socket.socket() for _ in range(3)]
        for f in fill:
            f.setblocking(False)
            f.connect_ex(s.getsockname())
        time.sleep(0.1)
        try:
            yield s, fill
        finally:
            for f in fill:
                f.close()


def welcome(s, fill):
    """Makes room, and answers the two that come from the sandbox."""
    for f in fill:
        f.close()
    s.settimeout(20)
    found = 0
    kept = []
    while found < 1:
        c, _ = s.accept()
        kept.append(c)
        c.settimeout(0.5)
        with contextlib.suppress(OSError):
            if c.recv(100) == b"here I am":
                c.sendall(b"welcome")
                found += 1
    return kept


def test_waiting_calls(mode):
    with place(mode) as pl, busy_listener() as (s, fill):
        p = pl.start("w", ["/usr/bin/python3", "-c", WAITING,
                           str(s.getsockname()[1])], NAT,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n", p.poll())
        time.sleep(0.2)
        upgrade(pl, "w", times=5, pause=0.05)
        p.stdin.write(b"upgraded\n")
        p.stdin.flush()
        line = p.stdout.readline()
        kept = welcome(s, fill) if line == b"accept now\n" else []
        out, err = p.communicate(timeout=40)
        equal((line + out, err), (b"accept now\nfine\n", b""))
        for c in kept:
            c.close()


UDP = r"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(('10.0.2.2', int(sys.argv[1])))
s.settimeout(20)
for line in sys.stdin:
    s.send(line.encode()); print(s.recv(100).decode(), end='', flush=True)
"""


def test_udp_flow(mode):
    """The flow's socket on the host stays: the same source port."""
    with place(mode) as pl, socket.socket(socket.AF_INET,
                                          socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.settimeout(20)
        p = pl.start("u", ["/usr/bin/python3", "-c", UDP,
                           str(s.getsockname()[1])], NAT,
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        ports = set()
        for i in range(5):
            p.stdin.write(b"%d\n" % i)
            p.stdin.flush()
            data, peer = s.recvfrom(100)
            ports.add(peer[1])
            upgrade(pl, "u")  # between question and answer
            s.sendto(data, peer)
            equal(p.stdout.readline(), b"%d\n" % i)
            upgrade(pl, "u")
        equal(len(ports), 1)
        p.stdin.close()
        equal(p.wait(20), 0)


def test_tap_bulk(mode):
    with place(mode) as pl, test_tap.tap(mode), test_tap.kernel_iperf():
        p = pl.start("tap", ["iperf3", "-c", "10.9.0.1", "-p", "5301", "-t",
                             "3", "-f", "m"],
                     test_tap.OPTIONS, stdout=subprocess.PIPE)
        n = 0
        while p.poll() is None and n < 50:
            if pl.ctl("upgrade", "tap").returncode:
                break  # it has just ended, which its exit code tells
            n += 1
        out = p.stdout.read().decode()
        equal(p.wait(20), 0)
        rates = re.findall(r"([\d.]+) Mbits/sec.*receiver", out)
        assert n > 3 and rates and float(rates[-1]) > 20, (n, out)


class Typist:
    """An ssh session, at its terminal."""

    def __init__(self, pl, d, name):
        self.master, slave = pty.openpty()
        self.p = pl.start(name, ["ssh", "-tt", *test_tools.ssh_options(d),
                                 "root@10.0.2.2", "cat"], NAT, stdin=slave,
                          stdout=slave, stderr=slave)
        os.close(slave)
        self.seen = b""

    def expect(self, text):
        end = time.monotonic() + 20
        while text not in self.seen:
            assert time.monotonic() < end, self.seen[-300:]
            self.seen += os.read(self.master, 4096)
        self.seen = self.seen.partition(text)[2]

    def type(self, text):
        """The terminal echoes it, then cat does."""
        os.write(self.master, text + b"\n")
        self.expect(text)
        self.expect(text)

    def end(self):
        os.write(self.master, b"\x04")
        equal(self.p.wait(20), 0)
        os.close(self.master)


@modes("shim", "no-shim")
def test_ssh_session(mode):
    with place(mode) as pl, host.workdir() as d, test_tools.sshd(d):
        t = Typist(pl, d, "ssh")
        for i in range(10):
            t.type(b"line %d of it" % i)
            upgrade(pl, "ssh")
        t.end()


def blocks(path):
    """(type, body) of a pcapng file of this host's byte order."""
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from("=II", data, at)
        assert size >= 12 and size % 4 == 0, (at, size)
        equal(struct.unpack_from("=I", data, at + size - 4)[0], size)
        yield kind, data[at + 8:at + size - 4]
        at += size


def times_of(path):
    """ns, of every packet."""
    for kind, body in blocks(path):
        if kind == 6:
            _, hi, lo = struct.unpack_from("=III", body)
            yield hi << 32 | lo


def test_capture_goes_on(mode):
    with place(mode) as pl, host.workdir() as d, web(20) as (port, want):
        pcap = os.path.join(d, "x.pcapng")
        p = pl.start("cap", ["curl", "-sS", f"http://10.0.2.2:{port}/"],
                     [*NAT, "--pcap", pcap, "--netem", "rate=200mbit"],
                     stdout=subprocess.PIPE)
        got, begun = [], threading.Event()
        t = threading.Thread(
            target=lambda: got.append(digest_of(p.stdout, begun)))
        t.start()
        assert begun.wait(20)
        before = time.time_ns()
        upgrade(pl, "cap", times=3, pause=0.05)
        after = time.time_ns()
        t.join(40)
        equal((p.wait(20), got), (0, [want]))
        kinds = [k for k, _ in blocks(pcap)]
        equal((kinds.count(0x0a0d0d0a), kinds.count(1)), (1, 1))
        times = list(times_of(pcap))
        equal(times, sorted(times))
        assert times[0] < before < after < times[-1] < time.time_ns()


def refused(pl, p, name, binary, text):
    r = check(pl.ctl("upgrade", name, "--binary", binary), 125)
    assert text in r.stderr.decode() and r.stderr.count(b"\n") == 1, r
    assert p.poll() is None
    equal(pl.ps()[name]["pid"], p.pid)


def a_file(d, name, text, mode=0o755):
    path = os.path.join(d, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


def test_refused(mode):
    """Each leaves the old one running, with its connections."""
    other = os.path.join(os.path.dirname(host.CORDON), "cordon-of-tomorrow")
    with place(mode) as pl, host.workdir() as d:
        p = pl.start("r", ["/usr/bin/python3", "-c", ECHO_SELF],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        for binary, text in (
                ("/bin/true", "no cordon"), ("/bin/false", "no cordon"),
                ("/nonexistent", "No such file"), (d, "regular"),
                ("/dev/null", "regular"),
                (a_file(d, "closed", "x", 0o644), "executable"),
                (a_file(d, "script", "#!/bin/sh\nexit 0\n"), "new program"),
                (a_file(d, "junk", "\x7fELFjunk"), "cannot run"),
                ("/bin/echo", "no cordon"),
                (other, "is of version 1 ")):
            refused(pl, p, "r", binary, text)
            p.stdin.write(b"again\n")
            p.stdin.flush()
            equal(p.stdout.readline(), b"again\n")
        upgrade(pl, "r")
        p.stdin.close()
        equal(p.wait(20), 0)


ECHO_SELF = r"""
import socket, sys
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(1)
a = socket.create_connection(l.getsockname()); b = l.accept()[0]
print('ready', flush=True)
for line in sys.stdin:
    a.sendall(line.encode()); print(b.recv(100).decode(), end='', flush=True)
"""

# A program that can load the image, and then cannot be run, or fails.
TRICK = r"""
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (argc < 3 || strcmp(argv[1], "upgrade-probe"))
		return 42;
	path[n] = 0;
	if (CLOSED)
		chmod(path, 0644);
	argv[0] = CORDON;
	execv(CORDON, argv);
	return 1;
}
"""


def trick(d, closed):
    host.need("gcc")
    source = a_file(d, "trick.c", TRICK)
    path = os.path.join(d, f"trick{closed}")
    check(host.run(["gcc", "-o", path, f"-DCLOSED={closed}",
                    f'-DCORDON="{host.CORDON}"', source]))
    return path


@modes("shim", "no-shim")
def test_exec_fails(mode):
    """The last step fails: everything was quiet, and goes on."""
    with place(mode) as pl, host.workdir() as d, web(50) as (port, want):
        for i in range(3):
            path = trick(d, 1)
            p = pl.start("f", ["curl", "-sS", f"http://10.0.2.2:{port}/"],
                         [*NAT, "--netem", "rate=400mbit"],
                         stdout=subprocess.PIPE)
            got, begun = [], threading.Event()
            t = threading.Thread(
                target=lambda: got.append(digest_of(p.stdout, begun)))
            t.start()
            assert begun.wait(20)
            r = check(pl.ctl("upgrade", "f", "--binary", path), 125)
            assert b"cannot run the new program: Permission denied" in \
                r.stderr, r
            t.join(40)
            equal((p.wait(20), got.pop()), (0, want))


@modes("shim", "user")
def test_new_one_fails(mode):
    """Past the point of no return: nothing is left of it."""
    with place(mode) as pl, host.workdir() as d:
        p = pl.start("x", ["sleep", "100"])
        os.chmod(d, 0o777)
        guest = pl.ps()["x"]["guest_pid"]
        r = check(pl.ctl("upgrade", "x", "--binary", trick(d, 0)), 125)
        assert b"it has ended" in r.stderr, r
        equal(p.wait(20), 42)
        until(lambda: not os.path.exists(f"/proc/{guest}"), "the guest lives")


def test_replaced_file(mode):
    """The default: what is now where it was started from."""
    with place(mode) as pl, host.workdir() as d:
        mine, own = os.path.join(d, "cordon"), host.CORDON
        shutil.copy(own, mine)
        host.CORDON = mine
        try:
            p = pl.start("n", ["sleep", "100"], [*NONE, "--no-shim"])
        finally:
            host.CORDON = own
        shutil.copy(own, mine + ".new")
        os.rename(mine + ".new", mine)
        upgrade(pl, "n", times=2)
        equal(os.readlink(f"/proc/{p.pid}/exe"), mine)
        os.unlink(mine)
        r = check(pl.ctl("upgrade", "n"), 125)
        assert b"--binary" in r.stderr, r
        upgrade(pl, "n", "--binary", own)


@modes("shim")
def test_other_build(mode):
    """There and back between two builds of the same version."""
    if not os.access(host.CORDON_ASAN, os.X_OK):
        raise host.Skip("there is no build with sanitizers")
    with place(mode) as pl:
        p = pl.start("o", ["/usr/bin/python3", "-c", ECHO_SELF],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        for binary in 2 * [host.CORDON_ASAN, host.CORDON]:
            upgrade(pl, "o", "--binary", binary)
            p.stdin.write(b"again\n")
            p.stdin.flush()
            equal(p.stdout.readline(), b"again\n")
        p.stdin.close()
        equal(p.wait(20), 0)


# Keeps the image that it is asked about, and the words.
KEEP = r"""
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	static char buf[1 << 20];
	FILE *image = fopen(KEPT, "w"), *words = fopen(KEPT ".argv", "w");
	ssize_t n;

	lseek(3, 0, SEEK_SET);
	while ((n = read(3, buf, sizeof buf)) > 0)
		fwrite(buf, 1, (size_t)n, image);
	for (int i = 3; i < argc; i++)
		fprintf(words, "%s%c", argv[i], 0);
	fclose(image);
	fclose(words);
	puts("kept");
	return 1;
}
"""


def kept_image(pl, name, d):
    source, kept = a_file(d, "keep.c", KEEP), os.path.join(d, "image")
    path = os.path.join(d, "keep")
    check(host.run(["gcc", "-o", path, f'-DKEPT="{kept}"', source]))
    r = check(pl.ctl("upgrade", name, "--binary", path), 125)
    assert b"the new program refuses: kept" in r.stderr, r
    with open(kept, "rb") as f, open(kept + ".argv", "rb") as g:
        return f.read(), g.read().split(b"\0")[:-1]


def probe(image, words):
    """Exit code and words of a program that tries this image."""
    fd = os.memfd_create("image", os.MFD_ALLOW_SEALING)
    try:
        os.write(fd, image)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE |
                    fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        r = host.run([host.CORDON, "upgrade-probe", str(fd), *words],
                     pass_fds=[fd])
        return r.returncode, r.stdout + r.stderr
    finally:
        os.close(fd)


@modes("shim")
@seconds(120)
def test_hostile_images(mode):
    """Cut, with bits turned, of other versions: refused in words, or loaded;
    never a crash, and the sandbox that they are of goes on."""
    host.need("gcc")
    with place(mode) as pl, host.workdir() as d, busy_listener() as (s, fill):
        p = pl.start("h", ["/usr/bin/python3", "-c", WAITING,
                           str(s.getsockname()[1])],
                     [*NAT, "-p", "127.0.0.1:8082:80", "--netem",
                      "delay=1ms"],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        image, words = kept_image(pl, "h", d)
        code, said = probe(image, words)
        equal((code, b"can be loaded" in said), (0, True), said)
        rnd, loaded = random.Random(7), 0
        for i in range(300):
            bad = bytearray(image)
            if i % 3 == 0:
                del bad[rnd.randrange(1, len(bad)):]
            else:
                for _ in range(rnd.choice([1, 1, 3, 30])):
                    # Heads of records rather than queues of bytes.
                    at = rnd.randrange(min(len(bad), 40000))
                    bad[at] = rnd.choice([0, 255, bad[at] ^
                                          1 << rnd.randrange(8)])
            code, said = probe(bytes(bad), words)
            assert code in (0, 125), (i, code, said)
            assert code == 0 or (said.startswith(b"cordon: ") and
                                 said.count(b"\n") == 1), (i, said)
            assert code or i % 3, (i, "a cut image was loaded")
            loaded += code == 0
        print(f"    {loaded} of 200 with turned bits could be loaded",
              file=sys.stderr)
        equal(probe(b"", words)[0], 125)
        equal(p.poll(), None)
        upgrade(pl, "h")


def many(mode, n):
    """Upgrades in a row under nginx and wrk, and an ssh session."""
    with place(mode) as pl, host.workdir() as d, host.workdir() as keys, \
            test_tools.sshd(keys):
        load = test_servers.script(d, test_servers.WAIT + test_servers.NGINX +
                                   "wrk -t1 -c16 -d3600 http://127.0.0.1:8000/"
                                   " >wrk.out & wrk=$!\necho ready; read x\n"
                                   "kill -INT $wrk; wait $wrk || true\n"
                                   "cat wrk.out; kill $server\n")
        p = pl.start("web", load, stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        t, stalls = Typist(pl, keys, "ssh"), []
        for i in range(n):
            stalls += upgrade(pl, "web")
            upgrade(pl, "ssh")
            if i % 10 == 0:
                t.type(b"line %d" % i)
        t.end()
        out = p.communicate(b"stop\n", 60)[0].decode()
        assert "requests in" in out and "Socket errors" not in out and \
            "Non-2xx" not in out, out
        say(stalls)


@modes("shim", "no-shim")
@seconds(120)
def test_many(mode):
    many(mode, 50)


@modes("shim", "no-shim")
@seconds(900)
@slow
def test_thousand(mode):
    many(mode, 1000)
