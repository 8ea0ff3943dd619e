/* SPDX-License-Identifier: Apache-2.0 */
/* sentry/gateway/flow_tcp.c, relay.c: the guest connects to servers of the
 * host, which answer, refuse, reset, or say nothing. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sentry/gateway/policy.h"
#include "tests/unit/sentry_gateway/rig.h"

static struct rig rig;

static void start(void)
{
	rig_options(&rig);
	rig_start(&rig, 0);
}

static void stop(void)
{
	cr_assert(rig_wait_relays(&rig, 0), "%zu flows left",
		  rig.sb.gw->nrelays);
	rig_stop(&rig);
}

TestSuite(flow_tcp, .timeout = 60);

static void echo_over(const char *host, const char *via)
{
	uint16_t port = 0;
	int lfd, fd;
	struct peer p;
	char buf[6];

	start();
	lfd = host_listen(host, &port);
	peer_init(&p, &rig);
	peer_connected(&p, via, port);
	fd = host_accept(lfd);
	peer_send(&p, "hello", 6);
	host_recv(fd, buf, 6);
	cr_assert_str_eq(buf, "hello");
	host_send(fd, "world", 6);
	peer_recv(&p, buf, 6);
	cr_assert_str_eq(buf, "world");
	peer_close(&p);
	cr_assert_eq(recv(fd, buf, 1, 0), 0);
	close(fd);
	close(lfd);
	cr_assert_eq(rig.sb.gw->count.TcpFlows, 1);
	stop();
}

Test(flow_tcp, echo4)
{
	echo_over("127.0.0.1", "10.0.2.2");
}

Test(flow_tcp, echo6)
{
	echo_over("::1", "fd00::2");
}

/* The host's connect has been issued, and has succeeded, before the guest's
 * connect returns, although the loop does not turn. */
Test(flow_tcp, connect_is_inline)
{
	uint16_t port = 0;
	int lfd, fd;
	struct peer p;
	struct nst_sockaddr sa;
	nst_time now;

	start();
	lfd = host_listen("127.0.0.1", &port);
	sa = test_sa("10.0.2.2", port);
	peer_init(&p, &rig);
	now = rig_lock(&rig); /* the loop cannot run while we hold it */
	cr_assert_eq(nst_tcp_new(rig.sb.stack, 4, &p.owner, now, &p.tcp), 0);
	enum nst_err err = nst_tcp_connect(p.tcp, &sa, now);
	cr_assert(err == NST_OK || err == NST_E_INPROGRESS);
	sandbox_settle(&rig.sb);
	fd = host_accept(lfd);
	cr_assert(p.seen & NST_EV_CONNECTED);
	rig_unlock(&rig);
	peer_close(&p);
	close(fd);
	close(lfd);
	stop();
}

Test(flow_tcp, half_close_both_ways)
{
	uint16_t port = 0;
	int lfd, fd;
	struct peer p;
	char buf[4];

	start();
	lfd = host_listen("127.0.0.1", &port);
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.2", port);
	fd = host_accept(lfd);
	peer_send(&p, "ask", 4);
	peer_shutdown(&p);
	host_recv(fd, buf, 4);
	cr_assert_eq(recv(fd, buf, 1, 0), 0, "FIN of the guest");
	host_send(fd, "yes", 4);
	peer_recv(&p, buf, 4);
	shutdown(fd, SHUT_WR);
	peer_wait_eof(&p);
	peer_close(&p);
	close(fd);
	/* And the other way about. */
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.2", port);
	fd = host_accept(lfd);
	host_send(fd, "bye", 4);
	shutdown(fd, SHUT_WR);
	peer_recv(&p, buf, 4);
	peer_wait_eof(&p);
	peer_send(&p, "yes", 4);
	host_recv(fd, buf, 4);
	peer_close(&p);
	cr_assert_eq(recv(fd, buf, 1, 0), 0);
	close(fd);
	close(lfd);
	stop();
}

