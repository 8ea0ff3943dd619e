# SPDX-License-Identifier: Apache-2.0
"""Go's own tests of its network packages, static programs: each ends as it does
natively, with saves after every event too."""

import os
import re

import host
from e2e import golang
from host import modes, seconds, slow

RUN_SECONDS = 280
# They ask netlink, which there is not inside: docs/DIFFERENCES.md.
NOT_YET = re.compile(r"TestInterface")
MORE = ("net/http", "net/http/httptest", "net/http/httputil", "net/rpc",
        "net/smtp", "crypto/tls")


def results(package, mode, only=None, inside=True):
    """{test: PASS, FAIL or SKIP}; natively, as the same user, if not inside."""
    exe, where = golang.tests_of(package)
    argv = [exe, "-test.v", "-test.short", f"-test.timeout={RUN_SECONDS}s",
            *(["-test.run", only] if only else [])]
    argv = (host.cordon(argv, mode, ["--net", "none"]) if inside
            else host.as_user(host.MODES[mode][1], argv))
    with host.workdir() as d:
        r = host.run(argv, timeout=RUN_SECONDS, cwd=where,
                     env=dict(os.environ, HOME=d, TMPDIR=d))
    rows = re.findall(r"^ *--- (PASS|FAIL|SKIP): (\S+)",
                      r.stdout.decode(errors="replace"), re.M)
    assert rows, (r.returncode, r.stdout[-2000:], r.stderr[-2000:])
    return {name: how for how, name in rows if not NOT_YET.match(name)}


def differences(want, got):
    return {k: (want.get(k), got.get(k)) for k in want.keys() | got.keys()
            if want.get(k) != got.get(k)}


def compare(package, mode, at_least):
    """What differs is run again by itself: they have time-outs."""
    want, got = results(package, mode, inside=False), results(package, mode)
    assert len(want) >= at_least, len(want)
    different = differences(want, got)
    names = {k.partition("/")[0] for k in different}
    if names:
        only = f"^({'|'.join(sorted(names))})$"
        again = differences(results(package, mode, only, inside=False),
                            results(package, mode, only))
        assert not again, (different, again)


@modes("user", "autosave-1")
@seconds(600)  # compiles the standard library once
def test_net(mode):
    compare("net", mode, 300)


@slow
@modes("no-shim", *host.AUTOSAVE)
@seconds(1500)
def test_more(mode):
    compare("net", mode, 300)
    for package in MORE:
        compare(package, mode, 10)
