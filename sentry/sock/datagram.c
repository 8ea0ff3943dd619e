/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datagram channel: what moves between an endpoint and its guest end, and
 * when (dgram_priv.h has the rules). Under the stack lock throughout.
 */
#include "sentry/sock/dgram_priv.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sentry/core/errmap.h"
#include "sentry/core/values.h"
#include "sentry/loop/loop.h"
#include "sentry/sock/scratch.h"

/* Native sends passed on in one go; then others get a turn. */
#define DRAIN_BATCH 256

struct dgram_kept *dgram_keep(const struct nst_dgram_in *in, const void *data,
			      size_t bytes)
{
	struct dgram_kept *k = malloc(sizeof(*k) + bytes);

	if (!k)
		return NULL;
	k->next = NULL;
	k->in = *in;
	if (bytes > 0)
		memcpy(k->bytes, data, bytes);
	k->in.data = k->bytes;
	k->in.bytes = bytes;
	return k;
}

/* ---- endpoint → guest ---- */

static bool next_in(const struct sock *s, struct nst_dgram_in *out)
{
	if (s->dg.kept) {
		*out = s->dg.kept->in;
		return true;
	}
	return nst_dgram_peek(s->dgram, out) == NST_OK;
}

static void drop_next(struct sock *s)
{
	struct dgram_kept *k = s->dg.kept;

	if (!k) {
		nst_dgram_pop(s->dgram);
		return;
	}
	s->dg.kept = k->next;
	free(k);
}

/*
 * LINUX: when a datagram is taken, sock_wfree() wakes the sender while one
 * byte is still accounted; a sender that looks at once sees 1, and no second
 * wake-up follows. A queued datagram counts with its whole buffer: hundreds.
 */
bool datagram_end_empty(const struct sock *s)
{
	int queued = 2;

	if (s->send_fd < 0)
		return true;
	if (ioctl(s->send_fd, SIOCOUTQ, &queued) < 0)
		return false;
	return queued <= 1;
}

static bool is_plain(const struct sock *s, const struct nst_dgram_in *in)
{
	struct nst_sockaddr peer;

	if (!s->dg.connected || s->dg.wants_cmsg || !sock_has_ports(s))
		return false;
	if (nst_sock_remote(nst_dgram_sock(s->dgram), &peer) != NST_OK)
		return false;
	return peer.port == in->src.port &&
	       value_addr_eq(&peer.addr, &in->src.addr);
}

static void now_visible(struct sock *s, const struct nst_dgram_in *in)
{
	s->dg.visible = true;
	s->dg.head = *in;
	s->dg.head.data = NULL;
	s->dg.visible_src = in->src.addr;
	s->dg.visible_port = in->src.port;
}

/* True when one datagram has moved and more may follow. */
static bool pump_one(struct sock *s)
{
	struct nst_dgram_in in;
	bool plain;

	if (!next_in(s, &in))
		return false;
	plain = is_plain(s, &in);
	if (!plain || s->dg.visible) {
		if (!datagram_end_empty(s))
			return false;
		s->dg.visible = false;
	}
	if (send(s->send_fd, in.data, in.bytes, MSG_DONTWAIT | MSG_NOSIGNAL) <
	    0) {
		/* Full: POLLOUT follows. Refused: the guest end is gone, a
		 * sweep closes s. Anything else cannot succeed later. */
		s->dg.gone = errno == ECONNREFUSED;
		if (errno != EMSGSIZE)
			return false;
		s->dg.drops++;
		drop_next(s);
		return true;
	}
	if (!plain)
		now_visible(s, &in);
	drop_next(s);
	return true;
}

/* Last thing of an event: s may be freed. */
static void close_if_gone(struct sock *s)
{
	if (s->dg.gone && !s->dead)
		sock_close(s, false);
}

static void on_room(void *arg, const struct loop_event *ev)
{
	struct sock *s = arg;

	if (ev->last)
		s->pipe.out_op = NULL;
	if (s->dead)
		return;
	datagram_pump(s);
	close_if_gone(s);
}

/* A wake-up for each datagram that the guest takes is paid for only while
 * something waits to become visible. */
