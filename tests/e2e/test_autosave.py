# SPDX-License-Identifier: Apache-2.0
"""Netstack and gateway are saved, thrown away and made anew under programs that
must not notice: what other modules test, with --autosave, and saves from
outside while bulk data is on its way through a tap to the kernel's TCP."""

import contextlib
import os
import re
import subprocess
import threading
import time

import host
from e2e import test_http, test_servers, test_tap, test_tools
from host import equal, inside, modes, seconds, slow

OFTEN = ["autosave", "autosave-1000"]
SAVE_NOW = "import ctypes; save = lambda: ctypes.CDLL(None).syscall(175, 0, 0, 0)\n"


@modes(*host.AUTOSAVE)
def test_number_of_saves(mode):
    """It does what it says: -v tells how often."""
    code = SAVE_NOW + r"""
import socket
s = socket.create_server(('127.0.0.1', 0))
c = socket.create_connection(s.getsockname()); d = s.accept()[0]
for i in range(60):
    save(); c.sendall(b'ping'); d.recv(4); d.sendall(b'pong'); c.recv(4)
"""
    with host.workdir() as d:
        inside(["/usr/bin/python3", "-c", code], mode,
               ["--net", "none", "-v", "--log", f"{d}/log"])
        with open(f"{d}/log") as f:
            m = re.search(r"saved and restored (\d+) times, (\d+) failed",
                          f.read())
    if mode == "autosave-1000":
        assert not m, m
        return
    least = {"autosave": 2, "autosave-syscall": 60, "autosave-1": 100,
             "autosave-no-shim": 10}[mode]
    assert m and int(m[1]) >= least and m[2] == "0", m


@modes("shim", "autosave", "autosave-syscall")
def test_init_module(mode):
    """Without the option it is the kernel's; with it, only all zeros are ours."""
    code = r"""
import ctypes
c = ctypes.CDLL(None, use_errno=True)
for a in ((0, 0, 0), (0, 1, 0), (0, 0, 1)):
    print(c.syscall(175, *a), ctypes.get_errno() != 0)
"""
    ours = "0 False\n" if mode == "autosave-syscall" else "-1 True\n"
    out = inside(["/usr/bin/python3", "-c", code], mode, ["--net", "none"])
    equal(out.decode(), ours + "-1 True\n" * 2)


@modes("shim")
def test_bad_values(mode):
    for value in "0", "x", "-1", "syscall1", "":
        r = host.run([host.CORDON, "run", f"--autosave={value}", "true"])
        equal(r.returncode, 125)
        assert b"--autosave" in r.stderr, r.stderr


@modes(*OFTEN)
@seconds(100)
def test_nginx_with_wrk(mode):
    test_servers.test_nginx_with_wrk(mode)


@modes(*OFTEN)
@seconds(100)
def test_redis(mode):
    test_servers.test_redis(mode)


@modes("autosave")
def test_iperf3(mode):
    test_servers.test_iperf3_tcp(mode)


@modes("autosave")
def test_ssh_and_scp(mode):
    test_tools.test_ssh_and_scp(mode)


@modes("autosave")
def test_dns_and_http(mode):
    for name in dir(test_http):
        if name.startswith("test_"):
            getattr(test_http, name)(mode)


@contextlib.contextmanager
def saver(name, every):
    """Saves the sandbox of that name again and again; yields the replies."""
    replies, stop = [], threading.Event()

    def loop():
        while not stop.wait(every):
            r = subprocess.run([host.CORDON, "save", "--in-place", name],
                               capture_output=True, text=True)
            if r.returncode == 0:
                words = r.stdout.split()
                replies.append({k: int(v) for k, v in
                                zip(words[::2], words[1::2])})
    t = threading.Thread(target=loop)
    t.start()
    try:
        yield replies
    finally:
        stop.set()
        t.join()


