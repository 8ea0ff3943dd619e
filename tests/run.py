#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the suites and counts. Called by tools/test, which builds first."""

import argparse
import json
import os
import re
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(TOP, "tests"))


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


def run_unit(report, build, label):
    """Every criterion program of a build."""
    out = subprocess.run(["meson", "introspect", "--tests", build],
                         capture_output=True, text=True, check=True, cwd=TOP)
    env = dict(os.environ, ASAN_OPTIONS="detect_leaks=1:abort_on_error=1",
               UBSAN_OPTIONS="halt_on_error=1:print_stacktrace=1")
    for test in json.loads(out.stdout):
        name = f"{label} {test['name']}"
        if not report.wants(name):
            continue
        start = time.monotonic()
        try:
            r = subprocess.run([*test["cmd"], "-j2"], capture_output=True,
                               text=True, errors="replace", env=env,
                               timeout=600)
        except subprocess.TimeoutExpired as e:
            report.add(name, False, f"timeout: {e}")
            continue
        text = r.stdout + r.stderr
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
    r = subprocess.run([os.path.join(TOP, "tools/lint")], capture_output=True,
                       text=True)
    for block in re.split(r"\n(?=ok  |FAIL)", r.stdout.strip()):
        head, _, detail = block.partition("\n")
        report.add(head[5:], head.startswith("ok"), detail)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--all", action="store_true")
    p.add_argument("--only", action="append")
    p.add_argument("--match", default="")
    args = p.parse_args()
    report = Report(args.match)
    suites = args.only or ["unit", "asan", "guest", "e2e", "lint"]
    if "unit" in suites:
        run_unit(report, "build", "unit")
    if "asan" in suites:
        run_unit(report, "build-asan", "asan")
    if "guest" in suites:
        from guest import runner
        runner.run(report, everything=args.all)
    if "e2e" in suites:
        from e2e import runner
        runner.run(report, everything=args.all)
    if "lint" in suites:
        run_lint(report)
    return report.close()


if __name__ == "__main__":
    sys.exit(main())