static void want_room(struct sock *s, bool want)
{
	if (want == (s->pipe.out_op != NULL) || !s->sb->loop)
		return;
	if (want) {
		s->pipe.out_op =
		    loop_poll(s->sb->loop, s->send_fd, POLLOUT, on_room, s);
		return;
	}
	loop_cancel(s->sb->loop, s->pipe.out_op);
	s->pipe.out_op = NULL;
}

void datagram_pump(struct sock *s)
{
	struct nst_dgram_in in;
	bool moved = false;

	if (s->dead || s->send_fd < 0)
		return;
	while (pump_one(s))
		moved = true;
	want_room(s, next_in(s, &in) && !s->dg.gone);
	if (moved && s->parked)
		trap_kick(s);
}

/* ---- guest → endpoint ---- */

/* For events; calls of the guest's act on what it sent before, always. */
static void drain_unless_held(struct sock *s)
{
	if (!s->sb->holding)
		datagram_drain_guest(s);
}

static void on_poll(void *arg, const struct loop_event *ev)
{
	struct sock *s = arg;

	if (ev->last)
		s->poll_op = NULL;
	if (s->dead)
		return;
	drain_unless_held(s);
	datagram_pump(s);
	if (s->parked)
		trap_kick(s);
	if (ev->last && s->send_fd >= 0 && ev->res >= 0)
		(void)datagram_start(s);
	close_if_gone(s);
}

int datagram_start(struct sock *s)
{
	if (!s->sb->loop)
		return 0; /* tests pump by hand */
	s->poll_op = loop_poll(s->sb->loop, s->send_fd, POLLIN, on_poll, s);
	return s->poll_op ? 0 : -ENOMEM;
}

/* Polls anew: what is still queued gives an event at once, after others had
 * their turn. */
static void yield_turn(struct sock *s)
{
	if (!s->sb->loop)
		return;
	loop_cancel(s->sb->loop, s->poll_op);
	(void)datagram_start(s);
}

void datagram_reap_target(struct sock *s, const struct nst_sockaddr *to,
			  const struct nst_dgram_opts *o)
{
	void *user;

	/* Reaping closes others, which drains them: once is enough. */
	if (s->dg.closing || !sock_has_ports(s))
		return;
	do
		user = nst_dgram_target(s->dgram, to, o);
	while (user && sock_reap_owner(s, user));
}

static enum nst_err pass_on(struct sock *s, void *p, size_t bytes)
{
	struct nst_iov iov = {p, bytes};
	struct nst_dgram_opts o = {0};

	datagram_reap_target(s, NULL, &o);
	return nst_dgram_send(s->dgram, NULL, &iov, 1, &o, sandbox_now(s->sb));
}

/* The endpoint had no room: the datagram waits for NST_EV_OUT. */
static void hold_back(struct sock *s, const void *p, size_t bytes)
{
	struct nst_dgram_in none = {0};

	s->dg.unsent = dgram_keep(&none, p, bytes);
	if (!s->dg.unsent)
		s->dg.drops++;
}

static bool retry_unsent(struct sock *s, int *err)
{
	struct dgram_kept *k = s->dg.unsent;
	enum nst_err e;

	if (!k)
		return true;
	e = pass_on(s, k->bytes, k->in.bytes);
	if (e == NST_E_AGAIN)
		return false;
	s->dg.unsent = NULL;
	free(k);
	if (e != NST_OK) {
		s->dg.drops++;
		*err = errno_of(e);
	}
	return true;
}

/* One native send; false: nothing is queued, or there is no room. The real
 * call has succeeded already, so what goes wrong becomes a pending error. */
static bool drain_one(struct sock *s, uint8_t *buf, int *err)
{
	ssize_t n = recv(s->send_fd, buf, SCRATCH_DATA, MSG_DONTWAIT);
	enum nst_err e;

	if (n < 0)
		return errno == EINTR || errno == ECONNRESET;
	e = pass_on(s, buf, (size_t)n);
	if (e == NST_E_AGAIN) {
		hold_back(s, buf, (size_t)n);
		return false;
	}
	if (e != NST_OK) {
		s->dg.drops++;
		*err = errno_of(e);
	}
	return true;
}

void datagram_drain_guest(struct sock *s)
{
	struct scratch *sc = scratch_get();
	int err = 0;

	if (s->dead || s->send_fd < 0 || !sc || !retry_unsent(s, &err))
		return;
	for (int i = 0; drain_one(s, sc->drain, &err); i++) {
		if (i < DRAIN_BATCH)
			continue;
		yield_turn(s);
		break;
	}
	if (err)
		datagram_error_set(s, err);
}

