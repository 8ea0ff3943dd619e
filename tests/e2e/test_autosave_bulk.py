# SPDX-License-Identifier: Apache-2.0
"""Bulk through a tap to the kernel's TCP, with saves asked for from outside,
every 10 ms by the clock: nothing is lost, nothing stalls, the rate stays."""

import contextlib
import json
import re
import sys
import threading
import time

import host
from e2e import test_tap
from e2e.place import place
from host import equal, inside, modes, seconds, slow

REQUEST = json.dumps({"version": 1, "command": "save-in-place"}).encode()


class Saver(threading.Thread):
    """Asks the sandbox of that name for a save every so many seconds, from
    when it is there until it is gone, over one connection."""

    def __init__(self, pl, name, every):
        super().__init__(daemon=True)
        self.pl, self.name, self.every = pl, name, every
        self.stop, self.replies = threading.Event(), []

    def run(self):
        while not self.stop.wait(0.005):
            with contextlib.suppress(OSError):
                self.talk()

    def talk(self):
        with self.pl.connect(self.name) as s:
            due = time.monotonic()
            while not self.stop.wait(max(0, due - time.monotonic())):
                due = max(due + self.every, time.monotonic())
                s.send(REQUEST)
                data = s.recv(65536)
                if not data:
                    return
                self.replies.append(json.loads(data))

    def say(self, what):
        stalls = sorted(r["stall_us"] for r in self.replies if r["ok"])
        print(f"    {what}: {len(stalls)} saves, stall median "
              f"{stalls[len(stalls) // 2]} us, worst {stalls[-1]} us",
              file=sys.stderr)


@contextlib.contextmanager
def saver(pl, name, every):
    t = Saver(pl, name, every)
    t.start()
    try:
        yield t
    finally:
        t.stop.set()
        t.join()


def refused(replies):
    return [r for r in replies if not r["ok"]]


def measure(mode, took, *args):
    """Mbits/s of iperf3, saved every 10 ms."""
    with place(mode) as pl, saver(pl, "bulk", 0.01) as sv, \
            test_tap.kernel_iperf():
        out = inside(["iperf3", "-c", "10.9.0.1", "-p", "5301", "-t", str(took),
                      "-f", "m", *args], mode, test_tap.OPTIONS +
                     ["--name", "bulk"], timeout=took + 30,
                     env=pl.env).decode()
    rates = re.findall(r"([\d.]+) Mbits/sec.*receiver", out)
    assert rates and float(rates[-1]) > 20, out
    assert not refused(sv.replies), refused(sv.replies)
    assert len(sv.replies) > took * 10, len(sv.replies)
    assert max(r["connections"] for r in sv.replies) >= 2, sv.replies[-1]
    sv.say(f"iperf3 {' '.join(args)} {rates[-1]} Mbit/s")


@modes("shim", "no-shim")
def test_iperf3(mode):
    with test_tap.tap(mode):
        for args in [], ["-R"], ["-P", "4"]:
            measure(mode, 2, *args)


# Sends for so many seconds what the kernel's side echoes: no two megabytes are
# alike, and what comes back is what was sent.
ECHO = r"""
import hashlib, os, socket, sys, threading, time
s = socket.create_connection(('10.9.0.1', int(sys.argv[1])), 20)
end = time.monotonic() + float(sys.argv[2])
sent, back, n = hashlib.sha256(), hashlib.sha256(), 0
def send():
    global n
    block = os.urandom(1 << 20)
    while time.monotonic() < end:
        data = n.to_bytes(8, 'big') + block[n % 4099:]
        sent.update(data); s.sendall(data); n += len(data)
    s.shutdown(socket.SHUT_WR)
t = threading.Thread(target=send); t.start(); got = longest = 0
while True:
    a = time.monotonic(); d = s.recv(65536)
    longest = max(longest, time.monotonic() - a)
    if not d: break
    back.update(d); got += len(d)
t.join()
print(n == got, sent.digest() == back.digest(), longest < 2, n >> 20)
"""


def echo(mode, took):
    with test_tap.tap(mode), test_tap.tap_echo() as port, \
            place(mode) as pl, saver(pl, "echo", 0.01) as sv:
        out = inside(["/usr/bin/python3", "-c", ECHO, str(port), str(took)],
                     mode, test_tap.OPTIONS + ["--name", "echo"],
                     timeout=took + 40, env=pl.env).decode().split()
    equal(out[:3], ["True"] * 3)
    assert int(out[3]) > took * 2, out
    assert not refused(sv.replies), refused(sv.replies)
    assert len(sv.replies) > took * 10, len(sv.replies)
    sv.say(f"echo of {out[3]} MiB in {took} s")


@modes("shim")
def test_echo(mode):
    echo(mode, 5)


@slow
@modes("shim", "no-shim")
@seconds(400)
def test_long_lived(mode):
    """A minute of each."""
    echo(mode, 60)
    with test_tap.tap(mode):
        for args in [], ["-R"], ["-P", "4", "--bidir"]:
            measure(mode, 60, *args)
