# SPDX-License-Identifier: Apache-2.0
"""Images in files: save, show, check, diff; what is refused, and that the
sandbox does not mind."""

import json
import os
import re
import subprocess

import host
from e2e.place import NONE, place
from host import check, equal

PROGRAM = r"""
import signal, socket, sys
l = socket.socket(); l.bind(('127.0.0.1', 0)); l.listen(8)
a = socket.socket(); a.connect(l.getsockname()); b, _ = l.accept()
c = socket.socket(); c.connect(l.getsockname())
c.shutdown(socket.SHUT_WR)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('127.0.0.1', 0))
print('ready', flush=True)
for line in sys.stdin:
    a.sendall(line.encode()); b.recv(100)
    print('went', flush=True)
"""


class Saved:
    """A sandbox with sockets, and a folder for its images."""

    def __init__(self, pl, options=NONE):
        self.pl = pl
        self.p = pl.start("box", ["/usr/bin/python3", "-c", PROGRAM], options,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        equal(self.p.stdout.readline(), b"ready\n")
        self.files = []

    def path(self, name):
        path = os.path.join(self.pl.dir, name)
        self.files.append(path)
        return path

    def save(self, name, *options):
        path = self.path(name)
        self.pl.ok("save", *options, "box", path)
        return path

    def works(self):
        self.p.stdin.write(b"x\n")
        self.p.stdin.flush()
        equal(self.p.stdout.readline(), b"went\n")

    def close(self):
        for f in self.files:
            if os.path.exists(f):
                os.unlink(f)
        self.p.stdin.close()


def test_save_show_check_diff(mode):
    with place(mode) as pl:
        s = Saved(pl)
        one = s.save("one")
        equal(os.stat(one).st_mode & 0o7777, 0o600)
        report = json.loads(check(pl.ctl("image", "check", one)).stdout)
        equal(report["sockets"]["LISTEN"], 1)
        assert report["sockets"]["ESTABLISHED"] >= 2, report
        equal(report["sockets"]["datagram"], 1)
        equal(report["header"]["sandbox"], "box")
        equal(report["header"]["argv"][0], "/usr/bin/python3")
        shown = json.loads(check(pl.ctl("image", "show", one)).stdout)
        equal(len(shown["records"]),
              sum(p["records"] for p in shown["header"]["parts"]))
        tcp = [r["fields"] for r in shown["records"] if r["record"] == "tcp"]
        equal({t["sk"]["local"]["addr"] for t in tcp}, {"127.0.0.1"})
        assert {"LISTEN", "ESTABLISHED"} < {t["state"] for t in tcp}, tcp
        full = check(pl.ctl("image", "show", "--full", one)).stdout
        assert b"blake2b " not in full
        equal(json.loads(check(pl.ctl("image", "diff", one, one)).stdout), [])
        s.works()
        two = s.save("two", "--pause")
        r = check(pl.ctl("image", "diff", one, two), 1)
        assert any(re.fullmatch("guest-stack/tcp [0-9]+", d["object"])
                   and d["path"] == "bytes_sent" and d["b"] > d.get("a", 0)
                   for d in json.loads(r.stdout)), r
        equal(pl.ps()["box"]["state"], "running")
        s.works()
        s.close()


def test_a_paused_guest_stays_paused(mode):
    with place(mode) as pl:
        s = Saved(pl)
        pl.ok("pause", "box")
        one, two = s.save("one", "--pause"), s.save("two")
        equal(pl.ps()["box"]["state"], "paused")
        check(pl.ctl("image", "check", one))
        check(pl.ctl("image", "check", two))
        pl.ok("resume", "box")
        s.works()
        s.close()


def test_the_gateway_is_in_it(mode):
    with place(mode) as pl:
        s = Saved(pl, [])
        one = s.save("one")
        report = json.loads(check(pl.ctl("image", "check", one)).stdout)
        equal([p["kind"] for p in report["header"]["parts"]
               if p["kind"] != "unread"],
              ["guest-stack", "gateway-stack", "gateway"])
        equal(report["stacks"], 2)
        s.works()
        s.close()


def test_what_cannot_be_written(mode):
    """The old file stays, and so does the sandbox."""
    with place(mode) as pl:
        s = Saved(pl)
        one = s.save("one")
        before = open(one, "rb").read()
        r = subprocess.run(
            ["sh", "-c", "ulimit -f 1; exec \"$@\"", "sh",
             *host.as_user(pl.uid, [host.CORDON, "save", "box", one])],
            env=pl.env, capture_output=True)
        equal(r.returncode, 125)
        assert b"File too large" in r.stderr, r
        equal(open(one, "rb").read(), before)
        pl.fails("save", "box", "/proc/x", text="cannot be written")
        pl.fails("save", "box", pl.dir, text="not a regular file")
        pl.fails("save", "box", "/dev/null", text="not a regular file")
        pl.fails("save", "nobody", one, text="no sandbox nobody")
        pl.fails("save", "box", text="needs an id")
        equal(set(os.listdir(pl.dir)), {"cordon", "one"} | {
            d for d in os.listdir(pl.dir) if d.startswith("cordon-")})
        s.works()
        s.close()


def test_what_is_refused(mode):
    """A clear line for each, and exit code 1 of check."""
    with place(mode) as pl:
        s = Saved(pl)
        good = open(s.save("good"), "rb").read()
        bad = s.path("bad")

        def refused(data, text):
            with open(bad, "wb") as f:
                f.write(data)
            os.chmod(bad, 0o644)
            r = check(pl.ctl("image", "check", bad), 1)
            assert text in r.stderr.decode() and r.stderr.count(b"\n") == 1, r
            check(pl.ctl("image", "show", bad), 125)
            check(pl.ctl("image", "diff", bad, bad), 2)

        refused(b"", "is empty")
        refused(b"#!/bin/sh\n", "is not an image")
        refused(good[:12] + b"\x02" + good[13:], "newer cordon")
        for n in 5, 16, 100, len(good) // 2, len(good) - 1:
            refused(good[:n], "cut short")
        refused(good + b"\0", "1 bytes behind its end")
        for n in 60, len(good) // 2, len(good) - 60:
            refused(good[:n] + bytes([good[n] ^ 4]) + good[n + 1:], "")
        s.works()
        s.close()
