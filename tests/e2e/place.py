# SPDX-License-Identifier: Apache-2.0
"""Sandboxes with names, in a runtime directory of the test's own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import time

import host
from host import check

NONE = ["--net", "none"]


class Place:
    """A runtime directory of the test's own, and sandboxes in it."""

    def __init__(self, mode):
        self.mode, self.uid = mode, host.MODES[mode][1]
        self.dir = tempfile.mkdtemp(prefix="cordon-ctl.")
        if self.uid is not None:
            os.chown(self.dir, self.uid, self.uid)
        self.env = dict(os.environ, XDG_RUNTIME_DIR=self.dir)
        self.running = []

    def socket_dir(self):
        return os.path.join(self.dir, "cordon")

    def path(self, name):
        return os.path.join(self.socket_dir(), name + ".sock")

    def start(self, name, argv, options=NONE, **kw):
        kw.setdefault("stdin", subprocess.DEVNULL)
        p = subprocess.Popen(
            host.cordon(argv, self.mode, [*options, "--name", name]),
            env=self.env, start_new_session=True, **kw)
        self.running.append(p)
        until(lambda: p.poll() is not None or name in self.ids(),
              f"{name} does not show in ps")
        return p

    def ctl(self, *argv, uid=None):
        return host.run(host.as_user(uid or self.uid, [host.CORDON, *argv]),
                        env=self.env, timeout=30)

    def ps(self):
        """By id; root's own directory may hold others' sandboxes."""
        r = check(self.ctl("ps", "--json"))
        return {s["id"]: s for s in json.loads(r.stdout)}

    def ids(self):
        return self.ps().keys()

    def ok(self, *argv):
        check(self.ctl(*argv))

    def fails(self, *argv, text):
        r = check(self.ctl(*argv), 125)
        assert text in r.stderr.decode() and r.stderr.count(b"\n") == 1, r
        return r

    def connect(self, name):
        s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        s.settimeout(20)
        s.connect(self.path(name))
        return s

    def kill(self):
        for p in self.running:
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGKILL)
            p.wait(20)

    def close(self):
        self.kill()
        until(lambda: not os.listdir(self.dir), "files are left",
              lambda: os.listdir(self.dir))
        os.rmdir(self.dir)


@contextlib.contextmanager
def place(mode):
    pl = Place(mode)
    try:
        yield pl
    except BaseException:
        pl.kill()  # what it left says nothing, and would hide this
        raise
    pl.close()


def until(cond, message, detail=lambda: "", seconds=20):
    end = time.monotonic() + seconds
    while not cond():
        if time.monotonic() > end:
            raise AssertionError(f"{message}: {detail()}")
        time.sleep(0.01)


def below(pid):
    """Every process below, by pid, with its state."""
    found, todo = {}, [pid]
    while todo:
        for k in host.children(todo.pop()):
            with contextlib.suppress(OSError):
                with open(f"/proc/{k}/stat") as f:
                    found[k] = f.read().rpartition(")")[2].split()[0]
                todo.append(k)
    return found


def guest_of(p):
    """The processes of the guest: all below but the watcher."""
    states = below(p.pid)
    for pid in list(states):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/comm") as f:
                if f.read().startswith("cordon"):
                    del states[pid]
    return states


def halted(p):
    states = guest_of(p)
    return states and all(s in "TtDZ" for s in states.values())
