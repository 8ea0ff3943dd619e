# SPDX-License-Identifier: Apache-2.0
"""Static programs made by Go, which has no libc to preload into: kept until this
process ends."""

import atexit
import functools
import os
import shutil
import tempfile

import host
from host import check

# The standard library is compiled once, in a minute.
CACHE = "/tmp/cordon-go-cache"
GO_SECONDS = 300


def _go(home, *args, cwd=None):
    host.need("go")
    env = dict(os.environ, HOME=home, GOFLAGS="-mod=mod", GO111MODULE="off",
               CGO_ENABLED="0", GOCACHE=CACHE)
    return check(host.run(["go", *args], timeout=GO_SECONDS, env=env, cwd=cwd))


@functools.cache
def _folder():
    d = tempfile.mkdtemp(prefix="cordon-go.")
    os.chmod(d, 0o755)
    atexit.register(shutil.rmtree, d, ignore_errors=True)
    return d


@functools.cache
def program(name, text):
    src = os.path.join(_folder(), name + ".go")
    with open(src, "w") as f:
        f.write(text)
    exe = os.path.join(_folder(), name)
    _go(_folder(), "build", "-o", exe, src)
    return exe


@functools.cache
def tests_of(package):
    """(program, where it is to run) of a package of the standard library."""
    root = _go(_folder(), "env", "GOROOT").stdout.decode().strip()
    exe = os.path.join(_folder(), package.replace("/", "_") + ".test")
    _go(_folder(), "test", "-c", "-o", exe, package)
    return exe, os.path.join(root, "src", package)
