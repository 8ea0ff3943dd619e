# SPDX-License-Identifier: Apache-2.0
"""The control socket: names, ps, and who may not."""

import array
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import host
from e2e.place import NONE, place, until, below, guest_of
from host import check, equal, modes


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
        # ps takes away names behind which nobody is any more.
        until(lambda: not pl.ids() & {"evil", "fake"}
              and not os.path.exists(pl.path("fake")), "still there")


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
