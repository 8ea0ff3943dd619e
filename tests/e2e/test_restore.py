# SPDX-License-Identifier: Apache-2.0
"""cordon restore: the sockets of an image, in the hands of another program."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import threading
import time

import host
from e2e.test_control import NONE, place, until
from e2e.upgrades import busy_listener
from host import check, equal, modes, seconds

# A guest that makes sockets, says so, and waits.
BEFORE = "import os, select, socket, struct, sys, time\n%s\n" \
         "print('ready', flush=True); time.sleep(100)\n"

# What begins afterwards: `by` has the sockets by proto and local port; of two
# with the same, the one that says where it is connected to as well.
AFTER = r"""
import json, os, select, socket, struct, sys
fd = int(os.environ['CORDON_FDS_FD'])
v = json.loads(open(fd).read())
assert fd == 3 + len(v) and [x['fd'] for x in v] == list(range(3, fd)), v
if 'CORDON_FDS' in os.environ: assert json.loads(os.environ['CORDON_FDS']) == v
by = {}
for x in v:
    s = socket.socket(fileno=x['fd'])
    s.settimeout(10)
    at = x['proto'], int(x['local'].rsplit(':')[-1])
    to = int(x.get('remote', ':0').rsplit(':')[-1])
    by[(*at, to) if at in by else at] = s
of = {s.fileno(): x for s in by.values() for x in v if x['fd'] == s.fileno()}
def raises(error, fn, *a):
    try: fn(*a)
    except error: return
    raise Exception('no ' + error.__name__)
%s
print('fine', flush=True)
"""
TAP = ["--net", "tap:tap7", "--ip", "10.9.0.2/24", "--gateway", "10.9.0.1"]


class Restored:
    """Runs `before`, saves it, kills it; then `after`, of the image."""

    def __init__(self, pl, before, options=NONE):
        self.pl, self.options = pl, options
        self.image = os.path.join(pl.dir, "image")
        self.p = pl.start("box", ["/usr/bin/python3", "-c", BEFORE % before],
                          options, stdout=subprocess.PIPE)
        equal(self.p.stdout.readline(), b"ready\n")

    def save(self):
        self.pl.ok("save", "box", self.image)
        # Its kernel has no time to end the connections.
        self.p.send_signal(signal.SIGKILL)
        self.p.wait(20)
        if "tap:tap7" in self.options:
            tap_is_free()

    def argv(self, words, options, program):
        given = self.options if options is None else options
        return host.as_user(self.pl.uid, [
            host.CORDON, "restore", *words, self.image,
            *host.MODES[self.pl.mode][0], *given, "--name", "again", "--",
            *program])

    def begin(self, after, words=(), options=None):
        program = ["/usr/bin/python3", "-c", AFTER % after]
        q = subprocess.Popen(
            self.argv(words, options, program), env=self.pl.env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        self.pl.running.append(q)
        return q

    def ends(self, q, stderr=b""):
        out, err = q.communicate(timeout=30)
        equal((out, err, q.returncode), (b"fine\n", stderr, 0))

    def close(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.image)


@contextlib.contextmanager
def restored(mode, before, options=NONE):
    with place(mode) as pl:
        with contextlib.closing(Restored(pl, before, options)) as r:
            yield r


def tap_is_free():
    """LINUX: what io_uring holds goes some moments after the process."""
    until(lambda: b"NO-CARRIER" in check(
        host.run(["ip", "link", "show", "tap7"])).stdout, "tap7 is in use")


@contextlib.contextmanager
def tap():
    for c in ("tuntap add tap7 mode tap", "addr add 10.9.0.1/24 dev tap7",
              "link set tap7 up"):
        check(host.run(["ip", *c.split()]))
    try:
        yield
    finally:
        host.run(["ip", "link", "del", "tap7"])


@contextlib.contextmanager
def listening(port):
    with socket.socket() as l:
        l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        l.bind(("10.9.0.1", port))
        l.listen(5)
        l.settimeout(20)
        yield l


LOOPBACK = r"""
l = socket.socket(); l.bind(('127.0.0.1', 1000)); l.listen(8)
def opener(port):
    s = socket.socket(); s.bind(('127.0.0.1', port)); s.connect(('127.0.0.1', 1000))
    return s
