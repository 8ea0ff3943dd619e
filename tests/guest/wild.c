/* SPDX-License-Identifier: Apache-2.0 */
/* Wild pointers, lengths, levels and descriptors in every socket call, made as
 * raw system calls: the same error numbers. */
#include "guest.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#define WILD ((long)0x10)
#define HIGH ((long)0x800000000000)

static long page, edge; /* readable memory; its last byte's successor */
static int tcp, udp, lis, conn, raw_fd = -1;

static void call(const char *what, long nr, long a, long b, long c, long d,
		 long e, long f)
{
	show(what, syscall(nr, a, b, c, d, e, f));
}

/* Every pointer with every length, on every kind of socket. */
static void addresses(const char *name, long nr)
{
	const long ptrs[] = {0, WILD, HIGH, -1, page, edge - 4};
	const long lens[] = {0, 1, 2, 8, 15, 16, 28, 128, 129, -1, 1L << 32};
	const int fds[] = {tcp, udp, lis, conn};
	char key[80];
	size_t i, j, k;

	for (k = 0; k < 4; k++)
		for (i = 0; i < sizeof(ptrs) / sizeof(*ptrs); i++)
			for (j = 0; j < sizeof(lens) / sizeof(*lens); j++) {
				snprintf(key, sizeof(key),
					 "%s fd %zu ptr %zu len %ld", name, k,
					 i, lens[j]);
				call(key, nr, fds[k], ptrs[i], lens[j], 0, 0,
				     0);
			}
}

/* Calls that write a name: (ptr, &len). */
static void name_results(const char *name, long nr)
{
	const long ptrs[] = {0, WILD, HIGH, page, edge - 4};
	const int lens[] = {0, 1, 16, 128, -1, 0x7fffffff};
	const int fds[] = {tcp, udp, lis, conn};
	int len;
	char key[80];
	size_t i, j, k;

	for (k = 0; k < 4; k++)
		for (i = 0; i < sizeof(ptrs) / sizeof(*ptrs); i++)
			for (j = 0; j < sizeof(lens) / sizeof(*lens); j++) {
				len = lens[j];
				snprintf(key, sizeof(key),
					 "%s fd %zu ptr %zu len %d", name, k, i,
					 len);
				call(key, nr, fds[k], ptrs[i], (long)&len, 0, 0,
				     0);
				printf("%s then: %d\n", key, len);
			}
	call("wild length pointer", nr, tcp, page, WILD, 0, 0, 0);
	call("null length pointer", nr, tcp, page, 0, 0, 0, 0);
	call("both wild", nr, conn, WILD, HIGH, 0, 0, 0);
}

static void options(const char *name, long nr)
{
	const long levels[] = {SOL_SOCKET,   IPPROTO_TCP, IPPROTO_IP,
			       IPPROTO_IPV6, IPPROTO_UDP, -1,
			       0x7fffffff,   1000};
	const long names[] = {-1, 0x7fffffff, 1000, SO_REUSEADDR, TCP_NODELAY};
	const long ptrs[] = {0, WILD, page};
	const int lens[] = {0, 1, 4, -1};
	const int fds[] = {tcp, udp};
	size_t i, j, k, m, n;
	char key[80];
	int len;

	for (n = 0; n < 2; n++)
		for (i = 0; i < sizeof(levels) / sizeof(*levels); i++)
			for (j = 0; j < sizeof(names) / sizeof(*names); j++)
				for (k = 0; k < sizeof(ptrs) / sizeof(*ptrs);
				     k++)
					for (m = 0;
					     m < sizeof(lens) / sizeof(*lens);
					     m++) {
						len = lens[m];
						snprintf(
						    key, sizeof(key),
						    "%s %zu %ld %ld %zu %d",
						    name, n, levels[i],
						    names[j], k, len);
						call(key, nr, fds[n], levels[i],
						     names[j], ptrs[k],
						     nr == SYS_setsockopt
							 ? len
							 : (long)&len,
						     0);
					}
	call("wild length", nr, tcp, SOL_SOCKET, SO_TYPE, page, WILD, 0);
}

