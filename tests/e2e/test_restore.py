# SPDX-License-Identifier: Apache-2.0
"""cordon restore: the sockets of an image, in the hands of another program."""

import subprocess

from e2e.restoring import restored
from host import check, equal, modes, seconds

LOOPBACK = r"""
l = socket.socket(); l.bind(('127.0.0.1', 1000)); l.listen(8)
def opener(port):
    s = socket.socket(); s.bind(('127.0.0.1', port))
    s.connect(('127.0.0.1', 1000)); return s
a = opener(2000); b, _ = l.accept()
half = opener(2001); c, _ = l.accept(); half.shutdown(socket.SHUT_WR)
waits = opener(2002)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.bind(('127.0.0.1', 3000))
w = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
w.bind(('127.0.0.1', 3001))
w.connect(u.getsockname())
# Three wait, there is room for two.
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


# More than all buffers on the way hold.
PATTERN = r"""
whole = bytes((i * i >> 8 ^ i) & 255 for i in range(65536)) * 400
"""
UNREAD = PATTERN + r"""
l = socket.socket(); l.bind(('127.0.0.1', 1000)); l.listen(8)
def pair(port):
    s = socket.socket(); s.bind(('127.0.0.1', port))
    s.connect(('127.0.0.1', 1000)); return s, l.accept()[0]
def fill(s):
    n = 0
    s.setblocking(False)
    for i in range(20):
        try:
            while True: n += s.send(whole[n:n + 70000])
        except BlockingIOError:
            time.sleep(.02)
    return n
a, b = pair(2000); c, d = pair(2001); e, f = pair(2002); g, h = pair(2003)
i, j = pair(2004); m, o = pair(2005); p, q = pair(2006); t, u = pair(2007)
n = fill(c), fill(m)
m.shutdown(socket.SHUT_WR)
a.sendall(b'%d %d' % n)
e.sendall(whole[:5000]); f.recv(1000)
g.sendall(b'last'); g.shutdown(socket.SHUT_WR)
i.sendall(b'gone'); i.close()
q.shutdown(socket.SHUT_RD)
u.sendall(whole[:3000])
t.setsockopt(socket.SOL_SOCKET, 42, 7)  # SO_PEEK_OFF
t.recv(10, socket.MSG_PEEK)
b.sendall(b'to and fro')
"""
UNREAD_AFTER = PATTERN + r"""
def ends(port): return by['tcp', port], by['tcp', 1000, port]
def all_of(s):
    got = []
    while x := s.recv(1 << 20): got.append(x)
    return b''.join(got)
a, b = ends(2000)
n = list(map(int, b.recv(100).split())); assert min(n) > 300000, n
assert a.recv(100) == b'to and fro'
for k, port in enumerate((2001, 2005)):
    c, d = ends(port)
    if port == 2001: c.shutdown(socket.SHUT_WR)
    else: raises(BrokenPipeError, c.setblocking(False) or c.send, b'x'); c.settimeout(10)
    got = all_of(d); assert got == whole[:n[k]], (port, len(got), n)
    d.sendall(b'back'); assert c.recv(10) == b'back'
e, f = ends(2002); assert f.recv(10000) == whole[1000:5000]
e.sendall(b'more'); assert f.recv(10) == b'more'
g, h = ends(2003); assert all_of(h) == b'last'; h.sendall(b'x'); assert g.recv(9) == b'x'
j = by['tcp', 1000, 2004] if ('tcp', 1000, 2004) in by else \
    [s for s in by.values() if of[s.fileno()].get('remote') == '127.0.0.1:2004'][0]
assert all_of(j) == b'gone'
p, q = ends(2006); assert q.recv(10) == b''; q.sendall(b'y'); assert p.recv(9) == b'y'
t, u = ends(2007); assert t.recv(10000) == whole[:3000]
"""


@modes("shim", "no-shim", "user")
@seconds(60)
def test_unread(mode):
    """What was in the kernel's sockets on its way to or from the program."""
    with restored(mode, UNREAD) as r:
        r.save()
        for words in [], ["--clone"]:
            r.ends(r.begin(UNREAD_AFTER, words))


# Two that share a port, of which each has its own; one whose queue is full: of
# two the last is not in the kernel's.
NOT_ACCEPTED = PATTERN + r"""
def listener(backlog=20):
    l = socket.socket()
    l.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    l.bind(('127.0.0.1', 1000 if backlog == 20 else 1001)); l.listen(backlog)
    return l
def client(port, to=1000):
    s = socket.socket(); s.bind(('127.0.0.1', port))
    s.connect(('127.0.0.1', to)); return s
first, second = listener(), listener()
c = [client(2000 + i) for i in range(12)]
short = listener(1)
d = [client(3000 + i, 1001) for i in range(2)]
for i, s in enumerate(c):
    if i % 3: s.sendall(b'%d ' % i + whole[:i * 10000])
    if i % 4 == 1: s.shutdown(socket.SHUT_WR)
time.sleep(.1)
"""
TAKE_ALL = r"""
def take(l):
    got = []
    l.setblocking(False)
    while select.select([l], [], [], .2)[0]:
        s, at = l.accept(); s.settimeout(10)
        got.append(at[1] - 2000)
        if got[-1] < 12 and got[-1] % 3:
            want = b'%d ' % got[-1] + whole[:got[-1] * 10000]
            have = b''
            while len(have) < len(want): have += s.recv(1 << 20)
            assert have == want, (got, len(have), len(want))
        if got[-1] < 12 and got[-1] % 4 == 1: assert s.recv(1) == b''
        s.sendall(b'served')
        held.append(s)
    return got
held = []
one, two = take(first), take(second)
assert one == sorted(one) and two == sorted(two), (one, two)
assert sorted(one + two) == list(range(12)), (one, two)
assert one and two
assert take(short) == [1000, 1001]
assert all(s.recv(10) == b'served' for s in c + d)
"""
NOT_ACCEPTED_AFTER = PATTERN + r"""
first, second = [s for s in by.values() if of[s.fileno()]['state'] == 'LISTEN'
                 and of[s.fileno()]['local'].endswith(':1000')]
short = by['tcp', 1001]
def at(port): return [s for s in by.values()
                      if of[s.fileno()]['local'].endswith(':%d' % port)][0]
c, d = [at(2000 + i) for i in range(12)], [at(3000), at(3001)]
""" + TAKE_ALL


