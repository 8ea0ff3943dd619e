# SPDX-License-Identifier: Apache-2.0
"""ssh, scp, socat, ncat, dig, ping."""

import contextlib
import os
import re

import host
from e2e import servers_on_host as servers
from e2e.test_servers import WAIT, script
from host import check, equal, inside, modes

NAT = ["--host-loopback"]
NONE = ["--net", "none"]


@contextlib.contextmanager
def sshd(d, port=2222):
    host.need("sshd")
    os.makedirs("/run/sshd", exist_ok=True)
    for name in "host_key", "user_key":
        check(host.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f",
                        os.path.join(d, name)]))
    os.rename(os.path.join(d, "user_key.pub"),
              os.path.join(d, "authorized_keys"))
    with open(os.path.join(d, "sshd_config"), "w") as f:
        f.write(f"""Port {port}
ListenAddress 127.0.0.1
HostKey {d}/host_key
AuthorizedKeysFile {d}/authorized_keys
StrictModes no
PermitRootLogin yes
UsePAM no
PidFile none
Subsystem sftp internal-sftp
""")
    with host.background(["/usr/sbin/sshd", "-D", "-e", "-f",
                          f"{d}/sshd_config"]):
        assert host.wait_port(port)
        yield


def ssh_options(d, port=2222):
    return ["-i", f"{d}/user_key", "-o", "StrictHostKeyChecking=no", "-o",
            "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-F",
            "none", "-o", f"Port={port}"]


# ssh insists on a passwd entry with a home for its user; root has one.
@modes("shim", "no-shim")
def test_ssh_and_scp(mode):
    with host.workdir() as d, sshd(d):
        opts = ssh_options(d)
        equal(inside(["ssh", *opts, "root@10.0.2.2", "echo hello; exit 3"],
                     mode, NAT, code=3), b"hello\n")
        with open(f"{d}/data", "wb") as f:
            f.write(os.urandom(20 << 20))
        inside(["scp", *opts, f"{d}/data", f"root@10.0.2.2:{d}/copy"], mode,
               NAT)
        inside(["scp", *opts, f"root@10.0.2.2:{d}/copy", f"{d}/back"], mode,
               NAT)
        check(host.run(["cmp", f"{d}/data", f"{d}/back"]))


def test_socat(mode):
    with servers.echo_server() as port:
        out = inside(["sh", "-c", "echo hello | socat -t2 - "
                      f"TCP:10.0.2.2:{port}"], mode, NAT)
    equal(out, b"hello\n")


def test_socat_inside(mode):
    with host.workdir() as d:
        out = inside(script(d, WAIT + """
socat TCP-LISTEN:8000,reuseaddr,fork EXEC:cat & server=$!
wait_port 8000
for i in 1 2 3; do echo "line $i" | socat -t2 - TCP:127.0.0.1:8000; done
kill $server
"""), mode, NONE)
    equal(out, b"line 1\nline 2\nline 3\n")


def test_ncat(mode):
    with host.workdir() as d:
        out = inside(script(d, """
ncat -l 127.0.0.1 8000 >got & server=$!
for i in $(seq 100); do echo hello | ncat --send-only 127.0.0.1 8000 \\
  2>/dev/null && break; sleep 0.05; done
wait $server; cat got
"""), mode, NONE)
    equal(out, b"hello\n")


def test_socat_udp(mode):
    with servers.udp_echo_server() as port:
        out = inside(["sh", "-c", "(echo hello; sleep 1) | socat -t2 - "
                      f"UDP:10.0.2.2:{port}"], mode, NAT)
    equal(out, b"hello\n")


def test_dig(mode):
    with servers.dns_server():
        out = inside(["dig", "+short", "+tries=2", "@10.0.2.3", "www.test"],
                     mode, NAT)
        equal(out, b"10.0.2.2\n")
        # the resolver that resolv.conf names is a loopback one of the host
        out = inside(["dig", "+short", "+tries=2", "www.test"], mode, NAT)
        equal(out, b"10.0.2.2\n")


def ping(mode, address, options, code=0):
    out = inside(["ping", "-c", "3", "-i", "0.05", "-W", "2", "-n", address],
                 mode, options, code=code).decode()
    return re.search(r"(\d+) received", out)[1]


def test_ping_loopback(mode):
    equal(ping(mode, "127.0.0.1", NONE), "3")
    equal(ping(mode, "::1", NONE), "3")


def test_ping_gateway(mode):
    equal(ping(mode, "10.0.2.2", []), "3")
    equal(ping(mode, "fd00::2", []), "3")


def test_ping_host_through_gateway(mode):
    equal(ping(mode, "192.0.2.1", []), "3")


def test_udp_refused_and_answered(mode):
    code = r"""
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
s.connect(('10.0.2.2', int(sys.argv[1]))); s.send(b'hello'); print(s.recv(99))
for size in 0, 1, 1400, 9000, 60000:
    s.send(b'x' * size); print(len(s.recv(65536)))
t = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); t.settimeout(5)
t.connect(('10.0.2.2', 9)); t.send(b'x')
try: print(t.recv(9))
except ConnectionRefusedError: print('refused')
except ConnectionResetError: # DIFFERENCES: without the shim; SO_ERROR is exact
    print('refused')
"""
    with servers.udp_echo_server() as port:
        out = inside(["/usr/bin/python3", "-c", code, str(port)], mode, NAT)
    equal(out, b"b'hello'\n0\n1\n1400\n9000\n60000\nrefused\n")
