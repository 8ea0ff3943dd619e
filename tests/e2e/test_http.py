# SPDX-License-Identifier: Apache-2.0
"""Clients inside, servers on the host: through the gateway."""

import hashlib
import os
import socket
import time

import host
from e2e import golang
from e2e import servers_on_host as servers
from host import check, equal, inside, modes, seconds

NAT = ["--host-loopback"]
PAGE = b"<h1>a page</h1>\n" * 100


def page_folder(d):
    with open(os.path.join(d, "index.html"), "wb") as f:
        f.write(PAGE)
    os.chmod(d, 0o755)
    return d


def test_curl_ipv4_and_ipv6(mode):
    with host.workdir() as d, servers.nginx(page_folder(d)):
        for url in "http://10.0.2.2:8080/", "http://[fd00::2]:8080/":
            equal(inside(["curl", "-sS", "--max-time", "20", url], mode, NAT),
                  PAGE, url)


def test_curl_by_name(mode):
    with host.workdir() as d, servers.nginx(page_folder(d)), \
            servers.dns_server():
        for flag in "-4", "-6":
            url = "http://www.test:8080/"
            equal(inside(["curl", "-sS", flag, "--max-time", "20", url], mode,
                         NAT), PAGE, url)


def test_unknown_name(mode):
    with servers.dns_server():
        r = host.run(host.cordon(["curl", "-sS", "http://nowhere.invalid/"],
                                 mode, NAT))
        equal(r.returncode, 6, "curl's exit code for an unknown host")


def test_wget(mode):
    with host.workdir() as d, servers.nginx(page_folder(d)):
        equal(inside(["wget", "-qO-", "-T", "20", "http://10.0.2.2:8080/"],
                     mode, NAT), PAGE)


def test_python_urllib(mode):
    code = ("import urllib.request as u, sys; sys.stdout.buffer.write("
            "u.urlopen('http://10.0.2.2:8080/', timeout=20).read())")
    with host.workdir() as d, servers.nginx(page_folder(d)):
        equal(inside(["/usr/bin/python3", "-c", code], mode, NAT), PAGE)


def test_node_http(mode):
    host.need("node")
    code = ("require('http').get('http://10.0.2.2:8080/', r => "
            "r.pipe(process.stdout)).on('error', e => {"
            "console.error(e); process.exit(1)})")
    with host.workdir() as d, servers.nginx(page_folder(d)):
        equal(inside(["node", "-e", code], mode, NAT), PAGE)


