#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the suites and counts. Called by tools/test, which builds first."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import traceback

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests"))
import host  # noqa: E402

UNIT_SECONDS = 240  # for one program; most take a few
LINT_SECONDS = 900


class Report:
    """Counts results; prints one line per test, details of failures."""

    def __init__(self, match):
        self.match = match
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def wants(self, name):
        return not self.match or self.match in name

    def add(self, name, ok, detail="", count=1, seconds=None):
        took = f" ({seconds:.1f} s)" if seconds is not None else ""
        print(f"{'ok  ' if ok else 'FAIL'} {name}{took}", flush=True)
        if ok:
            self.passed += count
            return
        self.failed += count
        self.failures.append(name)
        for line in detail.splitlines()[-40:]:
            print(f"     {line}", flush=True)

    def skip(self, name, why):
        print(f"skip {name}: {why}", flush=True)
        self.skipped += 1

    def close(self):
        for name in self.failures:
            print(f"failed: {name}")
        tail = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {self.failed} failed{tail}")
        return 1 if self.failed or not self.passed else 0


def criterion_counts(text):
    m = re.findall(r"Tested: .*?(\d+).*?Passing: .*?(\d+).*?Failing: .*?(\d+)"
                   r".*?Crashing: .*?(\d+)",
                   re.sub(r"\x1b\[[0-9;]*m", "", text))
    return tuple(map(int, m[-1])) if m else None


# Minutes of virtual bulk for a figure: with sanitizers they would take as many
# real ones, over code that the other simulations run too.
FIGURES_ONLY = {"sim_cc", "sim_goodput"}


def run_unit(report, build, label):
    """Every criterion program of a build."""
    out = subprocess.run(["meson", "introspect", "--tests", build],
                         capture_output=True, text=True, check=True, cwd=TOP)
    env = dict(os.environ, CRITERION_JOBS="2",
               ASAN_OPTIONS="detect_leaks=1:abort_on_error=1",
               LSAN_OPTIONS="print_suppressions=0:suppressions=" +
               os.path.join(TOP, "tests/unit/lsan.supp"),
               UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    for test in json.loads(out.stdout):
        name = f"{label} {test['name']}"
        if not report.wants(name):
            continue
        if label == "asan" and test["name"] in FIGURES_ONLY:
            continue
        start = time.monotonic()
        r = host.run(test["cmd"], timeout=UNIT_SECONDS, env=env,
                     cwd=test["workdir"] or os.path.join(TOP, build))
        text = (r.stdout + r.stderr).decode(errors="replace")
        counts = criterion_counts(text)
        took = time.monotonic() - start
        if counts is None:
            report.add(name, r.returncode == 0, text, seconds=took)
            continue
        tested, passing, failing, crashing = counts
        bad = failing + crashing
        if passing:
            report.add(f"{name}: {passing} of {tested}", True, count=passing,
                       seconds=took)
        if bad or r.returncode:
            report.add(f"{name}: {bad} failed", False, text,
                       count=max(bad, 1))


def run_lint(report):
    """As its checks end: clang-tidy takes minutes."""
    if not report.wants("lint"):
        return
    p = subprocess.Popen([os.path.join(TOP, "tools/lint")], text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    timer = threading.Timer(LINT_SECONDS, p.kill)
    timer.start()
    block = []
    for line in p.stdout:
        if line.startswith(("ok  ", "FAIL")) and block:
            report_lint(report, block)
            block = []
        block.append(line.rstrip())
    report_lint(report, block)
    timer.cancel()
    if p.wait() not in (0, 1):
        report.add("lint", False, f"ended with {p.returncode}")


def report_lint(report, block):
    if block:
        report.add(block[0][5:], block[0].startswith("ok"),
                   "\n".join(block[1:]))


def run_asan(report, everything):
    run_unit(report, "build-asan", "asan")
    from e2e import sanitized
    sanitized.run(report)


def run_pkt(report, everything):
    from pkt import runner
    runner.run(report, everything)


def run_guest(report, everything):
    from guest import runner
    runner.run(report, everything)


def run_e2e(report, everything):
    from e2e import runner
    runner.run(report, everything)


# Beyond what the unit suite has of it (300 seeds, a minute of 100 flows).
SIM_RUNS = [("10000 seeds", ["seeds", "1", "10000", "-j",
                             str(os.cpu_count() or 1)]),
            ("10000 seeds, saved and loaded",
             ["seeds", "1", "10000", "-j", str(os.cpu_count() or 1), "--save",
              "random"]),
            ("100 flows for an hour", ["long", "100", "1h", "1"])]
SIM_SECONDS = 1800


def run_sim(report, everything):
    for name, args in SIM_RUNS if everything else []:
        if not report.wants(f"sim {name}"):
            continue
        start = time.monotonic()
        r = host.run([os.path.join(TOP, "build/tests/sim/sim"), *args],
                     timeout=SIM_SECONDS)
        report.add(f"sim {name}", r.returncode == 0,
                   (r.stdout + r.stderr).decode(errors="replace"),
                   seconds=time.monotonic() - start)


SUITES = {
    "unit": lambda report, everything: run_unit(report, "build", "unit"),
    "asan": run_asan,
    "sim": run_sim,
    "pkt": run_pkt,
    "guest": run_guest,
    "e2e": run_e2e,
    "lint": lambda report, everything: run_lint(report),
}


def run_suite(report, name, everything):
    """A suite that cannot run is one failure; the others still run."""
    print(f"\n== {name}", flush=True)
    start = time.monotonic()
    try:
        SUITES[name](report, everything)
    except Exception:
        report.add(name, False, traceback.format_exc())
    print(f"== {name}: {time.monotonic() - start:.0f} s", flush=True)


def main():
    # Whoever starts us in the background may have had it ignored, which
    # guests would inherit, and a shell among them could not trap it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    p = argparse.ArgumentParser(prog="tools/test")
    p.add_argument("--all", action="store_true")
    p.add_argument("--only", action="append", choices=SUITES)
    p.add_argument("--match", default="")
    args = p.parse_args()
    host.adopt_orphans()
    report = Report(args.match)
    for name in args.only or SUITES:
        run_suite(report, name, args.all)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
