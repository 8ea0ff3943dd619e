# SPDX-License-Identifier: Apache-2.0
"""Hot upgrades under traffic: nothing that is under way is lost."""

import os
import pty
import re
import socket
import struct
import subprocess
import threading
import time

import host
from e2e import test_servers, test_tap, test_tools
from e2e.place import place, until
from e2e.upgrades import NAT, Download, say, upgrade, web
from host import equal, modes, seconds, slow


@modes(*host.PLAIN, "autosave", "autosave-1")
def test_download(mode):
    """Real curl; the reader is slow, so that it lasts for 20 upgrades."""
    with place(mode) as pl, web(300) as (port, want):
        got = Download(pl, "dl", port, ["--netem", "rate=1gbit,delay=1ms"])
        stalls = upgrade(pl, "dl", times=20, pause=0.01)
        got.must_be(want)
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


CONNECTS = r"""
import errno, select, socket, threading
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(100)
def serve():
    while True:
        c, _ = l.accept(); assert c.recv(1) == b'x'; c.close()
t = threading.Thread(target=serve, daemon=True); t.start()
print('ready', flush=True)
stop, n = [], 0
threading.Thread(target=lambda: stop.append(input()), daemon=True).start()
while not stop:
    ss = [socket.socket() for i in range(8)]
    for s in ss:
        s.setblocking(False)
        assert s.connect_ex(l.getsockname()) == errno.EINPROGRESS
    for s in ss:
        assert select.select([], [s], [], 20)[1] == [s]
        assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
        s.send(b'x'); s.close(); n += 1
assert t.is_alive() and n > 100, n
print('fine')
"""


@modes("shim", "no-shim", "autosave")
def test_connects(mode):
    """Calls that are just being answered: each has one answer."""
    with place(mode) as pl:
        p = pl.start("c", ["/usr/bin/python3", "-c", CONNECTS],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                     stderr=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n", p.poll())
        upgrade(pl, "c", times=100)
        equal(p.communicate(b"stop\n", 40), (b"fine\n", b""))


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


@modes(*host.PLAIN, "autosave")
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


@modes("shim", "no-shim", "autosave")
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
        got = Download(pl, "cap", port,
                       ["--pcap", pcap, "--netem", "rate=200mbit"])
        before = time.time_ns()
        upgrade(pl, "cap", times=3, pause=0.05)
        after = time.time_ns()
        got.must_be(want)
        kinds = [k for k, _ in blocks(pcap)]
        equal((kinds.count(0x0a0d0d0a), kinds.count(1)), (1, 1))
        times = list(times_of(pcap))
        equal(times, sorted(times))
        assert times[0] < before < after < times[-1] < time.time_ns()


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


@modes("shim", "no-shim", "autosave", "autosave-1000")
@seconds(120)
def test_many(mode):
    many(mode, 50)


@modes("shim", "no-shim")
@seconds(900)
@slow
def test_thousand(mode):
    many(mode, 1000)
