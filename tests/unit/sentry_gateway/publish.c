/* SPDX-License-Identifier: Apache-2.0 */
/* sentry/gateway/publish*.c: clients of the host, servers of the guest. */
#include <criterion/criterion.h>
#include <criterion/redirect.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/sentry_gateway/rig.h"

static struct rig rig;
static struct opt_publish publish;

static void give_options(struct opt_publish p)
{
	rig_options(&rig);
	publish = p;
	rig.opt.publish = &publish;
	rig.opt.npublish = 1;
}

/* Publishes a free port of the host as guest port 8080; returns it. */
static uint16_t start(const char *host, bool udp)
{
	uint16_t port = host_free_port();
	struct opt_publish p = {.guest_port = 8080, .udp = udp};

	if (host)
		p.host = test_sa(host, port);
	p.host.port = port;
	give_options(p);
	rig_start(&rig, 0);
	return port;
}

static void stop(void)
{
	cr_assert(rig_wait_relays(&rig, 0));
	rig_stop(&rig);
}

TestSuite(publish, .timeout = 60);

static void exchange(const char *bind, const char *client, const char *guest)
{
	uint16_t port = start(bind, false);
	struct peer l, p;
	char buf[6];
	int fd;

	peer_init(&l, &rig);
	peer_listen(&l, guest, 8080);
	fd = host_connect(client, port);
	host_send(fd, "hello", 6);
	peer_accept(&l, &p);
	peer_recv(&p, buf, 6);
	cr_assert_str_eq(buf, "hello");
	peer_send(&p, "world", 6);
	host_recv(fd, buf, 6);
	cr_assert_str_eq(buf, "world");
	shutdown(fd, SHUT_WR);
	peer_wait_eof(&p);
	peer_close(&p);
	cr_assert_eq(recv(fd, buf, 1, 0), 0);
	close(fd);
	peer_close(&l);
	stop();
}

Test(publish, tcp4)
{
	exchange("127.0.0.1", "127.0.0.1", "10.0.2.15");
}

Test(publish, tcp6)
{
	exchange("::1", "::1", "fd00::15");
}

Test(publish, everywhere)
{
	exchange(NULL, "::1", "fd00::15");
}

/* The guest listens on the other family only. */
Test(publish, other_family_6_to_4)
{
	exchange(NULL, "::1", "10.0.2.15");
}

Test(publish, other_family_4_to_6)
{
	exchange(NULL, "127.0.0.1", "fd00::15");
}

Test(publish, nobody_listens)
{
	uint16_t port = start("127.0.0.1", false);
	int fd = host_connect("127.0.0.1", port);
	char c;

	cr_assert_eq(recv(fd, &c, 1, 0), -1);
	cr_assert_eq(errno, ECONNRESET);
	close(fd);
	cr_assert(rig_wait_relays(&rig, 0));
	cr_assert_eq(rig.sb.gw->count.PubRefused, 1);
	stop();
}

Test(publish, guest_resets)
{
	uint16_t port = start("127.0.0.1", false);
	struct peer l, p;
	int fd;
	char c;

	peer_init(&l, &rig);
	peer_listen(&l, "10.0.2.15", 8080);
	fd = host_connect("127.0.0.1", port);
	peer_accept(&l, &p);
	peer_abort(&p);
	cr_assert_eq(recv(fd, &c, 1, 0), -1);
	cr_assert_eq(errno, ECONNRESET);
	close(fd);
	peer_close(&l);
	stop();
}

Test(publish, client_resets)
{
	uint16_t port = start("127.0.0.1", false);
	struct linger now = {1, 0};
	struct peer l, p;
	int fd;

	peer_init(&l, &rig);
	peer_listen(&l, "10.0.2.15", 8080);
	fd = host_connect("127.0.0.1", port);
	peer_accept(&l, &p);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNRESET);
	peer_close(&p);
	peer_close(&l);
	stop();
}

#define MANY 300

