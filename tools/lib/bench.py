# SPDX-License-Identifier: Apache-2.0
"""Measures cordon against the native kernel and other sandboxes.

Every workload runs for each variant that the machine has, interleaved (A B C A
B C ...), and the medians are printed with their ratio to native. Absolute
figures do not travel between machines; ratios within one run do.

Called by tools/bench, which installs and builds first.
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(TOP, "tests"))
import host  # noqa: E402

WORK = None


class Variant:
    def __init__(self, name, wrap, needs=None):
        self.name, self.wrap, self.needs = name, wrap, needs


def cordon(*options):
    return lambda argv: [host.CORDON, "run", *options, "--", *argv]


def native(argv):
    return argv


def runsc(argv):
    return ["runsc", "--network=none", "--ignore-cgroups", "do", *argv]


def slirp(argv):
    """A namespace with slirp4netns, as its users run it."""
    return ["bash", os.path.join(WORK, "slirp.sh"), *argv]


SLIRP = """
mkfifo $0.$$; unshare -r -n bash -c 'echo $$ >"$0"; read x <"$0.go"; shift 0;
exec "$@"' "$0.$$" "$@" & guest=$!
mkfifo $0.$$.go; pid=$(cat $0.$$)
slirp4netns --configure --mtu=65520 $pid tap0 >/dev/null 2>&1 & s=$!
for i in $(seq 100); do nsenter -t $pid -U -n ip addr show dev tap0 2>/dev/null |
  grep -q 10.0.2.100 && break; sleep 0.05; done
echo go >$0.$$.go; wait $guest; r=$?; kill $s; rm -f $0.$$ $0.$$.go; exit $r
"""

LOCAL = [Variant("native", native),
         Variant("cordon", cordon("--net", "none")),
         Variant("cordon-noshim", cordon("--net", "none", "--no-shim")),
         Variant("runsc", runsc, "runsc")]
NAT = [Variant("native", native),
       Variant("cordon", cordon("--host-loopback")),
       Variant("cordon-noshim", cordon("--host-loopback", "--no-shim")),
       Variant("slirp4netns", slirp, "slirp4netns")]


def script(name, text):
    path = os.path.join(WORK, name)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, 0o755)
    return path


def call(variant, argv, timeout=120):
    r = host.run(variant.wrap(argv), timeout=timeout)
    if r.returncode:
        raise RuntimeError(f"{variant.name}: {argv}: exit {r.returncode}\n"
                           f"{r.stdout[-800:].decode()}"
                           f"{r.stderr[-800:].decode()}")
    return r.stdout.decode()


def rate(pattern, text):
    found = re.findall(pattern, text)
    if not found:
        raise RuntimeError(f"no {pattern} in {text[-500:]}")
    return float(found[-1])


WAIT = """
wait_port() { for i in $(seq 200); do
(exec 3<>/dev/tcp/127.0.0.1/$1) 2>/dev/null && return; sleep 0.05; done; }
"""


def p1(variant):
    """iperf3 over loopback, one stream, Gbit/s"""
    path = script("p1.sh", """
cd $(mktemp -d); iperf3 -s -1 --forceflush >log 2>&1 &
for i in $(seq 200); do grep -qs listening log && break; sleep 0.05; done
iperf3 -c 127.0.0.1 -t 3 -f m; wait""")
    out = call(variant, ["bash", path])
    return {"Gbit/s": rate(r"([\d.]+) Mbits/sec.*receiver", out) / 1000}


def p3(variant):
    """iperf3 sandbox to host through the gateway, Gbit/s"""
    to = "127.0.0.1" if variant.name == "native" else "10.0.2.2"
    result = {}
    for way, flag in ("up", []), ("down", ["-R"]):
        out = call(variant, ["iperf3", "-c", to, "-p", "5399", "-t", "3",
                             "-f", "m", *flag])
        result[f"{way} Gbit/s"] = rate(
            r"([\d.]+) Mbits/sec.*receiver", out) / 1000
    return result


def p4(variant):
    """redis SET and GET, pipeline 1, requests/s"""
    path = script("p4.sh", WAIT + """
redis-server --port 6390 --save '' --dir /tmp >/dev/null & s=$!
wait_port 6390
for c in 1 50; do echo "clients $c"
redis-benchmark -p 6390 -n $((c == 1 ? 20000 : 60000)) -c $c -t set,get --csv
done; kill $s; wait""")
    out = call(variant, ["bash", path])
    result, c = {}, ""
    for line in out.splitlines():
        if line.startswith("clients"):
            c = "c=" + line.split()[1]
        f = [x.strip('"') for x in line.split(",")]
        if f[0] in ("SET", "GET"):
            result[f"{f[0]} {c}"] = float(f[1])
            result[f"{f[0]} {c} p99 ms"] = float(f[6])
    return result


NGINX = """
cd $(mktemp -d); mkdir www; head -c 1024 /dev/zero >www/index.html
cat >c <<CONF
daemon off; pid pid; error_log err; worker_processes 1;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path a; proxy_temp_path b;
fastcgi_temp_path d; uwsgi_temp_path e; scgi_temp_path f;
server { listen 127.0.0.1:8390 backlog=1024; root $PWD/www; } }
CONF
nginx -p $PWD -c c -e err & s=$!
wait_port 8390
"""


def p6(variant):
    """new connections per second, nginx and wrk, Connection: close"""
    path = script("p6.sh", WAIT + NGINX + """