void datagram_events(struct ep_owner *o, uint32_t events)
{
	struct sock *s = (struct sock *)o;
	enum nst_err e;

	if (s->dead)
		return;
	if (events & (NST_EV_OUT | NST_EV_ERR))
		drain_unless_held(s);
	if (events & NST_EV_ERR) {
		e = nst_sock_error(nst_dgram_sock(s->dgram), true);
		if (e != NST_OK)
			datagram_error_set(s, errno_of(e));
	}
	datagram_pump(s);
	if (s->parked)
		trap_kick(s);
	close_if_gone(s);
}

/* ---- what handlers do ---- */

static void describe(struct sock *s, bool peek, struct nst_dgram_in *in)
{
	memset(in, 0, sizeof(*in));
	if (s->dg.visible) {
		*in = s->dg.head;
		s->dg.visible = peek;
		return;
	}
	if (nst_sock_remote(nst_dgram_sock(s->dgram), &in->src) != NST_OK)
		in->src.addr.family = 0;
	nst_sock_local(nst_dgram_sock(s->dgram), &in->dst);
}

ssize_t datagram_take(struct sock *s, int gfd, bool peek, void *buf, size_t cap,
		      struct nst_dgram_in *in)
{
	int flags = MSG_DONTWAIT | MSG_TRUNC | (peek ? MSG_PEEK : 0);
	ssize_t n;

	datagram_pump(s);
	n = recv(gfd, buf, cap, flags);
	if (n < 0)
		return -errno;
	describe(s, peek, in);
	in->bytes = (size_t)n;
	if (!peek)
		datagram_pump(s);
	return n;
}

static void push_kept(struct sock *s, struct dgram_kept *list)
{
	struct dgram_kept **end = &list;

	while (*end)
		end = &(*end)->next;
	*end = s->dg.kept;
	s->dg.kept = list;
}

void datagram_reclaim(struct sock *s, int gfd)
{
	struct scratch *sc = scratch_get();
	struct dgram_kept *list = NULL, **end = &list;
	struct nst_dgram_in in;
	int err = datagram_error(s, gfd);
	ssize_t n;

	if (!sc)
		return;
	while ((n = recv(gfd, sc->drain, SCRATCH_DATA, MSG_DONTWAIT)) >= 0) {
		describe(s, false, &in);
		*end = dgram_keep(&in, sc->drain, (size_t)n);
		if (!*end)
			break;
		end = &(*end)->next;
	}
	s->dg.visible = false;
	push_kept(s, list);
	if (err)
		datagram_error_set(s, err); /* still to be seen */
}

void datagram_untake(struct sock *s, int gfd, struct dgram_kept *k)
{
	if (s->dead) {
		free(k);
		return;
	}
	datagram_reclaim(s, gfd);
	k->next = NULL;
	push_kept(s, k);
	datagram_pump(s);
}

static const enum nst_opt cmsg_opts[] = {
    NST_SO_TIMESTAMP,    NST_IP_RECVTTL,         NST_IP_RECVTOS,
    NST_IP_PKTINFO,      NST_IP_RECVORIGDSTADDR, NST_IPV6_RECVHOPLIMIT,
    NST_IPV6_RECVTCLASS, NST_IPV6_RECVPKTINFO,   NST_UDP_GRO,
};

void datagram_options_changed(struct sock *s)
{
	int64_t v;

	s->dg.wants_cmsg = false;
	for (size_t i = 0; i < sizeof(cmsg_opts) / sizeof(*cmsg_opts); i++) {
		v = 0;
		if (nst_sock_get(nst_dgram_sock(s->dgram), cmsg_opts[i], &v) ==
			NST_OK &&
		    v > 0)
			s->dg.wants_cmsg = true;
	}
}

void datagram_fini(struct sock *s)
{
	struct dgram_kept *k;

	while ((k = s->dg.kept)) {
		s->dg.kept = k->next;
		free(k);
	}
	free(s->dg.unsent);
	s->dg.unsent = NULL;
	if (s->dg.back_name_fd >= 0)
		close(s->dg.back_name_fd);
	s->dg.back_name_fd = -1;
}
