/* SPDX-License-Identifier: Apache-2.0 */
/* Source filters of multicast memberships (RFC 3678), and IP_MULTICAST_ALL:
 * who is heard by whom. */
#include "guest.h"

#define GROUP "239.1.2.3"
#define GROUP6 "ff15::77"
#define LO 1
#define SENDERS 3

static int on = 1;
static struct sockaddr_in to = {.sin_family = AF_INET};

/* Sends as 127.0.0.1, .2 and .3. */
static int from[SENDERS];

static int receiver(uint16_t port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = port};
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(s, (void *)&a, sizeof(a)))
		die("receiver");
	return s;
}

static void set_up(int r)
{
	socklen_t n = sizeof(to);
	struct ip_mreqn m = {.imr_ifindex = LO};

	getsockname(r, (void *)&to, &n);
	inet_pton(AF_INET, GROUP, &to.sin_addr);
	for (int i = 0; i < SENDERS; i++) {
		struct sockaddr_in a = loopback(0);

		a.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)i);
		from[i] = socket(AF_INET, SOCK_DGRAM, 0);
		if (bind(from[i], (void *)&a, sizeof(a)) ||
		    setsockopt(from[i], SOL_IP, IP_MULTICAST_IF, &m, sizeof(m)))
			die("sender");
	}
}

/* Everybody sends; whom the receiver hears. */
static void hear(const char *key, int r)
{
	struct sockaddr_in a;
	socklen_t n = sizeof(a);
	char c;

	while (await(r, POLLIN, 50) & POLLIN)
		(void)recv(r, &c, 1, 0); /* what came before */
	for (int i = 0; i < SENDERS; i++)
		if (sendto(from[i], "x", 1, 0, (void *)&to, sizeof(to)) != 1)
			die("sendto");
	printf("%s:", key);
	while (await(r, POLLIN, 100) & POLLIN) {
		n = sizeof(a);
		if (recvfrom(r, &c, 1, 0, (void *)&a, &n) != 1)
			die("recvfrom");
		printf(" %u", ntohl(a.sin_addr.s_addr) & 255);
	}
	printf("\n");
	save_now();
}

/* The source is 127.0.0.last. */
static long source(int s, int opt, uint32_t last)
{
	struct ip_mreq_source m;

	inet_pton(AF_INET, GROUP, &m.imr_multiaddr);
	m.imr_interface.s_addr = htonl(INADDR_LOOPBACK);
	m.imr_sourceaddr.s_addr = htonl(INADDR_LOOPBACK - 1 + last);
	return setsockopt(s, SOL_IP, opt, &m, sizeof(m));
}

static long member(int s, int opt)
{
	struct ip_mreqn m = {.imr_ifindex = LO};

	inet_pton(AF_INET, GROUP, &m.imr_multiaddr);
	return setsockopt(s, SOL_IP, opt, &m, sizeof(m));
}

static void include(int r)
{
	show("join source 2", source(r, IP_ADD_SOURCE_MEMBERSHIP, 2));
	hear("hears 2", r);
	show("again", source(r, IP_ADD_SOURCE_MEMBERSHIP, 2));
	show("join source 3", source(r, IP_ADD_SOURCE_MEMBERSHIP, 3));
	hear("hears 2 and 3", r);
	show("block in include", source(r, IP_BLOCK_SOURCE, 1));
	show("join any", member(r, IP_ADD_MEMBERSHIP));
	show("leave what is not", source(r, IP_DROP_SOURCE_MEMBERSHIP, 1));
	show("leave source 2", source(r, IP_DROP_SOURCE_MEMBERSHIP, 2));
	hear("hears 3", r);
	show("leave source 3", source(r, IP_DROP_SOURCE_MEMBERSHIP, 3));
	hear("left", r);
	show("leave again", source(r, IP_DROP_SOURCE_MEMBERSHIP, 3));
	show("drop group", member(r, IP_DROP_MEMBERSHIP));
}

static void exclude(int r)
{
	show("block without a group", source(r, IP_BLOCK_SOURCE, 1));
	show("join group", member(r, IP_ADD_MEMBERSHIP));
	hear("hears all", r);
	show("block 1", source(r, IP_BLOCK_SOURCE, 1));
	show("block 1 again", source(r, IP_BLOCK_SOURCE, 1));
	show("block 3", source(r, IP_BLOCK_SOURCE, 3));
	hear("hears 2", r);
	show("include after exclude", source(r, IP_ADD_SOURCE_MEMBERSHIP, 1));
	show("unblock 1", source(r, IP_UNBLOCK_SOURCE, 1));
	show("unblock 1 again", source(r, IP_UNBLOCK_SOURCE, 1));
	hear("hears 1 and 2", r);
	show("unblock 3", source(r, IP_UNBLOCK_SOURCE, 3));
	show("still settled", source(r, IP_ADD_SOURCE_MEMBERSHIP, 1));
	hear("hears all again", r);
	show("drop group", member(r, IP_DROP_MEMBERSHIP));
	show("join group", member(r, IP_ADD_MEMBERSHIP));
	show("not settled", source(r, IP_ADD_SOURCE_MEMBERSHIP, 1));
	hear("hears 1", r);
	show("drop group", member(r, IP_DROP_MEMBERSHIP));
	show("join group", member(r, IP_ADD_MEMBERSHIP));
	show("leave of nobody", source(r, IP_DROP_SOURCE_MEMBERSHIP, 1));
	hear("hears nobody", r);
	show("drop group", member(r, IP_DROP_MEMBERSHIP));
}

