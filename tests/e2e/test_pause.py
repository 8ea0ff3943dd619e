# SPDX-License-Identifier: Apache-2.0
"""Pause and resume: what stops, what goes on, what the guest sees."""

import contextlib
import hashlib
import http.server
import os
import pty
import signal
import subprocess
import threading
import time

import host
from e2e.place import NONE, place, until, below, guest_of, halted
from host import equal, modes


class Slow(http.server.BaseHTTPRequestHandler):
    """30 MB, as fast as they are taken."""

    BLOCK, COUNT = bytes(range(256)) * 4096, 30

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.BLOCK) * self.COUNT))
        self.end_headers()
        for _ in range(self.COUNT):
            self.wfile.write(self.BLOCK)

    def log_message(self, *args):
        pass


def test_pause_in_a_download(mode):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Slow)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://10.0.2.2:{server.server_port}/"
    with server, host.workdir() as d, place(mode) as pl:
        out = os.path.join(d, "out")
        p = pl.start("load", ["curl", "-sS", "--limit-rate", "10M", "-o", out,
                              url], ["--host-loopback"])
        size = lambda: os.path.exists(out) and os.stat(out).st_size
        until(lambda: size() > 1 << 20, "no download")
        pl.ok("pause", "load")
        assert halted(p), guest_of(p)
        before = size()
        equal(pl.ps()["load"]["state"], "paused")
        time.sleep(1)
        equal(size(), before)
        pl.fails("pause", "load", text="paused already")
        pl.ok("resume", "load")
        pl.fails("resume", "load", text="not paused")
        equal(p.wait(30), 0)
        want = hashlib.sha256(Slow.BLOCK * Slow.COUNT).hexdigest()
        with open(out, "rb") as f:
            equal(hashlib.sha256(f.read()).hexdigest(), want)
        server.shutdown()


FORKS = """
for i in 1 2 3; do
	(while :; do (/bin/true; /bin/true) & wait; echo >>$1/n; done) &
done
while :; do /bin/true; echo >>$1/n; done
"""


@host.seconds(120)
def test_pause_of_a_guest_that_forks(mode):
    for options in NONE, [*NONE, "--isolate"]:
        with host.workdir() as d, place(mode) as pl:
            count = lambda: os.path.exists(f"{d}/n") and \
                os.stat(f"{d}/n").st_size
            p = pl.start("forks", ["sh", "-c", FORKS, "sh", d], options)
            for _ in range(5):
                before = count()
                until(lambda: count() > before + 5, "it does not run")
                pl.ok("pause", "forks")
                assert halted(p), guest_of(p)
                pids, n = set(guest_of(p)), count()
                time.sleep(0.05)
                equal((set(guest_of(p)), count()), (pids, n))
                pl.ok("resume", "forks")


THREADS = r"""
import threading, time
def spin():
    while True: pass
for i in range(4): threading.Thread(target=spin, daemon=True).start()
print('ready', flush=True)
time.sleep(100)
"""


def cpu_ticks(pid):
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def test_pause_stops_threads(mode):
    with place(mode) as pl:
        p = pl.start("threads", ["/usr/bin/python3", "-c", THREADS],
                     stdout=subprocess.PIPE)
        p.stdout.readline()
        pid = pl.ps()["threads"]["guest_pid"]
        pl.ok("pause", "threads")
        ticks = cpu_ticks(pid)
        time.sleep(0.3)
        equal(cpu_ticks(pid), ticks)
        pl.ok("resume", "threads")
        until(lambda: cpu_ticks(pid) > ticks, "it does not run")


OWN_STOP = "sleep 1000 & kill -STOP $!; echo $!; sleep 1001 & wait"


def test_own_stops_are_kept(mode):
    with place(mode) as pl:
        p = pl.start("stops", ["sh", "-c", OWN_STOP], stdout=subprocess.PIPE)
        stopped = int(p.stdout.readline())
        until(lambda: guest_of(p).get(stopped) == "T", "not stopped")
        pl.ok("pause", "stops")
        assert all(s == "T" for s in guest_of(p).values()), guest_of(p)
        pl.ok("resume", "stops")
        until(lambda: list(guest_of(p).values()).count("S") == 2,
              "not continued", lambda: guest_of(p))
        equal(guest_of(p)[stopped], "T")


