/* SPDX-License-Identifier: Apache-2.0 */
/* getsockopt(2) and setsockopt(2) over the table in sockopt.h. */
#include "sentry/sock/dgram_priv.h"
#include "sentry/sock/sockopt.h"

#include <errno.h>
#include <linux/capability.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/errmap.h"
#include "shim/abi.h"

bool guest_capable(const struct trap *t, int cap)
{
	char buf[4096];
	const char *p;

	if (!guest_proc_text((pid_t)t->n.pid, "status", buf, sizeof(buf)))
		return false;
	p = strstr(buf, "\nCapEff:");
	return p && (strtoull(p + 8, NULL, 16) >> cap & 1);
}

/* Options of the guest end itself: the host kernel serves them as it would
 * for a network socket. LINUX: raw and ping sockets have no SO_PEEK_OFF. */
static bool is_native(const struct sock *s, int level, int name)
{
	if (level != SOL_SOCKET)
		return false;
	switch (name) {
	case SO_RCVTIMEO_OLD:
	case SO_SNDTIMEO_OLD:
	case SO_RCVTIMEO_NEW:
	case SO_SNDTIMEO_NEW:
		return true;
	case SO_PEEK_OFF:
		return s->type == SOCK_STREAM || sock_has_ports(s);
	default:
		return false;
	}
}

static unsigned type_flag(const struct sock *s)
{
	switch (s->type) {
	case SOCK_STREAM:
		return OPT_STREAM;
	case SOCK_DGRAM:
		return OPT_DGRAM;
	default:
		return OPT_RAW;
	}
}

/* Does the socket have this level at all? */
static bool has_level(const struct sock *s, int level)
{
	switch (level) {
	case SOL_SOCKET:
	case SHIM_SOL:
		return true;
	case SOL_IP:
		return s->domain == AF_INET || s->type != SOCK_RAW;
	case SOL_IPV6:
		return s->domain == AF_INET6;
	case SOL_TCP:
		return s->type == SOCK_STREAM;
	case SOL_UDP:
		return sock_has_ports(s);
	case SOL_RAW:
		return s->type == SOCK_RAW;
	case SOL_ICMPV6:
		return s->type == SOCK_RAW && s->domain == AF_INET6;
	default:
		return false;
	}
}

static const struct sockopt *find(const struct sock *s, int level, int name,
				  unsigned want)
{
	const unsigned types = OPT_STREAM | OPT_DGRAM | OPT_RAW;
	const struct sockopt *o;

	if (!has_level(s, level))
		return NULL;
	o = sockopt_find(level, name);
	if (!o || !(o->flags & want))
		return NULL;
	if (want == OPT_SET && (o->flags & types) && !(o->flags & type_flag(s)))
		return NULL;
	return o;
}

/* LINUX: levels that look at the length before they look for the name. */
static bool length_first(const struct sock *s, int level)
{
	return has_level(s, level) &&
	       (level == SOL_SOCKET || level == SOL_TCP || level == SOL_UDP);
}

/* ---- set ---- */

/* Reads an int as the option's level does; 0 or -errno. */
static int read_int(const struct opt_io *io, int *v)
{
	const struct sockopt *o = io->o;

	*v = 0;
	if (io->len >= sizeof(*v)) {
		memcpy(v, io->v, sizeof(*v));
		return 0;
	}
	if (o->flags & OPT_EMPTY_OK) {
		if (o->rule == OPT_IP && io->len > 0)
			*v = io->v[0];
		return 0;
	}
	if (o->rule != OPT_IP || io->len == 0)
		return -EINVAL;
	*v = io->v[0];
	return 0;
}

/* LINUX: capabilities are asked for when the value is not "off". */
static int check_caps(const struct opt_io *io, int v)
{
	unsigned need = io->o->flags & (OPT_CAP_ADMIN | OPT_CAP_RAW);

	if (!need || ((io->o->flags & OPT_BOOL) && v == 0))
		return 0;
	if (guest_capable(io->t, CAP_NET_ADMIN))
		return 0;
	if ((need & OPT_CAP_RAW) && guest_capable(io->t, CAP_NET_RAW))
		return 0;
	return -EPERM;
}

static int set_int(struct sock *s, const struct sockopt *o, int v)
{
	enum nst_err e;

	if (o->lo < o->hi && (v < o->lo || v > o->hi))
		return -EINVAL;
	if (o->flags & OPT_BOOL)
		v = v != 0;
	e = nst_sock_set(sock_nst(s), o->opt, v, sandbox_now(s->sb));
	return -errno_of(e);
}

static int set_locked(struct sock *s, struct opt_io *io, int v)
{
	int rc;

	if (s->dead)
		return -EBADF;
	/* What was written before the call is sent under the old option. */
	if (s->tcp)
		stream_drain_guest(s);
	else
		datagram_drain_guest(s);
	if (s->dead)
		return -EINVAL;
	rc = io->o->set ? io->o->set(s, io) : set_int(s, io->o, v);
	if (rc == 0 && s->dgram)
		datagram_options_changed(s);
	return rc;
}

