# SPDX-License-Identifier: Apache-2.0
"""Goodput over an impaired link: kernel, cordon, simulator. See tools/compare.

Absolute figures depend on the link's settings only, as long as the machine
keeps up; what counts is the ratio to the kernel within one run, of the medians
over rounds with different seeds. docs/COMPARE.md explains and has figures.
"""

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BASE = "rate=100mbit,delay=25ms,limit=625000b"  # each way: 50 ms, one BDP
LINKS = ["loss=0%", "loss=0.1%", "loss=1%", "loss=3%", "reorder=5%"]
NS_A, NS_B = "cordon-cmp-a", "cordon-cmp-b"
ADDR_A, ADDR_B, ADDR_C = "10.77.0.1", "10.77.0.2", "10.77.0.3"
PORT = "5277"
LEAST = {"cordon": 0.97, "simulator": 0.95}  # of the kernel's goodput
MOST = {"simulator": 1.05}
LEAST_JAIN = 0.95
SETTLE = 30  # seconds before fairness counts


def sh(*argv):
    subprocess.run(argv, check=True)


def inside(ns, *argv):
    return ["ip", "netns", "exec", ns, *argv]


def make_tap(ns, name, addr=None):
    sh(*inside(ns, "ip", "tuntap", "add", "dev", name, "mode", "tap"))
    if addr:
        sh(*inside(ns, "ip", "addr", "add", addr + "/24", "dev", name))
    sh(*inside(ns, "ip", "link", "set", name, "up"))


@contextlib.contextmanager
def namespaces():
    def remove():
        for ns in NS_A, NS_B:
            subprocess.run(["ip", "netns", "del", ns],
                           stderr=subprocess.DEVNULL)
    remove()
    try:
        for ns in NS_A, NS_B:
            sh("ip", "netns", "add", ns)
            sh(*inside(ns, "ip", "link", "set", "lo", "up"))
        yield
    finally:
        remove()


@contextlib.contextmanager
def device(ns, name, addr=None):
    make_tap(ns, name, addr)
    try:
        yield
    finally:
        sh(*inside(ns, "ip", "link", "del", name))


@contextlib.contextmanager
def running(argv, ready=None):
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE)
    try:
        time.sleep(0.3)
        if p.poll() is not None:
            raise RuntimeError(p.stderr.read().decode())
        yield p
    finally:
        p.send_signal(signal.SIGTERM)
        p.wait()


def cordon_program(args):
    return os.path.join(args.build, "sentry/cordon")


def client(args, cc, flows):
    return ["iperf3", "-c", ADDR_B, "-p", PORT, "-C", cc, "-J", "-P",
            str(flows), "-t", str(args.seconds), "-O", str(args.skip)]


def streams(report):
    """Received bit/s of each stream, from iperf3's JSON."""
    end = report["end"]
    return [s["receiver"]["bits_per_second"] for s in end["streams"]]


def iperf(argv, args):
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       timeout=(args.skip + args.seconds) * 3 + 60)
    try:
        report = json.loads(r.stdout)
    except ValueError:
        raise RuntimeError(f"{argv}: {r.stdout[-300:]} {r.stderr[-300:]}")
    if "error" in report:
        raise RuntimeError(f"{argv}: {report['error']}")
    return streams(report)


@contextlib.contextmanager
def server():
    with running(inside(NS_B, "iperf3", "-s", "-p", PORT)):
        yield


def kernel(args, cc, spec, flows):
    with device(NS_A, "cmpa", ADDR_A), device(NS_B, "cmpb", ADDR_B), \
            running([cordon_program(args), "bridge", "--netem", spec, "cmpa@" + NS_A,
                     "cmpb@" + NS_B]), server():
        return iperf(inside(NS_A, *client(args, cc, flows)), args)