/* Who is no member hears what some member of the host lets in. */
static void others(int r)
{
	int v = 0, other = receiver(to.sin_port), third;

	show("join source 2", source(r, IP_ADD_SOURCE_MEMBERSHIP, 2));
	hear("no member", other);
	hear("the member", r);
	third = receiver(to.sin_port);
	show("third joins", member(third, IP_ADD_MEMBERSHIP));
	show("third blocks 1", source(third, IP_BLOCK_SOURCE, 1));
	hear("no member, two lists", other);
	show("members only",
	     setsockopt(other, SOL_IP, IP_MULTICAST_ALL, &v, sizeof(v)));
	hear("not heard", other);
	close(third);
	v = 2;
	show("neither",
	     setsockopt(other, SOL_IP, IP_MULTICAST_ALL, &v, sizeof(v)));
	show("all", setsockopt(other, SOL_IP, IP_MULTICAST_ALL, &on, 4));
	hear("after the third has left", other);
	close(other);
	show("leave", source(r, IP_DROP_SOURCE_MEMBERSHIP, 2));
}

static void limits(int r)
{
	struct ip_mreq_source m = {.imr_interface = {htonl(INADDR_LOOPBACK)}};
	int added = 0, unicast;

	while (added < 100 &&
	       source(r, IP_ADD_SOURCE_MEMBERSHIP, 10 + (uint32_t)added) == 0)
		added++;
	printf("added: %d %s\n", added, strerrorname_np(errno));
	show("drop group", member(r, IP_DROP_MEMBERSHIP));
	show("short", setsockopt(r, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, &m, 8));
	m.imr_multiaddr.s_addr = htonl(INADDR_LOOPBACK);
	show("no group", setsockopt(r, SOL_IP, IP_BLOCK_SOURCE, &m, sizeof(m)));
	unicast =
	    (int)setsockopt(r, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, &m, sizeof(m));
	show("join no group", unicast);
	inet_pton(AF_INET, GROUP, &m.imr_multiaddr);
	m.imr_interface.s_addr = htonl(0x01020304);
	show("no interface",
	     setsockopt(r, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, &m, sizeof(m)));
}

/* ---- by the calls that know both families ---- */

static void put(struct sockaddr_storage *ss, int family, const char *text)
{
	struct sockaddr_in6 *six = (void *)ss;
	struct sockaddr_in *four = (void *)ss;

	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	inet_pton(family, text,
		  family == AF_INET ? (void *)&four->sin_addr
				    : (void *)&six->sin6_addr);
}

static long group_source(int s, int opt, const char *group, const char *src)
{
	int family = strchr(group, ':') ? AF_INET6 : AF_INET;
	struct group_source_req g = {.gsr_interface = LO};

	put(&g.gsr_group, family, group);
	put(&g.gsr_source, strchr(src, ':') ? AF_INET6 : AF_INET, src);
	return setsockopt(s, family == AF_INET ? SOL_IP : SOL_IPV6, opt, &g,
			  sizeof(g));
}

static void both_families(int r)
{
	show("join",
	     group_source(r, MCAST_JOIN_SOURCE_GROUP, GROUP, "127.0.0.3"));
	hear("hears 3", r);
	show("mixed", group_source(r, MCAST_JOIN_SOURCE_GROUP, GROUP, "::1"));
	show("leave",
	     group_source(r, MCAST_LEAVE_SOURCE_GROUP, GROUP, "127.0.0.3"));
	show("join group", member(r, IP_ADD_MEMBERSHIP));
	show("block", group_source(r, MCAST_BLOCK_SOURCE, GROUP, "127.0.0.1"));
	hear("hears 2 and 3", r);
	show("unblock",
	     group_source(r, MCAST_UNBLOCK_SOURCE, GROUP, "127.0.0.1"));
	hear("hears all", r);
	show("short", setsockopt(r, SOL_IP, MCAST_BLOCK_SOURCE, &on, 4));
}

/* LINUX: nothing is heard on lo, which has no route for groups of IPv6. */
static void six(void)
{
	int r = socket(AF_INET6, SOCK_DGRAM, 0), v = 0, added = 0;
	char src[32];

	show("6 block", group_source(r, MCAST_BLOCK_SOURCE, GROUP6, "::1"));
	show("6 join", group_source(r, MCAST_JOIN_SOURCE_GROUP, GROUP6, "::1"));
	show("6 again",
	     group_source(r, MCAST_JOIN_SOURCE_GROUP, GROUP6, "::1"));
	show("6 join", group_source(r, MCAST_JOIN_SOURCE_GROUP, GROUP6, "::2"));
	show("6 leave",
	     group_source(r, MCAST_LEAVE_SOURCE_GROUP, GROUP6, "::1"));
	show("6 mixed",
	     group_source(r, MCAST_JOIN_SOURCE_GROUP, GROUP6, "127.0.0.1"));
	show("6 no group",
	     group_source(r, MCAST_JOIN_SOURCE_GROUP, "::1", "::1"));
	do
		snprintf(src, sizeof(src), "::%x", 0x10 + added);
	while (group_source(r, MCAST_JOIN_SOURCE_GROUP, GROUP6, src) == 0 &&
	       ++added < 1000);
	printf("6 added: %d %s\n", added, strerrorname_np(errno));
	show("6 members only",
	     setsockopt(r, SOL_IPV6, IPV6_MULTICAST_ALL, &v, sizeof(v)));
	close(r);
}

int main(void)
{
	int r = receiver(0);

	set_up(r);
	include(r);
	exclude(r);
	others(r);
	limits(r);
	both_families(r);
	six();
	return 0;
}
