# SPDX-License-Identifier: Apache-2.0
"""Netstack and gateway are saved, thrown away and made anew under programs that
must not notice: what other modules test, with --autosave."""

import re
import subprocess

import host
from e2e import test_http, test_servers, test_tools
from e2e.test_autosave_bulk import REQUEST, refused, saver
from e2e.place import place
from host import equal, inside, modes, seconds

OFTEN = ["autosave", "autosave-1000", "autosave-asked"]
SAVE_NOW = "import ctypes; save = lambda: ctypes.CDLL(None).syscall(175, 0, 0, 0)\n"


def saves_of(code, mode):
    """How many times it was saved, and failed to be, while it ran."""
    with host.workdir() as d:
        inside(["/usr/bin/python3", "-c", code], mode,
               ["--net", "none", "-v", "--log", f"{d}/log"])
        with open(f"{d}/log") as f:
            return re.search(r"saved and restored (\d+) times, (\d+) failed",
                             f.read())


@modes(*host.AUTOSAVE)
def test_number_of_saves(mode):
    """It does what it says: -v tells how often."""
    code = SAVE_NOW + r"""
import socket
s = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(s.getsockname()); d = s.accept()[0]
for i in range(60):
    save(); c.sendall(b'ping'); d.recv(4); d.sendall(b'pong'); c.recv(4)
"""
    m = saves_of(code, mode)
    if mode == "autosave-1000":
        assert not m, m
        return
    least = {"autosave": 2, "autosave-syscall": 60, "autosave-1": 100,
             "autosave-no-shim": 10, "autosave-asked": 60}[mode]
    assert m and int(m[1]) >= least and m[2] == "0", m


@modes("autosave-syscall", "autosave-asked")
@seconds(60)
def test_many_sockets(mode):
    """So many that one thread saves and another one loads."""
    code = SAVE_NOW + r"""
import random, resource, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
s = socket.create_server(('127.0.0.1', 0), backlog=4)
def pair():
    c = socket.create_connection(s.getsockname())
    return c, s.accept()[0]
ends = [e for i in range(300) for e in pair()]
queued = [b''] * len(ends)
rnd = random.Random(1)
for turn in range(8):
    for i, e in enumerate(ends):
        data = rnd.randbytes(rnd.randrange(1, 3000))
        e.sendall(data)
        queued[i ^ 1] += data
    save()
    for i in rnd.sample(range(len(ends)), 400):
        got = b''
        while len(got) < len(queued[i]):
            got += ends[i].recv(1 << 16)
        assert got == queued[i], (turn, i)
        queued[i] = b''
"""
    m = saves_of(code, mode)
    assert m and int(m[1]) >= 8 and m[2] == "0", m


ECHOES = r"""
import os, resource, socket, sys, threading
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
s = socket.create_server(('127.0.0.1', 0), backlog=4)
def pair():
    c = socket.create_connection(s.getsockname())
    return c, s.accept()[0]
pairs = [pair() for i in range(300)]
print('ready', flush=True)
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
turns = 0
while not stop.is_set():
    data = os.urandom(600)
    for c, d in pairs:
        c.sendall(data)
    for c, d in pairs:
        assert d.recv(600, socket.MSG_WAITALL) == data
        d.sendall(data[:10])
        assert c.recv(10, socket.MSG_WAITALL) == data[:10]
    turns += 1
print(turns > 3)
"""


@modes("shim", "no-shim")
@seconds(60)
def test_asked_for_many_sockets(mode):
    """Without poison, which the other modes have: the old stack is freed beside
    the sandbox, while the next save already comes."""
    with place(mode) as pl:
        p = pl.start("many", ["/usr/bin/python3", "-c", ECHOES],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        for _ in range(30):
            pl.ok("save", "--in-place", "many")
        with pl.connect("many") as s:
            for _ in range(100):
                s.send(REQUEST)
                assert b'"endpoints":60' in s.recv(4096)
        equal(p.communicate(timeout=20)[0], b"True\n")


@modes("shim", "autosave", "autosave-syscall")
def test_init_module(mode):
    """Without the option it is the kernel's; with it, only all zeros are ours."""
    code = r"""
import ctypes
c = ctypes.CDLL(None, use_errno=True)
for a in ((0, 0, 0), (0, 1, 0), (0, 0, 1)):
    print(c.syscall(175, *a), ctypes.get_errno() != 0)
"""
    ours = "0 False\n" if mode == "autosave-syscall" else "-1 True\n"
    out = inside(["/usr/bin/python3", "-c", code], mode, ["--net", "none"])
    equal(out.decode(), ours + "-1 True\n" * 2)


@modes("shim")
def test_bad_values(mode):
    for value in "0", "x", "-1", "syscall1", "":
        r = host.run([host.CORDON, "run", f"--autosave={value}", "true"])
        equal(r.returncode, 125)
        assert b"--autosave" in r.stderr, r.stderr


@modes(*OFTEN)
@seconds(100)
def test_nginx_with_wrk(mode):
    test_servers.test_nginx_with_wrk(mode)


@modes(*OFTEN)
@seconds(100)
def test_redis(mode):
    test_servers.test_redis(mode)


@modes(*OFTEN)
def test_iperf3(mode):
    test_servers.test_iperf3_tcp(mode)
    test_servers.test_iperf3_udp(mode)


@modes(*OFTEN)
def test_ssh_and_scp(mode):
    test_tools.test_ssh_and_scp(mode)


@modes("autosave")
def test_dns_and_http(mode):
    for name in dir(test_http):
        if name.startswith("test_"):
            getattr(test_http, name)(mode)


TYPING = r"""
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp("ssh", ["ssh", "-tt", *sys.argv[1:], "root@10.0.2.2", "cat"])
seen = b""
def until(want):
    global seen
    end = time.monotonic() + 20
    while want not in seen:
        if not select.select([fd], [], [], end - time.monotonic())[0]:
            sys.exit(f"{want} did not come: {seen}")
        seen += os.read(fd, 4096)
os.write(fd, b"begin\n"); until(b"begin\r\nbegin")
for i in range(100):
    word = b"%d" % i
    for k in word:
        os.write(fd, bytes([k])); time.sleep(0.005)
    seen = b""
    os.write(fd, b"\n"); until(word + b"\r\n")
os.write(fd, b"\x04"); print("typed")
"""


@modes("shim", "autosave-1", *OFTEN)
def test_ssh_typing(mode):
    """A session with saves from outside, too."""
    with host.workdir() as d, test_tools.sshd(d), place("shim") as pl, \
            saver(pl, "typing", 0.02) as sv:
        out = inside(["/usr/bin/python3", "-c", TYPING,
                      *test_tools.ssh_options(d)], mode,
                     test_tools.NAT + ["--name", "typing"], env=pl.env)
    equal(out, b"typed\n")
    assert len(sv.replies) > 20 and not refused(sv.replies), sv.replies
