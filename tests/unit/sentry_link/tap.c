/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A real TAP device in a network namespace of our own: the kernel's stack is
 * the peer. Skipped where that is not allowed.
 */
#include "tests/unit/sentry_link/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sentry/link/tap_priv.h"

static bool write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok =
	    fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* As root, or as an ordinary user in a user namespace. */
static void own_netns(void)
{
	char map[64];
	uid_t uid = getuid();

	if (access("/dev/net/tun", R_OK | W_OK))
		cr_skip_test("no /dev/net/tun");
	if (unshare(CLONE_NEWNET)) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET))
			cr_skip_test("no network namespace allowed");
		snprintf(map, sizeof(map), "0 %u 1", uid);
		if (!write_file("/proc/self/uid_map", map))
			cr_skip_test("no uid map allowed");
	}
	if (system("ip link set lo up"))
		cr_skip_test("no ip command");
}

struct tapped {
	struct rig r;
	char path[32];
	struct peer server, child;
};

static void tapped_start(struct tapped *t, uint32_t mtu)
{
	struct sandbox *sb = &t->r.sb;

	memset(t, 0, sizeof(*t));
	t->r.opt.mtu = mtu;
	rig_init(&t->r);
	strcpy(t->path, "/tmp/cordon-tap-XXXXXX");
	close(mkstemp(t->path));
	cr_assert_eq(capture_new(t->path, &sb->cap), 0);
	cr_assert_eq(tap_link_new(sb, "ct0", &sb->link), 0);
	cr_assert_neq(sb->ifindex, 0);
	rig_addr(sb->stack, sb->ifindex, "10.9.0.2", 24);
	rig_addr(sb->stack, sb->ifindex, "fd09::2", 64);
	cr_assert_eq(system("ip addr add 10.9.0.1/24 dev ct0 && "
			    "ip addr add fd09::1/64 dev ct0 nodad && "
			    "ip link set ct0 up"),
		     0);
	peer_init(&t->server, sb);
	peer_init(&t->child, sb);
	t->server.accepts = true;
	t->server.child = &t->child;
	rig_run(&t->r);
}

static void tapped_stop(struct tapped *t)
{
	rig_fini(&t->r);
	unlink(t->path);
}

Test(link_tap, the_kernel_pings_the_netstack)
{
	struct tapped t;
	struct nst_nic_info i;
	struct cap_file f;
	struct cap_pkt p;
	unsigned arp = 0, icmp = 0;

	own_netns();
	tapped_start(&t, 0);
	cr_assert_eq(nst_nic_get(t.r.sb.stack, t.r.sb.ifindex, &i), NST_OK);
	cr_assert_eq(i.mtu, 1500);
	cr_assert_eq(i.mac[0] & 3, 2, "locally administered, unicast");
	cr_assert_eq(system("ping -c 3 -i 0.05 -W 5 10.9.0.2 >/dev/null"), 0);
	cr_assert_eq(system("ping -c 3 -i 0.05 -W 5 -s 4000 10.9.0.2 "
			    ">/dev/null"),
		     0);
	cr_assert_eq(system("ping -c 3 -i 0.05 -W 5 fd09::2 >/dev/null"), 0);
	loop_stop(t.r.sb.loop);
	pthread_join(t.r.thread, NULL);
	t.r.threaded = false;
	capture_free(t.r.sb.cap);
	t.r.sb.cap = NULL;
	cap_open(&f, t.path);
	while (cap_next(&f, &p)) {
		const uint8_t *d = p.data;

		arp += d[12] == 8 && d[13] == 6;
		icmp += d[12] == 8 && d[13] == 0 && d[23] == 1;
	}
	cr_assert_eq(f.linktype[0], CAPTURE_ETHERNET);
	cr_assert_geq(arp, 2);
	cr_assert_geq(icmp, 6 + 3 * 6);
	cap_close(&f);
	tapped_stop(&t);
}

static void serve(struct tapped *t, const char *addr, bool echo)
{
	struct sandbox *sb = &t->r.sb;
	const struct nst_sockaddr at = test_sa(addr, 8080);
	nst_time now;

	sandbox_lock(sb);
	now = sandbox_now(sb);
	cr_assert_eq(nst_tcp_new(sb->stack, at.addr.family, &t->server.owner,
				 now, &t->server.tcp),
		     NST_OK);
	cr_assert_eq(nst_sock_bind(nst_tcp_sock(t->server.tcp), &at), NST_OK);
	cr_assert_eq(nst_tcp_listen(t->server.tcp, 8, now), NST_OK);
	t->child.echo = echo;
	sandbox_unlock(sb);
}