static int set_option(struct trap *t, const struct sockopt *o, uint32_t len)
{
	struct opt_io io = {.t = t, .o = o, .addr = trap_arg(t, 3)};
	int v = 0;
	int rc = 0;

	io.len = len < OPT_VALUE_MAX ? len : OPT_VALUE_MAX;
	if (o->rule == OPT_INT && len < sizeof(v) && !(o->flags & OPT_EMPTY_OK))
		return -EINVAL;
	if (io.len > 0)
		rc = trap_read(t, io.addr, io.v, io.len);
	/* A longer value than the mapped memory holds: only an int is read. */
	if (rc == -EFAULT && o->rule != OPT_SPECIAL && len > sizeof(v))
		rc = trap_read(t, io.addr, io.v, io.len = sizeof(v));
	if (rc == 0 && o->rule != OPT_SPECIAL)
		rc = read_int(&io, &v);
	if (rc == 0)
		rc = check_caps(&io, v);
	if (rc < 0)
		return rc;
	if (!trap_valid(t))
		return -EINTR;
	sandbox_lock(t->sb);
	rc = set_locked(t->sock, &io, v);
	sandbox_unlock(t->sb);
	return rc;
}

static int set_unknown(const struct trap *t, int level, uint32_t len)
{
	int v;

	if (!has_level(t->sock, level))
		return -ENOPROTOOPT;
	/* LINUX: do_ipv6_setsockopt() reads what is long enough to be an int
	 * before it looks at the name. */
	if (len < sizeof(v) && length_first(t->sock, level))
		return -EINVAL;
	if (len < sizeof(v) || level == SOL_IP || level == SOL_RAW)
		return -ENOPROTOOPT;
	return trap_read(t, trap_arg(t, 3), &v, sizeof(v)) < 0 ? -EFAULT
							       : -ENOPROTOOPT;
}

enum trap_verdict sys_setsockopt(struct trap *t)
{
	int level = trap_int(t, 1), name = trap_int(t, 2), len = trap_int(t, 4);
	const struct sockopt *o;
	int rc;

	if (len < 0)
		return trap_answer(t, -EINVAL);
	if (is_native(t->sock, level, name)) {
		(void)trap_reply_continue(t);
		return TRAP_DONE;
	}
	o = find(t->sock, level, name, OPT_SET);
	if (!o || o->err) {
		rc = set_unknown(t, level, (uint32_t)len);
		return trap_answer(t, o && rc == -ENOPROTOOPT ? -o->err : rc);
	}
	return trap_answer(t, set_option(t, o, (uint32_t)len));
}

/* ---- get ---- */

static int get_int(struct sock *s, struct opt_io *io)
{
	int64_t value = 0;
	enum nst_err e = nst_sock_get(sock_nst(s), io->o->opt, &value);
	int v = (int)value;

	memcpy(io->v, &v, sizeof(v));
	io->len = sizeof(v);
	return -errno_of(e);
}

/* LINUX: do_ip_getsockopt() answers a short buffer with one byte. */
static uint32_t cut(const struct opt_io *io)
{
	int v;

	if (io->room >= io->len)
		return io->len;
	if (io->o->rule == OPT_IP && io->room > 0) {
		memcpy(&v, io->v, sizeof(v));
		return v >= 0 && v <= 255 ? 1 : io->room;
	}
	return io->room;
}

static int get_locked(struct sock *s, struct opt_io *io)
{
	if (s->dead)
		return -EBADF;
	if (s->tcp)
		stream_drain_guest(s);
	if (s->dead)
		return -EBADF;
	return io->o->get ? io->o->get(s, io) : get_int(s, io);
}

/* What was told is gone; an error that came since then is not. */
static void consume_error(struct trap *t, const struct opt_io *io)
{
	struct sock *s = t->sock;
	int told;

	memcpy(&told, io->v, sizeof told);
	if (!told)
		return;
	sandbox_lock(t->sb);
	if (!s->dead) {
		(void)nst_sock_error(sock_nst(s), true);
		datagram_error_clear(s);
	}
	sandbox_unlock(t->sb);
}

static enum trap_verdict get_option(struct trap *t, const struct sockopt *o,
				    uint32_t room)
{
	struct opt_io io = {.t = t, .o = o, .addr = trap_arg(t, 3)};
	uint32_t n;
	int rc;

	io.room = room;
	sandbox_lock(t->sb);
	rc = get_locked(t->sock, &io);
	sandbox_unlock(t->sb);
	if (rc < 0)
		return trap_answer(t, rc);
	n = cut(&io);
	rc = trap_write_sized(t, io.addr, io.v, n, trap_arg(t, 4), n);
	if (rc < 0)
		return trap_answer(t, rc);
	if (trap_reply(t, 0) == 0 && o->level == SOL_SOCKET &&
	    o->name == SO_ERROR)
		consume_error(t, &io);
	return TRAP_DONE;
}

/* LINUX: ip_getsockopt() answers EOPNOTSUPP to a level that is not its own,
 * before it looks at the length. */
static int get_unknown(const struct sock *s, int level)
{
	if (s->domain == AF_INET && !has_level(s, level))
		return -EOPNOTSUPP;
	return -ENOPROTOOPT;
}

enum trap_verdict sys_getsockopt(struct trap *t)
{
	int level = trap_int(t, 1), name = trap_int(t, 2), len;
	const struct sockopt *o;
	int rc;

	if (is_native(t->sock, level, name)) {
		(void)trap_reply_continue(t);
		return TRAP_DONE;
	}
	if (!has_level(t->sock, level))
		return trap_answer(t, get_unknown(t->sock, level));
	rc = trap_read(t, trap_arg(t, 4), &len, sizeof(len));
	/* LINUX: do_ipv6_getsockopt() takes the length for unsigned. */
	if (rc == 0 && len < 0 && level != SOL_IPV6)
		rc = -EINVAL;
	if (rc < 0)
		return trap_answer(t, rc);
	o = find(t->sock, level, name, OPT_GET);
	if (!o)
		return trap_answer(t, get_unknown(t->sock, level));
	if (o->err)
		return trap_answer(t, -o->err);
	return get_option(t, o, (uint32_t)len);
}
