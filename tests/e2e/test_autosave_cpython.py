# SPDX-License-Identifier: Apache-2.0
"""CPython's own tests of sockets, selectors and asyncio: with saves every case
ends as it does without, in the same sandbox (what differs from Linux is another
matter: docs/DIFFERENCES.md)."""

import concurrent.futures
import json
import os
import sys

import host
from host import modes, seconds, slow

TESTS = "/usr/lib/python3.11/test"
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                       "cpython_cases.py")
MODULE_SECONDS = 150
LATE_AT_MOST = 1
NONE = ["--net", "none"]
# Those of test_asyncio whose cases talk over sockets, in a few seconds.
QUICK = ["test_asyncio." + m for m in
         ("test_buffered_proto", "test_sendfile", "test_server",
          "test_sock_lowlevel", "test_streams", "test_unix_events")]
plain_results = {}


def modules():
    names = os.listdir(os.path.join(TESTS, "test_asyncio"))
    return ["test_socket", "test_selectors"] + sorted(
        "test_asyncio." + n[:-3] for n in names
        if n.startswith("test_") and n.endswith(".py"))


def judged(case):
    """Outcome, and which exception: the words of one may be of the day."""
    outcome = case["outcome"]
    if outcome in ("error", "failed"):
        last = case["detail"].strip().splitlines()[-1]
        outcome += " " + last.partition(":")[0]
    return outcome


def cases(mode, *names):
    """{case: (outcome, detail)} of modules or cases; "began" did not end."""
    with host.workdir() as d:
        host.run(host.cordon(["/usr/bin/python3", PROGRAM, f"{d}/out",
                              *("test." + n for n in names)], mode, NONE),
                 timeout=MODULE_SECONDS, cwd=d,
                 env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
        with open(f"{d}/out") as f:
            rows = [json.loads(line) for line in f]
    return {c["id"]: (judged(c), c["detail"]) for c in rows}


def without_saves(mode):
    return "no-shim" if mode.endswith("no-shim") else "shim"


def plain(mode, name):
    key = without_saves(mode), name
    if key not in plain_results:
        plain_results[key] = cases(*key)
    return plain_results[key]


def differences(want, got):
    return {k: (want.get(k, ("missing", "")), got.get(k, ("missing", "")))
            for k in want.keys() | got.keys()
            if want.get(k, [None])[0] != got.get(k, [None])[0]}


def persist(mode, different):
    """A case that is late on a busy machine is run again, by itself, with and
    without: (what differs again, cases that do not)."""
    left, once = {}, []
    for case in sorted(filter(None, different)):
        name = case.partition(".")[2]
        one = lambda m: {k: v for k, v in cases(m, name).items() if k == case}
        again = differences(one(without_saves(mode)), one(mode))
        left.update(again)
        if not again:
            once.append((case, [x[0] for x in different[case]]))
    return left, once


def compare(mode, names, parallel=1):
    """Two modules at a time, if they may share the machine."""
    if not os.path.exists(f"{TESTS}/test_socket.py"):
        raise host.Skip("libpython3.11-testsuite is not installed")
    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        runs = [(n, pool.submit(plain, mode, n), pool.submit(cases, mode, n))
                for n in names]
    count, left, once = 0, {}, []
    for name, *both in runs:
        want, got = (run.result() for run in both)
        assert "" in want, (name, want.popitem())
        count += len(want) - 1
        different = differences(want, got)
        if "" in different:
            left[name] = "hangs in", [k for k in got if got[k][0] == "began"]
            continue
        more, late = persist(mode, different)
        left.update(more)
        once += late
    print(f"    {count} cases; differed once and not again: {once}",
          file=sys.stderr)
    assert count > 100, count
    # A defect may not come each time; a busy machine is not late often.
    assert not left and len(once) <= LATE_AT_MOST, (left, once)


@modes("autosave", "autosave-1000", "autosave-syscall")
@seconds(200)
def test_asyncio_sockets(mode):
    compare(mode, QUICK, 2)


@modes("autosave-syscall")
@seconds(200)
def test_socket_and_selectors(mode):
    compare(mode, ["test_socket", "test_selectors"], 2)


@slow
@seconds(1500)
@modes(*host.AUTOSAVE)
def test_everything(mode):
    compare(mode, modules())