a = opener(2000); b, _ = l.accept()
half = opener(2001); c, _ = l.accept(); half.shutdown(socket.SHUT_WR)
waits = opener(2002)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 3000))
w = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); w.bind(('127.0.0.1', 3001))
w.connect(u.getsockname())
# Three wait, there is room for two; what the third says waits with it.
k = socket.socket(); k.bind(('0.0.0.0', 1001)); k.listen(1)
def crowd(port):
    s = socket.socket(); s.bind(('127.0.0.1', port)); s.setblocking(False)
    s.connect_ex(('127.0.0.1', 1001)); return s
row = [crowd(2010 + i) for i in range(3)]
time.sleep(.2)
s6 = socket.socket(socket.AF_INET6); s6.bind(('::1', 1006)); s6.listen(3)
"""
LOOPBACK_AFTER = r"""
a, b = by['tcp', 2000], by['tcp', 1000, 2000]
for x, y in (a, b), (b, a):
    x.sendall(b'across'); assert y.recv(10) == b'across'
half, c = by['tcp', 2001], by['tcp', 1000, 2001]
assert c.recv(10) == b''
c.sendall(b'back'); assert half.recv(10) == b'back'
raises(BrokenPipeError, half.send, b'x')
d, peer = by['tcp', 1000].accept()
assert peer == ('127.0.0.1', 2002)
by['tcp', 2002].sendall(b'late'); assert d.recv(10) == b'late'
by['tcp', 2002].close(); assert d.recv(10) == b''
k = by['tcp', 1001]
for i in range(3):
    e, peer = k.accept(); assert peer == ('127.0.0.1', 2010 + i), peer
    by['tcp', 2010 + i].sendall(b'%d' % i); assert e.recv(10) == b'%d' % i
assert len([x for x in v if x['local'].endswith(':1001')]) == 1, v
s = socket.create_connection(('127.0.0.1', 1000)); by['tcp', 1000].accept()
w, u = by['udp', 3001], by['udp', 3000]
w.send(b'dg'); assert u.recvfrom(9) == (b'dg', ('127.0.0.1', 3001))
t = socket.create_connection(('::1', 1006)); by['tcp', 1006].accept()
assert of[by['tcp', 1006].fileno()]['family'] == 6
"""


@modes("shim", "no-shim", "user", "autosave-1")
def test_loopback(mode):
    """Both ends of connections within the sandbox; queues of listeners."""
    with restored(mode, LOOPBACK) as r:
        r.save()
        for words in [], ["--clone"]:
            r.ends(r.begin(LOOPBACK_AFTER, words))


CLOSED = r"""
l = socket.socket(); l.bind(('127.0.0.1', 1000)); l.listen(8)
new = socket.socket()
new.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
new6 = socket.socket(socket.AF_INET6)
new6.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 77)
bound = socket.socket(); bound.bind(('127.0.0.1', 1001))
hit = socket.socket(); hit.bind(('127.0.0.1', 2000))
hit.connect(l.getsockname())
b, _ = l.accept()
b.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
b.close()
refused = socket.socket(); refused.setblocking(False)
refused.bind(('127.0.0.1', 2001)); refused.connect_ex(('127.0.0.1', 9))
"""
CLOSED_AFTER = r"""
news = [socket.socket(fileno=os.dup(x['fd'])) for x in v if x['local'].endswith(':0')]
assert sorted(s.family for s in news) == [socket.AF_INET, socket.AF_INET6], v
for s in news:
    s.settimeout(10)
    if s.family == socket.AF_INET:
        assert s.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 77
        s.connect(('127.0.0.1', 1000)); by['tcp', 1000].accept()
