/* SPDX-License-Identifier: Apache-2.0 */
/* sentry/gateway/dflow.c, flow_udp.c, echo.c: datagrams and pings. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "sentry/gateway/dflow.h"
#include "tests/unit/sentry_gateway/rig.h"

static struct rig rig;

static void start(void)
{
	rig_options(&rig);
	rig_start(&rig, 0);
}

TestSuite(flow_udp, .timeout = 60);

static void echo_over(const char *host, const char *via, size_t bytes)
{
	static uint8_t sent[65536], got[65536];
	union host_sa from;
	socklen_t len = sizeof(from);
	struct nst_sockaddr src, dst;
	uint16_t port = 0;
	struct peer p;
	int fd;

	start();
	fd = host_udp(host, &port);
	peer_init(&p, &rig);
	cr_assert_eq(peer_udp_connect(&p, via, port), NST_OK);
	memset(sent, 0x5a, bytes);
	cr_assert_eq(peer_udp_send(&p, sent, bytes), NST_OK);
	cr_assert_eq(recvfrom(fd, got, sizeof(got), 0, &from.sa, &len),
		     (ssize_t)bytes);
	cr_assert(memcmp(sent, got, bytes) == 0);
	got[0] = 1;
	cr_assert_eq(sendto(fd, got, bytes, 0, &from.sa, len), (ssize_t)bytes);
	cr_assert_eq(peer_udp_recv(&p, got, sizeof(got), &src), bytes);
	dst = test_sa(via, port);
	cr_assert(test_addr_eq(&src.addr, &dst.addr));
	cr_assert_eq(src.port, port);
	peer_close(&p);
	close(fd);
	cr_assert_eq(dflow_count(rig.sb.gw), 1);
	rig_stop(&rig);
}

Test(flow_udp, echo4)
{
	echo_over("127.0.0.1", "10.0.2.2", 100);
}

Test(flow_udp, echo6)
{
	echo_over("::1", "fd00::2", 100);
}

Test(flow_udp, empty_datagram)
{
	echo_over("127.0.0.1", "10.0.2.2", 0);
}

Test(flow_udp, largest)
{
	echo_over("127.0.0.1", "10.0.2.2", 65507 - 28);
}

Test(flow_udp, port_unreachable_is_told)
{
	struct peer p;

	start();
	peer_init(&p, &rig);
	cr_assert_eq(peer_udp_connect(&p, "10.0.2.2", host_free_port()),
		     NST_OK);
	cr_assert_eq(peer_udp_send(&p, "x", 1), NST_OK);
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNREFUSED);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.UdpHostErrors, 1);
	rig_stop(&rig);
}

Test(flow_udp, forbidden_is_told)
{
	struct peer p;

	rig_options(&rig);
	rig.opt.host_loopback = false;
	rig_start(&rig, 0);
	peer_init(&p, &rig);
	cr_assert_eq(peer_udp_connect(&p, "10.0.2.2", 9), NST_OK);
	cr_assert_eq(peer_udp_send(&p, "x", 1), NST_OK);
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNREFUSED);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.UdpBadDest, 1);
	cr_assert_eq(dflow_count(rig.sb.gw), 0);
	rig_stop(&rig);
}

Test(flow_udp, unanswered_flows_end)
{
	struct gateway *gw;
	uint16_t port = 0;
	struct peer p;
	nst_time now;
	int fd;

	start();
	gw = rig.sb.gw;
	fd = host_udp("127.0.0.1", &port);
	peer_init(&p, &rig);
	peer_udp_connect(&p, "10.0.2.2", port);
	cr_assert_eq(peer_udp_send(&p, "x", 1), NST_OK);
	now = rig_lock(&rig);
	cr_assert_eq(dflow_count(gw), 1);
	gw_timers_run(gw, now + 59 * NST_SEC);
	cr_assert_eq(dflow_count(gw), 1);
	gw_timers_run(gw, now + 61 * NST_SEC);
	cr_assert_eq(dflow_count(gw), 0);
	rig_unlock(&rig);
	peer_close(&p);
	close(fd);
	rig_stop(&rig);
}

#define MANY 3000

/* A scan of the ports of one host: the table stays within its limit. */
Test(flow_udp, many_flows_are_bounded)
{
	struct gateway *gw;
	struct peer p;
	nst_time now;

	start();
	gw = rig.sb.gw;
	peer_init(&p, &rig);
	peer_udp(&p, 4);
	for (uint16_t i = 0; i < MANY; i++) {
		struct nst_sockaddr to =
		    test_sa("192.0.2.1", (uint16_t)(i + 1));
		struct nst_iov iov = {"x", 1};
		enum nst_err err;

		now = rig_lock(&rig);
		err = nst_dgram_send(p.dgram, &to, &iov, 1, NULL, now);
		(void)err;
		rig_unlock(&rig);
	}
	rig_lock(&rig);
	cr_assert_leq(dflow_count(gw), host_fd_share(GW_DFLOWS_MAX, 4));
	rig_unlock(&rig);
	peer_close(&p);
	rig_stop(&rig);
}

static bool pinged(void *arg)
{
	return nst_dgram_queued(((struct peer *)arg)->dgram) > 0;
}

static void ping(const char *to, uint8_t family, uint8_t type)
{
	uint8_t msg[16] = {type, 0, 0, 0, 0, 0, 0, 7, 'p', 'i', 'n', 'g'};
	struct nst_iov iov = {msg, sizeof(msg)};
	struct nst_sockaddr sa = test_sa(to, 0);
	struct nst_dgram_in in;
	struct peer p;
	nst_time now;

	start();
	peer_init(&p, &rig);
	now = rig_lock(&rig);
	cr_assert_eq(nst_dgram_new(rig.sb.stack, NST_DGRAM_PING, family,
				   family == 4 ? 1 : 58, &p.owner, &p.dgram),
		     NST_OK);
	cr_assert_eq(nst_dgram_send(p.dgram, &sa, &iov, 1, NULL, now), NST_OK);
	cr_assert(rig_wait(&rig, pinged, &p), "no reply");
	cr_assert_eq(nst_dgram_peek(p.dgram, &in), NST_OK);
	cr_assert_eq(in.bytes, sizeof(msg));
	cr_assert(memcmp(in.data + 6, msg + 6, 10) == 0);
	cr_assert_eq(in.data[0], family == 4 ? 0 : 129);
	nst_dgram_pop(p.dgram);
	rig_unlock(&rig);
	peer_close(&p);
	rig_stop(&rig);
}

Test(flow_udp, ping_gateway)
{
	ping("10.0.2.2", 4, 8);
}

Test(flow_udp, ping_gateway6)
{
	ping("fd00::2", 6, 128);
}

Test(flow_udp, ping_dns)
{
	ping("10.0.2.3", 4, 8);
}

/* An address of the host that is not loopback; false: it has none. */
static bool own_address(char *text, size_t bytes)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
	socklen_t len = sizeof(to);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool ok;

	inet_pton(AF_INET, "192.0.2.1", &to.sin_addr);
	ok = connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 &&
	     getsockname(fd, (struct sockaddr *)&to, &len) == 0 &&
	     ntohl(to.sin_addr.s_addr) >> 24 != 127;
	inet_ntop(AF_INET, &to.sin_addr, text, (socklen_t)bytes);
	close(fd);
	return ok;
}

Test(flow_udp, ping_world)
{
	char self[64];

	if (!own_address(self, sizeof(self)))
		cr_skip_test("this host has no address but loopback");
	ping(self, 4, 8);
}
