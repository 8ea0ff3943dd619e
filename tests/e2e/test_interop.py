# SPDX-License-Identifier: Apache-2.0
"""Our TCP and the kernel's over an impaired tap: each congestion control, both
directions, options on and off, tiny windows, every size of MTU. Each byte is
compared."""

import contextlib
import random
import socket
import threading

from e2e.test_tap import OPTIONS, tap
from host import inside, modes

PORT = 5311
SIZE = 3 << 20
BAD = "delay=4ms,jitter=1ms,loss=1%,dup=0.5%,reorder=1%,corrupt=0.1%,seed=5"

CLIENT = r"""
import random, socket, sys
size, sndbuf, rcvbuf = map(int, sys.argv[1:4])
data = random.Random(7).randbytes(size)
def dial(cc):
    s = socket.socket()
    s.settimeout(50)
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, cc)
    if sndbuf: s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
    if rcvbuf: s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
    s.connect(("10.9.0.1", 5311))
    return s
for cc in b"reno", b"cubic", b"bbr":
    s = dial(cc)
    s.sendall(b"u" + size.to_bytes(8, "big"))
    s.sendall(data)
    s.shutdown(socket.SHUT_WR)
    assert s.recv(2) == b"ok", cc
    s = dial(cc)
    s.sendall(b"d" + size.to_bytes(8, "big"))
    got = bytearray()
    while chunk := s.recv(65536):
        got += chunk
    assert got == data, (cc, len(got))
    print(cc.decode())
"""


def exactly(s, n):
    got = bytearray()
    while len(got) < n:
        chunk = s.recv(min(65536, n - len(got)))
        if not chunk:
            raise ConnectionError(f"end after {len(got)} of {n} bytes")
        got += chunk
    return bytes(got)


def serve_one(s):
    with s:
        s.settimeout(50)
        head = exactly(s, 9)
        size = int.from_bytes(head[1:], "big")
        data = random.Random(7).randbytes(size)
        if head[:1] == b"d":
            s.sendall(data)
            return
        same = exactly(s, size) == data and s.recv(1) == b""
        s.sendall(b"ok" if same else b"no")


def serve(listener):
    while True:
        try:
            s, _ = listener.accept()
        except OSError:
            return  # closed: the test is over
        threading.Thread(target=serve_one, args=(s,), daemon=True).start()


@contextlib.contextmanager
def server(sndbuf=0, rcvbuf=0):
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sndbuf:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, sndbuf)
        if rcvbuf:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf)
        listener.bind(("10.9.0.1", PORT))
        listener.listen()
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def kernel_settings(values):
    """Of this network namespace."""
    before = {}
    try:
        for name, value in values.items():
            with open(f"/proc/sys/net/ipv4/{name}", "r+") as f:
                before[name] = f.read()
                f.seek(0)
                f.write(value)
        yield
    finally:
        for name, value in before.items():
            with open(f"/proc/sys/net/ipv4/{name}", "w") as f:
                f.write(value)


def exchange(mode, mtu=1500, kernel=None, ours=(), netem=BAD, size=SIZE,
             sndbuf=0, rcvbuf=0):
    options = [*OPTIONS, "--netem", netem]
    for setting in ours:
        options += ["--sysctl", setting]
    with tap(mode, mtu), kernel_settings(kernel or {}), \
            server(sndbuf, rcvbuf):
        out = inside(["/usr/bin/python3", "-c", CLIENT, str(size),
                      str(sndbuf), str(rcvbuf)], mode, options, timeout=170)
        assert out.decode().split() == ["reno", "cubic", "bbr"], out


@modes("shim")
def test_bad_link(mode):
    exchange(mode)


@modes("shim")
def test_ecn(mode):
    marked = BAD + ",rate=50mbit,limit=200000b,ecn=30000b"
    exchange(mode, kernel={"tcp_ecn": "1"}, ours=["tcp_ecn=1"], netem=marked)


@modes("shim")
def test_no_timestamps(mode):
    exchange(mode, ours=["tcp_timestamps=0"])
    exchange(mode, kernel={"tcp_timestamps": "0"})


@modes("shim")
def test_no_sack(mode):
    exchange(mode, ours=["tcp_sack=0"], size=SIZE // 3)
    exchange(mode, kernel={"tcp_sack": "0"}, size=SIZE // 3)


@modes("shim")
def test_no_window_scaling(mode):
    exchange(mode, ours=["tcp_window_scaling=0"])


@modes("shim")
def test_tiny_windows(mode):
    exchange(mode, sndbuf=4608, rcvbuf=2304, size=SIZE // 40,
             netem="delay=1ms,loss=1%,seed=6")


@modes("shim")
def test_small_mtu(mode):
    exchange(mode, mtu=576, size=SIZE // 2)


@modes("shim")
def test_large_mtu(mode):
    exchange(mode, mtu=9000)
    exchange(mode, mtu=65521)  # the largest of a tap
