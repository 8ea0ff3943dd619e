# SPDX-License-Identifier: Apache-2.0
"""Servers inside, clients on the host: -p."""

import os
import signal
import socket
import struct
import subprocess
import threading
import time

import host
from host import equal

SERVER = r"""
import socketserver, struct, socket, sys
class H(socketserver.BaseRequestHandler):
    def handle(self):
        r = self.request
        first = r.recv(65536)
        if first.startswith(b'reset'):
            r.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack('ii', 1, 0)); r.close(); return
        if first.startswith(b'half'):
            n = len(first)
            while d := r.recv(65536): n += len(d)
            r.sendall(b'%d' % n); return
        r.sendall(first)
        while d := r.recv(65536): r.sendall(d)
class S(socketserver.ThreadingTCPServer):
    request_queue_size = 1024; allow_reuse_address = True; daemon_threads = True
S(('0.0.0.0', 8000), H).serve_forever()
"""


def server(mode, *options):
    return host.background(host.cordon(["/usr/bin/python3", "-c", SERVER],
                                       mode, options),
                           stderr=subprocess.DEVNULL)


def wait_echo(port):
    """The published port accepts before the server inside listens."""
    for _ in range(300):
        try:
            with socket.create_connection(("127.0.0.1", port), 5) as s:
                s.sendall(b"hello")
                if s.recv(5) == b"hello":
                    return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("the published server never answered")


def test_hundreds_of_connections(mode):
    with server(mode, "-p", "18000:8000"):
        wait_echo(18000)
        socks = [socket.create_connection(("127.0.0.1", 18000), 30)
                 for _ in range(300)]
        for i, s in enumerate(socks):
            s.sendall(b"hello %d" % i)
        for i, s in enumerate(socks):
            equal(s.recv(99), b"hello %d" % i)
            s.close()


def test_half_close_and_reset(mode):
    with server(mode, "-p", "127.0.0.1:18001:8000"):
        wait_echo(18001)
        with socket.create_connection(("127.0.0.1", 18001), 10) as s:
            s.sendall(b"half" + b"x" * 1000000)
            s.shutdown(socket.SHUT_WR)
            equal(s.recv(99), b"1000004")
            equal(s.recv(99), b"")
        with socket.create_connection(("127.0.0.1", 18001), 10) as s:
            s.sendall(b"reset")
            try:
                got = s.recv(99)
            except ConnectionResetError:
                got = "reset"
            equal(got, "reset", "what the host's client sees")


def test_bulk_both_ways(mode):
    block = os.urandom(1 << 20)
    with server(mode, "-p", "18002:8000"):
        wait_echo(18002)
        with socket.create_connection(("127.0.0.1", 18002), 30) as s:
            def send():
                for _ in range(64):
                    s.sendall(block)
                s.shutdown(socket.SHUT_WR)
            t = threading.Thread(target=send)
            t.start()
            got = 0
            while d := s.recv(1 << 20):
                at = got % len(block)
                part = (block + block)[at:at + len(d)]
                equal(d, part, f"bytes at {got}")
                got += len(d)
            t.join()
            equal(got, 64 << 20, "bytes")


def test_port_in_use(mode):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        port = s.getsockname()[1]
        r = host.run(host.cordon(["true"], mode,
                                 ["-p", f"127.0.0.1:{port}:80"]))
    equal(r.returncode, 125, "exit code")
    assert str(port).encode() in r.stderr and \
        r.stderr.count(b"\n") == 1, r.stderr


def test_again_after_a_kill(mode):
    """The kernel lets go of the port a little later than of the process."""
    for _ in range(8):
        with server(mode, "-p", "127.0.0.1:8093:8000") as p:
            wait_echo(8093)
            assert p.poll() is None
            os.killpg(p.pid, signal.SIGKILL)
            p.wait()


def test_client_resets(mode):
    """The host's client resets: the server inside goes on serving."""
    with server(mode, "-p", "18003:8000"):
        wait_echo(18003)
        for _ in range(50):
            s = socket.create_connection(("127.0.0.1", 18003), 10)
            s.sendall(b"hello")
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                         struct.pack("ii", 1, 0))
            s.close()
        wait_echo(18003)
