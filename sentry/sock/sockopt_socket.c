/* SPDX-License-Identifier: Apache-2.0 */
/* Options of SOL_SOCKET that are more than a number (sockopt.h). */
#include "sentry/sock/dgram_priv.h"
#include "sentry/sock/sockopt.h"

#include <errno.h>
#include <limits.h>
#include <linux/capability.h>
#include <net/if.h>
#include <string.h>

#include "sentry/core/errmap.h"

static int value_of(const struct opt_io *io)
{
	int v;

	memcpy(&v, io->v, sizeof(v));
	return v;
}

static int give(struct opt_io *io, const void *p, size_t bytes)
{
	memcpy(io->v, p, bytes);
	io->len = (uint32_t)bytes;
	return 0;
}

static int give_int(struct opt_io *io, int v)
{
	return give(io, &v, sizeof(v));
}

static int set_nst(struct sock *s, enum nst_opt opt, int64_t v)
{
	return -errno_of(nst_sock_set(sock_nst(s), opt, v, sandbox_now(s->sb)));
}

static int64_t get_nst(const struct sock *s, enum nst_opt opt)
{
	int64_t v = 0;

	if (nst_sock_get(sock_nst(s), opt, &v) != NST_OK)
		return 0;
	return v;
}

int opt_set_nothing(struct sock *s, struct opt_io *io)
{
	(void)s;
	(void)io;
	return 0;
}

int opt_get_empty(struct sock *s, struct opt_io *io)
{
	(void)s;
	io->len = 0;
	return 0;
}

int opt_get_fixed(struct sock *s, struct opt_io *io)
{
	switch (io->o->name) {
	case SO_TYPE:
		return give_int(io, s->type);
	case SO_DOMAIN:
		return give_int(io, s->domain);
	case SO_PROTOCOL:
		return give_int(io, sock_protocol(s));
	case SO_ACCEPTCONN:
		return give_int(io, s->tcp && nst_tcp_state(s->tcp) ==
						  NST_TCP_LISTEN);
	case SO_SNDLOWAT:
		return give_int(io, 1);
	default: /* SO_BSDCOMPAT: Linux ignores it */
		return give_int(io, 0);
	}
}

/* ---- SO_ERROR ---- */

/* Consumed by the caller once the reply was delivered. */
int opt_get_error(struct sock *s, struct opt_io *io)
{
	if (s->tcp) {
		int err = stream_error(s, io->t->gfd);

		if (!err && s->tcp)
			err = errno_of(nst_tcp_soft_error(s->tcp, true));
		return give_int(io, err);
	}
	datagram_drain_guest(s);
	sandbox_settle(s->sb);
	return give_int(io, datagram_error(s, io->t->gfd));
}

/* The guest has consumed the backing socket's one error natively: the shim
 * asks which it was. */
int opt_get_shown_error(struct sock *s, struct opt_io *io)
{
	int err = s->so_error;

	if (s->tcp) {
		s->so_error = 0;
		s->pipe.shown = false;
	} else {
		datagram_error_clear(s);
	}
	return give_int(io, err);
}

/* ---- SO_LINGER ---- */

int opt_set_linger(struct sock *s, struct opt_io *io)
{
	struct linger l;

	if (io->len < sizeof(l))
		return -EINVAL;
	memcpy(&l, io->v, sizeof(l));
	/* LINUX: negative seconds are very many. */
	return set_nst(s, NST_SO_LINGER,
		       !l.l_onoff       ? -1
		       : l.l_linger < 0 ? INT_MAX
					: l.l_linger);
}

int opt_get_linger(struct sock *s, struct opt_io *io)
{
	int64_t v = get_nst(s, NST_SO_LINGER);
	struct linger l = {.l_onoff = v >= 0, .l_linger = v >= 0 ? (int)v : 0};

	return give(io, &l, sizeof(l));
}

/* ---- buffers ---- */

/* The byte pipe must not hide more than the guest asked for: its send buffer
 * also limits the guest end, its receive buffer the sentry end. While a
 * connect is under way the guest end's is the prefill's. */
int opt_set_buf(struct sock *s, struct opt_io *io)
{
	bool snd = io->o->opt == NST_SO_SNDBUF;
	int rc = set_nst(s, io->o->opt, value_of(io));
	uint32_t half;

	if (rc < 0 || s->type != SOCK_STREAM)
		return rc;
	half = (uint32_t)get_nst(s, io->o->opt) / 2;
	if (snd) {
		s->guest_sndbuf = half;
		if (s->state != SOCK_CONNECTING)
			backing_sndbuf(io->t->gfd, half);
	} else {
		s->guest_rcvbuf = half;
		if (s->send_fd >= 0)
			backing_sndbuf(s->send_fd, half);
	}
	return 0;
}

/* LINUX: tcp_set_rcvlowat() cuts to half the receive buffer, or half of
 * tcp_rmem[2] while that is not fixed. */
#define TCP_RMEM_MAX (32 << 20)

int opt_set_lowat(struct sock *s, struct opt_io *io)
{
	int v = value_of(io);
	uint32_t most = s->guest_rcvbuf ? s->guest_rcvbuf : TCP_RMEM_MAX / 2;

	if (v < 0)
		v = INT_MAX;
	if (s->type == SOCK_STREAM && (uint32_t)v > most)
		v = (int)most;
	return set_nst(s, NST_SO_RCVLOWAT, v);
}

