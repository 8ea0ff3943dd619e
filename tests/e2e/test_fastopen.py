# SPDX-License-Identifier: Apache-2.0
"""Fast Open (RFC 7413) between real programs in one sandbox: the first
connection fetches a cookie, the next ones have data in their SYN."""

from host import equal, inside

BOTH_SIDES = ["--sysctl", "net.ipv4.tcp_fastopen=3"]

PYTHON = r"""
import select, socket, threading
TCP_FASTOPEN, TCP_FASTOPEN_CONNECT = 23, 30

server = socket.socket()
server.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN, 16)
server.bind(("127.0.0.1", 0))
server.listen(16)

def syn_data(s):
    return s.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 64)[5] >> 5 & 1

def serve():
    while True:
        s, _ = server.accept()
        data = s.recv(100)
        print("server", data.decode(), syn_data(s), flush=True)
        s.sendall(data.upper())
        s.close()

threading.Thread(target=serve, daemon=True).start()

def rest(s):
    answer = b""
    while d := s.recv(100):
        answer += d
    print("client", answer.decode(), syn_data(s), flush=True)
    s.close()

def one(data):
    s = socket.socket()
    assert s.sendto(data, socket.MSG_FASTOPEN, server.getsockname()) == \
        len(data)
    rest(s)

one(b"blocking-without")
one(b"blocking")

s = socket.socket()
s.setblocking(False)
assert s.sendto(b"nonblocking", socket.MSG_FASTOPEN, server.getsockname()) == 11
s.setblocking(True)
rest(s)

s = socket.socket()
s.setsockopt(socket.IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 1)
s.connect(server.getsockname())
s.send(b"deferred")
rest(s)

s = socket.socket()
try:
    s.sendto(b"x", socket.MSG_FASTOPEN, ("127.0.0.1", 1))
except ConnectionRefusedError:
    print("refused")
"""

ANSWERS = b"""server blocking-without 0
client BLOCKING-WITHOUT 0
server blocking 1
client BLOCKING 1
server nonblocking 1
client NONBLOCKING 1
server deferred 1
client DEFERRED 1
refused
"""

CURL = r"""
import http.server, subprocess, threading

class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        info = self.connection.getsockopt(6, 11, 64)
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"%d\n" % (info[5] >> 5 & 1))
    def log_message(self, *a):
        pass

server = http.server.HTTPServer(("127.0.0.1", 8099), Page, False)
server.socket.setsockopt(6, 23, 16)
server.server_bind()
server.server_activate()
threading.Thread(target=server.serve_forever, daemon=True).start()
for _ in range(3):
    subprocess.run(["curl", "-sS", "--max-time", "20", "--tcp-fastopen",
                    "http://127.0.0.1:8099/"], check=True)
"""


def test_python(mode):
    equal(inside(["/usr/bin/python3", "-c", PYTHON], mode, BOTH_SIDES),
          ANSWERS)


def test_curl(mode):
    equal(inside(["/usr/bin/python3", "-c", CURL], mode, BOTH_SIDES),
          b"0\n1\n1\n")