static int kernel_connect(const char *addr)
{
	struct sockaddr_in a4 = {.sin_family = AF_INET,
				 .sin_port = htons(8080)};
	struct sockaddr_in6 a6 = {.sin6_family = AF_INET6,
				  .sin6_port = htons(8080)};
	bool six = strchr(addr, ':') != NULL;
	int fd = socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, addr, &a4.sin_addr);
	inet_pton(AF_INET6, addr, &a6.sin6_addr);
	cr_assert_eq(six ? connect(fd, (struct sockaddr *)&a6, sizeof(a6))
			 : connect(fd, (struct sockaddr *)&a4, sizeof(a4)),
		     0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

/* Writes the pattern and reads it back until `total` bytes are home. */
static void echo_through(int fd, uint64_t total)
{
	static uint8_t buf[65536];
	uint64_t out = 0, in = 0;

	while (in < total) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		ssize_t n;

		if (out < total)
			p.events |= POLLOUT;
		cr_assert_eq(poll(&p, 1, 20000), 1, "stuck: %lu out, %lu in",
			     out, in);
		if (p.revents & POLLOUT) {
			size_t want = total - out < sizeof(buf)
					  ? (size_t)(total - out)
					  : sizeof(buf);

			for (size_t i = 0; i < want; i++)
				buf[i] = pattern(out + i);
			n = write(fd, buf, want);
			out += n > 0 ? (uint64_t)n : 0;
		}
		n = read(fd, buf, sizeof(buf));
		for (ssize_t i = 0; i < n; i++)
			cr_assert_eq(buf[i], pattern(in + (uint64_t)i));
		in += n > 0 ? (uint64_t)n : 0;
	}
}

static uint32_t largest_frame(const char *path, uint32_t flags)
{
	struct cap_file f;
	struct cap_pkt p;
	uint32_t max = 0;

	cap_open(&f, path);
	while (cap_next(&f, &p))
		if (p.flags == flags && p.origlen > max)
			max = p.origlen;
	cap_close(&f);
	return max;
}

static void bulk(const char *addr)
{
	struct tapped t;
	int fd;

	own_netns();
	tapped_start(&t, 0);
	serve(&t, addr, true);
	fd = kernel_connect(addr);
	echo_through(fd, 16u << 20);
	close(fd);
	loop_stop(t.r.sb.loop);
	pthread_join(t.r.thread, NULL);
	t.r.threaded = false;
	cr_assert_eq(t.child.bad, 0);
	cr_assert_eq(t.r.sb.link->tx_drops + t.r.sb.link->rx_drops, 0);
	capture_free(t.r.sb.cap);
	t.r.sb.cap = NULL;
	/* Super-segments both ways: the offloads are in use. */
	cr_assert_gt(largest_frame(t.path, 1), 10000);
	cr_assert_gt(largest_frame(t.path, 2), 10000);
	tapped_stop(&t);
}

Test(link_tap, tcp_bulk_both_ways_ipv4, .timeout = 60)
{
	bulk("10.9.0.2");
}

Test(link_tap, tcp_bulk_both_ways_ipv6, .timeout = 60)
{
	bulk("fd09::2");
}

Test(link_tap, busy_and_wrong_devices_are_refused)
{
	struct tapped t;
	struct tap_dev d;

	own_netns();
	tapped_start(&t, 1400);
	cr_assert_eq(tap_dev_open("ct0", &d), -EBUSY);
	cr_assert_eq(tap_dev_open("lo", &d), -EINVAL);
	tapped_stop(&t);
}

/* ---- the virtio-net header, without a device ---- */

static struct nst_pkt *frame(struct testenv *te, uint32_t bytes)
{
	struct nst_pkt *pkt;

	testenv_init(te, 1);
	pkt = nst_pkt_new(&te->env, 0, bytes);
	memset(nst_pkt_put(pkt, bytes), 0, bytes);
	return pkt;
}

Test(link_vnet, hostile_headers_are_refused)
{
	static const struct virtio_net_hdr bad[] = {
	    {.flags = 1, .csum_start = 90, .csum_offset = 9},
	    {.flags = 1, .csum_start = 65535, .csum_offset = 65535},
	    {.flags = 1, .csum_start = 34, .csum_offset = 16, .gso_type = 1},
	    {.gso_type = 1, .gso_size = 1000},
	    {.flags = 1, .csum_start = 34, .gso_type = 3, .gso_size = 9},
	    {.flags = 1, .csum_start = 34, .gso_type = 99, .gso_size = 9},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct testenv te;
		struct nst_pkt *pkt = frame(&te, 100);

		cr_assert_not(tap_vnet_parse(&bad[i], pkt), "%zu", i);
		nst_pkt_free(pkt);
	}
}

Test(link_vnet, what_is_emitted_is_parsed_the_same)
{
	struct virtio_net_hdr h;
	struct testenv te, te2;
	struct nst_pkt *a = frame(&te, 200), *b = frame(&te2, 200);

	nst_pkt_data(a)[34 + 12] = 8 << 4;
	nst_pkt_data(a)[34 + 13] = 0x80; /* CWR */
	a->csum = NST_CSUM_PARTIAL;
	a->csum_start = 34;
	a->csum_off = 16;
	a->gso = NST_GSO_TCP4;
	a->gso_size = 1448;
	cr_assert(tap_vnet_emit(a, &h));
	cr_assert_eq(h.hdr_len, 34 + 32);
	cr_assert_eq(h.gso_type,
		     VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN);
	cr_assert(tap_vnet_parse(&h, b));
	cr_assert_eq(b->gso, NST_GSO_TCP4);
	cr_assert_eq(b->gso_size, 1448);
	cr_assert_eq(b->csum, NST_CSUM_PARTIAL);
	cr_assert_eq(b->csum_start, 34);
	cr_assert_eq(b->csum_off, 16);
	h = (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	b->gso_size = 0;
	cr_assert(tap_vnet_parse(&h, b));
	cr_assert_eq(b->csum, NST_CSUM_VALID);
	/* A header that is not linear cannot be described. */
	a->csum_start = 190;
	cr_assert_not(tap_vnet_emit(a, &h));
	nst_pkt_free(a);
	nst_pkt_free(b);
}