bound = by['tcp', 1001]
raises(OSError, socket.create_server, ('127.0.0.1', 1001))
bound.listen(); socket.create_connection(('127.0.0.1', 1001)); bound.accept()
for port in 2000, 2001:  # ended, which was told: they may be used again
    by['tcp', port].connect(('127.0.0.1', 1001)); bound.accept()
"""


@modes("shim", "no-shim")
def test_closed_sockets(mode):
    """New ones, bound ones: what could be done with them still can be."""
    with restored(mode, CLOSED) as r:
        r.save()
        r.ends(r.begin(CLOSED_AFTER))


RAW = r"""
p = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
p.bind(('127.0.0.1', 4321))
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
r.setsockopt(255, 1, struct.pack('i', ~1))  # ICMP_FILTER: echo replies only
q = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 89)
c = socket.socket(socket.AF_INET, socket.SOCK_RAW, 77)
c.connect(('127.0.0.1', 0))
"""
RAW_AFTER = r"""
raw = {(x['family'], x['protocol']): socket.socket(fileno=os.dup(x['fd']))
       for x in v if x['proto'] == 'raw'}
for s in raw.values(): s.settimeout(10)
ping = by['ping', 4321]
echo = struct.pack('!BBHHH', 8, 0, 0, 0, 1) + b'payload'
ping.sendto(echo, ('127.0.0.1', 0))
got = ping.recv(100)
assert got[0] == 0 and got[8:] == b'payload' and got[4:6] == b'\x10\xe1', got
r = raw[4, 1]
assert r.getsockopt(255, 1, 4) == struct.pack('i', ~1)
got = r.recv(100)
assert got[20] == 0 and got[28:] == b'payload', got  # not the request
c = raw[4, 77]
c.send(b'to myself'); assert c.recv(100)[20:] == b'to myself'
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, 89)
s.sendto(b'six', ('::1', 0)); assert raw[6, 89].recv(10) == b'six'
"""


@modes("shim", "no-shim")
def test_raw_and_ping(mode):
    with restored(mode, RAW) as r:
        r.save()
        r.ends(r.begin(RAW_AFTER))


WIRE = """
s = socket.socket(); s.connect(('10.9.0.1', 5000)); s.sendall(b'one')
l = socket.socket(); l.bind(('10.9.0.2', 6000)); l.listen(5)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('10.9.0.2', 7000))
"""
WIRE_AFTER = """
s = [s for s in by.values() if of[s.fileno()].get('remote') == '10.9.0.1:5000'][0]
assert s.getpeername() == ('10.9.0.1', 5000) and s.recv(100) == b'meanwhile'
s.sendall(b'two')
c, a = by['tcp', 6000].accept(); assert c.recv(10) == b'hello'
d, f = by['udp', 7000].recvfrom(100); by['udp', 7000].sendto(d + b'!', f)
assert s.recv(10) == b''
"""


@modes("shim", "no-shim")
def test_wire(mode):
    """Connections over a tap to the kernel's TCP go on."""
    for words in [], ["--clone"]:
        with tap(), listening(5000) as l, restored(mode, WIRE, TAP) as r:
            a, _ = l.accept()
            a.settimeout(10)
            equal(a.recv(10), b"one")
            r.save()
            a.sendall(b"meanwhile")
            q = r.begin(WIRE_AFTER, words)
            equal(a.recv(10), b"two")
            with socket.create_connection(("10.9.0.2", 6000), 10) as b:
                b.sendall(b"hello")
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as w:
                w.settimeout(10)
                w.sendto(b"dg", ("10.9.0.2", 7000))
                equal(w.recv(10), b"dg!")
            a.close()
            r.ends(q)


def drop(port):
    """The kernel loses what comes to this port, until told otherwise."""
    rule = f"add table ip lost; add chain ip lost in {{ type filter hook " \
           f"input priority 0; }}; add rule ip lost in tcp dport {port} drop"
    check(host.run(["nft", rule]))


