# SPDX-License-Identifier: Apache-2.0
"""connect() sends the SYN in the caller's context: with the sentry's loop
thread stopped, the SYN is on the wire while connect() has not returned."""

import contextlib
import ctypes
import os
import select
import socket
import struct
import subprocess
import time

import host
from e2e import test_tap as tap_module
from host import equal, modes

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
IO_URING_ENTER = "426"
libc = ctypes.CDLL(None, use_errno=True)


def ptrace(request, tid):
    r = libc.ptrace(ctypes.c_long(request), ctypes.c_long(tid),
                    ctypes.c_void_p(0), ctypes.c_void_p(0))
    if r < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request:#x} {tid}")


def loop_thread(pid):
    for tid in os.listdir(f"/proc/{pid}/task"):
        if open(f"/proc/{pid}/task/{tid}/comm").read().strip() == \
                "cordon-loop":
            return int(tid)
    raise AssertionError("the sentry has no thread called cordon-loop")


def waits(tid):
    """In io_uring_enter(), and there for completions."""
    with open(f"/proc/{tid}/syscall") as f:
        call = f.read().split()
    return call[0] == IO_URING_ENTER and int(call[3], 16) > 0


def is_asleep(tid):
    with open(f"/proc/{tid}/stat") as f:
        state = f.read().rpartition(")")[2].split()[0]
    return state == "S" and waits(tid)


def stop_asleep(tid):
    """Stops a thread while it waits for events: stopped anywhere else it might
    hold the lock, and nobody else could connect."""
    for _ in range(1000):
        if not is_asleep(tid):
            time.sleep(0.001)
            continue
        ptrace(PTRACE_SEIZE, tid)
        ptrace(PTRACE_INTERRUPT, tid)
        os.waitpid(tid, 0x40000000)  # __WALL
        # The stop is at the call's end, before anything else ran.
        if waits(tid):
            return
        ptrace(PTRACE_DETACH, tid)
    raise AssertionError("the loop thread never sleeps")


@contextlib.contextmanager
def stopped(tid):
    stop_asleep(tid)
    try:
        yield
    finally:
        ptrace(PTRACE_DETACH, tid)


GUEST = r"""
import socket, sys, os
s = socket.socket(); s.settimeout(None)
print('ready', flush=True); sys.stdin.readline()
try: s.connect((sys.argv[1], int(sys.argv[2]))); print('connected', flush=True)
except OSError as e: print(e, flush=True)
"""


@contextlib.contextmanager
def guest(mode, options, to, port):
    argv = host.cordon(["/usr/bin/python3", "-c", GUEST, to, str(port)], mode,
                       options)
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        equal(p.stdout.readline(), b"ready\n")
        yield p
    finally:
        p.kill()
        p.wait()


def go(p):
    p.stdin.write(b"go\n")
    p.stdin.flush()


@modes("shim", "no-shim")
def test_nat(mode):
    with socket.create_server(("127.0.0.1", 0)) as s:
        port = s.getsockname()[1]
        with guest(mode, ["--host-loopback"], "10.0.2.2", port) as p:
            with stopped(loop_thread(p.pid)):
                go(p)
                s.settimeout(5)
                s.accept()[0].close()  # the host's SYN has come
            equal(p.stdout.readline(), b"connected\n")


def syn_on(sniffer, seconds):
    """True when a TCP SYN from 10.9.0.2 passes."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([sniffer], [], [], 0.1)[0]:
            continue
        frame, meta = sniffer.recvfrom(65536)
        ip = frame[14:]
        if frame[12:14] == b"\x08\x00" and ip[9] == 6 and \
                ip[12:16] == socket.inet_aton("10.9.0.2") and \
                ip[(ip[0] & 15) * 4 + 13] & 0x12 == 0x02:
            return True
    return False


@modes("shim", "no-shim")
def test_tap(mode):
    with tap_link(mode) as sniffer, \
            socket.create_server(("10.9.0.1", 0)) as s:
        port = s.getsockname()[1]
        with guest(mode, tap_module.OPTIONS, "10.9.0.1", port) as p:
            # resolve the neighbour first: the kernel asks, we learn
            subprocess.run(["ping", "-c", "1", "-W", "2", "10.9.0.2"],
                           stdout=subprocess.DEVNULL, check=True)
            with stopped(loop_thread(p.pid)):
                go(p)
                assert syn_on(sniffer, 5), "no SYN on the wire"
                returned = select.select([p.stdout], [], [], 0.3)[0]
                assert not returned, p.stdout.readline()
            equal(p.stdout.readline(), b"connected\n")


@contextlib.contextmanager
def tap_link(mode):
    with tap_module.tap(mode):
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW,
                           socket.htons(3)) as sniffer:
            sniffer.bind((tap_module.TAP, 0))
            yield sniffer
