/* SPDX-License-Identifier: Apache-2.0 */
/*
 * accept with an address, without a trap: a native accept, and the peer read
 * from the name that the sentry bound its end to (abi.h).
 */
#include "shim/shim_priv.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

struct cursor {
	const char *p, *end;
	bool bad;
};

static bool take_prefix(struct cursor *c, const char *prefix, size_t n)
{
	if ((size_t)(c->end - c->p) < n || memcmp(c->p, prefix, n) != 0)
		return false;
	c->p += n;
	return true;
}

static unsigned take_digit(struct cursor *c)
{
	char ch = c->p < c->end ? *c->p++ : '\0';

	if (ch >= '0' && ch <= '9')
		return (unsigned)(ch - '0');
	if (ch >= 'a' && ch <= 'f')
		return (unsigned)(ch - 'a' + 10);
	c->bad = true;
	return 0;
}

static void take_bytes(struct cursor *c, void *out, size_t n)
{
	uint8_t *b = out;
	size_t i;

	for (i = 0; i < n; i++) {
		unsigned hi = take_digit(c);

		b[i] = (uint8_t)(hi << 4 | take_digit(c));
	}
}

static void take_slash(struct cursor *c)
{
	if (c->p >= c->end || *c->p++ != '/')
		c->bad = true;
}

static socklen_t decode4(struct cursor *c, struct sockaddr_storage *out)
{
	struct sockaddr_in *sin = (struct sockaddr_in *)out;

	sin->sin_family = AF_INET;
	take_bytes(c, &sin->sin_addr, 4);
	take_slash(c);
	take_bytes(c, &sin->sin_port, 2);
	return sizeof(*sin);
}

static socklen_t decode6(struct cursor *c, struct sockaddr_storage *out)
{
	struct sockaddr_in6 *sin6 = (struct sockaddr_in6 *)out;
	uint32_t scope = 0;

	sin6->sin6_family = AF_INET6;
	take_bytes(c, &sin6->sin6_addr, 16);
	take_slash(c);
	take_bytes(c, &sin6->sin6_port, 2);
	if (c->p < c->end) {
		take_slash(c);
		take_bytes(c, &scope, 4);
		sin6->sin6_scope_id = ntohl(scope);
	}
	return sizeof(*sin6);
}

/* The peer's address from the abstract name; 0 when it is none of ours. */
static socklen_t decode_name(const struct sockaddr_un *un, socklen_t len,
			     struct sockaddr_storage *out)
{
	const size_t base = offsetof(struct sockaddr_un, sun_path);
	struct cursor c = {un->sun_path, un->sun_path, false};
	uint8_t id[8];
	socklen_t n;
	char family;

	if (len <= base || len > sizeof(*un))
		return 0;
	c.end = un->sun_path + (len - base);
	if (!take_prefix(&c, "\0" SHIM_NAME_PREFIX, sizeof(SHIM_NAME_PREFIX)))
		return 0;
	take_bytes(&c, id, sizeof(id));
	take_slash(&c);
	family = c.p < c.end ? *c.p++ : '\0';
	take_slash(&c);
	memset(out, 0, sizeof(*out));
	n = family == '6' ? decode6(&c, out) : decode4(&c, out);
	return c.bad ? 0 : n;
}

/*
 * The caller's *len, read without trusting the pointer: a wild one must give
 * EFAULT, not a signal. Where process_vm_readv is forbidden, read it plainly.
 */
static int read_len(const socklen_t *len, socklen_t *out)
{
	struct iovec to = {out, sizeof(*out)};
	struct iovec from = {(void *)(uintptr_t)len, sizeof(*out)};
	long r = shim_call(SYS_process_vm_readv, (uint64_t)getpid(),
			   shim_ptr(&to), 1, shim_ptr(&from), 1, 0);

	if (r == (long)sizeof(*out))
		return 0;
	if (r == -EPERM || r == -ENOSYS) {
		*out = *len;
		return 0;
	}
	return -EFAULT;
}

/* Replaces the kernel's idea of the peer (an AF_UNIX name, which it has just
 * written to addr: the memory is good) by the true one. */
static void show_peer(int fd, struct sockaddr *addr, socklen_t room,
		      socklen_t *len)
{
	struct sockaddr_storage peer;
	struct sockaddr_un un = {0};
	socklen_t un_len = sizeof(un), n;

	if (shim_call(SYS_getpeername, shim_int(fd), shim_ptr(&un),
		      shim_ptr(&un_len), 0, 0, shim_magic()) < 0)
		return;
	n = decode_name(&un, un_len, &peer);
	if (!n)
		return;
	memcpy(addr, &peer, n < room ? n : room);
	*len = n;
}

int shim_accept(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	socklen_t room = 0;
	long r;

	if (read_len(len, &room) == 0)
		r = shim_call(SYS_accept4, shim_int(fd), shim_ptr(addr),
			      shim_ptr(len), shim_int(flags), 0, shim_magic());
	else
		r = -EFAULT;
	if (r < 0)
		return (int)shim_ret(r);
	shim_pending_clear((int)r);
	show_peer((int)r, addr, room, len);
	return (int)r;
}