def drop_no_more():
    host.run(["nft", "delete table ip lost"])


OPENING = """
s = socket.socket(); s.setblocking(False); s.bind(('10.9.0.2', 2000))
assert s.connect_ex(('10.9.0.1', 5000)) == 115
t = socket.socket(); t.setblocking(False); t.bind(('10.9.0.2', 2001))
assert t.connect_ex(('10.9.0.1', 5000)) == 115
time.sleep(.2)
"""
OPENING_AFTER = """
s, t = by['tcp', 2000], by['tcp', 2001]
assert of[s.fileno()]['state'] == 'SYN_SENT', v
s.setblocking(False)
assert select.select([s], [s], [s], 0.5) == ([], [], [])
assert s.connect_ex(('10.9.0.1', 5000)) == 114
print('opening', flush=True)
assert select.select([], [s], [], 20)[1] == [s]
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
s.sendall(b'open')
t.setblocking(True); t.connect(('10.9.0.1', 5000)); t.sendall(b'open')
"""


@modes("shim", "no-shim")
def test_opening(mode):
    """SYN-SENT: still connecting, for poll and for connect; SYNs go on."""
    host.need("nft")
    with tap(), listening(5000) as l:
        drop(5000)
        try:
            with restored(mode, OPENING, TAP) as r:
                r.save()
                q = r.begin(OPENING_AFTER)
                equal(q.stdout.readline(), b"opening\n", q.poll())
                drop_no_more()
                for _ in range(2):
                    a, _ = l.accept()
                    a.settimeout(20)
                    equal(a.recv(10), b"open")
                    a.close()
                r.ends(q)
        finally:
            drop_no_more()


@modes("shim", "no-shim")
def test_opening_is_refused(mode):
    """And what comes of it, if nobody listens any more."""
    after = """
s, t = by['tcp', 2000], by['tcp', 2001]
s.setblocking(False)
p = select.poll(); p.register(s, select.POLLOUT)
assert p.poll(20000)[0][1] & select.POLLERR
assert s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 111
t.setblocking(True); raises(ConnectionRefusedError, t.connect, ('10.9.0.1', 5000))
"""
    host.need("nft")
    with tap():
        drop(5000)
        try:
            with restored(mode, OPENING, TAP) as r:
                r.save()
                drop_no_more()
                r.ends(r.begin(after))
        finally:
            drop_no_more()


FLIGHT = """
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('10.9.0.2', 7000))
u.sendto(b'warm', ('10.9.0.1', 7001)); u.recv(10)
for i in range(20): u.sendto(b'%d' % i, ('10.9.0.1', 7001))
"""


