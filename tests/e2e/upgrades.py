# SPDX-License-Identifier: Apache-2.0
"""What tests of hot upgrades share."""

import contextlib
import hashlib
import http.server
import os
import re
import socket
import subprocess
import sys
import threading
import time

from host import check, equal

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


class Download:
    """curl of all that web() serves, which has begun and goes on."""

    def __init__(self, pl, name, port, options):
        self.p = pl.start(name, ["curl", "-sS", f"http://10.0.2.2:{port}/"],
                          [*NAT, *options], stdout=subprocess.PIPE)
        self.digest = hashlib.sha256()
        begun = threading.Event()
        self.reader = threading.Thread(target=self.read, args=(begun,))
        self.reader.start()
        assert begun.wait(20)

    def read(self, begun):
        while block := self.p.stdout.read(1 << 18):
            self.digest.update(block)
            begun.set()

    def must_be(self, want):
        self.reader.join(50)
        equal(self.p.wait(20), 0)
        equal(self.digest.digest(), want)


def a_file(d, name, text, mode=0o755):
    path = os.path.join(d, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)
    return path


ECHO_SELF = r"""
import socket, sys
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(1)
a = socket.create_connection(l.getsockname()); b = l.accept()[0]
print('ready', flush=True)
for line in sys.stdin:
    a.sendall(line.encode()); print(b.recv(100).decode(), end='', flush=True)
"""


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
