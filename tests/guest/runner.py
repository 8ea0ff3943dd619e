# SPDX-License-Identifier: Apache-2.0
"""Same program twice: natively and in a sandbox; outputs must agree.

A program prints lines "key: value". The native run has a network namespace of
its own with lo up, the other is `cordon run --net none`. A line may differ only
if docs/DIFFERENCES.md lists `program` and `key` in its table.
"""

import os
import re
import time

import host

TOO_SLOW = 60  # seconds


def guests():
    return os.path.join(host.TOP, "build/tests/guest")


def allowed_differences():
    rows = set()
    with open(os.path.join(host.TOP, "docs/DIFFERENCES.md")) as f:
        for line in f:
            m = re.match(r"\|\s*`(\w+)`\s*\|\s*`([^`]+)`\s*\|", line)
            if m:
                rows.add((m[1], m[2]))
    return rows


def programs():
    names = [n for n in os.listdir(guests())
             if n.startswith("guest_") and "." not in n
             and os.access(os.path.join(guests(), n), os.X_OK)]
    return sorted(names)


def native(path, mode):
    """As the mode's user too: some options are for root only."""
    argv = host.as_user(host.MODES[mode][1], [path])
    script = "ip link set lo up && exec \"$@\""
    return host.run(["unshare", "-n", "sh", "-c", script, "sh", *argv],
                    timeout=TOO_SLOW)


def keyed(text):
    rows = []
    for line in text.decode(errors="replace").splitlines():
        key, _, value = line.partition(": ")
        rows.append((key, value))
    return rows


def compare(name, want, got, allowed):
    """Lines of explanation; empty when the two agree."""
    wrong = []
    if want.returncode != got.returncode:
        wrong.append(f"exit code: native {want.returncode}, "
                     f"inside {got.returncode}")
    a, b = keyed(want.stdout), keyed(got.stdout)
    for i in range(max(len(a), len(b))):
        x = a[i] if i < len(a) else ("(end)", "")
        y = b[i] if i < len(b) else ("(end)", "")
        if x == y or (x[0] == y[0] and (name, x[0]) in allowed):
            continue
        wrong.append(f"native {x[0]}: {x[1]}   inside {y[0]}: {y[1]}")
        if x[0] != y[0]:
            break
    if wrong:
        wrong.append(got.stderr.decode(errors="replace")[-2000:])
    return wrong


def inside(name, path, mode, want, allowed):
    slower = 4 if mode == "autosave-1" else 1  # new stacks at every event
    got = host.run(host.cordon([path], mode, ["--net", "none"]),
                   timeout=TOO_SLOW * slower)
    host.kill_leftovers()
    return compare(name, want, got, allowed)


def run(report, everything=False):
    host.enter_test_network()
    allowed = allowed_differences()
    modes = list(host.MODES)
    if not everything:
        modes = ["shim", "no-shim", "user", "autosave"]
    for program in programs():
        name = program[len("guest_"):]
        if not report.wants(f"guest {name}"):
            continue
        path = os.path.join(guests(), program)
        wanted = {}
        for mode in modes:
            uid = host.MODES[mode][1]
            if uid not in wanted:
                wanted[uid] = native(path, mode)
            start = time.monotonic()
            wrong = inside(name, path, mode, wanted[uid], allowed)
            again = ""
            if wrong:  # on a busy machine either run may be late
                wanted[uid] = native(path, mode)
                wrong = inside(name, path, mode, wanted[uid], allowed)
                again = "" if wrong else " (second try)"
            report.add(f"guest {name} [{mode}]{again}", not wrong,
                       "\n".join(wrong), seconds=time.monotonic() - start)