Test(flow_tcp, refused)
{
	struct peer p;

	start();
	peer_init(&p, &rig);
	peer_connect(&p, "10.0.2.2", host_free_port());
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNREFUSED);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.TcpHostRefused, 1);
	stop();
}

static void set_linger0(int fd)
{
	struct linger l = {1, 0};

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l));
}

Test(flow_tcp, host_resets_after_data)
{
	uint16_t port = 0;
	int lfd, fd;
	struct peer p;
	char buf[8];

	start();
	lfd = host_listen("127.0.0.1", &port);
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.2", port);
	fd = host_accept(lfd);
	host_send(fd, "goodbye", 8);
	peer_recv(&p, buf, 8);
	set_linger0(fd);
	close(fd);
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNRESET);
	peer_close(&p);
	close(lfd);
	cr_assert_eq(rig.sb.gw->count.TcpHostResets, 1);
	stop();
}

Test(flow_tcp, guest_resets)
{
	uint16_t port = 0;
	int lfd, fd;
	struct peer p;
	char c;

	start();
	lfd = host_listen("127.0.0.1", &port);
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.2", port);
	fd = host_accept(lfd);
	peer_abort(&p);
	cr_assert_eq(recv(fd, &c, 1, 0), -1);
	cr_assert_eq(errno, ECONNRESET);
	close(fd);
	close(lfd);
	cr_assert(rig_wait_relays(&rig, 0));
	cr_assert_eq(rig.sb.gw->count.TcpGuestResets, 1);
	stop();
}

/* A backlog that is full: the host's SYN is not answered. The guest gives up;
 * the flow is found dead when the host takes it after all, or is freed with
 * the gateway. */
Test(flow_tcp, never_answers)
{
	uint16_t port = 0;
	int lfd, filler[4];
	struct peer p;

	start();
	lfd = host_listen("127.0.0.1", &port);
	cr_assert_eq(listen(lfd, 0), 0);
	filler[0] = host_connect("127.0.0.1", port);
	peer_init(&p, &rig);
	peer_connect(&p, "10.0.2.2", port);
	rig_lock(&rig);
	cr_assert_eq(p.seen, 0);
	cr_assert_eq(nst_tcp_state(p.tcp), NST_TCP_SYN_SENT);
	cr_assert_eq(rig.sb.gw->nrelays, 1);
	rig_unlock(&rig);
	peer_abort(&p);
	close(filler[0]);
	close(lfd);
	rig_stop(&rig);
}

static const char *const forbidden4[] = {
    "10.0.2.4",        "10.0.2.255", "224.0.0.1",
    "255.255.255.255", "240.0.0.1",  "0.1.2.3",
};

Test(flow_tcp, destinations_that_must_not_leave)
{
	struct host_addr out;

	start();
	for (size_t i = 0; i < sizeof(forbidden4) / sizeof(*forbidden4); i++) {
		struct nst_sockaddr to = test_sa(forbidden4[i], 80);

		cr_assert_neq(host_map(rig.sb.gw, 6, &to, &out), NST_OK, "%s",
			      forbidden4[i]);
	}
	static const char *const more[] = {
	    "127.0.0.1", "127.255.255.254",  "0.0.0.0", "::",
	    "::1",       "::ffff:127.0.0.1", "fe80::1", "ff02::1",
	    "fd00::99",  "10.0.2.3",         "fd00::3", "::ffff:0.0.0.0"};
	for (size_t i = 0; i < sizeof(more) / sizeof(*more); i++) {
		struct nst_sockaddr to = test_sa(more[i], 80);

		cr_assert_neq(host_map(rig.sb.gw, 6, &to, &out), NST_OK, "%s",
			      more[i]);
	}
	stop();
}