def cordon(args, cc, spec, flows):
    with device(NS_B, "cmpc", ADDR_B), server():
        run = [cordon_program(args), "run", "--net", "tap:cmpc", "--ip",
               ADDR_C + "/24", "--netem", spec, "--"]
        return iperf(inside(NS_B, *run, *client(args, cc, flows)), args)


def simulator(args, cc, spec, flows):
    """The same link: spec is BASE, one word of impairment, and the seed."""
    link, seed = spec[len(BASE) + 1:].split(",seed=")
    kind, share = link.split("=")
    bad = (["--loss", share] if kind == "loss" else ["--link", link])
    sim = os.path.join(args.build, "tests/sim/sim")
    r = subprocess.run([sim, "--flows", str(flows), "--cc", cc, "--tso",
                        "--rate", "100mbit", "--delay", "50ms", "--queue",
                        "625000b", *bad, "--back", link, "--seed", seed,
                        "--skip", f"{args.skip}s",
                        "--time", f"{args.skip + args.seconds}s"],
                       stdout=subprocess.PIPE, check=True)
    report = json.loads(r.stdout)
    return [f["goodput_mbit"] * 1e6 for f in report["flows"]]


WAYS = {"kernel": kernel, "cordon": cordon, "simulator": simulator}


def jain(rates):
    return sum(rates) ** 2 / (len(rates) * sum(r * r for r in rates))


def measure(args, cc, link):
    """Per way: the sums of goodput of each round, and Jain's indices."""
    flows = 2 if args.fair else 1
    sums, fair = {}, {}
    for n in range(args.rounds):
        spec = f"{BASE},{link},seed={args.seed + n}"
        for way in args.ways:
            rates = WAYS[way](args, cc, spec, flows)
            sums.setdefault(way, []).append(sum(rates) / 1e6)
            fair.setdefault(way, []).append(jain(rates))
    return sums, fair


def verdict(args, way, ratio, fairness):
    """Within what is wanted? Against the kernel, and between the flows."""
    if args.fair:
        return "ok" if fairness >= LEAST_JAIN else "UNFAIR"
    if ratio is None or way not in LEAST:
        return ""
    if ratio < LEAST[way]:
        return "LESS"
    return "MORE" if ratio > MOST.get(way, ratio) else "ok"


def show(args, cc, link, sums, fair):
    base = statistics.median(sums["kernel"]) if "kernel" in sums else None
    for way in args.ways:
        m, j = statistics.median(sums[way]), statistics.median(fair[way])
        ratio = m / base if base else None
        line = f"{cc:6} {link:18} {way:10} {m:8.2f} Mbit/s"
        line += f" {ratio:6.3f}x" if ratio else "        "
        line += f" {verdict(args, way, ratio, j):6}"
        if args.fair:
            line += f" Jain {j:.3f} of " + \
                " ".join(f"{x:.3f}" for x in fair[way]) + ";"
        print(line + " " + " ".join(f"{x:.1f}" for x in sums[way]))
    sys.stdout.flush()


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--cc", default="cubic,bbr")
    p.add_argument("--links", nargs="+", default=LINKS)
    p.add_argument("--ways", default="kernel,cordon,simulator")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--seconds", type=int, default=20)
    p.add_argument("--skip", type=int, default=None,
                   help="seconds that do not count (0; --fair: 30)")
    p.add_argument("--seed", type=int, default=1)
    p.add_argument("--fair", action="store_true",
                   help="two flows, and Jain's index after the first 30 s")
    p.add_argument("--build", default=os.path.join(TOP, "build"))
    p.add_argument("--json")
    args = p.parse_args()
    args.ways = args.ways.split(",")
    if args.skip is None:
        args.skip = SETTLE if args.fair else 0
    if args.fair and "--links" not in sys.argv:
        args.links = ["loss=0%"]
    results = {}
    with namespaces():
        for cc in args.cc.split(","):
            for link in args.links:
                sums, fair = measure(args, cc, link)
                show(args, cc, link, sums, fair)
                results[f"{cc} {link}"] = {"mbit": sums, "jain": fair}
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
