# SPDX-License-Identifier: Apache-2.0
"""Descriptors and memory run out: an errno for who asks for more, nothing lost
for the others, and everything works again once something is given back."""

import subprocess
import threading
import time

import host
from host import equal, modes

NONE = ["--net", "none"]
PYTHON = "/usr/bin/python3"

# Opens pairs until something says no, uses the first one, gives the rest back.
GREEDY = r"""
import errno, socket, sys, time
listener = socket.create_server(('127.0.0.1', 0), backlog=512)
listener.settimeout(5)
def pair():
    c = socket.socket()
    try:
        c.settimeout(5); c.connect(listener.getsockname())
        while True: # some that were refused may be queued before it
            d, peer = listener.accept()
            if peer == c.getsockname(): return c, d
            d.close()
    except BaseException: c.close(); raise
def use(p, text):
    p[0].sendall(text); return p[1].recv(99)
def dgram():
    u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    u.bind(('127.0.0.1', 0)); return u
first = pair()
for make in pair, dgram:
    kept, error = [], None
    for i in range(400):
        try: kept.append(make())
        except OSError as e: error = e; break
    print(make.__name__, 'refused:', error is not None, file=sys.stderr)
    if error: print(make.__name__, errno.errorcode.get(error.errno, error),
                    len(kept), file=sys.stderr)
    for early in True, False:
        if early and 'late' in sys.argv: continue
        if not early:
            for p in kept:
                for s in (p if isinstance(p, tuple) else (p,)): s.close()
        if use(first, b'a') != b'a': sys.exit('the first connection is lost')
    kept = []
for i in range(500):
    try: p = pair(); break
    except OSError as e: last = e; time.sleep(0.01)
else: sys.exit(f'still refused: {last}')
print(use(p, b'again').decode())
"""


def limited(shell, mode, options=NONE, code=GREEDY, timeout=60):
    argv = host.cordon([PYTHON, "-c", code], mode, options)
    return host.run(["sh", "-c", shell + ' && exec "$@"', "sh", *argv],
                    timeout)


def test_few_descriptors(mode):
    """The sentry's and the guest's limit is the same small number; it may be
    too small to start, which has to be said in one line. Some 36 are the
    sentry's own, a few more with sanitizers."""
    for limit in 400, 200, 128, 64, 48:
        r = limited(f"ulimit -n {limit}", mode)
        equal((r.returncode, r.stdout), (0, b"again\n"),
              f"limit {limit}: {r.stderr[-1500:]!r}")
    for limit in range(4, 46, 2):
        r = limited(f"ulimit -n {limit}", mode)
        assert r.returncode in (0, 1, 125, 126, 127), (limit, r)
        if r.returncode == 125:
            assert 0 < r.stderr.count(b"\n") <= 2, (limit, r.stderr)


def test_few_descriptors_of_the_guest(mode):
    code = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, " \
        "(40, 40))\n" + GREEDY
    r = limited("true", mode, code=code)
    equal((r.returncode, r.stdout), (0, b"again\n"), f"{r.stderr[-1500:]!r}")
    assert b"pair EMFILE" in r.stderr and b"dgram EMFILE" in r.stderr, r.stderr


@modes("shim", "user-no-shim")
def test_little_memory(mode):
    """The sentry's address space is limited, the guest's is not. With no
    memory at all for packets a connection stalls; it goes on afterwards."""
    argv = host.cordon(["sh", "-c", "ulimit -v unlimited 2>/dev/null; "
                        "exec \"$@\"", "sh", PYTHON, "-c", GREEDY, "late"],
                       mode, NONE)
    for kib in 400000, 200000, 100000, 60000, 30000, 10000:
        r = host.run(["prlimit", f"--as={kib * 1024}:unlimited", *argv],
                     timeout=30)
        assert r.returncode in (0, 1, 125, 127), (kib, r)
        assert b"lost" not in r.stderr, (kib, r)
        if r.returncode == 0:
            equal(r.stdout, b"again\n")


CHURN = r"""
import socket, sys
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(64)
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for line in sys.stdin:
    for i in range(int(line)):
        c = socket.socket()
        c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     b'\1\0\0\0\0\0\0\0')
        c.connect(s.getsockname()); d, _ = s.accept(); d.close(); c.close()
    print('done', flush=True)
"""


def rss_kib(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f
                    if line.startswith("VmRSS"))


def settled_kib(pid, wanted):
    """What it has once it has given back: that is done now and then."""
    end = time.monotonic() + 5
    while (kib := rss_kib(pid)) > wanted and time.monotonic() < end:
        time.sleep(0.2)
    return kib


def test_many_connections_leave_no_memory(mode):
    """20 000 connections opened and closed: the sentry's memory stays. What
    the allocator has not given back yet does not grow with 20 000 more."""
    p = subprocess.Popen(host.cordon([PYTHON, "-c", CHURN], mode, NONE),
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         bufsize=0)
    stop = threading.Timer(200, p.kill)
    stop.start()
    try:
        kib = []
        for n in 2000, 20000, 20000:
            p.stdin.write(b"%d\n" % n)
            equal(p.stdout.readline(), b"done\n")
            kib.append(settled_kib(p.pid, kib[-1] + 2047 if kib else 0))
            if kib[-1] - kib[0] < 2048 and len(kib) > 1:
                break
        p.stdin.close()
        equal(p.wait(20), 0, "exit code")
    finally:
        stop.cancel()
        p.kill()
        p.wait()
    assert kib[-1] - kib[-2] < 2048, f"grew: {kib} KiB"
    assert kib[-1] < 16384, f"took {kib} KiB"
