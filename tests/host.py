# SPDX-License-Identifier: Apache-2.0
"""How tests run programs: natively, and under cordon in each of its modes.

Everything runs in a network namespace of its own ("the host" of the tests), so
that nothing leaves the machine and ports are free. Root only; tests drop to an
ordinary user themselves.
"""

import atexit
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# CORDON_UNDER_TEST: another build's binary, for a run by hand of any suite.
CORDON = os.environ.get("CORDON_UNDER_TEST",
                        os.path.join(TOP, "build/sentry/cordon"))
CORDON_ASAN = os.path.join(TOP, "build-asan/sentry/cordon")
libc = ctypes.CDLL(None, use_errno=True)
USER = 65534  # nobody: an ordinary user without a home

TEST_SECONDS = 60  # what takes longer says so with @seconds

# name → (cordon options, uid or None)
MODES = {
    "shim": ([], None),
    "no-shim": (["--no-shim"], None),
    "user": ([], USER),
    "user-no-shim": (["--no-shim"], USER),
    # The stacks are saved, thrown away and made anew while the program runs.
    "autosave": (["--autosave=50"], None),
    "autosave-1": (["--autosave=1"], None),
    "autosave-1000": (["--autosave=1000"], None),
    "autosave-syscall": (["--autosave=syscall"], None),
    "autosave-no-shim": (["--autosave=7", "--no-shim"], None),
    "autosave-asked": (["--autosave=syscall"], None),
}
# What starts a mode's programs: beside them runs one that asks for saves.
STARTERS = {"autosave-asked": ["/usr/bin/python3",
                               os.path.join(TOP, "tests/e2e/saving.py")]}
PLAIN = ["shim", "no-shim", "user", "user-no-shim"]
AUTOSAVE = [mode for mode in MODES if mode.startswith("autosave")]


def as_user(uid, argv):
    if uid is None:
        return argv
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups",
            "--", *argv]


def cordon(argv, mode="shim", options=(), binary=None):
    opts, uid = MODES[mode]
    return as_user(uid, [binary or CORDON, "run", *opts, *options, "--",
                         *STARTERS.get(mode, []), *argv])


def run(argv, timeout=60, **kw):
    kw.setdefault("stdout", subprocess.PIPE)
    kw.setdefault("stderr", subprocess.PIPE)
    kw.setdefault("stdin", subprocess.DEVNULL)
    p = subprocess.Popen(argv, start_new_session=True, **kw)
    try:
        out, err = p.communicate(timeout=timeout)
        return subprocess.CompletedProcess(argv, p.returncode, out, err)
    except subprocess.TimeoutExpired:
        kill_group(p)
        out, err = what_it_wrote(p)
        out = out or b""
        err = (err or b"") + f"\n[timeout after {timeout} s]".encode()
        return subprocess.CompletedProcess(argv, -999, out, err)
    except BaseException:
        kill_group(p)
        raise


def kill_group(p):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(p.pid, signal.SIGKILL)
    p.wait()


def what_it_wrote(p):
    """Of a killed one; a process that left its group may hold the pipes."""
    try:
        return p.communicate(timeout=2)
    except subprocess.TimeoutExpired as e:
        return e.stdout, e.stderr


class TooSlow(Exception):
    """A test took longer than it may."""


@contextlib.contextmanager
def at_most(seconds):
    """Raises TooSlow in the main thread when the body takes longer."""
    def late(*_):
        raise TooSlow(f"not done after {seconds} s")
    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


_reaper = None


def adopt_orphans():
    """Forks. The child returns; the parent stays to take the orphans of tests
    and to reap them at once (a zombie keeps its namespaces), and ends as the
    child does."""
    global _reaper
    if libc.prctl(36, 1, 0, 0, 0):  # PR_SET_CHILD_SUBREAPER
        raise OSError(ctypes.get_errno(), "prctl")
    parent, child = os.getpid(), os.fork()
    if not child:
        _reaper = parent
        libc.prctl(1, signal.SIGTERM, 0, 0, 0)  # PR_SET_PDEATHSIG
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda n, _: os.kill(child, n))
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xff)


def children(pid):
    found = set()
    with contextlib.suppress(OSError):
        for tid in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{tid}/children") as f:
                found.update(int(x) for x in f.read().split())
    return found


def kill_leftovers():
    """Ends what a test has left running, generation by generation."""
    for _ in range(1000):
        ours = children(os.getpid())
        orphans = children(_reaper) - {os.getpid()} if _reaper else set()
        if not ours and not orphans:
            return
        for pid in ours | orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in ours:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)
        time.sleep(0.001)


def wait_port(port, host="127.0.0.1", seconds=15):
    end = time.monotonic() + seconds
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    while time.monotonic() < end:
        with socket.socket(family) as s:
            if s.connect_ex((host, port)) == 0:
                return True
        time.sleep(0.02)
    return False


