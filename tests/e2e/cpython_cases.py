# SPDX-License-Identifier: Apache-2.0
"""Runs cases of CPython's test modules and writes what became of each.

    python3 cpython_cases.py OUT NAME...

A guest's program, by itself: nothing of the tests' own is imported. NAME is a
module, class or case. OUT gets lines of JSON: {"id", "outcome", "seconds",
"detail"} when a case begins and when it ends, so that one that hangs is known.
It saves (--autosave=syscall; else the call fails and nothing happens) before
and after each case, before calls of methods of sockets, and, from a process of
its own, all the time."""

import _socket
import contextlib
import ctypes
import functools
import io
import json
import os
import select
import socket
import sys
import time
import traceback
import unittest

INIT_MODULE = 175
# How long after a save the next may begin: with megabytes queued one takes tens
# of milliseconds, and cases have time-outs of their own.
REST_S = 0.001
REST = 5  # times what it took
CALLS = ("bind", "listen", "connect", "connect_ex", "send", "sendall", "sendto",
         "sendmsg", "recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg",
         "recvmsg_into", "shutdown", "setsockopt", "getsockopt", "getsockname",
         "getpeername", "_accept")

libc = ctypes.CDLL(None)


def save_now():
    """When the next may begin."""
    start = time.monotonic()
    libc.syscall(INIT_MODULE, 0, 0, 0)
    end = time.monotonic()
    return end + max(REST_S, REST * (end - start))


def saver():
    """A process nobody waits for, since some cases wait for any child; it ends
    with this one, by the end of file of a pipe."""
    r, w = os.pipe()
    pid = os.fork()
    if pid:
        os.close(r)
        os.waitpid(pid, 0)
        return w
    if os.fork():
        os._exit(0)
    os.close(w)
    rest = 0
    while not select.select([r], [], [], rest)[0]:
        rest = max(0, save_now() - time.monotonic())
    os._exit(0)


class SavingCalls:
    """Makes methods of sockets save first. (A profile function would see all
    calls, but with one in threads the interpreter may loop for ever.)"""

    def __init__(self):
        self.next = 0.0
        for name in CALLS:
            setattr(socket.socket, name,
                    self.saving(getattr(_socket.socket, name)))

    def saving(self, method):
        @functools.wraps(method)
        def call(*args, **kw):
            if time.monotonic() > self.next:
                self.next = save_now()
            return method(*args, **kw)
        return call


class Result(unittest.TestResult):
    """Each case's outcome; a failed subtest or cleanup is its case's."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def startTest(self, test):
        super().startTest(test)
        self.outcome, self.detail = "ok", ""
        self.write(test, "began")
        self.start = time.monotonic()
        save_now()

    def stopTest(self, test):
        save_now()
        self.write(test, self.outcome)
        super().stopTest(test)

    def write(self, test, outcome):
        took = 0 if outcome == "began" else time.monotonic() - self.start
        json.dump({"id": test.id(), "outcome": outcome, "detail": self.detail,
                   "seconds": round(took, 3)}, self.out)
        self.out.write("\n")
        self.out.flush()

    def note(self, test, outcome, detail):
        # Of a class or module that cannot be set up there is no start.
        if not hasattr(self, "start") or isinstance(
                test, unittest.suite._ErrorHolder):
            self.detail, self.start = detail, time.monotonic()
            self.write(test, outcome)
        elif self.outcome in ("ok", "skipped"):
            self.outcome, self.detail = outcome, detail

    def addError(self, test, err):
        self.note(test, "error", "".join(traceback.format_exception(*err)))

    def addFailure(self, test, err):
        self.note(test, "failed", "".join(traceback.format_exception(*err)))

    def addSubTest(self, test, subtest, err):
        if err:
            self.note(test, "failed",
                      "".join(traceback.format_exception(*err)))

    def addSkip(self, test, reason):
        self.note(test, "skipped", reason)

    def addExpectedFailure(self, test, err):
        self.note(test, "expected failure", "")

    def addUnexpectedSuccess(self, test):
        self.note(test, "unexpected success", "")


def without(suite, left_out):
    """The cases of a suite, flat, but for those of classes left out."""
    for x in suite:
        if isinstance(x, unittest.TestSuite):
            yield from without(x, left_out)
        elif type(x).__name__ not in left_out:
            yield x


def main(out, *args):
    from test import support
    support.use_resources = ["cpu", "walltime", "largefile", "subprocess"]
    support.verbose = 0
    suites = []
    for name in args:
        # A module for another system says so when it is imported.
        with contextlib.suppress(unittest.SkipTest):
            suites.append(unittest.defaultTestLoader.loadTestsFromName(name))
    # AF_VSOCK is not ours, and where it is half there its class waits for ever.
    cases = without(suites, {"ThreadedVSOCKSocketStreamTest"})
    SavingCalls()
    keep = saver()
    sys.stdout = io.StringIO()
    with open(out, "w") as f:
        unittest.TestSuite(cases).run(Result(f))
        os.close(keep)
        json.dump({"id": "", "outcome": "end", "detail": ""}, f)
        f.write("\n")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
