# SPDX-License-Identifier: Apache-2.0
"""Runs the packetdrill scripts of tests/pkt/scripts.

On our netstack all of them; with --all also those on the host's kernel that
do not say otherwise, which shows that the scripts say what Linux does.
"""

import concurrent.futures
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
SCRIPTS = os.path.join(HERE, "scripts")
MUST_FAIL = os.path.join(HERE, "must_fail")
TOP = os.path.dirname(os.path.dirname(HERE))
# PKT_UNDER_TEST: another build's binary.
PKT = os.environ.get("PKT_UNDER_TEST",
                     os.path.join(TOP, "build/tests/pkt/pkt"))
HEAD_LINES = 20
# The headers of IPv6 are 20 bytes longer; so the MSS is the same.
FAMILIES = {
    "ipv4": [],
    "ipv6": ["--mtu=1520"],
    "ipv4-mapped-ipv6": [],
}
# Ways to run all scripts again on netstack: label, options. Saved, freed and
# loaded after every event, a stack must do the same at the same time.
AGAIN = [("netstack saved", ["--save=every"])]
CHUNK = 40  # scripts that one process runs
SECONDS = 300
# Real time: a loaded machine is late, by what Linux's own tests allow it.
EXTRA = {"kernel": ["--tolerance_usecs=14000"], "netstack": []}


def scripts():
    for folder, _, names in sorted(os.walk(SCRIPTS)):
        for name in sorted(names):
            if name.endswith(".pkt"):
                yield os.path.join(folder, name)


def notes(path):
    """(backends, families, lines that are wrong) of a script's head."""
    with open(path, encoding="utf-8") as f:
        head = [line.strip() for _, line in zip(range(HEAD_LINES), f)]
    backends, families, wrong = {"netstack", "kernel"}, ["ipv4"], []
    for line in head:
        m = re.match(r"// (netstack|kernel) only(: .+)?$", line)
        if m:
            backends = {m[1]}
            if not m[2]:
                wrong.append(f"{line}: and why?")
        m = re.match(r"// families: (.+)$", line)
        if m:
            families = m[1].split()
            wrong += [f"{line}: {x}?" for x in families if x not in FAMILIES]
    return backends, families, wrong


def run_chunk(backend, family, paths, options=()):
    """[(path, ok, what was said about it)]"""
    cmd = [PKT, f"--backend={backend}", f"--ip_version={family}",
           *FAMILIES[family], *EXTRA[backend], *options, *paths]
    try:
        r = subprocess.run(cmd, stdin=subprocess.DEVNULL, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           errors="replace", timeout=SECONDS, cwd=SCRIPTS)
        text, code = r.stdout, r.returncode
    except subprocess.TimeoutExpired as e:
        text, code = (e.stdout or b"").decode(errors="replace"), "time out"
    results, said = [], []
    for line in text.splitlines():
        m = re.match(r"(ok  |FAIL) (/.*\.pkt)$", line)
        if not m:
            said.append(line)
            continue
        results.append((m[2], m[1] == "ok  ", "\n".join(said)))
        said = []
    seen = {path for path, _, _ in results}
    if len(paths) == 1 and not seen:  # one file: no lines of results
        return [(paths[0], code == 0, text)]
    return results + [(p, False, f"not run: ended with {code}")
                      for p in paths if p not in seen]


def jobs(report, backend, label):
    """(family, paths), no more than CHUNK at a time."""
    by_family = {}
    for path in scripts():
        backends, families, wrong = notes(path)
        if wrong:
            report.add(f"pkt {os.path.relpath(path, SCRIPTS)}", False,
                       "\n".join(wrong))
        if backend not in backends:
            continue
        for family in families:
            name = f"{label} {family} {os.path.relpath(path, SCRIPTS)}"
            if family in FAMILIES and report.wants(f"pkt {name}"):
                by_family.setdefault(family, []).append(path)
    for family, paths in by_family.items():
        for i in range(0, len(paths), CHUNK):
            yield family, paths[i:i + CHUNK]


def run_backend(report, backend, workers, label=None, options=()):
    label = label or backend
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        todo = {pool.submit(run_chunk, backend, family, paths, options): family
                for family, paths in jobs(report, backend, label)}
        passed = 0
        for done in concurrent.futures.as_completed(todo):
            for path, ok, text in done.result():
                passed += ok
                if not ok:
                    name = os.path.relpath(path, SCRIPTS)
                    report.add(f"pkt {label} {todo[done]} {name}", False,
                               text)
        if passed:
            report.add(f"pkt {label}: {passed} scripts", True, count=passed)


def run_must_fail(report):
    """Scripts that are wrong are found wrong, and for the right reason."""
    for name in sorted(os.listdir(MUST_FAIL)):
        label = f"pkt must_fail {name}"
        if not name.endswith(".pkt") or not report.wants(label):
            continue
        path = os.path.join(MUST_FAIL, name)
        with open(path, encoding="utf-8") as f:
            want = re.match(r"// fails: (.+)$", f.readline().rstrip())
        (_, ok, said), = run_chunk("netstack", "ipv4", [path])
        if not want or ok or not re.search(want[1], said):
            report.add(label, False, said or "passed")
        else:
            report.add(label, True)


def run(report, everything):
    run_must_fail(report)
    run_backend(report, "netstack", os.cpu_count() or 2)
    for label, options in AGAIN:
        run_backend(report, "netstack", os.cpu_count() or 2, label, options)
    if not everything:
        return
    if os.geteuid() != 0:
        report.skip("pkt kernel", "only root can make network namespaces")
        return
    # In real time; what shares the processor is late.
    run_backend(report, "kernel", 1)


if __name__ == "__main__":
    sys.exit("run by tests/run.py")