Test(flow_tcp, gateway_is_not_the_host_unless_allowed)
{
	uint16_t port = 0;
	struct peer p;
	int lfd;

	rig_options(&rig);
	rig.opt.host_loopback = false;
	rig_start(&rig, 0);
	lfd = host_listen("127.0.0.1", &port);
	peer_init(&p, &rig);
	peer_connect(&p, "10.0.2.2", port);
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNREFUSED);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.TcpBadDest, 1);
	cr_assert_eq(rig.sb.gw->count.TcpFlows, 0);
	close(lfd);
	stop();
}

Test(flow_tcp, policy_denies)
{
	struct opt_rule rule;
	uint16_t port = 0;
	const char *why;
	struct peer p;
	int lfd;

	rig_options(&rig);
	cr_assert_eq(policy_parse("tcp:10.0.2.2", false, &rule, &why), 0);
	rig.opt.rules = &rule;
	rig.opt.nrules = 1;
	rig_start(&rig, 0);
	lfd = host_listen("127.0.0.1", &port);
	peer_init(&p, &rig);
	peer_connect(&p, "10.0.2.2", port);
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNREFUSED);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.TcpPolicyDenied, 1);
	close(lfd);
	stop();
}

#define BULK (32u << 20)

static void fill(uint8_t *p, size_t bytes, uint32_t x)
{
	for (size_t i = 0; i < bytes; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)(x >> 24);
	}
}

static int bulk_fd;

static void *bulk_sender(void *data)
{
	host_send(bulk_fd, data, BULK);
	shutdown(bulk_fd, SHUT_WR);
	return NULL;
}

static void *bulk_receiver(void *data)
{
	host_recv(bulk_fd, data, BULK);
	return NULL;
}

/* More than all rings and buffers hold, so back-pressure is at work. */
static void bulk(bool down)
{
	uint8_t *sent = malloc(BULK), *got = calloc(1, BULK);
	uint16_t port = 0;
	pthread_t thread;
	struct peer p;
	int lfd;

	start();
	fill(sent, BULK, 42);
	lfd = host_listen("127.0.0.1", &port);
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.2", port);
	bulk_fd = host_accept(lfd);
	pthread_create(&thread, NULL, down ? bulk_sender : bulk_receiver,
		       down ? sent : got);
	if (down) {
		peer_recv(&p, got, BULK);
		peer_wait_eof(&p);
	} else {
		peer_send(&p, sent, BULK);
	}
	pthread_join(thread, NULL);
	cr_assert(memcmp(sent, got, BULK) == 0);
	peer_close(&p);
	close(bulk_fd);
	close(lfd);
	free(sent);
	free(got);
	stop();
}

Test(flow_tcp, bulk_download)
{
	bulk(true);
}

Test(flow_tcp, bulk_upload)
{
	bulk(false);
}

/* The guest does not read: the host's sender stalls, nothing grows. */
Test(flow_tcp, back_pressure)
{
	static uint8_t chunk[65536];
	size_t sent = 0;
	uint16_t port = 0;
	int lfd, fd;
	struct peer p;
	ssize_t n;

	start();
	lfd = host_listen("127.0.0.1", &port);
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.2", port);
	fd = host_accept(lfd);
	struct timeval tv = {.tv_usec = 300000};
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
	while ((n = send(fd, chunk, sizeof(chunk), MSG_NOSIGNAL)) > 0) {
		sent += (size_t)n;
		cr_assert_lt(sent, 64u << 20, "nothing stops the sender");
	}
	cr_assert_eq(errno, EAGAIN);
	peer_abort(&p);
	close(fd);
	close(lfd);
	stop();
}

#define STALL (8u << 20)

static void *late_reader(void *got)
{
	size_t *sum = got;
	static uint8_t buf[65536];
	ssize_t n;

	while ((n = recv(bulk_fd, buf, sizeof(buf), 0)) > 0)
		*sum += (size_t)n;
	return NULL;
}

/* The guest has sent all it could to a host that does not read yet, and ends:
 * what the gateway has acknowledged reaches the host all the same. */