@contextlib.contextmanager
def background(argv, **kw):
    kw.setdefault("stdin", subprocess.DEVNULL)
    kw.setdefault("stdout", subprocess.DEVNULL)
    kw.setdefault("stderr", subprocess.DEVNULL)
    p = subprocess.Popen(argv, start_new_session=True, **kw)
    try:
        yield p
    finally:
        with contextlib.suppress(ProcessLookupError):
            p.terminate()
        try:
            p.wait(5)
        except subprocess.TimeoutExpired:
            kill_group(p)


@contextlib.contextmanager
def workdir():
    d = tempfile.mkdtemp(prefix="cordon-test.")
    os.chmod(d, 0o777)
    try:
        yield d
    finally:
        shutil.rmtree(d, ignore_errors=True)


def everybody_may_enter(path):
    while path != "/":
        if not os.stat(path).st_mode & 0o001:
            return False
        path = os.path.dirname(path)
    return True


def show_tree_to_everybody():
    """A home is closed to others (Debian's are 0700), and tests also run as an
    ordinary user: then the tree is used by another path."""
    global TOP, CORDON, CORDON_ASAN
    if everybody_may_enter(TOP):
        return
    path = tempfile.mkdtemp(prefix="cordon-tree.")
    os.chmod(path, 0o755)
    subprocess.run(["mount", "--bind", TOP, path], check=True)
    atexit.register(hide_tree, path)
    CORDON = CORDON.replace(TOP, path, 1)
    CORDON_ASAN = CORDON_ASAN.replace(TOP, path, 1)
    TOP = path


def hide_tree(path):
    libc.umount2(path.encode(), 2)  # MNT_DETACH
    os.rmdir(path)


RESOLV_CONF = "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n"
_entered = False


def enter_test_network():
    """Moves this process into a fresh network and mount namespace: lo up, a
    dummy interface with addresses, resolv.conf naming 127.0.0.1."""
    global _entered
    if _entered:
        return
    clone_newnet, clone_newns = 0x40000000, 0x00020000
    if libc.unshare(clone_newnet | clone_newns):
        raise OSError(ctypes.get_errno(), "unshare: tests need root")
    sh = lambda *a: subprocess.run(a, check=True)
    sh("mount", "--make-rprivate", "/")
    show_tree_to_everybody()
    sh("ip", "link", "set", "lo", "up")
    sh("ip", "addr", "add", "192.0.2.1/32", "dev", "lo")
    f = tempfile.NamedTemporaryFile("w", prefix="cordon-resolv.", delete=False)
    f.write(RESOLV_CONF)
    f.close()
    os.chmod(f.name, 0o644)
    sh("mount", "--bind", f.name, "/etc/resolv.conf")
    os.unlink(f.name)
    with open("/proc/sys/net/ipv4/ping_group_range", "w") as g:
        g.write("0 2147483647")
    _entered = True


class Skip(Exception):
    """The machine lacks what the test needs; says what."""


def modes(*names):
    def mark(fn):
        fn.modes = list(names)
        return fn
    return mark


def seconds(n):
    """How long the test may take in each mode, if not TEST_SECONDS."""
    def mark(fn):
        fn.seconds = n
        return fn
    return mark


def slow(fn):
    fn.slow = True
    return fn


def check(r, code=0):
    """The result, or an exception that shows everything."""
    if r.returncode != code:
        raise AssertionError(
            f"exit {r.returncode}, expected {code}: {r.args}\n"
            f"stdout: {(r.stdout or b'')[-3000:].decode(errors='replace')}\n"
            f"stderr: {(r.stderr or b'')[-3000:].decode(errors='replace')}")
    return r


def inside(argv, mode, options=(), timeout=60, code=0, **kw):
    """Runs argv under cordon, checks its exit code, returns stdout."""
    return check(run(cordon(argv, mode, options), timeout, **kw), code).stdout


def same(argv, mode, options=(), timeout=60, inside_argv=None):
    """Runs argv natively and inside; output and exit code must agree."""
    want = run(argv, timeout)
    got = run(cordon(inside_argv or argv, mode, options), timeout)
    if (want.returncode, want.stdout) != (got.returncode, got.stdout):
        raise AssertionError(
            f"native {want.returncode} {want.stdout[-500:]!r}\n"
            f"inside {got.returncode} {got.stdout[-500:]!r}\n"
            f"{got.stderr[-2000:].decode(errors='replace')}")
    return got


def equal(a, b, what="values"):
    if a != b:
        raise AssertionError(f"{what} differ: {a!r:.500} and {b!r:.500}")


def need(program):
    if not shutil.which(program):
        raise Skip(f"{program} is not installed")
