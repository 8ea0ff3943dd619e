# SPDX-License-Identifier: Apache-2.0
"""Through a tap device: the kernel's TCP/IP as peer, in a namespace of its own.

The sandbox owns 10.9.0.2/24 and fd09::2/64 on tap0, the kernel 10.9.0.1."""

import contextlib
import os
import re
import socket
import subprocess
import time

import host
from e2e import servers_on_host as servers
from host import check, equal, inside, modes

TAP = "cordontap0"
OPTIONS = ["--net", f"tap:{TAP}", "--ip", "10.9.0.2/24", "--ip", "fd09::2/64",
           "--gateway", "10.9.0.1", "--gateway", "fd09::1"]


def sh(*argv):
    return check(host.run(list(argv)))


@contextlib.contextmanager
def tap(mode, mtu=1500):
    if not os.path.exists("/dev/net/tun"):
        raise host.Skip("no /dev/net/tun")
    owner = ["user", str(host.USER)] if host.MODES[mode][1] else []
    if owner:
        os.chmod("/dev/net/tun", 0o666)
    sh("ip", "tuntap", "add", TAP, "mode", "tap", "vnet_hdr", *owner)
    try:
        sh("ip", "addr", "add", "10.9.0.1/24", "dev", TAP)
        sh("ip", "-6", "addr", "add", "fd09::1/64", "dev", TAP, "nodad")
        sh("ip", "link", "set", TAP, "mtu", str(mtu), "up")
        yield
    finally:
        sh("ip", "link", "del", TAP)


@contextlib.contextmanager
def kernel_iperf():
    """For one client: a server is busy for a while after it."""
    with host.background(["iperf3", "-s", "-1", "-p", "5301", "--forceflush"],
                         stdout=subprocess.PIPE) as p:
        for line in p.stdout:
            if b"listening" in line:
                break
        yield


def iperf(mode, *args):
    to = "fd09::1" if "-6" in args else "10.9.0.1"
    with kernel_iperf():
        return inside(["iperf3", "-c", to, "-p", "5301", "-t", "1", "-f", "m",
                       *args], mode, OPTIONS).decode()


def test_bulk_both_ways(mode):
    with tap(mode):
        for args in [], ["-R"], ["-P", "4"], ["-6"]:
            out = iperf(mode, *args)
            rates = re.findall(r"([\d.]+) Mbits/sec.*receiver", out)
            assert rates and float(rates[-1]) > 50, out


@contextlib.contextmanager
def loss(percent):
    """Drops packets of the tap both ways, by the kernel's packet filter."""
    if not os.path.exists("/usr/sbin/nft"):
        raise host.Skip("nft is not installed")
    rules = "add table inet loss\n"
    for hook, dev in ("input", "iifname"), ("output", "oifname"):
        rules += (f"add chain inet loss {hook} {{ type filter hook {hook} "
                  "priority 0; }\n"
                  f"add rule inet loss {hook} {dev} {TAP} numgen random mod "
                  f"1000 < {int(percent * 10)} drop\n")
    r = subprocess.run(["nft", "-f", "-"], input=rules.encode(),
                       capture_output=True)
    if r.returncode:
        raise host.Skip("nft: " + r.stderr.decode())
    try:
        yield
    finally:
        subprocess.run(["nft", "delete", "table", "inet", "loss"])


def test_bulk_with_loss(mode):
    code = r"""
import hashlib, os, socket, sys
s = socket.create_connection(('10.9.0.1', int(sys.argv[1])), 20)
import threading
data = os.urandom(1 << 20); n = 8
t = threading.Thread(target=lambda: [s.sendall(data) for _ in range(n)]
                     + [s.shutdown(socket.SHUT_WR)])
t.start(); h = hashlib.sha256(); got = 0
while d := s.recv(65536): h.update(d); got += len(d)
print(got == n << 20, h.digest() == hashlib.sha256(data * n).digest())
"""
    with tap(mode), loss(1), tap_echo() as port:
        equal(inside(["/usr/bin/python3", "-c", code, str(port)], mode,
                     OPTIONS, timeout=100), b"True True\n")


def tap_echo():
    return servers.threaded(servers.TCPServer(("10.9.0.1", 0), servers.Echo))


def test_server_inside_kernel_client(mode):
    code = ("import socket; s = socket.create_server(('0.0.0.0', 8000)); "
            "print('ready', flush=True)\n"
            "for i in range(20):\n c, a = s.accept(); "
            "c.sendall(a[0].encode()); c.close()")
    with tap(mode):
        p = subprocess.Popen(host.cordon(["/usr/bin/python3", "-c", code],
                                         mode, OPTIONS),
                             stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        for _ in range(20):
            with socket.create_connection(("10.9.0.2", 8000), 5) as s:
                equal(s.recv(99), b"10.9.0.1")
        equal(p.wait(10), 0)


def test_ping_both_ways(mode):
    with tap(mode):
        for to in "10.9.0.1", "fd09::1":
            inside(["ping", "-c", "2", "-i", "0.1", "-W", "2", "-n", to],
                   mode, OPTIONS)
        p = subprocess.Popen(host.cordon(["sleep", "5"], mode, OPTIONS))
        time.sleep(0.5)
        for to in "10.9.0.2", "fd09::2":
            sh("ping", "-c", "2", "-i", "0.1", "-W", "2", "-n", to)
        sh("ping", "-c", "2", "-i", "0.1", "-W", "2", "-n", "-s", "8000",
           "10.9.0.2")
        p.terminate()
        p.wait(10)


def test_udp(mode):
    code = r"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
for size in 0, 1, 1400, 5000, 60000:
    s.sendto(b'x' * size, ('10.9.0.1', int(sys.argv[1])))
    print(len(s.recv(65536)))
"""
    with tap(mode), servers.udp_echo_server("10.9.0.1") as port:
        equal(inside(["/usr/bin/python3", "-c", code, str(port)], mode,
                     OPTIONS), b"0\n1\n1400\n5000\n60000\n")


def test_unresolved_neighbour(mode):
    code = r"""
import socket, time, errno
s = socket.socket(); t = time.monotonic()
try: s.connect(('10.9.0.77', 80))
except OSError as e: print(errno.errorcode[e.errno])
print(2 < time.monotonic() - t < 6)
s = socket.socket(); s.setblocking(False); t = time.monotonic()
print(errno.errorcode[s.connect_ex(('10.9.0.78', 80))],
      time.monotonic() - t < 0.5)
"""
    with tap(mode):
        equal(inside(["/usr/bin/python3", "-c", code], mode, OPTIONS),
              b"EHOSTUNREACH\nTrue\nEINPROGRESS True\n")


def test_refused_by_kernel(mode):
    with tap(mode):
        r = host.run(host.cordon(["curl", "-sS", "http://10.9.0.1:9/"], mode,
                                 OPTIONS))
        equal(r.returncode, 7, "curl's exit code")


def test_small_mtu(mode):
    with tap(mode, mtu=1280):
        out = iperf(mode)
        assert "receiver" in out, out


@modes("shim", "user")
def test_no_permission(mode):
    """A tap that we may not use: one line, exit 125."""
    if mode == "shim":
        options = ["--net", "tap:lo"]
    else:
        options = ["--net", "tap:forbidden0"]
    r = host.run(host.cordon(["true"], mode, options))
    equal(r.returncode, 125, "exit code")
    assert r.stderr.count(b"\n") == 1, r.stderr