def goes_on_after(r, *saves):
    for words in saves:
        equal(check(r.pl.ctl("save", *words, "box", r.image)).stderr, b"")
    r.p.stdin.write(b"\n")
    r.p.stdin.close()
    equal(r.p.stdout.readline(), b"ready\n")
    r.kill()


@modes("shim", "no-shim", "user")
def test_not_accepted(mode):
    """What waits in queues of the kernel, in order, with what it has sent: in
    the file, and in the program that was saved, which goes on."""
    before = NOT_ACCEPTED + "print('made', flush=True); input()\n" + TAKE_ALL
    with restored(mode, before, stdin=subprocess.PIPE, ready=b"made") as r:
        goes_on_after(r, [], ["--pause"])
        for words in [], ["--clone"]:
            r.ends(r.begin(NOT_ACCEPTED_AFTER, words))


# The first of each is in the kernel's socket, with a peer several are.
DATAGRAMS = PATTERN + r"""
def udp(port, family=socket.AF_INET, to=0):
    s = socket.socket(family, socket.SOCK_DGRAM)
    at = '127.0.0.1' if family == socket.AF_INET else '::1'
    s.bind((at, port))
    if to: s.connect((at, to))
    return s
plain, peered, told = udp(1000), udp(1001, to=2000), udp(1002)
plain6 = udp(1003, socket.AF_INET6)
told.setsockopt(socket.IPPROTO_IP, 8, 1)   # IP_PKTINFO
told.setsockopt(socket.IPPROTO_IP, 12, 1)  # IP_RECVTTL
plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
a, b = udp(2000), udp(2001)
e = udp(2002, socket.AF_INET6)
for i in range(5):
    for s in a, b:
        s.sendto(b'%d' % i + whole[:i * 3000], ('127.0.0.1', 1000))
        s.sendto(b'', ('127.0.0.1', 1000))
    a.sendto(b'p%d' % i, ('127.0.0.1', 1001))
    a.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, 100 + i)
    a.sendto(b't%d' % i, ('127.0.0.1', 1002))
    e.sendto(b'6%d' % i, ('::1', 1003))
"""
TAKE_DATAGRAMS = r"""
for i in range(5):
    for port in 2000, 2001:
        got = plain.recvfrom(99999)
        assert got == (b'%d' % i + whole[:i * 3000], ('127.0.0.1', port)), (i, got[1])
        assert plain.recvfrom(10) == (b'', ('127.0.0.1', port)), i
    assert peered.recv(10) == b'p%d' % i, i
    data, cmsg, flags, at = told.recvmsg(10, 200)
    cmsg = {c[1]: c[2] for c in cmsg}
    assert data == b't%d' % i and at[1] == 2000, (i, data, at)
    assert cmsg[2] == struct.pack('i', 100 + i), (i, cmsg)
    assert cmsg[8][4:] == bytes([127, 0, 0, 1] * 2), (i, cmsg)
    assert plain6.recvfrom(10)[:1] == (b'6%d' % i,), i
for s in plain, peered, told, plain6: s.setblocking(False)
for s in plain, peered, told, plain6: raises(BlockingIOError, s.recv, 10)
a.sendto(b'more', ('127.0.0.1', 1001)); assert peered.recv(10) == b'more'
"""
RAISES = r"""
def raises(error, fn, *a):
    try: fn(*a)
    except error: return
    raise Exception('no ' + error.__name__)
"""
DATAGRAMS_AFTER = PATTERN + r"""
plain, peered, told, plain6, a = [by['udp', port] for port in
                                  (1000, 1001, 1002, 1003, 2000)]
""" + TAKE_DATAGRAMS


@modes("shim", "no-shim", "user")
def test_datagrams(mode):
    """In the file, and still in the program that was saved."""
    before = DATAGRAMS + "print('made', flush=True); input()\n" + RAISES + \
        TAKE_DATAGRAMS
    with restored(mode, before, stdin=subprocess.PIPE, ready=b"made") as r:
        goes_on_after(r, [], ["--pause"])
        for words in [], ["--clone"]:
            r.ends(r.begin(DATAGRAMS_AFTER, words))


ON_THEIR_WAY = r"""
l = socket.socket(); l.bind(('127.0.0.1', 1000)); l.listen(8)
s = [socket.create_connection(('127.0.0.1', 1000)) for i in range(2)]
c = [l.accept()[0] for i in range(2)]
for x in s: x.sendall(b'in a message')
a, b = socket.socketpair()
socket.send_fds(a, [b'x'], [x.fileno() for x in c]); time.sleep(.1)
for x in c: x.close()
"""


def test_what_nobody_can_look_into(mode):
    """It is said."""
    with restored(mode, ON_THEIR_WAY) as r:
        out = check(r.pl.ctl("save", "box", r.image))
        equal(out.stderr, b"cordon: box: what 2 sockets have to read is not in"
              b" the file: no process holds them\n")


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
news = [socket.socket(fileno=os.dup(x['fd'])) for x in v
        if x['local'].endswith(':0')]
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