Test(publish, hundreds_at_once)
{
	uint16_t port = start("127.0.0.1", false);
	static struct peer l, p[MANY];
	static int fd[MANY];
	uint32_t seen[MANY] = {0};

	peer_init(&l, &rig);
	peer_listen(&l, "10.0.2.15", 8080);
	for (uint32_t i = 0; i < MANY; i++) {
		fd[i] = host_connect("127.0.0.1", port);
		host_send(fd[i], &i, sizeof(i));
	}
	for (size_t i = 0; i < MANY; i++) {
		uint32_t id;

		peer_accept(&l, &p[i]);
		peer_recv(&p[i], &id, sizeof(id));
		cr_assert_lt(id, MANY);
		seen[id]++;
		peer_send(&p[i], &id, sizeof(id));
	}
	for (uint32_t i = 0; i < MANY; i++) {
		uint32_t id;

		cr_assert_eq(seen[i], 1);
		host_recv(fd[i], &id, sizeof(id));
		cr_assert_eq(id, i);
		close(fd[i]);
		peer_close(&p[i]);
	}
	peer_close(&l);
	stop();
}

static void udp_exchange(const char *client, const char *guest)
{
	uint16_t port = start(NULL, true), own = 0;
	struct nst_sockaddr to = test_sa(client, port), src;
	struct host_addr h;
	struct peer p;
	struct nst_sockaddr at = test_sa(guest, 8080);
	int fd = host_udp(client, &own);
	char buf[16] = {0};

	peer_init(&p, &rig);
	peer_udp(&p, at.addr.family);
	rig_lock(&rig);
	cr_assert_eq(nst_sock_bind(nst_dgram_sock(p.dgram), &at), NST_OK);
	rig_unlock(&rig);
	host_addr_from(&to, &h);
	for (char i = 'a'; i < 'd'; i++) {
		cr_assert_eq(sendto(fd, &i, 1, 0, &h.u.sa, h.len), 1);
		cr_assert_eq(peer_udp_recv(&p, buf, sizeof(buf), &src), 1);
		cr_assert_eq(buf[0], i);
		nst_time now = rig_lock(&rig);
		struct nst_iov iov = {"answer", 7};
		cr_assert_eq(nst_dgram_send(p.dgram, &src, &iov, 1, NULL, now),
			     NST_OK);
		rig_unlock(&rig);
		cr_assert_eq(recv(fd, buf, sizeof(buf), 0), 7);
		cr_assert_str_eq(buf, "answer");
	}
	peer_close(&p);
	close(fd);
	rig_stop(&rig);
}

Test(publish, udp4)
{
	udp_exchange("127.0.0.1", "10.0.2.15");
}

Test(publish, udp6)
{
	udp_exchange("::1", "fd00::15");
}

static void *close_soon(void *arg)
{
	usleep(50000);
	close(*(int *)arg);
	return NULL;
}

/* As after a sandbox that was killed. */
Test(publish, port_that_is_free_in_a_moment)
{
	uint16_t port = 0;
	int lfd = host_listen("127.0.0.1", &port);
	pthread_t thread;

	give_options((struct opt_publish){.host = test_sa("127.0.0.1", port),
					  .guest_port = 80});
	cr_assert_eq(pthread_create(&thread, NULL, close_soon, &lfd), 0);
	rig_start(&rig, 0);
	pthread_join(thread, NULL);
	rig_stop(&rig);
}

Test(publish, port_in_use, .init = cr_redirect_stderr)
{
	char text[96];
	uint16_t port = 0;
	int lfd = host_listen("127.0.0.1", &port);

	give_options((struct opt_publish){.host = test_sa("127.0.0.1", port),
					  .guest_port = 80});
	rig_start(&rig, -EADDRINUSE);
	snprintf(text, sizeof(text),
		 "cordon: port %u is in use on the host; choose another with "
		 "-p\n",
		 port);
	fflush(stderr);
	cr_assert_stderr_eq_str(text);
	close(lfd);
	rig_stop(&rig);
}
