/* SPDX-License-Identifier: Apache-2.0 */
/* sentry/gateway/dns*.c: queries relayed to a name server of the test's own. */
#include <criterion/criterion.h>
#include <string.h>
#include <unistd.h>

#include "sentry/gateway/dns.h"
#include "sentry/gateway/dns_msg.h"
#include "sentry/gateway/policy.h"
#include "tests/unit/sentry_gateway/rig.h"

static struct rig rig;
static int server[2]; /* host sockets that play name servers */

static const uint8_t query[] = {0x12, 0x34, 1,   0, 0,   1,   0, 0, 0, 0, 0,
				0,    1,    'a', 2, 'd', 'e', 0, 0, 1, 0, 1};

/* The forwarder's list: `n` servers on the host's loopback. */
static void use_servers(size_t n)
{
	struct resolvers *rs = &rig.sb.gw->dns->resolvers;

	rs->path = NULL;
	rs->count = n;
	for (size_t i = 0; i < n; i++) {
		struct nst_sockaddr sa = test_sa("127.0.0.1", 0);

		server[i] = host_udp("127.0.0.1", &sa.port);
		host_addr_from(&sa, &rs->list[i]);
	}
}

static void start(size_t nservers)
{
	rig_options(&rig);
	rig_start(&rig, 0);
	rig_lock(&rig);
	use_servers(nservers);
	rig_unlock(&rig);
}

TestSuite(dns, .timeout = 60);

static void ask(struct peer *p, const char *at)
{
	peer_init(p, &rig);
	cr_assert_eq(peer_udp_connect(p, at, 53), NST_OK);
	cr_assert_eq(peer_udp_send(p, query, sizeof(query)), NST_OK);
}

/* A query as the server sees it, and who asked. */
static void serve(int fd, uint8_t *msg, union host_sa *from)
{
	socklen_t len = sizeof(*from);

	cr_assert_eq(recvfrom(fd, msg, 512, 0, &from->sa, &len),
		     (ssize_t)sizeof(query));
	cr_assert(memcmp(msg + 2, query + 2, sizeof(query) - 2) == 0);
}

static void reply(int fd, uint8_t *msg, const union host_sa *to, uint8_t rcode)
{
	msg[2] |= 0x80;
	msg[3] = (uint8_t)(0x80 | rcode);
	cr_assert_eq(sendto(fd, msg, sizeof(query), 0, &to->sa, sizeof(to->in)),
		     (ssize_t)sizeof(query));
}

static void relayed(const char *at)
{
	union host_sa from;
	uint8_t msg[512];
	struct peer p;

	start(1);
	ask(&p, at);
	serve(server[0], msg, &from);
	reply(server[0], msg, &from, 0);
	cr_assert_eq(peer_udp_recv(&p, msg, sizeof(msg), NULL), sizeof(query));
	cr_assert_eq(dns_msg_id(msg), 0x1234);
	cr_assert_eq(dns_msg_rcode(msg), 0);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.DnsQueries, 1);
	cr_assert_eq(rig.sb.gw->dns->nqueries, 0);
	rig_stop(&rig);
}

Test(dns, relayed4)
{
	relayed("10.0.2.3");
}

Test(dns, relayed6)
{
	relayed("fd00::3");
}

Test(dns, forged_replies_are_ignored)
{
	union host_sa from;
	uint8_t msg[512], bad[512];
	struct peer p;

	start(1);
	ask(&p, "10.0.2.3");
	serve(server[0], msg, &from);
	memcpy(bad, msg, sizeof(bad));
	bad[0] ^= 1; /* id */
	reply(server[0], bad, &from, 0);
	bad[0] ^= 1;
	bad[13] = 'b'; /* another name */
	reply(server[0], bad, &from, 0);
	for (size_t n = 0; n < DNS_HEADER; n++) /* no header */
		sendto(server[0], bad, n, 0, &from.sa, sizeof(from.in));
	reply(server[0], msg, &from, 3);
	cr_assert_eq(peer_udp_recv(&p, msg, sizeof(msg), NULL), sizeof(query));
	cr_assert_eq(dns_msg_rcode(msg), 3);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.DnsBadReplies, 2 + DNS_HEADER);
	rig_stop(&rig);
}