wrk -t1 -c32 -d3 -H 'Connection: close' http://127.0.0.1:8390/
kill $s; wait""")
    out = call(variant, ["bash", path])
    return {"conn/s": rate(r"Requests/sec:\s+([\d.]+)", out)}


P7 = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
static int cmp(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}
static double t[20000];
static void report(const char *name, int n)
{
	qsort(t, (size_t)n, sizeof *t, cmp);
	printf("%s p50 us=%.2f\n%s p99 us=%.2f\n", name, t[n / 2], name,
	       t[n * 99 / 100]);
}
#define MEASURE(name, n, code) do { for (int i = 0; i < (n); i++) { \
	double s = now(); code; t[i] = now() - s; } report(name, n); } while (0)
static struct sockaddr_in a = {.sin_family = AF_INET};
static int l;
/* A connection whose client's or whose server's calls are timed, alone. */
static double connection(int client)
{
	struct sockaddr_in b;
	socklen_t n = sizeof b;
	double start, took[2];
	int s = socket(AF_INET, SOCK_STREAM, 0), c;
	start = now();
	if (connect(s, (void *)&a, sizeof a)) exit(1);
	took[1] = now() - start;
	start = now();
	c = accept(l, (void *)&b, &n);
	took[0] = now() - start;
	if (c < 0) exit(1);
	start = now();
	close(client ? s : c);
	took[client] += now() - start;
	close(client ? c : s);
	return took[client];
}
int main(void)
{
	struct sockaddr_in b;
	socklen_t n = sizeof a;
	int v, on = 1;
	l = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(l, (void *)&a, sizeof a) || listen(l, 64)) return 1;
	getsockname(l, (void *)&a, &n);
	MEASURE("getppid", 20000, getppid());
	MEASURE("getsockname", 20000, (n = sizeof b,
		getsockname(l, (void *)&b, &n)));
	MEASURE("getsockopt", 20000, (n = sizeof v,
		getsockopt(l, SOL_SOCKET, SO_TYPE, &v, &n)));
	for (int i = 0; i < 2000; i++) t[i] = connection(1);
	report("connect+close", 2000);
	for (int i = 0; i < 2000; i++) t[i] = connection(0);
	report("accept+close", 2000);
	return 0;
}
"""


def p7(variant):
    """cost of one call, microseconds"""
    exe = os.path.join(WORK, "p7")
    if not os.path.exists(exe):
        src = script("p7.c", P7)
        subprocess.run(["gcc", "-O2", "-o", exe, src], check=True)
    out = call(variant, [exe])
    return {k: float(v) for k, v in re.findall(r"(.*)=([\d.]+)", out)}


def p8(variant):
    """calls that do not trap: seconds"""
    src = script("p8.c", "#include <stdio.h>\n" + "".join(
        f"int f{i}(int x) {{ return printf(\"%d\", x + {i}); }}\n"
        for i in range(3000)))
    path = script("p8.py", r"""
import os, sys, time, subprocess
t = time.monotonic()
fd = os.open('/usr/bin/python3', os.O_RDONLY)
for i in range(200000): os.pread(fd, 4096, 0)
print('reads s=%f' % (time.monotonic() - t))
t = time.monotonic(); a, b = os.pipe(); c, d = os.pipe()
if not os.fork():
    for i in range(20000): os.read(a, 1); os.write(d, b'x')
    os._exit(0)
for i in range(20000): os.write(b, b'x'); os.read(c, 1)
os.wait()
print('pipe s=%f' % (time.monotonic() - t))
t = time.monotonic()
subprocess.run(['gcc', '-O1', '-c', '-o', '/dev/null', sys.argv[1]],
               check=True)
print('gcc s=%f' % (time.monotonic() - t))
""")
    out = call(variant, ["taskset", "-c", "0", "/usr/bin/python3", path, src])
    return {k: float(v) for k, v in re.findall(r"(.*)=([\d.]+)", out)}


def p9(variant):
    """start to exit of true, ms"""
    times = []
    for _ in range(20):
        start = time.monotonic()
        call(variant, ["true"])
        times.append((time.monotonic() - start) * 1000)
    return {"ms": statistics.median(times)}


