# SPDX-License-Identifier: Apache-2.0
"""kill -9 of the guest, the sentry or the watcher, at any moment: no process,
no file and no namespace is left behind."""

import contextlib
import os
import random
import signal
import subprocess
import tempfile
import time
import uuid

import host
from host import equal

NONE = ["--net", "none"]

# Daemons of every kind, in several process groups and sessions. All of them
# carry the mark in their environment.
GUEST = """
sleep 1000 &
setsid sleep 1001 &
(setsid sh -c 'sleep 1002 & sleep 1003 & sleep 1004' &)
(sh -c '(sh -c "(setsid sleep 1005 &)" &)' &)
trap '' HUP TERM INT
(trap '' HUP; exec nohup sleep 1006) >/dev/null 2>&1 &
set -m
sleep 1007 &
exec sleep 1008
"""
SLEEPS = 9  # 1000 to 1008


class Sandbox:
    """One run of GUEST, and how to tell what is left of it."""

    def __init__(self, mode, options=(), script=GUEST):
        self.mark = "MARK=" + uuid.uuid4().hex
        self.dir = tempfile.mkdtemp(prefix="kill-")
        os.chmod(self.dir, 0o777)
        self.run_dir = os.path.join(self.dir, "run")
        os.mkdir(self.run_dir)
        os.chmod(self.run_dir, 0o777)
        env = dict(os.environ, XDG_RUNTIME_DIR=self.run_dir,
                   MARK=self.mark[5:])
        self.p = subprocess.Popen(
            host.cordon(["sh", "-c", script], mode, [*NONE, *options]),
            env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True)

    def wait_ready(self):
        until(lambda: list(self.processes().values()).count("sleep") == SLEEPS,
              "the guest did not start", self.processes)

    def processes(self):
        """Every process that carries the mark: sentry, watcher and guest."""
        found = {}
        for name in os.listdir("/proc"):
            if not name.isdigit() or int(name) == os.getpid():
                continue
            with contextlib.suppress(OSError):
                with open(f"/proc/{name}/environ", "rb") as f:
                    if self.mark.encode() in f.read():
                        with open(f"/proc/{name}/comm") as c:
                            found[int(name)] = c.read().strip()
        return found

    def namespaces(self):
        return spaces_of(self.processes()) - spaces_of(["self"])

    def watcher(self):
        return next((p for p, c in self.processes().items()
                     if c == "cordon-watcher"), None)

    def nothing_left(self, spaces=()):
        try:
            self.p.wait(20)
            self.check_nothing_left(spaces)
        finally:
            for pid in self.processes():
                kill(pid)

    def check_nothing_left(self, spaces):
        until(lambda: not self.processes(), "processes are left",
              self.processes)
        until(lambda: not os.listdir(self.run_dir), "files are left",
              lambda: os.listdir(self.run_dir))
        until(lambda: not set(spaces) & spaces_of(os.listdir("/proc")),
              "namespaces are left", lambda: spaces)
        os.rmdir(self.run_dir)
        os.rmdir(self.dir)


def spaces_of(pids):
    found = set()
    for pid in pids:
        for kind in "net", "user", "pid", "mnt", "ipc":
            with contextlib.suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/ns/{kind}"))
    return found


def until(cond, message, detail=lambda: "", seconds=15):
    end = time.monotonic() + seconds
    while not cond():
        if time.monotonic() > end:
            raise AssertionError(f"{message}: {detail()}")
        time.sleep(0.005)


def kill(pid):
    with contextlib.suppress(ProcessLookupError, TypeError):
        os.kill(pid, signal.SIGKILL)



def test_main_process_exits_daemons_are_killed(mode):
    for options in [], ["--isolate"]:
        s = Sandbox(mode, options, GUEST.replace("exec sleep 1008", "exit 6"))
        equal(s.p.wait(20), 6)
        s.nothing_left()


def test_kill_sentry(mode):
    for options in [], ["--isolate"], ["--no-netns"]:
        s = Sandbox(mode, options)
        s.wait_ready()
        assert len(s.processes()) >= 10, s.processes()
        spaces = s.namespaces()
        kill(s.p.pid)
        s.nothing_left(spaces)


def test_kill_guest(mode):
    for options in [], ["--isolate"]:
        s = Sandbox(mode, options)
        s.wait_ready()
        spaces = s.namespaces()
        for pid, name in s.processes().items():
            if name == "sleep" and b"1008" in cmdline(pid):
                kill(pid)
        equal(s.p.wait(20), -signal.SIGKILL)
        s.nothing_left(spaces)


def cmdline(pid):
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            return f.read()
    return b""


def test_kill_watcher(mode):
    for options in [], ["--isolate"]:
        s = Sandbox(mode, options)
        s.wait_ready()
        spaces = s.namespaces()
        kill(s.watcher())
        equal(s.p.wait(20), 125)
        s.nothing_left(spaces)


def test_kill_process_group(mode):
    s = Sandbox(mode)
    s.wait_ready()
    spaces = s.namespaces()
    os.killpg(s.p.pid, signal.SIGKILL)
    s.nothing_left(spaces)


def test_kill_sentry_at_any_moment(mode):
    rng = random.Random(7)
    for i in range(40):
        s = Sandbox(mode, ["--isolate"] if i % 4 == 3 else [])
        time.sleep(rng.random() * 0.03)
        kill(s.p.pid)
        s.nothing_left()


def test_kill_anyone_at_any_moment(mode):
    """Whichever process of the sandbox: the rest goes too."""
    rng = random.Random(11)
    for i in range(40):
        s = Sandbox(mode, ["--isolate"] if i % 4 == 3 else [])
        time.sleep(rng.random() * 0.05)
        procs = s.processes()
        victim = rng.choice(sorted(procs)) if procs else s.p.pid
        kill(victim)
        # Without its watcher the sentry cleans up and ends by itself; with
        # both gone at once nobody could. A watcher that has just been forked
        # does not have its name yet.
        if victim == s.p.pid or not is_cordon(procs[victim]):
            time.sleep(0.01)
            kill(s.p.pid)
        s.nothing_left()


def is_cordon(comm):
    return comm.startswith("cordon")
