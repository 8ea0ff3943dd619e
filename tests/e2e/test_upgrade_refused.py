# SPDX-License-Identifier: Apache-2.0
"""Upgrades that do not happen: the old one goes on, and says why."""

import fcntl
import os
import random
import subprocess
import sys

import host
from e2e.place import place, until
from e2e.upgrades import (ECHO_SELF, NAT, WAITING, Download, a_file,
                          busy_listener, upgrade, web)
from host import check, equal, modes, seconds


def refused(pl, p, name, binary, text):
    r = check(pl.ctl("upgrade", name, "--binary", binary), 125)
    assert text in r.stderr.decode() and r.stderr.count(b"\n") == 1, r
    assert p.poll() is None
    equal(pl.ps()[name]["pid"], p.pid)


def test_refused(mode):
    """Each leaves the old one running, with its connections."""
    other = os.path.join(os.path.dirname(host.CORDON), "cordon-of-tomorrow")
    with place(mode) as pl, host.workdir() as d:
        p = pl.start("r", ["/usr/bin/python3", "-c", ECHO_SELF],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        for binary, text in (
                ("/bin/true", "no cordon"), ("/bin/false", "no cordon"),
                ("/nonexistent", "No such file"), (d, "regular"),
                ("/dev/null", "regular"),
                (a_file(d, "closed", "x", 0o644), "executable"),
                (a_file(d, "script", "#!/bin/sh\nexit 0\n"), "new program"),
                (a_file(d, "junk", "\x7fELFjunk"), "cannot run"),
                ("/bin/echo", "no cordon"),
                (other, "is of version 1 ")):
            refused(pl, p, "r", binary, text)
            p.stdin.write(b"again\n")
            p.stdin.flush()
            equal(p.stdout.readline(), b"again\n")
        upgrade(pl, "r")
        p.stdin.close()
        equal(p.wait(20), 0)


# A program that can load the image, and then cannot be run, or fails.
TRICK = r"""
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	char path[4096];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);

	if (argc < 3 || strcmp(argv[1], "upgrade-probe"))
		return 42;
	path[n] = 0;
	if (CLOSED)
		chmod(path, 0644);
	argv[0] = CORDON;
	execv(CORDON, argv);
	return 1;
}
"""


def trick(d, closed):
    host.need("gcc")
    source = a_file(d, "trick.c", TRICK)
    path = os.path.join(d, f"trick{closed}")
    check(host.run(["gcc", "-o", path, f"-DCLOSED={closed}",
                    f'-DCORDON="{host.CORDON}"', source]))
    return path


@modes("shim", "no-shim")
def test_exec_fails(mode):
    """The last step fails: everything was quiet, and goes on."""
    with place(mode) as pl, host.workdir() as d, web(50) as (port, want):
        for i in range(3):
            path = trick(d, 1)
            got = Download(pl, "f", port, ["--netem", "rate=400mbit"])
            r = check(pl.ctl("upgrade", "f", "--binary", path), 125)
            assert b"cannot run the new program: Permission denied" in \
                r.stderr, r
            got.must_be(want)


@modes("shim", "user")
def test_new_one_fails(mode):
    """Past the point of no return: nothing is left of it."""
    with place(mode) as pl, host.workdir() as d:
        p = pl.start("x", ["sleep", "100"])
        os.chmod(d, 0o777)
        guest = pl.ps()["x"]["guest_pid"]
        r = check(pl.ctl("upgrade", "x", "--binary", trick(d, 0)), 125)
        assert b"it has ended" in r.stderr, r
        equal(p.wait(20), 42)
        until(lambda: not os.path.exists(f"/proc/{guest}"), "the guest lives")


# Keeps the image that it is asked about, and the words.
KEEP = r"""
#include <stdio.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	static char buf[1 << 20];
	FILE *image = fopen(KEPT, "w"), *words = fopen(KEPT ".argv", "w");
	ssize_t n;

	lseek(3, 0, SEEK_SET);
	while ((n = read(3, buf, sizeof buf)) > 0)
		fwrite(buf, 1, (size_t)n, image);
	for (int i = 3; i < argc; i++)
		fprintf(words, "%s%c", argv[i], 0);
	fclose(image);
	fclose(words);
	puts("kept");
	return 1;
}
"""


def kept_image(pl, name, d):
    source, kept = a_file(d, "keep.c", KEEP), os.path.join(d, "image")
    path = os.path.join(d, "keep")
    check(host.run(["gcc", "-o", path, f'-DKEPT="{kept}"', source]))
    r = check(pl.ctl("upgrade", name, "--binary", path), 125)
    assert b"the new program refuses: kept" in r.stderr, r
    with open(kept, "rb") as f, open(kept + ".argv", "rb") as g:
        return f.read(), g.read().split(b"\0")[:-1]


def probe(image, words):
    """Exit code and words of a program that tries this image."""
    fd = os.memfd_create("image", os.MFD_ALLOW_SEALING)
    try:
        os.write(fd, image)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE |
                    fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
        r = host.run([host.CORDON, "upgrade-probe", str(fd), *words],
                     pass_fds=[fd])
        return r.returncode, r.stdout + r.stderr
    finally:
        os.close(fd)


@modes("shim")
@seconds(120)
def test_hostile_images(mode):
    """Cut, with bits turned, of other versions: refused in words, or loaded;
    never a crash, and the sandbox that they are of goes on."""
    host.need("gcc")
    with place(mode) as pl, host.workdir() as d, busy_listener() as (s, fill):
        p = pl.start("h", ["/usr/bin/python3", "-c", WAITING,
                           str(s.getsockname()[1])],
                     [*NAT, "-p", "127.0.0.1:8082:80", "--netem",
                      "delay=1ms"],
                     stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        equal(p.stdout.readline(), b"ready\n")
        image, words = kept_image(pl, "h", d)
        code, said = probe(image, words)
        equal((code, b"can be loaded" in said), (0, True), said)
        rnd, loaded = random.Random(7), 0
        for i in range(300):
            bad = bytearray(image)
            if i % 3 == 0:
                del bad[rnd.randrange(1, len(bad)):]
            else:
                for _ in range(rnd.choice([1, 1, 3, 30])):
                    # Heads of records rather than queues of bytes.
                    at = rnd.randrange(min(len(bad), 40000))
                    bad[at] = rnd.choice([0, 255, bad[at] ^
                                          1 << rnd.randrange(8)])
            code, said = probe(bytes(bad), words)
            assert code in (0, 125), (i, code, said)
            assert code == 0 or (said.startswith(b"cordon: ") and
                                 said.count(b"\n") == 1), (i, said)
            assert code or i % 3, (i, "a cut image was loaded")
            loaded += code == 0
        print(f"    {loaded} of 200 with turned bits could be loaded",
              file=sys.stderr)
        equal(probe(b"", words)[0], 125)
        equal(p.poll(), None)
        upgrade(pl, "h")