def p12(variant):
    """netstack alone, virtual link: ns and bytes"""
    exe = os.path.join(TOP, "build/tests/bench/netstack_bench")
    out = call(variant, [exe])
    return {k: float(v) for k, v in re.findall(r"(.*)=([\d.]+)", out)}


def p13n(variant):
    """netstack alone: saving and loading, ms; image bytes a connection"""
    exe = os.path.join(TOP, "build/tests/bench/save_bench")
    out = call(variant, [exe])
    return {k: float(v) for k, v in re.findall(r"(.*)=([\d.]+)", out)}


P13 = """
import resource, socket, sys
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
n = min(10000, (hard - 512) // 2)
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
s.bind(("127.0.0.1", 0)); s.listen(128)
keep = []
for i in range(n):
    try:
        c = socket.create_connection(s.getsockname())
        keep += [c, s.accept()[0]]
    except OSError:
        break
    c.setblocking(False)
    left = int(sys.argv[1])
    try:
        while left:
            left -= c.send(bytes(left))
    except BlockingIOError:
        pass
print(len(keep), flush=True)
sys.stdin.readline()
"""


def p13_once(queued):
    name = f"p13-{os.getpid()}-{queued}"
    argv = [host.CORDON, "run", "--net", "none", "--name", name, "--",
            "/usr/bin/python3", script("p13.py", P13), str(queued)]
    p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        if not p.stdout.readline().strip():
            raise RuntimeError("P13's program failed")
        r = subprocess.run([host.CORDON, "save", "--in-place", name],
                           capture_output=True, text=True)
        if r.returncode:
            raise RuntimeError(r.stderr)
        words = r.stdout.split()
        v = dict(zip(words[::2], map(int, words[1::2])))
    finally:
        p.kill()
        p.wait()
    return {"connections": v["connections"],
            "stall ms": v["stall_us"] / 1000,
            "ms per 10 000": v["stall_us"] * 10 / v["connections"],
            "image bytes each": v["image_bytes"] / v["connections"]}


def p13(variant):
    """save in place, the first time: established connections (loopback: both
    ends count, as many as descriptors allow, up to 20 000), with 1 500 bytes
    queued in each pair, and with 16 KiB"""
    out = {}
    for queued, label in (1500, "1.5 KB"), (16384, "16 KiB"):
        out.update({f"{label}: {k}": v for k, v in p13_once(queued).items()})
    return out


WORKLOADS = {"P1": (p1, LOCAL), "P3": (p3, NAT), "P4": (p4, LOCAL),
             "P6": (p6, LOCAL), "P7": (p7, LOCAL[:3]), "P8": (p8, LOCAL),
             "P9": (p9, LOCAL), "P12": (p12, [Variant("netstack", native)]),
             "P13": (p13, [Variant("cordon", native)]),
             "P13n": (p13n, [Variant("netstack", native)])}


def measure(name, rounds, chosen):
    fn, variants = WORKLOADS[name]
    variants = [v for v in variants
                if (not chosen or v.name in chosen)
                and (not v.needs or shutil.which(v.needs))]
    samples = {v.name: {} for v in variants}
    broken = {}
    for _ in range(rounds):
        for v in variants:
            if v.name in broken:
                continue
            try:
                for k, x in fn(v).items():
                    samples[v.name].setdefault(k, []).append(x)
            except (RuntimeError, OSError) as e:
                broken[v.name] = str(e)
                print(f"   {name} {v.name}: {e}", file=sys.stderr)
    return {v: {k: statistics.median(x) for k, x in s.items()}
            for v, s in samples.items() if s}


def show(name, medians):
    print(f"\n{name}: {WORKLOADS[name][0].__doc__}")
    base = medians.get("native", {})
    for variant, figures in medians.items():
        for k, x in figures.items():
            ratio = f"{x / base[k]:8.2f}x" if base.get(k) else ""
            print(f"  {variant:14} {k:44} {x:12.3f} {ratio}")
    sys.stdout.flush()


def main():
    global WORK
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("workloads", nargs="*")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--variants", default="")
    p.add_argument("--json")
    args = p.parse_args()
    names = args.workloads or list(WORKLOADS)
    for n in names:
        if n not in WORKLOADS:
            p.error(f"no workload {n}; there are {', '.join(WORKLOADS)}")
    host.enter_test_network()
    WORK = os.environ["TMPDIR"] = tempfile.mkdtemp(prefix="cordon-bench.")
    script("slirp.sh", SLIRP)
    results = {}
    try:
        with host.background(["iperf3", "-s", "-p", "5399"]):
            for n in names:
                results[n] = measure(n, args.rounds, set(filter(
                    None, args.variants.split(","))))
                show(n, results[n])
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
    if args.json:
        with open(args.json, "w") as f:
            json.dump(results, f, indent=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