/* LINUX: TCP_NOTSENT_LOWAT is unsigned; TCP_WINDOW_CLAMP takes a negative
 * value for a very small one. */
int opt_set_unsigned(struct sock *s, struct opt_io *io)
{
	int v = value_of(io);

	if (io->o->opt == NST_TCP_WINDOW_CLAMP)
		return set_nst(s, io->o->opt, v < 0 ? 1 : v);
	return set_nst(s, io->o->opt, (uint32_t)v);
}

/* ---- SO_BINDTODEVICE ---- */

static bool nic_by_name(const struct nst_stack *st, const char *name,
			uint32_t *ifindex)
{
	struct nst_nic_info info;

	for (uint32_t i = nst_nic_next(st, 0); i; i = nst_nic_next(st, i)) {
		if (nst_nic_get(st, i, &info) == NST_OK &&
		    strcmp(info.name, name) == 0) {
			*ifindex = i;
			return true;
		}
	}
	return false;
}

/* LINUX: sock_bindtoindex_locked(): one may bind, not bind again. */
static int bind_index(struct sock *s, struct opt_io *io, int ifindex)
{
	if (get_nst(s, NST_SO_BINDTOIFINDEX) != 0 &&
	    !guest_capable(io->t, CAP_NET_RAW))
		return -EPERM;
	return set_nst(s, NST_SO_BINDTOIFINDEX, ifindex);
}

int opt_set_ifindex(struct sock *s, struct opt_io *io)
{
	return bind_index(s, io, value_of(io));
}

int opt_set_device(struct sock *s, struct opt_io *io)
{
	char name[IFNAMSIZ] = {0};
	uint32_t ifindex = 0;

	memcpy(name, io->v, io->len < IFNAMSIZ - 1 ? io->len : IFNAMSIZ - 1);
	if (name[0] && !nic_by_name(s->sb->stack, name, &ifindex))
		return -ENODEV;
	return bind_index(s, io, (int)ifindex);
}

int opt_get_device(struct sock *s, struct opt_io *io)
{
	uint32_t ifindex = (uint32_t)get_nst(s, NST_SO_BINDTOIFINDEX);
	struct nst_nic_info info;

	io->len = 0;
	if (ifindex == 0)
		return 0;
	if (io->room < IFNAMSIZ)
		return -EINVAL;
	if (nst_nic_get(s->sb->stack, ifindex, &info) != NST_OK)
		return -ENODEV;
	return give(io, info.name, strlen(info.name) + 1);
}

/* ---- time stamps: 1 microseconds, 2 nanoseconds ---- */

static int stamp_mode(const struct opt_io *io)
{
	return io->o->name == SO_TIMESTAMP ? 1 : 2;
}

int opt_set_stamp(struct sock *s, struct opt_io *io)
{
	return set_nst(s, NST_SO_TIMESTAMP, value_of(io) ? stamp_mode(io) : 0);
}

int opt_get_stamp(struct sock *s, struct opt_io *io)
{
	return give_int(io, get_nst(s, NST_SO_TIMESTAMP) == stamp_mode(io));
}

/* ---- others ---- */

/* LINUX: unsigned long, or an unsigned int of which all ones is no limit. */
int opt_set_pacing(struct sock *s, struct opt_io *io)
{
	uint32_t narrow;
	int64_t v;

	if (io->len < sizeof(narrow))
		return -EINVAL;
	if (io->len >= sizeof(v)) {
		memcpy(&v, io->v, sizeof(v));
		return set_nst(s, NST_SO_MAX_PACING_RATE, v);
	}
	memcpy(&narrow, io->v, sizeof(narrow));
	v = narrow == UINT32_MAX ? -1 : (int64_t)narrow;
	return set_nst(s, NST_SO_MAX_PACING_RATE, v);
}

int opt_get_pacing(struct sock *s, struct opt_io *io)
{
	uint64_t v = (uint64_t)get_nst(s, NST_SO_MAX_PACING_RATE);
	uint32_t narrow = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;

	if (io->room >= sizeof(v))
		return give(io, &v, sizeof(v));
	return give(io, &narrow, sizeof(narrow));
}

/* LINUX: 0 to 6 are free for all. */
int opt_set_priority(struct sock *s, struct opt_io *io)
{
	int v = value_of(io);

	if ((v < 0 || v > 6) && !guest_capable(io->t, CAP_NET_RAW) &&
	    !guest_capable(io->t, CAP_NET_ADMIN))
		return -EPERM;
	return set_nst(s, NST_SO_PRIORITY, v);
}

/* LINUX: without effect on what a socket does; turning it on is privileged. */
int opt_set_debug(struct sock *s, struct opt_io *io)
{
	(void)s;
	if (value_of(io) && !guest_capable(io->t, CAP_NET_ADMIN))
		return -EACCES;
	return 0;
}

/* LINUX: a socket that is not AF_UNIX has nobody behind it. */
int opt_get_peercred(struct sock *s, struct opt_io *io)
{
	struct ucred c = {.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};

	(void)s;
	return give(io, &c, sizeof(c));
}

int opt_get_cookie(struct sock *s, struct opt_io *io)
{
	if (io->room < sizeof(s->cookie))
		return -EINVAL;
	return give(io, &s->cookie, sizeof(s->cookie));
}
