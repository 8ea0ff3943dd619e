# SPDX-License-Identifier: Apache-2.0
"""cordon restore of what is on the wire, under way, or was behind a gateway."""

import contextlib
import json
import socket
import threading
import time

import host
from e2e.place import NONE, until
from e2e.restoring import TAP, restored
from e2e.upgrades import busy_listener
from host import check, equal, modes


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


WIRE = """
s = socket.socket(); s.connect(('10.9.0.1', 5000)); s.sendall(b'one')
l = socket.socket(); l.bind(('10.9.0.2', 6000)); l.listen(5)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('10.9.0.2', 7000))
"""
WIRE_AFTER = """
s = [s for s in by.values()
     if of[s.fileno()].get('remote') == '10.9.0.1:5000'][0]
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


def drop(what, hook="input"):
    """The kernel loses this, until told otherwise."""
    rule = f"add table ip lost; add chain ip lost in {{ type filter hook " \
           f"{hook} priority 0; }}; add rule ip lost in {what} drop"
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
        drop("tcp dport 5000")
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
t.setblocking(True)
raises(ConnectionRefusedError, t.connect, ('10.9.0.1', 5000))
"""
    host.need("nft")
    with tap():
        drop("tcp dport 5000")
        try:
            with restored(mode, OPENING, TAP) as r:
                r.save()
                drop_no_more()
                r.ends(r.begin(after))
        finally:
            drop_no_more()


@modes("shim", "no-shim")
def test_half_open(mode):
    """SYN-RECEIVED: the SYN-ACK comes again, and then its ACK arrives."""
    before = """
l = socket.socket(); l.bind(('10.9.0.2', 6000)); l.listen(5)
"""
    after = """
c, _ = by['tcp', 6000].accept(); assert c.recv(10) == b'hello'
"""
    host.need("nft")
    with tap(), restored(mode, before, TAP) as r, socket.socket() as s:
        drop("tcp dport 6000 tcp flags & (syn | ack) == ack", "output")
        try:
            s.settimeout(10)
            s.connect(("10.9.0.2", 6000))
            r.save()
            report = json.loads(check(r.pl.ctl(
                "image", "check", r.image)).stdout)
            equal(report["records"]["tcp-request"], 1)
        finally:
            drop_no_more()
        q = r.begin(after)
        s.sendall(b"hello")
        r.ends(q)


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
