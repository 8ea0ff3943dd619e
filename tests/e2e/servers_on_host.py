# SPDX-License-Identifier: Apache-2.0
"""Servers that run on the tests' host, outside any sandbox."""

import contextlib
import hashlib
import http.server
import os
import socket
import socketserver
import struct
import threading

import host


@contextlib.contextmanager
def nginx(www, port=8080):
    """nginx on 127.0.0.1 and [::1]; `www` is served."""
    host.need("nginx")
    with host.workdir() as d:
        conf = os.path.join(d, "nginx.conf")
        with open(conf, "w") as f:
            f.write(f"""daemon off; pid {d}/pid; error_log {d}/err;
worker_processes 1; events {{ worker_connections 1024; }}
http {{ access_log off; sendfile on; client_body_temp_path {d};
proxy_temp_path {d}; fastcgi_temp_path {d}; uwsgi_temp_path {d};
scgi_temp_path {d};
server {{ listen 127.0.0.1:{port}; listen [::1]:{port}; root {www}; }} }}
""")
        with host.background(["nginx", "-c", conf, "-e", f"{d}/err"]):
            if not host.wait_port(port):
                raise AssertionError(open(f"{d}/err").read())
            yield


class Upload(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        left, h = int(self.headers["Content-Length"]), hashlib.sha256()
        while left:
            data = self.rfile.read(min(left, 1 << 20))
            if not data:
                break
            h.update(data)
            left -= len(data)
        body = h.hexdigest().encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextlib.contextmanager
def threaded(server):
    t = threading.Thread(target=server.serve_forever, daemon=True)
    t.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def upload_server():
    return threaded(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Upload))


class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Reset(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1)
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
        self.request.close()  # RST at once, no FIN before it


class TCPServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    request_queue_size = 512
    daemon_threads = True


def echo_server():
    return threaded(TCPServer(("127.0.0.1", 0), Echo))


def reset_server():
    return threaded(TCPServer(("127.0.0.1", 0), Reset))


class UdpEcho(socketserver.BaseRequestHandler):
    def handle(self):
        data, sock = self.request
        sock.sendto(data, self.client_address)


class UdpServer(socketserver.ThreadingUDPServer):
    allow_reuse_address = True
    daemon_threads = True
    max_packet_size = 65536


def udp_echo_server(address="127.0.0.1"):
    return threaded(UdpServer((address, 0), UdpEcho))


class Dns(socketserver.BaseRequestHandler):
    """Answers A 127.0.0.1-style fixed records for *.test, NXDOMAIN else."""

    A, AAAA = socket.inet_aton("10.0.2.2"), socket.inet_pton(
        socket.AF_INET6, "fd00::2")

    def answer(self, q):
        end = q.index(b"\0", 12) + 5
        name, kind = q[12:end], struct.unpack("!H", q[end - 4:end - 2])[0]
        known = b"\x04test\0" in name
        data = {1: self.A, 28: self.AAAA}.get(kind) if known else None
        flags = 0x8180 if known else 0x8183
        head = q[:2] + struct.pack("!HHHHH", flags, 1, 1 if data else 0, 0, 0)
        rr = b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + \
            data if data else b""
        return head + name + rr

    def handle(self):
        data, sock = self.request
        sock.sendto(self.answer(data), self.client_address)


def dns_server():
    return threaded(UdpServer(("127.0.0.1", 53), Dns))
