# SPDX-License-Identifier: Apache-2.0
"""The control socket: names, ps, pause and resume, and who may not."""

import array
import contextlib
import hashlib
import http.server
import json
import os
import pty
import re
import signal
import socket
import subprocess
import tempfile
import threading
import time

import host
from host import check, equal, modes

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

    def close(self):
        for p in self.running:
            if p.poll() is None:
                os.killpg(p.pid, signal.SIGKILL)
            p.wait(20)
        until(lambda: not os.listdir(self.dir), "files are left",
              lambda: os.listdir(self.dir))
        os.rmdir(self.dir)


@contextlib.contextmanager
def place(mode):
    pl = Place(mode)
    try:
        yield pl
    finally:
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


def test_ps(mode):
    with place(mode) as pl:
        p = pl.start("one", ["sleep", "100"])
        row = pl.ps()["one"]
        uid = pl.uid or 0
        equal((row["pid"], row["uid"], row["state"], row["net"], row["argv"]),
              (p.pid, uid, "running", "none", ["sleep", "100"]))
        assert row["guest_pid"] in guest_of(p), row
        assert 0 <= row["uptime_s"] < 20 and row["sockets"] == 0, row
        out = check(pl.ctl("ps")).stdout.decode().splitlines()
        assert out[0].startswith("ID ") and out[0].endswith("COMMAND"), out
        line = [x for x in out if x.startswith("one ")]
        equal(len(line), 1)
        equal(line[0].split()[1], str(p.pid))
        assert line[0].endswith(" sleep 100"), line
        p.terminate()
        equal(p.wait(20), -signal.SIGTERM)
        assert "one" not in pl.ids()
        assert not os.path.exists(pl.path("one"))


def test_ps_of_none(mode):
    uid = host.MODES[mode][1] or 0
    hide = "mount -t tmpfs none /run; d=/tmp/cordon-$1; shift; " \
           "[ ! -e $d ] || mount -t tmpfs none $d; exec \"$@\""
    r = check(host.run(["unshare", "-m", "sh", "-c", hide, "sh", str(uid),
                        *host.as_user(host.MODES[mode][1],
                                      [host.CORDON, "ps"])]))
    equal(r.stdout.count(b"\n"), 1)
    assert r.stdout.startswith(b"ID "), r


SOCKETS = r"""
import socket, sys, time
s = [socket.socket() for i in range(5)] + \
    [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for i in range(2)]
for i in s: i.bind(('127.0.0.1', 0))
print('ready', flush=True); time.sleep(100)
"""


