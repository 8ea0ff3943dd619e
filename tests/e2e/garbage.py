# SPDX-License-Identifier: Apache-2.0
"""Malformed frames for a sandbox behind a tap, from a seed.

Nothing here is something that a well-behaved stack must obey: frames that
claim a live connection's addresses have wrong checksums or numbers from
nowhere, and neighbour messages speak of addresses that nobody uses. Whatever
breaks a transfer is therefore a defect of the receiver.
"""

import random
import socket
import struct

IP4, IP6 = 0x0800, 0x86DD
ARP = 0x0806


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    s = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while s >> 16:
        s = (s & 0xFFFF) + (s >> 16)
    return ~s & 0xFFFF


class Garbage:
    def __init__(self, seed, mac, local4, local6):
        self.r = random.Random(seed)
        self.mac = mac
        self.us4 = socket.inet_aton(local4)
        self.us6 = socket.inet_pton(socket.AF_INET6, local6)

    def bytes(self, most):
        return self.r.randbytes(self.r.randrange(most + 1))

    def u16(self):
        return self.r.choice((0, 1, 0xFFFF, 0x7FFF, self.r.randrange(65536)))

    def stranger4(self):
        return self.r.choice((
            bytes((10, 9, 0, self.r.randrange(100, 250))), self.us4, bytes(4),
            b"\xff" * 4, b"\x7f\0\0\1", b"\xe0\0\0\1", self.r.randbytes(4)))

    def stranger6(self):
        return self.r.choice((
            self.us6[:14] + self.r.randbytes(2), self.us6, bytes(16),
            bytes(15) + b"\1", b"\xff\2" + bytes(13) + b"\1",
            b"\xfe\x80" + self.r.randbytes(14), self.r.randbytes(16)))

    def ether(self, kind, body):
        source = b"\2" + self.r.randbytes(5)
        to = self.mac if self.r.random() < .9 else self.r.choice(
            (b"\xff" * 6, b"\x33\x33\0\0\0\1", self.r.randbytes(6)))
        return to + source + struct.pack("!H", kind) + body

    def tcp(self):
        """Options of every length, data offsets that lie."""
        options = self.r.choice((
            b"", self.bytes(40), bytes((self.r.randrange(20), 0)) * 4,
            b"\2\4" + self.r.randbytes(2), b"\3\3\xff\1" * 10, b"\5\xff" * 8,
            b"\5\x0a" + self.r.randbytes(8), b"\x08\x0a" + bytes(8)))
        options += b"\0" * (-len(options) % 4)
        offset = 5 + len(options) // 4
        if self.r.random() < .2:
            offset = self.r.randrange(16)
        return struct.pack(
            "!HHIIBBHHH", self.u16(), self.u16(), self.r.randrange(1 << 32),
            self.r.randrange(1 << 32), (offset << 4 | self.r.randrange(16)) & 255,
            self.r.randrange(256), self.u16(), 0, self.u16()
        ) + options + self.bytes(600)

    def udp(self):
        data = self.bytes(600)
        length = 8 + len(data) if self.r.random() < .5 else self.u16()
        return struct.pack("!HHHH", self.u16(), self.u16(), length, 0) + data

    def quote4(self):
        return self.ip4_header(self.r.choice((1, 6, 17)), self.us4,
                               self.stranger4(), self.u16(), 0) + \
            self.bytes(40)

    def icmp4(self):
        kind = self.r.choice((0, 3, 3, 3, 4, 5, 8, 11, 12, 13, 17,
                              self.r.randrange(256)))
        return struct.pack("!BBHHH", kind, self.r.randrange(18), 0, self.u16(),
                           self.u16()) + self.r.choice(
                               (self.quote4(), self.bytes(60)))

    def icmp6(self):
        """Errors, MLD and neighbour discovery about strangers."""
        kind = self.r.choice((1, 2, 3, 4, 128, 129, 130, 131, 132, 143, 135,
                              136, 137, self.r.randrange(256)))
        body = self.bytes(80)
        if kind in (135, 136):
            target = self.us6[:14] + b"\x7f" + self.r.randbytes(1)
            body = target + self.r.choice(
                (b"", b"\1\0" + bytes(6), b"\2\1" + self.r.randbytes(6),
                 b"\1\xff" + bytes(6), self.bytes(30)))
        elif kind < 128:
            body = b"\x60" + self.r.randbytes(7) + self.us6 + \
                self.stranger6() + self.bytes(60)
        return struct.pack("!BBHI", kind, self.r.randrange(3), 0,
                           self.r.choice((0, 1280, 0xFFFFFFFF,
                                          self.r.randrange(1 << 32)))) + body

    def ip4_header(self, proto, source, to, length, fragment, options=b""):
        h = struct.pack("!BBHHHBBH", 0x40 | (5 + len(options) // 4), 0, length,
                        self.r.randrange(8), fragment,
                        self.r.choice((0, 1, 64, 255)), proto, 0) + \
            source + to + options
        return h[:10] + struct.pack("!H", checksum(h)) + h[12:]

    def sealed(self, proto, body, pseudo):
        """With a right transport checksum, so that parsers see the rest."""
        at = {1: 2, 58: 2, 6: 16, 17: 6}.get(proto)
        if at is None or len(body) < at + 2 or self.r.random() < .1:
            return body
        c = checksum((b"" if proto == 1 else pseudo) + body)
        return body[:at] + struct.pack("!H", c) + body[at + 2:]

    def ipv4(self):
        proto = self.r.choice((1, 6, 17, 2, self.r.randrange(256)))
        body = {1: self.icmp4, 6: self.tcp, 17: self.udp}.get(
            proto, lambda: self.bytes(200))()
        source = self.stranger4()
        to = self.us4 if self.r.random() < .9 else self.stranger4()
        body = self.sealed(proto, body, source + to +
                           struct.pack("!BBH", 0, proto, len(body)))
        options = self.r.choice((b"", b"", b"", self.r.randbytes(4),
                                 b"\x07\x27\x04" + bytes(37), b"\x44\0\0\0"))
        length = 20 + len(options) + len(body)
        if self.r.random() < .15:
            length = self.u16()
        fragment = self.r.choice((0, 0, 0, 0x2000, 0x2001, 0x1FFF, 0x3FFF, 2,
                                  self.u16()))
        packet = self.ip4_header(proto, source, to, length, fragment, options)
        if self.r.random() < .1:
            packet = bytes((self.r.randrange(256),)) + packet[1:]
        return self.ether(IP4, packet + body)

    def extension(self, following):
        kind = self.r.choice((0, 43, 44, 60, 51, 135, self.r.randrange(256)))
        if kind == 44:
            return kind, struct.pack("!BBHI", following, 0, self.u16(),
                                     self.r.randrange(8))
        size = self.r.choice((0, 0, 1, 255))
        return kind, bytes((following, size)) + self.r.randbytes(
            6 + 8 * min(size, 1))

    def ipv6(self):
        proto = self.r.choice((58, 58, 6, 17, 59, self.r.randrange(256)))
        body = {58: self.icmp6, 6: self.tcp, 17: self.udp}.get(
            proto, lambda: self.bytes(200))()
        source = self.stranger6()
        to = self.us6 if self.r.random() < .9 else self.stranger6()
        body = self.sealed(proto, body, source + to +
                           struct.pack("!II", len(body), proto))
        for _ in range(self.r.choice((0, 0, 0, 1, 2, 30))):
            proto, header = self.extension(proto)
            body = header + body
        length = len(body) if self.r.random() < .85 else self.u16()
        hops = self.r.choice((0, 1, 64, 255, 255))
        packet = struct.pack("!IHBB", 6 << 28, length & 0xFFFF, proto, hops)
        return self.ether(IP6, (packet + source + to + body)[:1500])

    def arp(self):
        def stranger():
            return bytes((10, 9, 0, self.r.randrange(100, 250)))
        body = struct.pack("!HHBBH", self.r.choice((1, 1, 6, self.u16())),
                           self.r.choice((IP4, IP4, self.u16())),
                           self.r.choice((6, 6, 0, 255)),
                           self.r.choice((4, 4, 0, 255)),
                           self.r.choice((1, 2, self.u16())))
        body += self.r.randbytes(6) + stranger() + self.r.randbytes(6) + \
            self.r.choice((self.us4, stranger()))
        return self.ether(ARP, body[:self.r.choice((28, 28, 28, 8, 20, 27))])

    def noise(self):
        kind = self.r.choice((IP4, IP6, ARP, 0x8100, self.u16()))
        return self.ether(kind, self.bytes(1500))

    def frame(self):
        frame = self.r.choices(
            (self.ipv4, self.ipv6, self.arp, self.noise), (4, 4, 1, 1))[0]()
        if self.r.random() < .1:
            frame = frame[:self.r.randrange(14, len(frame) + 1)]
        return frame[:1514]


def bent(frame, r):
    """A real frame of somebody's, bent where its checksum notices."""
    f = bytearray(frame[:1514])
    kind = f[12] << 8 | f[13]
    if kind not in (IP4, IP6):
        return None
    at = 14 + (20 if kind == IP4 else 40)
    if len(f) < at + 20:
        return None
    f[r.randrange(at, len(f))] ^= 1 << r.randrange(8)
    return bytes(f)