Test(dns, next_server_after_failure)
{
	union host_sa from;
	uint8_t msg[512];
	struct peer p;

	start(2);
	ask(&p, "10.0.2.3");
	serve(server[0], msg, &from);
	reply(server[0], msg, &from, DNS_RCODE_SERVFAIL);
	serve(server[1], msg, &from);
	reply(server[1], msg, &from, 0);
	cr_assert_eq(peer_udp_recv(&p, msg, sizeof(msg), NULL), sizeof(query));
	cr_assert_eq(dns_msg_rcode(msg), 0);
	peer_close(&p);
	rig_stop(&rig);
}

static bool servfailed(void *arg)
{
	(void)arg;
	return rig.sb.gw->count.DnsServfail > 0;
}

Test(dns, silence_ends_in_servfail)
{
	uint8_t msg[512];
	struct peer p;
	nst_time now;

	start(1);
	ask(&p, "10.0.2.3");
	now = rig_lock(&rig);
	gw_timers_run(rig.sb.gw, now + 4 * NST_SEC);
	gw_timers_run(rig.sb.gw, now + 8 * NST_SEC);
	cr_assert(rig_wait(&rig, servfailed, NULL));
	rig_unlock(&rig);
	cr_assert_eq(peer_udp_recv(&p, msg, sizeof(msg), NULL), sizeof(query));
	cr_assert_eq(dns_msg_id(msg), 0x1234);
	cr_assert_eq(dns_msg_rcode(msg), DNS_RCODE_SERVFAIL);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.DnsTimeouts, 2);
	rig_stop(&rig);
}

Test(dns, dead_and_no_servers_end_in_servfail)
{
	uint8_t msg[512];
	struct peer p;

	start(1);
	close(server[0]);
	for (int i = 0; i < 2; i++) {
		ask(&p, "10.0.2.3");
		cr_assert_eq(peer_udp_recv(&p, msg, sizeof(msg), NULL),
			     sizeof(query));
		cr_assert_eq(dns_msg_rcode(msg), DNS_RCODE_SERVFAIL);
		peer_close(&p);
		rig_lock(&rig);
		rig.sb.gw->dns->resolvers.count = 0;
		rig_unlock(&rig);
	}
	rig_stop(&rig);
}

Test(dns, malformed_queries_are_dropped)
{
	uint8_t response[sizeof(query)], huge[5000] = {0};
	struct peer p;

	start(1);
	memcpy(response, query, sizeof(query));
	response[2] |= 0x80;
	peer_init(&p, &rig);
	cr_assert_eq(peer_udp_connect(&p, "10.0.2.3", 53), NST_OK);
	for (size_t n = 0; n < DNS_HEADER; n++)
		cr_assert_eq(peer_udp_send(&p, query, n), NST_OK);
	cr_assert_eq(peer_udp_send(&p, response, sizeof(response)), NST_OK);
	cr_assert_eq(peer_udp_send(&p, huge, sizeof(huge)), NST_OK);
	rig_lock(&rig);
	cr_assert_eq(rig.sb.gw->count.DnsMalformed, DNS_HEADER + 2);
	cr_assert_eq(rig.sb.gw->dns->nqueries, 0);
	rig_unlock(&rig);
	peer_close(&p);
	rig_stop(&rig);
}