def test_ps_counts_sockets(mode):
    with place(mode) as pl:
        p = pl.start("count", ["/usr/bin/python3", "-c", SOCKETS],
                     stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        equal(pl.ps()["count"]["sockets"], 7)


def test_random_ids(mode):
    with place(mode) as pl:
        p = subprocess.Popen(host.cordon(["sleep", "100"], mode, NONE),
                             env=pl.env, start_new_session=True)
        pl.running.append(p)
        until(lambda: p.pid in [s["pid"] for s in pl.ps().values()], "no id")
        name = [n for n, s in pl.ps().items() if s["pid"] == p.pid][0]
        assert re.fullmatch("[a-z2-7]{8}", name), name


def test_names(mode):
    with place(mode) as pl:
        for bad in "", "a/b", "..", "-x", ".x", "ä", "x" * 33, "a b":
            r = check(host.run(host.cordon(["true"], mode, [
                *NONE, "--name=" + bad]), env=pl.env), 125)
            assert b"--name" in r.stderr and r.stderr.count(b"\n") == 1, r
        pl.start("x" * 32, ["sleep", "100"])
        pl.start("A.b_c-9", ["sleep", "100"])
        r = check(host.run(host.cordon(["true"], mode, [
            *NONE, "--name", "A.b_c-9"]), env=pl.env), 125)
        assert b"is running" in r.stderr and r.stderr.count(b"\n") == 1, r
        # Also when it is in another directory that ps looks into.
        r = check(host.run(host.cordon(["true"], mode, [
            *NONE, "--name", "new"]), env=pl.env))
        assert "A.b_c-9" in pl.ids() and "new" not in pl.ids()


def test_prefixes(mode):
    with place(mode) as pl:
        for name in "alpha-1", "alpha-12", "beta":
            pl.start(name, ["sleep", "100"])
        pl.fails("pause", "alpha", text="alpha-1, alpha-12")
        pl.fails("pause", "gamma", text="no sandbox gamma")
        pl.fails("pause", "a/b", text="needs one id")
        pl.fails("pause", text="needs one id")
        pl.ok("pause", "alpha-1")
        pl.ok("pause", "be")
        equal([pl.ps()[n]["state"] for n in ("alpha-1", "alpha-12", "beta")],
              ["paused", "running", "paused"])


def test_two_dead_and_two_alive(mode):
    """kill -9 of the sentry leaves nothing; of all of a sandbox at once, a
    name, which ps removes, or the next start."""
    with place(mode) as pl:
        for name in "dead1", "dead2", "dead3":
            pl.start(name, ["sleep", "100"])
        before = os.listdir(pl.dir)
        pl.start("alive", ["sleep", "100"])
        os.kill(pl.running[0].pid, signal.SIGKILL)
        until(lambda: not os.path.exists(pl.path("dead1")), "dead1 is left")
        for p in pl.running[1:3]:
            everything = [p.pid, *below(p.pid)]
            for pid in everything:
                os.kill(pid, signal.SIGSTOP)
            for pid in reversed(everything):
                os.kill(pid, signal.SIGKILL)
            p.wait(20)
        assert os.path.exists(pl.path("dead2"))
        p = pl.start("dead2", ["sleep", "100"])
        equal(pl.ps()["dead2"]["pid"], p.pid)
        assert not os.path.exists(pl.path("dead3"))
        equal(set(os.listdir(pl.socket_dir())), {"alive.sock", "dead2.sock"})
        # Nobody was left who could have removed their other directory.
        for name in os.listdir(pl.dir):
            if name.startswith("cordon-") and name in before:
                os.rmdir(os.path.join(pl.dir, name))


def test_a_stopped_sentry_shows(mode):
    with place(mode) as pl:
        p = pl.start("still", ["sleep", "100"])
        os.kill(p.pid, signal.SIGSTOP)
        row = pl.ps()["still"]
        equal((row["pid"], row["state"]), (p.pid, "silent"))
        os.kill(p.pid, signal.SIGCONT)
        until(lambda: pl.ps()["still"]["state"] == "running", "not back")


# ---- who may not ----

@modes("user")
def test_another_user_is_refused(mode):
    """Also where the directory and the socket would let him in."""
    with place(mode) as pl:
        pl.start("mine", ["sleep", "100"])
        code = "import socket, sys\n" \
               "s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)\n" \
               "s.connect(sys.argv[1])\n" \
               "print(s.recv(65536).decode())"
        ask = ["/usr/bin/python3", "-c", code, pl.path("mine")]
        r = host.run(host.as_user(1, ask))
        assert b"PermissionError" in r.stderr, r
        os.chmod(pl.dir, 0o755)
        os.chmod(pl.socket_dir(), 0o755)
        os.chmod(pl.path("mine"), 0o666)
        r = check(host.run(host.as_user(1, ask)))
        reply = json.loads(r.stdout)
        assert not reply["ok"] and "another user" in reply["error"], reply
        # Root is not another user.
        os.chmod(pl.socket_dir(), 0o700)
        os.chmod(pl.dir, 0o700)
        with pl.connect("mine") as s:
            assert ask_for(s, "ps")["ok"]


GUEST_ASKS = r"""
import os, socket, sys
d = os.environ['XDG_RUNTIME_DIR'] + '/cordon'
print(sorted(os.listdir(d)))
for name in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        s.connect(f'{d}/{name}.sock')
        print(s.recv(65536).decode())
    except OSError as e:
        print(type(e).__name__)
"""


def test_guests_are_refused(mode):
    """Of this sandbox and of another one."""
    with place(mode) as pl:
        pl.start("other", ["sleep", "100"])
        p = pl.start("self", ["/usr/bin/python3", "-c", GUEST_ASKS, "self",
                              "other"], stdout=subprocess.PIPE)
        out = p.communicate(timeout=20)[0].decode().splitlines()
        equal(out[0], "['other.sock', 'self.sock']")
        for line in out[1:3]:
            reply = json.loads(line)
            assert not reply["ok"] and "guests" in reply["error"], reply
        equal(len(out), 3)


def test_isolated_guests_see_no_names(mode):
    with place(mode) as pl:
        pl.start("other", ["sleep", "100"])
        p = pl.start("self", ["/usr/bin/python3", "-c", GUEST_ASKS, "self",
                              "other"], [*NONE, "--isolate"],
                     stdout=subprocess.PIPE)
        equal(p.communicate(timeout=20)[0],
              b"[]\nFileNotFoundError\nFileNotFoundError\n")
        os.kill(pl.start("gone", ["sleep", "100"],
                         [*NONE, "--isolate"]).pid, signal.SIGKILL)
        until(lambda: not os.path.exists(pl.path("gone")), "a name is left")


FAKE = r"""
import json, os, socket, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(os.environ['XDG_RUNTIME_DIR'] + '/cordon/fake.sock')
s.listen()
print('ready', flush=True)
while True:
    c = s.accept()[0]
    try:
        c.send(json.dumps({'version': 1, 'ok': True, 'id': 'fake'}).encode())
    except OSError:
        pass
"""


def test_guests_cannot_pretend(mode):
    with place(mode) as pl:
        p = pl.start("evil", ["/usr/bin/python3", "-c", FAKE],
                     stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        ids = pl.ids()
        assert "evil" in ids and "fake" not in ids
        pl.fails("pause", "fake", text="as guests are")
        p.kill()
        p.wait(20)
        until(lambda: not pl.ids() & {"evil", "fake"}, "still there")


def test_untrusted_directories(mode):
    """Not ours alone, or a link: the next one is taken."""
    uid = host.MODES[mode][1] or 0
    for spoil in "open", "link", "base":
        with place(mode) as pl:
            target = os.path.join(pl.dir, "target")
            if spoil == "link":
                os.mkdir(target, 0o700)
                os.chown(target, uid, uid)
                os.symlink(target, pl.socket_dir())
            elif spoil == "open":
                os.mkdir(pl.socket_dir())
                os.chown(pl.socket_dir(), uid, uid)
                os.chmod(pl.socket_dir(), 0o770)
            else:
                os.chmod(pl.dir, 0o777)
            name = f"spoilt-{os.getpid()}"
            p = pl.start(name, ["sleep", "100"])
            equal(pl.ps()[name]["pid"], p.pid)
            assert not os.path.exists(pl.path(name))
            p.terminate()
            p.wait(20)
            assert name not in pl.ids()
            if spoil == "link":
                equal(os.listdir(target), [])
                os.unlink(pl.socket_dir())
                os.rmdir(target)
            elif spoil == "open":
                os.rmdir(pl.socket_dir())


# ---- messages ----

def ask_raw(s, data):
    s.send(data)
    return json.loads(s.recv(65536))


def ask_for(s, command):
    return ask_raw(s, json.dumps({"version": 1, "command": command}).encode())


REFUSED = {
    b"": "JSON",
    b"{": "too early",
    b"nonsense": "not JSON",
    b"[1]": "not a JSON object",
    b"{} {}": "",
    b"{}": "version",
    b'{"version":"1","command":"ps"}': "version",
    b'{"version":2,"command":"ps"}': "unknown version",
    b'{"version":18446744073709551617,"command":"ps"}': "unknown version",
    b'{"version":1}': "command",
    b'{"version":1,"command":7}': "command",
    b'{"version":1,"command":"no"}': 'unknown command "no"',
    b'{"version":1,"command":"ps\\u0000x"}': "command",
    b'{"version":1,"command":"\xff"}': "not JSON",
    b"[" * 60000: "nested too deeply",
    b'{"a":' * 20 + b"1" + b"}" * 20: "nested too deeply",
    b'{"version":1,"command":"ps"}'.ljust(65537): "more than 65536 bytes",
}


def test_hostile_messages(mode):
    with place(mode) as pl:
        p = pl.start("target", ["sleep", "100"])
        with pl.connect("target") as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            for data, text in REFUSED.items():
                reply = ask_raw(s, data)
                assert reply["version"] == 1 and reply["ok"] is False and \
                    text in reply["error"], (data[:50], reply)
            # On the same connection, and of the greatest length.
            for tail in b"", b"\n", b" " * 65508:
                data = b'{"version":1,"command":"ps"}' + tail
                equal(ask_raw(s, data)["id"], "target")
            nine = array.array("i", [0] * 9)
            s.sendmsg([b'{"version":1,"command":"ps"}'], [
                (socket.SOL_SOCKET, socket.SCM_RIGHTS, nine)])
            assert "descriptors" in json.loads(s.recv(65536))["error"]
        fds = f"/proc/{p.pid}/fd"
        until(lambda: len(os.listdir(fds)) <= before_and_after(pl, fds),
              "descriptors are left")
        # Gone without waiting for the answer; many at once.
        some = [pl.connect("target") for _ in range(40)]
        for s in some:
            with contextlib.suppress(OSError):
                s.send(b'{"version":1,"command":"ps"}')
            s.close()
        equal(pl.ps()["target"]["state"], "running")


def before_and_after(pl, fds):
    """Descriptors with nobody connected, after fifty messages with one."""
    with pl.connect("target") as s:
        for _ in range(50):
            one = array.array("i", [0])
            s.sendmsg([b'{"version":1,"command":"ps"}'], [
                (socket.SOL_SOCKET, socket.SCM_RIGHTS, one)])
            assert json.loads(s.recv(65536))["ok"]
        now = len(os.listdir(fds))
    assert now < 45, now
    return now


@host.seconds(90)
@modes("shim")
def test_silent_clients(mode):
    """Sixteen places; those who say nothing lose theirs after 10 s."""
    with place(mode) as pl:
        pl.start("patient", ["sleep", "100"])
        silent = [pl.connect("patient") for _ in range(16)]
        until(lambda: not pl.ctl("pause", "patient").stderr.count(b"no sand"),
              "")
        with pl.connect("patient") as s:
            assert "too many clients" in json.loads(s.recv(65536))["error"]
        began = time.monotonic()
        for s in silent:
            equal(s.recv(1), b"")
            s.close()
        assert time.monotonic() - began < 15
        equal(pl.ps()["patient"]["id"], "patient")


def test_long_replies(mode):
    """More than a message holds comes in a sealed memfd."""
    argv = ["sh", "-c", "sleep 100", *["x" * 10000] * 8]
    with place(mode) as pl:
        pl.start("long", argv)
        equal(pl.ps()["long"]["argv"], argv)
        with pl.connect("long") as s:
            s.send(b'{"version":1,"command":"ps"}')
            data, anc, _, _ = s.recvmsg(65536, 64)
            fd = array.array("i", anc[0][2])[0]
            equal(json.loads(data)["long"], os.fstat(fd).st_size)
            try:
                os.write(fd, b"x")
                raise AssertionError("the reply can be written")
            except OSError:
                os.close(fd)


# ---- pause and resume ----

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