PARKED = r"""
import socket, threading, time
s = socket.socket(); s.bind(('127.0.0.1', 4000)); s.listen()
def later():
    time.sleep(2); socket.create_connection(('127.0.0.1', 4000))
threading.Thread(target=later).start()
print('ready', flush=True)
print(s.accept()[1][0])
"""


def test_parked_calls_outlive_a_pause(mode):
    with place(mode) as pl:
        p = pl.start("parked", ["/usr/bin/python3", "-c", PARKED],
                     stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        pl.ok("pause", "parked")
        time.sleep(0.3)
        assert halted(p), guest_of(p)
        pl.ok("resume", "parked")
        equal(p.communicate(timeout=20)[0], b"127.0.0.1\n")


JOBS = "for i in 1 2 3 4 5 6; do sleep 0.3; done; echo rc $?; jobs"


def in_terminal(pl, name, argv):
    pid, fd = pty.fork()
    if not pid:
        argv = host.cordon(argv, pl.mode, [*NONE, "--name", name])
        os.execvpe(argv[0], argv, pl.env)
    until(lambda: name in pl.ids(), "no sandbox")
    return pid, fd


def rest_of(fd):
    out = b""
    with contextlib.suppress(OSError):
        while data := os.read(fd, 4096):
            out += data
    os.close(fd)
    return out


def test_shells_see_no_stopped_jobs(mode):
    """Their children stop after them and continue before them."""
    with place(mode) as pl:
        pid, fd = in_terminal(pl, "shell", ["bash", "-mc", JOBS])
        for _ in range(10):
            pl.ok("pause", "shell")
            time.sleep(0.02)
            pl.ok("resume", "shell")
        equal(rest_of(fd), b"rc 0\r\n")
        equal(os.waitpid(pid, 0)[1], 0)


def test_signals_end_a_paused_guest(mode):
    for sig in signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL:
        with place(mode) as pl:
            p = pl.start("ends", ["sh", "-c", "sleep 100 & exec sleep 101"])
            pl.ok("pause", "ends")
            p.send_signal(sig)
            equal(p.wait(20), -sig)
            until(lambda: not below(p.pid) and "ends" not in pl.ids(), "left")


def test_a_handler_of_a_paused_guest_runs(mode):
    with place(mode) as pl:
        p = pl.start("trap", ["sh", "-c", "trap 'echo bye; exit 7' TERM; "
                              "echo ready; while :; do sleep 0.1; done"],
                     stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        pl.ok("pause", "trap")
        p.send_signal(signal.SIGCONT)  # does not half continue it
        p.send_signal(signal.SIGUSR2)
        time.sleep(0.2)
        assert halted(p), guest_of(p)
        p.send_signal(signal.SIGTERM)
        p.wait(20)


def test_a_paused_guest_is_killed(mode):
    with place(mode) as pl:
        p = pl.start("killed", ["sh", "-c", "sleep 100; exit 3"])
        pl.ok("pause", "killed")
        os.kill(pl.ps()["killed"]["guest_pid"], signal.SIGKILL)
        equal(p.wait(20), -signal.SIGKILL)
        until(lambda: "killed" not in pl.ids(), "still there")


@modes("shim", "user")
def test_job_control_beside_pauses(mode):
    """^Z still stops the sentry with its guest, a pause does not; in a
    terminal of its own."""
    with place(mode) as pl:
        pid, fd = in_terminal(pl, "jc", ["sleep", "100"])
        for _ in range(20):
            pl.ok("pause", "jc")
            pl.ok("resume", "jc")
        time.sleep(0.1)
        assert state(pid) in "SR", state(pid)
        os.kill(pl.ps()["jc"]["guest_pid"], signal.SIGSTOP)
        equal(os.waitpid(pid, os.WUNTRACED)[1] & 0xff, 0x7f)
        os.kill(pid, signal.SIGCONT)
        until(lambda: pl.ps()["jc"]["state"] == "running", "not continued")
        os.write(fd, b"\x03")
        equal(os.waitpid(pid, 0)[1], signal.SIGINT)
        os.close(fd)


def state(pid):
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rpartition(")")[2].split()[0]
