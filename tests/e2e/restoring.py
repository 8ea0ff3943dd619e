# SPDX-License-Identifier: Apache-2.0
"""What tests of cordon restore share: one guest before, another one after."""

import contextlib
import os
import signal
import subprocess

import host
from e2e.place import NONE, place, until
from host import check, equal

# A guest that makes sockets, says so, and waits.
BEFORE = "import os, select, socket, struct, sys, time\n%s\n" \
         "print('ready', flush=True); time.sleep(100)\n"

# What begins afterwards: `by` has the sockets by proto and local port; of two
# with the same, the one that says where it is connected to as well.
AFTER = r"""
import json, os, select, socket, struct, sys
fd = int(os.environ['CORDON_FDS_FD'])
v = json.loads(open(fd).read())
assert fd == 3 + len(v) and [x['fd'] for x in v] == list(range(3, fd)), v
if 'CORDON_FDS' in os.environ: assert json.loads(os.environ['CORDON_FDS']) == v
by = {}
for x in v:
    s = socket.socket(fileno=x['fd'])
    s.settimeout(10)
    at = x['proto'], int(x['local'].rsplit(':')[-1])
    to = int(x.get('remote', ':0').rsplit(':')[-1])
    by[(*at, to) if at in by else at] = s
of = {s.fileno(): x for s in by.values() for x in v if x['fd'] == s.fileno()}
def raises(error, fn, *a):
    try: fn(*a)
    except error: return
    raise Exception('no ' + error.__name__)
%s
print('fine', flush=True)
"""
TAP = ["--net", "tap:tap7", "--ip", "10.9.0.2/24", "--gateway", "10.9.0.1"]


class Restored:
    """Runs `before`, saves it, kills it; then `after`, of the image."""

    def __init__(self, pl, before, options=NONE, ready=b"ready", **kw):
        self.pl, self.options = pl, options
        self.image = os.path.join(pl.dir, "image")
        self.p = pl.start("box", ["/usr/bin/python3", "-c", BEFORE % before],
                          options, stdout=subprocess.PIPE, **kw)
        equal(self.p.stdout.readline(), ready + b"\n")

    def save(self):
        self.pl.ok("save", "box", self.image)
        self.kill()

    def kill(self):
        """Its kernel has no time to end the connections."""
        self.p.send_signal(signal.SIGKILL)
        self.p.wait(20)
        if "tap:tap7" in self.options:
            tap_is_free()

    def argv(self, words, options, program):
        given = self.options if options is None else options
        return host.as_user(self.pl.uid, [
            host.CORDON, "restore", *words, self.image,
            *host.MODES[self.pl.mode][0], *given, "--name", "again", "--",
            *program])

    def begin(self, after, words=(), options=None):
        program = ["/usr/bin/python3", "-c", AFTER % after]
        q = subprocess.Popen(
            self.argv(words, options, program), env=self.pl.env,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True)
        self.pl.running.append(q)
        return q

    def ends(self, q, stderr=b""):
        out, err = q.communicate(timeout=30)
        equal((out, err, q.returncode), (b"fine\n", stderr, 0))

    def close(self):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.image)


@contextlib.contextmanager
def restored(mode, before, options=NONE, **kw):
    with place(mode) as pl:
        with contextlib.closing(Restored(pl, before, options, **kw)) as r:
            yield r


def tap_is_free():
    """LINUX: what io_uring holds goes some moments after the process."""
    until(lambda: b"NO-CARRIER" in check(
        host.run(["ip", "link", "show", "tap7"])).stdout, "tap7 is in use")