Test(dns, policy)
{
	struct opt_rule rule;
	uint8_t msg[512];
	const char *why;
	struct peer p;

	rig_options(&rig);
	cr_assert_eq(policy_parse("udp", false, &rule, &why), 0);
	rig.opt.rules = &rule;
	rig.opt.nrules = 1;
	rig_start(&rig, 0);
	ask(&p, "10.0.2.3");
	cr_assert_eq(peer_udp_recv(&p, msg, sizeof(msg), NULL), sizeof(query));
	cr_assert_eq(dns_msg_rcode(msg), DNS_RCODE_REFUSED);
	peer_close(&p);
	cr_assert_eq(rig.sb.gw->count.DnsPolicyDenied, 1);
	rig_stop(&rig);
}

Test(dns, queries_are_bounded)
{
	struct peer p;

	start(1);
	peer_init(&p, &rig);
	cr_assert_eq(peer_udp_connect(&p, "10.0.2.3", 53), NST_OK);
	for (int i = 0; i < GW_DNS_QUERIES_MAX + 20; i++)
		cr_assert_eq(peer_udp_send(&p, query, sizeof(query)), NST_OK);
	rig_lock(&rig);
	cr_assert_eq(rig.sb.gw->dns->nqueries, GW_DNS_QUERIES_MAX);
	cr_assert_eq(rig.sb.gw->count.DnsEvicted, 20);
	rig_unlock(&rig);
	peer_close(&p);
	rig_stop(&rig);
}

Test(dns, tcp_tries_the_next_server)
{
	struct nst_sockaddr sa = test_sa("127.0.0.1", 0);
	uint8_t buf[sizeof(query)];
	struct resolvers *rs;
	struct peer p;
	int lfd, fd;

	start(0);
	lfd = host_listen("127.0.0.1", &sa.port);
	rig_lock(&rig);
	rs = &rig.sb.gw->dns->resolvers;
	rs->count = 2;
	host_addr_from(&sa, &rs->list[1]);
	sa.port = host_free_port();
	host_addr_from(&sa, &rs->list[0]);
	rig_unlock(&rig);
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.3", 53);
	peer_send(&p, query, sizeof(query));
	fd = host_accept(lfd);
	host_recv(fd, buf, sizeof(query));
	cr_assert(memcmp(buf, query, sizeof(query)) == 0);
	host_send(fd, buf, sizeof(query));
	peer_recv(&p, buf, sizeof(query));
	peer_close(&p);
	close(fd);
	close(lfd);
	cr_assert(rig_wait_relays(&rig, 0));
	rig_stop(&rig);
}

Test(dns, tcp_without_servers_is_reset)
{
	struct peer p;

	start(0);
	peer_init(&p, &rig);
	peer_connected(&p, "10.0.2.3", 53);
	cr_assert_eq(peer_wait_error(&p), NST_E_CONNRESET);
	peer_close(&p);
	cr_assert(rig_wait_relays(&rig, 0));
	rig_stop(&rig);
}

/* A loopback resolver of the host is served on the guest's loopback. */
Test(dns, loopback_resolver)
{
	char path[] = "/tmp/cordon-resolv-XXXXXX";
	int conf = mkstemp(path);
	struct resolvers *rs;
	uint8_t msg[512];
	union host_sa from;
	struct peer p;

	cr_assert_eq(write(conf, "nameserver 127.0.0.53\n", 22), 22);
	start(1);
	rig_lock(&rig);
	rs = &rig.sb.gw->dns->resolvers;
	rs->path = path;
	rs->loaded = false;
	dns_refresh(rig.sb.gw->dns, sandbox_now(&rig.sb));
	cr_assert_eq(rs->count, 1);
	close(server[0]);
	use_servers(1);
	rig_unlock(&rig);
	ask(&p, "127.0.0.53");
	serve(server[0], msg, &from);
	reply(server[0], msg, &from, 0);
	cr_assert_eq(peer_udp_recv(&p, msg, sizeof(msg), NULL), sizeof(query));
	cr_assert_eq(dns_msg_id(msg), 0x1234);
	peer_close(&p);
	unlink(path);
	close(conf);
	rig_stop(&rig);
}