@modes("shim", "no-shim")
def test_netem_in_flight(mode):
    """Datagrams on their way, which nobody would send again."""
    slow = [*TAP, "--netem", "delay=700ms"]
    for options in slow, TAP:
        with tap(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as w:
            w.bind(("10.9.0.1", 7001))
            w.settimeout(20)
            warm = []

            def answer():
                data, peer = w.recvfrom(10)
                warm.append(data)
                w.sendto(b"warm", peer)
            t = threading.Thread(target=answer)
            t.start()
            with restored(mode, FLIGHT, slow) as r:
                t.join(20)
                for i in range(3):
                    w.sendto(b"in", ("10.9.0.2", 7000))
                time.sleep(0.1)
                r.save()
                w.settimeout(0.5)
                try:
                    raise AssertionError(w.recv(10))
                except TimeoutError:
                    pass
                w.settimeout(20)
                q = r.begin("""
u = by['udp', 7000]
for i in range(3): assert u.recv(10) == b'in'
""", options=options)
                equal([w.recv(10) for _ in range(20)],
                      [b"%d" % i for i in range(20)])
                r.ends(q)


def is_free(port):
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


NAT = r"""
s = socket.create_connection(('10.0.2.2', int(PORT)))
s.sendall(b'here')
l = socket.socket(); l.bind(('0.0.0.0', 1000)); l.listen(8)
a = socket.socket(); a.bind(('127.0.0.1', 2000)); a.connect(('127.0.0.1', 1000))
b, _ = l.accept()
n = socket.socket(); n.setblocking(False); n.bind(('10.0.2.15', 2001))
n.connect_ex(('10.0.2.2', int(BUSY)))
time.sleep(.2)
"""
NAT_AFTER = r"""
lost = [s for s in by.values() if of[s.fileno()].get('lost')]
assert len(lost) == 1 and of[lost[0].fileno()]['state'] == 'ESTABLISHED', v
raises(ConnectionResetError, lost[0].recv, 1)
a, b = by['tcp', 2000], by['tcp', 1000, 2000]
a.sendall(b'within'); assert b.recv(10) == b'within'
n = by['tcp', 2001]; n.setblocking(False)
assert select.select([], [n], [], 0)[1] == []
print('serving', flush=True)
c, _ = by['tcp', 1000].accept(); assert c.recv(10) == b'hello'
assert select.select([], [n], [], 30)[1] == [n]
assert n.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
n.sendall(b'there')
"""


@modes("shim", "no-shim", "user")
def test_nat(mode):
    """What the gateway had is gone, and said; the rest goes on."""
    options = ["--host-loopback", "-p", "127.0.0.1:8085:1000"]
    with socket.create_server(("127.0.0.1", 0)) as host_side, \
            busy_listener() as (busy, fill):
        before = NAT.replace("PORT", str(host_side.getsockname()[1])) \
            .replace("BUSY", str(busy.getsockname()[1]))
        with restored(mode, before, options) as r:
            c, _ = host_side.accept()
            equal(c.recv(10), b"here")
            r.save()
            until(lambda: is_free(8085), "the published port is in use")
            r.pl.fails("restore", r.image, *options, "--", "true",
                       text="1 connections of the image end in its gateway")
            r.pl.fails("restore", "--reset-lost", r.image, *NONE, "--",
                       "true", text="use --net nat")
            r.pl.fails("restore", "--reset-lost", r.image, "--ip",
                       "10.1.1.5/24", "--gateway", "10.1.1.1", "--", "true",
                       text="give --ip")
            q = r.begin(NAT_AFTER, ["--reset-lost"])
            equal(q.stdout.readline(), b"serving\n", q.poll())
            with socket.create_connection(("127.0.0.1", 8085), 10) as s:
                s.sendall(b"hello")
            for f in fill:
                f.close()
            busy.settimeout(20)
            found = b""
            while found != b"there":
                d, _ = busy.accept()
                d.settimeout(5)
                with contextlib.suppress(OSError):
                    found = d.recv(10)
            out, err = q.communicate(timeout=30)
            equal((out, q.returncode), (b"fine\n", 0), err)
            assert err.count(b"\n") == 1 and b"is reset: its other end" in \
                err, err
            c.close()


MANY = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (5000, 5000))
s = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in range(2500)]
for x in s: x.bind(('127.0.0.1', 0))
"""
MANY_AFTER = """
assert len(v) == 2500 and 'CORDON_FDS' not in os.environ
w = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for (_, port), s in by.items():
    w.sendto(b'%d' % port, ('127.0.0.1', port)); assert int(s.recv(10)) == port
"""


@modes("shim", "no-shim")
@seconds(120)
def test_many(mode):
    """More than a variable of the environment can tell of."""
    with restored(mode, MANY) as r:
        r.save()
        q = r.begin(MANY_AFTER)
        r.ends(q)


def test_refused(mode):
    with restored(mode, "") as r:
        r.save()
        for words, text in (
                (["/dev/null", "--", "true"], "not a regular"),
                ([r.image], "needs a file and a program"),
                (["--clown", r.image, "--", "true"], "needs a file")):
            r.pl.fails("restore", *words, text=text)
