# SPDX-License-Identifier: Apache-2.0
"""A guest that asks for saves beside one that does not (--autosave=syscall).

    python3 saving.py PROGRAM [ARGUMENT]...

becomes PROGRAM, with a child that calls init_module(0, 0, 0) again and again,
a fifth of the time at most, until the program ends."""

import ctypes
import os
import signal
import sys
import time

INIT_MODULE, PR_SET_PDEATHSIG = 175, 1
REST_S = 0.001
REST = 4  # times what the last save took
libc = ctypes.CDLL(None)


def save():
    start = time.monotonic()
    libc.syscall(INIT_MODULE, 0, 0, 0)
    return time.monotonic() - start


def main(argv):
    parent = os.getpid()
    if os.fork():
        os.execvp(argv[0], argv)
    # Nobody waits for output of this one.
    null = os.open("/dev/null", os.O_RDWR)
    for fd in range(3):
        os.dup2(null, fd)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    while os.getppid() == parent:
        time.sleep(max(REST_S, REST * save()))


if __name__ == "__main__":
    main(sys.argv[1:])
