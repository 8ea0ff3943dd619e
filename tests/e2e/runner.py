# SPDX-License-Identifier: Apache-2.0
"""Real programs under cordon. A test is a function `test_*(mode)` in one of the
modules test_*.py; it raises to fail. `modes` on a function limits its modes,
`seconds` says how long it may take, `slow` keeps it for --all."""

import importlib
import os
import time
import traceback

import host

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = sorted(f[5:-3] for f in os.listdir(HERE)
                 if f.startswith("test_") and f.endswith(".py"))


def tests_of(module):
    m = importlib.import_module(f"e2e.test_{module}")
    for name in dir(m):
        if name.startswith("test_") and callable(getattr(m, name)):
            yield name[5:], getattr(m, name)


def modes_of(fn, everything):
    """All of them for what says nothing; --all adds those that save."""
    return getattr(fn, "modes", host.PLAIN +
                   (["autosave"] if everything else []))


def run(report, everything=False):
    host.enter_test_network()
    for module in MODULES:
        for name, fn in tests_of(module):
            if getattr(fn, "slow", False) and not everything:
                continue
            for mode in modes_of(fn, everything):
                run_one(report, f"e2e {module} {name} [{mode}]", fn, mode)


def attempt(fn, mode):
    """(ok, what went wrong)."""
    try:
        with host.at_most(getattr(fn, "seconds", host.TEST_SECONDS)):
            fn(mode)
        return True, ""
    except host.Skip:
        raise
    except Exception:
        return False, traceback.format_exc()
    finally:
        host.kill_leftovers()


def run_one(report, name, fn, mode):
    """Real programs have time-outs of their own, and the machine may be busy:
    what fails gets a second try, and the report says so."""
    if not report.wants(name):
        return
    start = time.monotonic()
    try:
        ok, detail = attempt(fn, mode)
        if not ok:
            first = detail.strip().splitlines()[-1]
            ok, detail = attempt(fn, mode)
            if ok:
                name += f" (second try; first: {first[:200]})"
    except host.Skip as e:
        report.skip(name, str(e))
        return
    report.add(name, ok, detail, seconds=time.monotonic() - start)
