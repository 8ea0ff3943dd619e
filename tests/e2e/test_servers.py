# SPDX-License-Identifier: Apache-2.0
"""Servers and their clients together inside one sandbox."""

import os
import re

import host
from host import equal, inside

NONE = ["--net", "none"]


def script(d, text):
    path = os.path.join(d, "script.sh")
    with open(path, "w") as f:
        f.write("set -e\ncd " + d + "\n" + text)
    os.chmod(path, 0o755)
    return ["bash", path]


WAIT = """
wait_port() { for i in $(seq 200); do
  (exec 3<>/dev/tcp/127.0.0.1/$1) 2>/dev/null && return 0; sleep 0.05; done
  echo "port $1 never opened" >&2; return 1; }
"""

NGINX = """
cat >nginx.conf <<CONF
daemon off; pid pid; error_log err; worker_processes 2;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path t1; proxy_temp_path t2;
fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
server { listen 127.0.0.1:8000 backlog=1024; root $PWD/www; } }
CONF
mkdir -p www; head -c 1024 /dev/zero >www/index.html
head -c 102400 /dev/zero >www/100k
/usr/sbin/nginx -p $PWD -c nginx.conf -e err & server=$!
wait_port 8000
"""


def test_nginx_with_wrk(mode):
    with host.workdir() as d:
        out = inside(script(d, WAIT + NGINX + """
wrk -t2 -c64 -d2 http://127.0.0.1:8000/
wrk -t2 -c16 -d1 http://127.0.0.1:8000/100k
wrk -t1 -c16 -d1 -H 'Connection: close' http://127.0.0.1:8000/
kill $server; wait $server || true
"""), mode, NONE, timeout=90).decode()
    rates = [float(x) for x in re.findall(r"Requests/sec:\s+([\d.]+)", out)]
    equal(len(rates), 3, out)
    assert min(rates) > 50, out
    assert "Socket errors" not in out and "Non-2xx" not in out, out


def test_redis(mode):
    with host.workdir() as d:
        out = inside(script(d, WAIT + """
redis-server --port 6379 --bind 127.0.0.1 --save '' --dir . >log & server=$!
wait_port 6379
redis-benchmark -q -n 20000 -c 50 -t set,get,incr,lpush
redis-benchmark -q -n 20000 -c 20 -P 16 -t set,get
redis-cli set answer 42; redis-cli get answer
redis-cli --pipe < <(for i in $(seq 1000); do echo "SET k$i v$i"; done)
redis-cli dbsize
kill $server; wait $server || true
"""), mode, NONE, timeout=120).decode()
    assert "OK\n42\n" in out and "errors: 0, replies: 1000" in out, out
    equal(len(re.findall(r"requests per second", out)), 6, out)


def iperf(mode, args, json_path=None):
    with host.workdir() as d:
        return inside(script(d, f"""
iperf3 -s -1 --forceflush -B 127.0.0.1 >server.log 2>&1 & server=$!
for i in $(seq 100); do grep -q listening server.log && break; sleep 0.05; done
iperf3 -c 127.0.0.1 -t 1 -f g {args}
wait $server
"""), mode, NONE, timeout=60).decode()


def test_iperf3_tcp(mode):
    for args in "", "-R", "-P 8", "--bidir":
        out = iperf(mode, args)
        assert "iperf Done." in out, out


def test_iperf3_udp(mode):
    out = iperf(mode, "-u -b 100M")
    assert "iperf Done." in out, out
    lost = re.findall(r"\(([\d.e+-]+)%\)\s+receiver", out)
    assert lost and float(lost[-1]) < 5, out


def test_python_http_server(mode):
    with host.workdir() as d:
        out = inside(script(d, WAIT + """
echo 'a page' >page.txt
/usr/bin/python3 -m http.server 8000 --bind 127.0.0.1 >log 2>&1 & server=$!
wait_port 8000
for i in 1 2 3; do curl -sS http://127.0.0.1:8000/page.txt; done
curl -sS -o /dev/null -w '%{http_code}\\n' http://localhost:8000/none
kill $server
"""), mode, NONE).decode()
    equal(out, "a page\n" * 3 + "404\n")


def test_python_http_server_ipv6(mode):
    with host.workdir() as d:
        out = inside(script(d, """
echo 'a page' >page.txt
/usr/bin/python3 -m http.server 8000 --bind ::1 >log 2>&1 & server=$!
for i in $(seq 100); do
  curl -sS 'http://[::1]:8000/page.txt' 2>/dev/null && break; sleep 0.05; done
kill $server
"""), mode, NONE).decode()
    equal(out, "a page\n")


NODE = """
const http = require('http'), n = 200; let left = n;
const s = http.createServer((q, r) => r.end('hello ' + q.url));
s.listen(0, '127.0.0.1', () => { for (let i = 0; i < n; i++)
  http.get({port: s.address().port, host: '127.0.0.1', path: '/' + i}, r => {
    let b = ''; r.on('data', d => b += d); r.on('end', () => {
      if (b !== 'hello /' + i) process.exit(1);
      if (!--left) { console.log('done'); process.exit(0); } }); }) });
"""


def test_node_server_and_clients(mode):
    host.need("node")
    equal(inside(["node", "-e", NODE], mode, NONE), b"done\n")


def test_prefork_server(mode):
    code = r"""
import os, socket
s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(64)
port = s.getsockname()[1]
kids = []
for i in range(4):
    p = os.fork()
    if not p:
        while True:
            c, a = s.accept()
            d = c.recv(10)
            c.sendall(d.upper()); c.close()
            if d == b'quit': os._exit(0)
    kids.append(p)
ok = 0
for i in range(100):
    c = socket.create_connection(('127.0.0.1', port))
    c.sendall(b'hello'); ok += c.recv(10) == b'HELLO'; c.close()
for p in kids:
    c = socket.create_connection(('127.0.0.1', port)); c.sendall(b'quit')
    c.recv(10)
for p in kids: os.waitpid(p, 0)
print(ok)
"""
    equal(inside(["/usr/bin/python3", "-c", code], mode, NONE), b"100\n")