@modes("shim", "no-shim")
def test_tap_bulk_saved_every_10_ms(mode):
    with test_tap.tap(mode):
        for args in [], ["-R"], ["-P", "4"]:
            name = f"bulk{os.getpid()}"
            with test_tap.kernel_iperf(), saver(name, 0.01) as replies:
                out = inside(["iperf3", "-c", "10.9.0.1", "-p", "5301", "-t",
                              "2", "-f", "m", *args], mode,
                             test_tap.OPTIONS + ["--name", name]).decode()
            rates = re.findall(r"([\d.]+) Mbits/sec.*receiver", out)
            assert rates and float(rates[-1]) > 20, out
            assert len(replies) > 5, replies
            assert max(r["connections"] for r in replies) >= 2, replies


TYPING = r"""
import os, pty, select, sys, time
pid, fd = pty.fork()
if pid == 0:
    os.execvp("ssh", ["ssh", "-tt", *sys.argv[1:], "root@10.0.2.2", "cat"])
seen = b""
def until(want):
    global seen
    end = time.monotonic() + 20
    while want not in seen:
        if not select.select([fd], [], [], end - time.monotonic())[0]:
            sys.exit(f"{want} did not come: {seen}")
        seen += os.read(fd, 4096)
os.write(fd, b"begin\n"); until(b"begin\r\nbegin")
for i in range(100):
    word = b"%d" % i
    for k in word:
        os.write(fd, bytes([k])); time.sleep(0.005)
    seen = b""
    os.write(fd, b"\n"); until(word + b"\r\n")
os.write(fd, b"\x04"); print("typed")
"""


@modes("shim", "autosave-1", "autosave")
def test_ssh_typing(mode):
    """A session with saves from outside, too."""
    name = f"typing{os.getpid()}"
    with host.workdir() as d, test_tools.sshd(d), saver(name, 0.05) as replies:
        out = inside(["/usr/bin/python3", "-c", TYPING,
                      *test_tools.ssh_options(d)], mode,
                     test_tools.NAT + ["--name", name])
    equal(out, b"typed\n")
    assert replies


CPYTHON = ["test.test_socket", "test.test_selectors",
           "test.test_asyncio.test_sock_lowlevel",
           "test.test_asyncio.test_streams",
           "test.test_asyncio.test_server",
           "test.test_asyncio.test_sendfile",
           "test.test_asyncio.test_selector_events",
           "test.test_asyncio.test_events"]


# AF_VSOCK is not ours, and where it is half there that class waits for ever.
CPYTHON_RUN = """
import importlib, sys, unittest
m = importlib.import_module(sys.argv.pop(1))
vars(m).pop("ThreadedVSOCKSocketStreamTest", None)
unittest.main(module=m, verbosity=2)
"""


def cases(argv):
    """{case: outcome} of a verbose run."""
    r = host.run(argv, timeout=400, cwd="/tmp",
                 env=dict(os.environ, PYTHONDONTWRITEBYTECODE="1"))
    text = (r.stdout + r.stderr).decode(errors="replace")
    out = dict(re.findall(r"^(test\w+ \(\S+\))(?:\n.*)? \.\.\. (ok|FAIL|ERROR|"
                          r"skipped|expected failure)", text, re.M))
    assert out, text[-2000:]
    return out


@slow
@seconds(1500)
@modes("autosave", "autosave-1000")
def test_cpython_modules(mode):
    """As without: every case that ends well without ends well."""
    if not os.path.exists("/usr/lib/python3.11/test/test_socket.py"):
        raise host.Skip("libpython3.11-testsuite is not installed")
    for module in CPYTHON:
        argv = ["/usr/bin/python3", "-c", CPYTHON_RUN, module]
        plain = cases(host.cordon(argv, "shim", ["--net", "none"]))
        saved = cases(host.cordon(argv, mode, ["--net", "none"]))
        worse = {k: (v, saved.get(k)) for k, v in plain.items()
                 if v == "ok" and saved.get(k, "ok") != "ok"}
        # (A warning may hide the end of a line or two.)
        assert len(saved) > len(plain) - 5, (module, len(plain), len(saved))
        assert not worse, (module, worse)
