# SPDX-License-Identifier: Apache-2.0
"""A selection of real programs under a cordon with AddressSanitizer,
LeakSanitizer and UndefinedBehaviorSanitizer. Any report of theirs fails the
test, whatever the program said. Only cordon is instrumented: guests and the
shim run as they are."""

import contextlib
import importlib
import os
import time
import traceback

import host
from guest import runner as guests

# module, test, mode
TESTS = [
    ("http", "curl_ipv4_and_ipv6", "shim"),
    ("http", "curl_by_name", "user-no-shim"),
    ("http", "download_and_upload_64_mib", "shim"),
    ("http", "reset", "no-shim"),
    ("http", "never_answers", "shim"),
    ("servers", "nginx_with_wrk", "no-shim"),
    ("servers", "redis", "shim"),
    ("servers", "iperf3_udp", "user"),
    ("tap", "server_inside_kernel_client", "shim"),
    ("tap", "unresolved_neighbour", "no-shim"),
    ("hostile", "garbage_on_the_wire", "shim"),
    ("hostile", "scribbled_arguments", "shim"),
    ("hostile", "scribbled_arguments", "user-no-shim"),
    ("hostile", "processes_killed_in_calls", "no-shim"),
    ("exhausted", "few_descriptors", "no-shim"),
    ("autosave", "many_sockets", "autosave-syscall"),
    ("autosave", "asked_for_many_sockets", "shim"),
    ("manners", "death_with_many_sockets", "no-shim"),
    ("restore", "datagrams", "shim"),
    ("restore", "not_accepted", "shim"),
    ("restore", "unread", "no-shim"),
    ("upgrade_traffic", "published_server", "no-shim"),
]
# random_calls says the same in more time.
GUESTS_LEFT_OUT = {"guest_random_calls", "guest_blocking"}


@contextlib.contextmanager
def reports():
    """A folder into which every sanitizer writes, and cordon's other binary."""
    plain, names = host.CORDON, ("ASAN_OPTIONS", "UBSAN_OPTIONS")
    saved = {n: os.environ.get(n) for n in names}
    with host.workdir() as d:
        os.environ["ASAN_OPTIONS"] = f"log_path={d}/asan:detect_leaks=1"
        os.environ["UBSAN_OPTIONS"] = \
            f"log_path={d}/ubsan:print_stacktrace=1"
        host.CORDON = host.CORDON_ASAN
        try:
            yield d
        finally:
            host.CORDON = plain
            for n, value in saved.items():
                os.environ.pop(n)
                if value is not None:
                    os.environ[n] = value


def take(folder):
    """What the sanitizers have written since the last time."""
    text = ""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        with open(path, errors="replace") as f:
            text += f"{name}:\n{f.read(6000)}\n"
        os.unlink(path)
    return text


def attempt(fn):
    """Empty, or what went wrong."""
    try:
        with host.at_most(host.TEST_SECONDS):
            fn()
        return ""
    except host.Skip:
        raise
    except Exception:
        return traceback.format_exc()
    finally:
        host.kill_leftovers()


def one(report, name, folder, fn):
    if not report.wants(name):
        return
    start = time.monotonic()
    try:
        wrong = attempt(fn)
    except host.Skip as e:
        report.skip(name, str(e))
        return
    wrong += take(folder)
    report.add(name, not wrong, wrong, seconds=time.monotonic() - start)


def run_guest(program):
    """Its answers are compared elsewhere; timing is not that of a release."""
    path = os.path.join(guests.guests(), program)
    r = host.run(host.cordon([path], "shim", ["--net", "none"]), timeout=60)
    if r.returncode < 0 or r.returncode >= 125:
        host.check(r)


def run(report):
    host.enter_test_network()
    with reports() as folder:
        for program in guests.programs():
            if program not in GUESTS_LEFT_OUT:
                one(report, f"asan guest {program[6:]}", folder,
                    lambda p=program: run_guest(p))
        for module, test, mode in TESTS:
            m = importlib.import_module(f"e2e.test_{module}")
            fn = getattr(m, f"test_{test}")
            one(report, f"asan e2e {module} {test} [{mode}]", folder,
                lambda f=fn, mode=mode: f(mode))
