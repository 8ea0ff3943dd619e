# SPDX-License-Identifier: Apache-2.0
"""--netem: what a program inside measures of the link that was asked for.

Through a tap (the kernel as peer) and through the gateway."""

import contextlib
import re
import socket
import time

import host
from e2e import servers_on_host as servers
from e2e import test_tap
from host import equal, inside, modes

SO_RCVBUFFORCE = 33
NUMBER = r"([\d.]+)"


def run(argv, mode, netem, *more, **kw):
    options = [*test_tap.OPTIONS, *more]
    for name, spec in netem.items():
        options += ["--" + name.replace("_", "-"), spec]
    return inside(argv, mode, options, **kw).decode()


def ping(mode, netem, count=20):
    out = run(["ping", "-c", str(count), "-i", "0.02", "-q", "10.9.0.1"],
              mode, netem)
    got = int(re.search(r"(\d+) received", out)[1])
    rtt = re.search(rf"= {NUMBER}/{NUMBER}/{NUMBER}/{NUMBER} ms", out)
    return got, [float(x) for x in rtt.groups()] if rtt else None


@modes("shim", "user")
def test_delay(mode):
    with test_tap.tap(mode):
        got, rtt = ping(mode, {"netem": "delay=20ms"})
        equal(got, 20)
        # The first waits for ARP, which is delayed too.
        assert 40 <= rtt[0] < 46, rtt
        got, rtt = ping(mode, {"netem_out": "delay=30ms"})
        assert 30 <= rtt[0] < 36, rtt


def lost_numbers(mode, spec, count=400):
    """Which of so many datagrams the kernel got."""
    code = ("import socket, time\n"
            "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            "s.sendto(b'-1', ('10.9.0.1', 5555))\n"
            "time.sleep(2.2)\n"  # the neighbour is asked for again each 1 s
            f"for i in range({count}):\n"
            " s.sendto(str(i).encode(), ('10.9.0.1', 5555))\n"
            " time.sleep(0.0005)\n")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("10.9.0.1", 5555))
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
        s.setblocking(False)
        run(["/usr/bin/python3", "-c", code], mode, {"netem_out": spec})
        got = []
        with contextlib.suppress(BlockingIOError):
            while True:
                got.append(int(s.recv(100)))
        return [n for n in got if n >= 0]


def same_fate(got, other, count=400):
    """The n-th packet of the link meets the same, but which datagram that is
    depends on what else (neighbour discovery) was sent before."""
    lost = [set(range(count)) - set(x) for x in (got, other)]
    return any({n + shift for n in lost[0] if 20 < n < 350} <= lost[1]
               for shift in range(-10, 11))


@modes("shim")
def test_loss_by_seed(mode):
    with test_tap.tap(mode):
        got = lost_numbers(mode, "loss=10%,seed=5")
        assert 310 < len(got) < 395, len(got)
        assert same_fate(got, lost_numbers(mode, "loss=10%,seed=5"))
        assert not same_fate(got, lost_numbers(mode, "loss=10%,seed=6"))


@modes("shim")
def test_duplicates_and_order(mode):
    with test_tap.tap(mode):
        got = lost_numbers(mode, "dup=20%,seed=3")
        assert 430 < len(got) < 530 and len(set(got)) >= 399, len(got)
        got = lost_numbers(mode, "reorder=10%,by=3p,seed=3")
        back = sum(b < a for a, b in zip(got, got[1:]))
        assert 15 < back < 80, back


@modes("shim", "user")
def test_rate(mode):
    with test_tap.tap(mode):
        for args in [], ["-R"]:
            with test_tap.kernel_iperf():
                out = run(["iperf3", "-c", "10.9.0.1", "-p", "5301", "-t", "3",
                           "-f", "m", *args], mode,
                          {"netem": "rate=50mbit,rtt=20ms,limit=1bdp"})
            rate = float(re.findall(rf"{NUMBER} Mbits/sec.*receiver", out)[-1])
            # Of 50 on the wire 47.8 are payload; slow start takes its part.
            assert 38 < rate < 49, out


@modes("shim")
def test_bytes_over_a_bad_link(mode):
    code = r"""
import hashlib, os, socket, sys, threading
s = socket.create_connection(('10.9.0.1', int(sys.argv[1])), 20)
data = os.urandom(1 << 20); n = 4
t = threading.Thread(target=lambda: [s.sendall(data) for _ in range(n)]
                     + [s.shutdown(socket.SHUT_WR)])
t.start(); h = hashlib.sha256(); got = 0
while d := s.recv(65536): h.update(d); got += len(d)
print(got == n << 20, h.digest() == hashlib.sha256(data * n).digest())
"""
    bad = ("delay=2ms,jitter=1ms,loss=1%,burst=2,dup=1%,reorder=2%,by=4p,"
           "corrupt=0.5%,rate=200mbit,ecn=5ms")
    with test_tap.tap(mode), test_tap.tap_echo() as port:
        equal(run(["/usr/bin/python3", "-c", code, str(port)], mode,
                  {"netem": bad}, timeout=100), "True True\n")


test_bytes_over_a_bad_link.seconds = 120


@modes("shim", "user")
def test_gateway_too(mode):
    with servers.threaded(servers.TCPServer(("127.0.0.1", 0),
                                            servers.Echo)) as port:
        code = ("import socket, sys, time; t = time.monotonic(); "
                "s = socket.create_connection(('10.0.2.2', int(sys.argv[1])));"
                " s.sendall(b'x' * 100000); n = 0\n"
                "while n < 100000: n += len(s.recv(65536))\n"
                "print(time.monotonic() - t)")
        out = inside(["/usr/bin/python3", "-c", code, str(port)], mode,
                     ["--host-loopback", "--netem", "delay=20ms"])
        took = float(out)
        # Handshake, slow start from ten segments: four round trips or more.
        assert 0.16 <= took < 2, took


@modes("shim")
def test_statistics(mode):
    with test_tap.tap(mode):
        r = host.run(host.cordon(
            ["ping", "-c", "50", "-i", "0.005", "-q", "10.9.0.1"], mode,
            [*test_tap.OPTIONS, "-v", "--netem-out", "loss=50%"]))
        line = re.search(rb"netem out: (\d+) packets in, (\d+) out; "
                         rb"lost (\d+)", r.stderr)
        assert line, r.stderr
        total, out, lost = map(int, line.groups())
        equal(total, out + lost)
        assert total >= 50 and lost > 5, line[0]


@modes("shim")
def test_refused_before_anything_starts(mode):
    for spec, what in [("delay=50", b'"50"'), ("nonsense=1", b"unknown"),
                       ("limit=10p", b"need a rate")]:
        start = time.monotonic()
        r = host.run(host.cordon(["true"], mode, ["--netem", spec]))
        equal(r.returncode, 125)
        assert what in r.stderr and r.stderr.count(b"\n") == 1, r.stderr
        assert time.monotonic() - start < 5


@modes("shim")
def test_outage_ends(mode):
    with test_tap.tap(mode):
        got, _ = ping(mode, {"netem": "down=300ms+300ms"}, 50)
        assert 20 <= got <= 45, got