Test(flow_tcp, nothing_acknowledged_is_lost_at_the_end)
{
	size_t acked, got = 0;
	struct nst_iov iov[2];
	size_t n, room, sent = 0;
	uint16_t port = 0;
	pthread_t thread;
	struct peer p;
	int lfd, small = 4096;

	start();
	lfd = host_listen("127.0.0.1", &port);
	setsockopt(lfd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.2", port);
	bulk_fd = host_accept(lfd);
	while (sent < STALL) {
		nst_time now = rig_lock(&rig);

		room = nst_tcp_snd_space(p.tcp, iov, &n);
		nst_tcp_snd_commit(p.tcp, room, false, now);
		rig_unlock(&rig);
		sent += room;
		if (room == 0)
			break;
	}
	rig_lock(&rig);
	acked = sent - nst_tcp_outq(p.tcp);
	rig_unlock(&rig);
	cr_assert_gt(acked, 0);
	pthread_create(&thread, NULL, late_reader, &got);
	rig_stop(&rig);
	pthread_join(thread, NULL);
	cr_assert_geq(got, acked, "%zu of %zu", got, acked);
	close(bulk_fd);
	close(lfd);
}

/* Descriptors exhausted: refused, counted, and well again afterwards. */
Test(flow_tcp, no_descriptors)
{
	struct rlimit was, few = {0};
	uint16_t port = 0;
	struct peer p;
	int lfd;

	start();
	lfd = host_listen("127.0.0.1", &port);
	getrlimit(RLIMIT_NOFILE, &was);
	few.rlim_max = was.rlim_max;
	setrlimit(RLIMIT_NOFILE, &few);
	peer_init(&p, &rig);
	peer_connect(&p, "10.0.2.2", port);
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNREFUSED);
	peer_close(&p);
	setrlimit(RLIMIT_NOFILE, &was);
	cr_assert_eq(rig.sb.gw->count.NoFds, 1);
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.2", port);
	peer_close(&p);
	close(host_accept(lfd));
	close(lfd);
	stop();
}

static size_t open_fds(void)
{
	size_t n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
	return n;
}

Test(flow_tcp, nothing_leaks_after_1000_flows)
{
	uint16_t port = 0;
	size_t before;
	int lfd;

	start();
	lfd = host_listen("127.0.0.1", &port);
	before = open_fds();
	for (int i = 0; i < 1000; i++) {
		struct peer p;
		int fd;
		char c;

		peer_init(&p, &rig);
		peer_connected(&p, "10.0.2.2", port);
		fd = host_accept(lfd);
		if (i % 4 == 0)
			set_linger0(fd);
		if (i % 4 == 1)
			peer_abort(&p);
		else
			peer_close(&p);
		if (i % 4 == 2)
			recv(fd, &c, 1, 0);
		close(fd);
	}
	cr_assert(rig_wait_relays(&rig, 0));
	for (int i = 0; i < 1000 && open_fds() != before; i++)
		rig_wait_relays(&rig, 0);
	cr_assert_eq(rig.sb.gw->count.TcpFlows, 1000);
	cr_assert_eq(open_fds(), before);
	close(lfd);
	stop();
}

Test(flow_tcp, limit)
{
	uint16_t port = 0;
	struct peer p[3];
	int lfd;

	start();
	rig.sb.gw->relays_max = 2;
	lfd = host_listen("127.0.0.1", &port);
	for (int i = 0; i < 2; i++) {
		peer_init(&p[i], &rig);
		peer_connected(&p[i], "10.0.2.2", port);
	}
	peer_init(&p[2], &rig);
	peer_connect(&p[2], "10.0.2.2", port);
	cr_assert_eq(peer_wait_error(&p[2]), NST_E_CONNREFUSED);
	cr_assert_eq(rig.sb.gw->count.TcpLimit, 1);
	for (int i = 0; i < 3; i++)
		peer_close(&p[i]);
	for (int i = 0; i < 2; i++)
		close(host_accept(lfd));
	close(lfd);
	stop();
}