def big_file(d, mib):
    h = hashlib.sha256()
    with open(os.path.join(d, "big"), "wb") as f:
        for _ in range(mib // 16):
            block = os.urandom(16 << 20)
            h.update(block)
            f.write(block)
    return h.hexdigest()


def download_and_upload(mode, mib):
    with host.workdir() as d:
        want = big_file(d, mib)
        os.chmod(d, 0o755)
        sh = "curl -sS --max-time 80 http://10.0.2.2:8080/big | sha256sum"
        with servers.nginx(d):
            got = inside(["sh", "-c", sh], mode, NAT, timeout=85)
        equal(got.split()[0].decode(), want, "checksum of the download")
        with servers.upload_server() as port:
            got = inside(["curl", "-sS", "--max-time", "80", "-T",
                          os.path.join(d, "big"),
                          f"http://10.0.2.2:{port}/big"], mode, NAT,
                         timeout=85)
        equal(got.decode(), want, "checksum of the upload")


@modes("shim", "user-no-shim")
@seconds(180)
def test_download_and_upload_1_gib(mode):
    download_and_upload(mode, 1024)


def test_download_and_upload_64_mib(mode):
    download_and_upload(mode, 64)


def test_refused(mode):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    r = host.run(host.cordon(["curl", "-sS", f"http://10.0.2.2:{port}/"],
                             mode, NAT))
    equal(r.returncode, 7, "curl's exit code for a refused connection")


def test_reset(mode):
    with servers.reset_server() as port:
        r = host.run(host.cordon(["curl", "-sS", f"http://10.0.2.2:{port}/"],
                                 mode, NAT))
    equal(r.returncode, 56, "curl's exit code for a reset connection")


@modes("shim")
def test_never_answers(mode):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen(0)
        port = s.getsockname()[1]
        fill = [socket.socket() for _ in range(4)]
        for f in fill:
            f.setblocking(False)
            f.connect_ex(("127.0.0.1", port))
        start = time.monotonic()
        r = host.run(host.cordon(["curl", "-sS", "--connect-timeout", "2",
                                  f"http://10.0.2.2:{port}/"], mode, NAT))
        for f in fill:
            f.close()
    equal(r.returncode, 28, "curl's exit code for a time-out")
    assert 1.5 < time.monotonic() - start < 10


def test_host_loopback_is_off_by_default(mode):
    with host.workdir() as d, servers.nginx(page_folder(d)):
        r = host.run(host.cordon(["curl", "-sS", "--max-time", "5",
                                  "http://10.0.2.2:8080/"], mode))
        assert r.returncode in (7, 28), r
        r = host.run(host.cordon(["curl", "-sS", "--max-time", "5",
                                  "http://127.0.0.1:8080/"], mode))
        equal(r.returncode, 7, "curl's exit code")


GO_CLIENT = """package main
import ("fmt"; "io"; "net/http"; "os")
func main() {
	r, err := http.Get(os.Args[1])
	if err != nil { fmt.Fprintln(os.Stderr, err); os.Exit(1) }
	io.Copy(os.Stdout, r.Body)
}
"""
GO_SERVER = """package main
import ("fmt"; "io"; "net"; "net/http"; "os"; "sync")
func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { fmt.Println(err); os.Exit(1) }
	go http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter,
		r *http.Request) { fmt.Fprintf(w, "hello %s", r.URL.Path) }))
	var wg sync.WaitGroup
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			r, err := http.Get(fmt.Sprintf("http://%s/%d", l.Addr(), i))
			if err != nil { fmt.Println(err); os.Exit(1) }
			b, _ := io.ReadAll(r.Body)
			if string(b) != fmt.Sprintf("hello /%d", i) { os.Exit(2) }
		}(i)
	}
	wg.Wait()
	fmt.Println("50 answers")
}
"""


@seconds(180)  # compiles the standard library once
def test_go_client(mode):
    exe = golang.program("client", GO_CLIENT)
    with host.workdir() as d, servers.nginx(page_folder(d)):
        equal(inside([exe, "http://10.0.2.2:8080/"], mode, NAT), PAGE)


@seconds(180)  # compiles the standard library once
def test_go_client_and_server(mode):
    exe = golang.program("server", GO_SERVER)
    equal(inside([exe], mode, ["--net", "none"]), b"50 answers\n")


STATIC_CLIENT = r"""
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
int main(int argc, char **argv)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	char buf[65536];
	ssize_t n;
	int s = socket(AF_INET, SOCK_STREAM, 0);
	a.sin_port = htons(8080);
	inet_pton(AF_INET, "10.0.2.2", &a.sin_addr);
	if (connect(s, (void *)&a, sizeof a)) { perror("connect"); return 1; }
	const char *q = "GET / HTTP/1.0\r\n\r\n";
	if (write(s, q, strlen(q)) < 0) { perror("write"); return 1; }
	while ((n = read(s, buf, sizeof buf)) > 0)
		if (write(1, buf, (size_t)n) != n) return 1;
	return n < 0;
}
"""


def test_static_clients(mode):
    with host.workdir() as d, servers.nginx(page_folder(d)):
        src = os.path.join(d, "client.c")
        with open(src, "w") as f:
            f.write(STATIC_CLIENT)
        for compiler in ["musl-gcc", "-static"], ["gcc", "-static"]:
            host.need(compiler[0])
            exe = os.path.join(d, "client-" + compiler[0])
            check(host.run([*compiler, "-o", exe, src]))
            got = inside([exe], mode, NAT)
            assert got.endswith(PAGE), got[-200:]
