# SPDX-License-Identifier: Apache-2.0
"""Hot upgrades: the sentry is replaced under a running program."""

import os
import re
import shutil
import signal
import subprocess
import time

import host
from e2e.place import NONE, place
from e2e.upgrades import (ECHO_SELF, NAT, WAITING, busy_listener, identity,
                          upgrade, welcome)
from host import check, equal, modes


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


def words(p):
    with open(f"/proc/{p.pid}/cmdline", "rb") as f:
        return f.read().rstrip(b"\0").split(b"\0")[1:]


def test_ps_says_the_same(mode):
    """Both: cordon ps, and the host's, where a pattern finds the sandbox."""
    with place(mode) as pl:
        p = pl.start("row", ["sh", "-c", "sleep 100; #  two  words", "", "x"])
        pl.ok("pause", "row")
        before, line = pl.ps()["row"], words(p)
        equal((before["state"], before["argv"][-1]), ("paused", "x"))
        equal(line[0], b"run")
        for _ in range(3):
            upgrade(pl, "row")
            row = pl.ps()["row"]
            assert row["uptime_s"] >= before["uptime_s"], (row, before)
            equal({**row, "uptime_s": before["uptime_s"]}, before)
            equal(words(p), line)


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


@modes(*host.PLAIN, "autosave", "autosave-1")
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


PING_PONG = r"""
import ctypes, socket, sys
s = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(s.getsockname()); d = s.accept()[0]
print('ready', flush=True)
for line in sys.stdin:
    for i in range(60):
        ctypes.CDLL(None).syscall(175, 0, 0, 0)
        c.sendall(b'ping'); d.recv(4); d.sendall(b'pong'); c.recv(4)
    print('went', flush=True)
"""


@modes("autosave", "autosave-1", "autosave-syscall", "autosave-no-shim")
def test_autosave_goes_on(mode):
    """The new one saves as often; what -v counts is its own."""
    with place(mode) as pl, host.workdir() as d:
        log = os.path.join(d, "log")
        p = pl.start("s", ["/usr/bin/python3", "-c", PING_PONG],
                     [*NONE, "-v", "--log", log], stdin=subprocess.PIPE,
                     stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        for _ in range(3):
            upgrade(pl, "s", times=2)
            p.stdin.write(b"go\n")
            p.stdin.flush()
            equal(p.stdout.readline(), b"went\n")
        p.stdin.close()
        equal(p.wait(20), 0)
        with open(log) as f:
            m = re.search(r"saved and restored (\d+) times, (\d+) failed",
                          f.read())
    least = {"autosave": 1, "autosave-syscall": 60, "autosave-1": 60,
             "autosave-no-shim": 10}[mode]
    assert m and int(m[1]) >= least and m[2] == "0", m


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