static void transfers(void)
{
	struct iovec v = {(void *)WILD, 8},
		     many[2] = {{(void *)page, 4}, {(void *)WILD, 4}};
	struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1};
	const int fds[] = {tcp, udp, lis, conn};
	char key[64];

	for (int k = 0; k < 4; k++) {
		long fd = fds[k];

		printf("transfers fd %d: -\n", k);
		call("sendto wild name", SYS_sendto, fd, page, 4, MSG_NOSIGNAL,
		     WILD, 16);
		call("sendto short name", SYS_sendto, fd, page, 4, MSG_NOSIGNAL,
		     page, 3);
		call("sendto long name", SYS_sendto, fd, page, 4, MSG_NOSIGNAL,
		     page, 4000);
		call("sendto negative name", SYS_sendto, fd, page, 4,
		     MSG_NOSIGNAL, page, -1);
		call("sendmsg wild", SYS_sendmsg, fd, WILD, MSG_NOSIGNAL, 0, 0,
		     0);
		call("sendmsg null", SYS_sendmsg, fd, 0, MSG_NOSIGNAL, 0, 0, 0);
		call("recvmsg wild", SYS_recvmsg, fd, WILD, MSG_DONTWAIT, 0, 0,
		     0);
		m.msg_iovlen = 1025;
		call("sendmsg many vectors", SYS_sendmsg, fd, (long)&m,
		     MSG_NOSIGNAL, 0, 0, 0);
		call("recvmsg many vectors", SYS_recvmsg, fd, (long)&m,
		     MSG_DONTWAIT, 0, 0, 0);
		m.msg_iov = (void *)WILD;
		m.msg_iovlen = 2;
		call("sendmsg wild vectors", SYS_sendmsg, fd, (long)&m,
		     MSG_NOSIGNAL, 0, 0, 0);
		m.msg_iov = many;
		m.msg_name = (void *)WILD;
		m.msg_namelen = 16;
		call("sendmsg wild name", SYS_sendmsg, fd, (long)&m,
		     MSG_NOSIGNAL, 0, 0, 0);
		m.msg_namelen = (socklen_t)-1;
		call("sendmsg negative name", SYS_sendmsg, fd, (long)&m,
		     MSG_NOSIGNAL, 0, 0, 0);
		m.msg_name = NULL;
		m.msg_namelen = 0;
		m.msg_control = (void *)WILD;
		m.msg_controllen = 32;
		call("sendmsg wild control", SYS_sendmsg, fd, (long)&m,
		     MSG_NOSIGNAL, 0, 0, 0);
		m.msg_controllen = 1L << 40;
		call("sendmsg huge control", SYS_sendmsg, fd, (long)&m,
		     MSG_NOSIGNAL, 0, 0, 0);
		m.msg_control = NULL;
		m.msg_controllen = 0;
		v.iov_len = (size_t)-1;
		m.msg_iov = &v;
		m.msg_iovlen = 1;
		call("recvmsg negative vector", SYS_recvmsg, fd, (long)&m,
		     MSG_DONTWAIT, 0, 0, 0);
		call("sendmmsg wild", SYS_sendmmsg, fd, WILD, 2, MSG_NOSIGNAL,
		     0, 0);
		call("sendmmsg none", SYS_sendmmsg, fd, WILD, 0, MSG_NOSIGNAL,
		     0, 0);
		call("recvmmsg wild", SYS_recvmmsg, fd, WILD, 2, MSG_DONTWAIT,
		     0, 0);
		call("recvmmsg wild time", SYS_recvmmsg, fd, page, 1,
		     MSG_DONTWAIT, WILD, 0);
		snprintf(key, sizeof(key), "error of %d", k);
		show_error(key, (int)fd);
	}
}

static void descriptors(void)
{
	static const long calls[] = {
	    SYS_connect,    SYS_bind,       SYS_listen,      SYS_accept,
	    SYS_accept4,    SYS_shutdown,   SYS_getsockname, SYS_getpeername,
	    SYS_sendto,     SYS_recvfrom,   SYS_sendmsg,     SYS_recvmsg,
	    SYS_setsockopt, SYS_getsockopt, SYS_sendmmsg,    SYS_recvmmsg};
	const long fds[] = {-1, 0x7fffffff, 1000, 1L << 32 | 999, raw_fd};
	char key[64];

	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++)
		for (size_t k = 0; k < sizeof(fds) / sizeof(*fds); k++) {
			snprintf(key, sizeof(key), "call %zu fd %zu", i, k);
			call(key, calls[i], fds[k], page, 1, 0, page, 0);
		}
}

static void odds(void)
{
	call("accept4 flags", SYS_accept4, lis, 0, 0, 0x40, 0, 0);
	call("accept on tcp", SYS_accept, tcp, 0, 0, 0, 0, 0);
	call("accept on udp", SYS_accept, udp, 0, 0, 0, 0, 0);
	call("accept on connected", SYS_accept, conn, page, WILD, 0, 0, 0);
	call("listen on udp", SYS_listen, udp, 1, 0, 0, 0, 0);
	call("listen on connected", SYS_listen, conn, 1, 0, 0, 0, 0);
	call("listen negative", SYS_listen, lis, -5, 0, 0, 0, 0);
	call("shutdown 3", SYS_shutdown, conn, 3, 0, 0, 0, 0);
	call("shutdown -1", SYS_shutdown, conn, -1, 0, 0, 0, 0);
	call("socket -1", SYS_socket, -1, 1, 0, 0, 0, 0);
	call("socket type", SYS_socket, AF_INET, 7, 0, 0, 0, 0);
	call("socket type 11", SYS_socket, AF_INET, 11, 0, 0, 0, 0);
	call("socket proto", SYS_socket, AF_INET, 1, -1, 0, 0, 0);
	call("socket proto 300", SYS_socket, AF_INET, 1, 300, 0, 0, 0);
	call("socketpair", SYS_socketpair, AF_INET, 1, 0, page, 0, 0);
	call("socketpair wild", SYS_socketpair, AF_UNIX, 1, 0, WILD, 0, 0);
}

int main(void)
{
	struct sockaddr_in a;
	int zero;

	signal(SIGPIPE, SIG_IGN);
	alarm(80);
	page = (long)mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	edge = page + 4096;
	mprotect((void *)edge, 4096, PROT_NONE);
	zero = open("/dev/zero", O_RDWR);
	raw_fd = zero;
	/* Not by the C library: what it makes, it should use. */
	tcp = (int)syscall(SYS_socket, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	udp = (int)syscall(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	a = loopback(0);
	bind(udp, (void *)&a, sizeof(a));
	lis = listener(4, &a);
	nonblock(lis);
	conn = dial(&a);
	nonblock(conn);
	name_results("getsockname", SYS_getsockname);
	name_results("getpeername", SYS_getpeername);
	options("setsockopt", SYS_setsockopt);
	options("getsockopt", SYS_getsockopt);
	transfers();
	descriptors();
	odds();
	memset((void *)page, 0, 4096);
	addresses("bind", SYS_bind);
	addresses("connect", SYS_connect);
	name_results("getsockname after", SYS_getsockname);
	return 0;
}
