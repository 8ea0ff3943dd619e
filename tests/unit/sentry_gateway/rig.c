/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sentry_gateway/rig.h"

#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <unistd.h>

#include "sentry/link/link.h"

#define WAIT_S 10

void rig_options(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	r->opt = (struct options){
	    .net = NET_NAT,
	    .host_loopback = true,
	    .ip4 = test_addr("10.0.2.15"),
	    .ip4_len = 24,
	    .ip6 = test_addr("fd00::15"),
	    .ip6_len = 64,
	    .gw4 = test_addr("10.0.2.2"),
	    .gw6 = test_addr("fd00::2"),
	    .dns4 = test_addr("10.0.2.3"),
	    .dns6 = test_addr("fd00::3"),
	    .mtu = 65520,
	};
}

static void hook_lock(void *ctx)
{
	sandbox_lock(&((struct rig *)ctx)->sb);
}

static void hook_unlock(void *ctx)
{
	sandbox_unlock(&((struct rig *)ctx)->sb);
}

static nst_time hook_next(void *ctx)
{
	return sandbox_next_deadline(&((struct rig *)ctx)->sb);
}

static void hook_timers(void *ctx)
{
	sandbox_run_timers(&((struct rig *)ctx)->sb);
}

static void hook_idle(void *ctx)
{
	struct rig *r = ctx;

	pthread_mutex_lock(&r->sb.lock);
	pthread_cond_broadcast(&r->turned);
	pthread_mutex_unlock(&r->sb.lock);
}

static void *loop_thread(void *arg)
{
	loop_run(((struct rig *)arg)->sb.loop);
	return NULL;
}

void rig_start(struct rig *r, int expect)
{
	const struct loop_hooks hooks = {.ctx = r,
					 .lock = hook_lock,
					 .unlock = hook_unlock,
					 .next_deadline = hook_next,
					 .run_timers = hook_timers,
					 .idle = hook_idle};
	int err;

	cr_assert_geq(sodium_init(), 0);
	sandbox_init(&r->sb, &r->opt);
	pthread_cond_init(&r->turned, NULL);
	cr_assert_eq(loop_new(&hooks, &r->sb.loop), 0);
	cr_assert_eq(
	    nst_stack_new(&r->sb.env, sandbox_now(&r->sb), &r->sb.stack),
	    NST_OK);
	err = gateway_new(&r->sb);
	cr_assert_eq(err, expect, "gateway_new: %d", err);
	pthread_create(&r->thread, NULL, loop_thread, r);
}

void rig_stop(struct rig *r)
{
	loop_stop(r->sb.loop);
	pthread_join(r->thread, NULL);
	gateway_free(&r->sb);
	nst_stack_free(r->sb.stack);
	loop_free(r->sb.loop);
	pthread_cond_destroy(&r->turned);
	sandbox_fini(&r->sb);
}

nst_time rig_lock(struct rig *r)
{
	sandbox_lock(&r->sb);
	return sandbox_now(&r->sb);
}

void rig_unlock(struct rig *r)
{
	sandbox_unlock(&r->sb);
}

bool rig_wait(struct rig *r, bool (*done)(void *arg), void *arg)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += WAIT_S;
	for (;;) {
		sandbox_settle(&r->sb);
		if (done(arg))
			return true;
		/* What settling did may need the loop, which may sleep. */
		if (sandbox_next_deadline(&r->sb) <
		    loop_sleeps_until(r->sb.loop))
			loop_wake(r->sb.loop);
		if (pthread_cond_timedwait(&r->turned, &r->sb.lock, &end))
			return done(arg);
	}
}

struct want_relays {
	struct rig *r;
	size_t n;
};

static bool relays_are(void *arg)
{
	struct want_relays *w = arg;

	return w->r->sb.gw->nrelays == w->n;
}

bool rig_wait_relays(struct rig *r, size_t n)
{
	struct want_relays w = {r, n};
	bool ok;

	rig_lock(r);
	ok = rig_wait(r, relays_are, &w);
	rig_unlock(r);
	return ok;
}

/* ---- endpoints of the guest ---- */

static void events(struct ep_owner *o, uint32_t ev)
{
	struct peer *p = (void *)o;

	if (ev & NST_EV_ERR && p->err == NST_OK)
		p->err = nst_sock_error(p->tcp ? nst_tcp_sock(p->tcp)
					       : nst_dgram_sock(p->dgram),
					true);
	p->seen |= ev;
	pthread_cond_broadcast(&p->rig->turned);
}

void peer_init(struct peer *p, struct rig *r)
{
	memset(p, 0, sizeof(*p));
	p->owner.events = events;
	p->rig = r;
}

enum nst_err peer_connect(struct peer *p, const char *to, uint16_t port)
{
	struct nst_sockaddr sa = test_sa(to, port);
	nst_time now = rig_lock(p->rig);
	enum nst_err err;

	cr_assert_eq(nst_tcp_new(p->rig->sb.stack, sa.addr.family, &p->owner,
				 now, &p->tcp),
		     NST_OK);
	err = nst_tcp_connect(p->tcp, &sa, now);
	rig_unlock(p->rig);
	return err;
}

struct want_events {
	struct peer *p;
	uint32_t events;
};

static bool events_seen(void *arg)
{
	struct want_events *w = arg;

	return w->p->seen & w->events;
}

uint32_t peer_wait(struct peer *p, uint32_t ev)
{
	struct want_events w = {p, ev};
	uint32_t seen;

	rig_lock(p->rig);
	rig_wait(p->rig, events_seen, &w);
	seen = p->seen;
	rig_unlock(p->rig);
	return seen;
}

void peer_connected(struct peer *p, const char *to, uint16_t port)
{
	enum nst_err err = peer_connect(p, to, port);

	cr_assert(err == NST_OK || err == NST_E_INPROGRESS, "connect: %d", err);
	peer_wait(p, NST_EV_CONNECTED | NST_EV_ERR);
	cr_assert(p->seen & NST_EV_CONNECTED, "seen %x, error %d", p->seen,
		  p->err);
}

enum nst_err peer_wait_error(struct peer *p)
{
	peer_wait(p, NST_EV_ERR);
	return p->err;
}

static bool has_space(void *arg)
{
	struct nst_iov iov[2];
	struct peer *p = arg;
	size_t n;

	return p->err != NST_OK || nst_tcp_snd_space(p->tcp, iov, &n) > 0;
}

void peer_send(struct peer *p, const void *data, size_t bytes)
{
	const uint8_t *from = data;
	struct nst_iov iov[2];
	size_t n, room;

	rig_lock(p->rig);
	while (bytes > 0) {
		cr_assert(rig_wait(p->rig, has_space, p), "no space");
		room = nst_tcp_snd_space(p->tcp, iov, &n);
		if (room == 0)
			break;
		room = iov[0].len < bytes ? iov[0].len : bytes;
		memcpy(iov[0].p, from, room);
		nst_tcp_snd_commit(p->tcp, room, false,
				   sandbox_now(&p->rig->sb));
		from += room;
		bytes -= room;
	}
	rig_unlock(p->rig);
}

static bool has_data(void *arg)
{
	struct nst_iov iov[2];
	struct peer *p = arg;
	size_t n;

	return p->err != NST_OK || nst_tcp_rcv_eof(p->tcp) ||
	       nst_tcp_rcv_data(p->tcp, iov, &n) > 0;
}

void peer_recv(struct peer *p, void *data, size_t bytes)
{
	uint8_t *to = data;
	struct nst_iov iov[2];
	size_t n, have;

	rig_lock(p->rig);
	while (bytes > 0) {
		cr_assert(rig_wait(p->rig, has_data, p), "no data");
		have = nst_tcp_rcv_data(p->tcp, iov, &n);
		cr_assert_gt(have, 0, "ended %zu bytes early, error %d", bytes,
			     p->err);
		have = iov[0].len < bytes ? iov[0].len : bytes;
		memcpy(to, iov[0].p, have);
		nst_tcp_rcv_consume(p->tcp, have, sandbox_now(&p->rig->sb));
		to += have;
		bytes -= have;
	}
	rig_unlock(p->rig);
}

static bool at_eof(void *arg)
{
	return nst_tcp_rcv_eof(((struct peer *)arg)->tcp);
}

void peer_wait_eof(struct peer *p)
{
	rig_lock(p->rig);
	cr_assert(rig_wait(p->rig, at_eof, p), "no FIN");
	rig_unlock(p->rig);
}

void peer_shutdown(struct peer *p)
{
	nst_time now = rig_lock(p->rig);

	cr_assert_eq(nst_tcp_shutdown(p->tcp, false, true, now), NST_OK);
	rig_unlock(p->rig);
}

static void forget(struct peer *p)
{
	owner_forget(&p->rig->sb, &p->owner);
	p->tcp = NULL;
	p->dgram = NULL;
}

void peer_close(struct peer *p)
{
	nst_time now = rig_lock(p->rig);

	if (p->tcp)
		nst_tcp_close(p->tcp, now);
	if (p->dgram)
		nst_dgram_close(p->dgram, now);
	forget(p);
	rig_unlock(p->rig);
}

void peer_abort(struct peer *p)
{
	nst_time now = rig_lock(p->rig);

	nst_tcp_abort(p->tcp, now);
	forget(p);
	rig_unlock(p->rig);
}

void peer_listen(struct peer *p, const char *at, uint16_t port)
{
	struct nst_sockaddr sa = test_sa(at, port);
	nst_time now = rig_lock(p->rig);

	cr_assert_eq(nst_tcp_new(p->rig->sb.stack, sa.addr.family, &p->owner,
				 now, &p->tcp),
		     NST_OK);
	cr_assert_eq(nst_sock_bind(nst_tcp_sock(p->tcp), &sa), NST_OK);
	cr_assert_eq(nst_tcp_listen(p->tcp, 1024, now), NST_OK);
	rig_unlock(p->rig);
}

static bool can_accept(void *arg)
{
	return nst_tcp_accept_queued(((struct peer *)arg)->tcp) > 0;
}

void peer_accept(struct peer *p, struct peer *child)
{
	peer_init(child, p->rig);
	rig_lock(p->rig);
	cr_assert(rig_wait(p->rig, can_accept, p), "nothing to accept");
	cr_assert_eq(nst_tcp_accept(p->tcp, &child->tcp), NST_OK);
	nst_sock_set_user(nst_tcp_sock(child->tcp), &child->owner);
	rig_unlock(p->rig);
}

void peer_udp(struct peer *p, uint8_t family)
{
	rig_lock(p->rig);
	cr_assert_eq(nst_dgram_new(p->rig->sb.stack, NST_DGRAM_UDP, family, 0,
				   &p->owner, &p->dgram),
		     NST_OK);
	rig_unlock(p->rig);
}

enum nst_err peer_udp_connect(struct peer *p, const char *to, uint16_t port)
{
	struct nst_sockaddr sa = test_sa(to, port);
	enum nst_err err;
	nst_time now;

	peer_udp(p, sa.addr.family);
	now = rig_lock(p->rig);
	err = nst_dgram_connect(p->dgram, &sa, now);
	rig_unlock(p->rig);
	return err;
}

enum nst_err peer_udp_send(struct peer *p, const void *data, size_t bytes)
{
	struct nst_iov iov = {(void *)(uintptr_t)data, bytes};
	nst_time now = rig_lock(p->rig);
	enum nst_err err;

	err = nst_dgram_send(p->dgram, NULL, &iov, 1, NULL, now);
	rig_unlock(p->rig);
	return err;
}

static bool has_datagram(void *arg)
{
	return nst_dgram_queued(((struct peer *)arg)->dgram) > 0;
}

size_t peer_udp_recv(struct peer *p, void *data, size_t cap,
		     struct nst_sockaddr *src)
{
	struct nst_dgram_in in;
	size_t bytes;

	rig_lock(p->rig);
	cr_assert(rig_wait(p->rig, has_datagram, p), "no datagram");
	cr_assert_eq(nst_dgram_peek(p->dgram, &in), NST_OK);
	bytes = in.bytes < cap ? in.bytes : cap;
	memcpy(data, in.data, bytes);
	if (src)
		*src = in.src;
	nst_dgram_pop(p->dgram);
	rig_unlock(p->rig);
	return bytes;
}

/* ---- sockets of the host ---- */

static int host_bound(const char *addr, int type, uint16_t *port)
{
	struct nst_sockaddr sa = test_sa(addr, *port);
	struct timeval tv = {.tv_sec = WAIT_S};
	struct host_addr h;
	int on = 1, fd;

	host_addr_from(&sa, &h);
	fd = socket(h.u.sa.sa_family, type | SOCK_CLOEXEC, 0);
	cr_assert_geq(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	cr_assert_eq(bind(fd, &h.u.sa, h.len), 0, "bind %s %u: %s", addr, *port,
		     strerror(errno));
	getsockname(fd, &h.u.sa, &h.len);
	*port = ntohs(h.u.in.sin_port);
	return fd;
}

int host_listen(const char *addr, uint16_t *port)
{
	int fd = host_bound(addr, SOCK_STREAM, port);

	cr_assert_eq(listen(fd, 4096), 0);
	return fd;
}

int host_udp(const char *addr, uint16_t *port)
{
	return host_bound(addr, SOCK_DGRAM, port);
}

int host_accept(int fd)
{
	struct timeval tv = {.tv_sec = WAIT_S};
	int got = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

	cr_assert_geq(got, 0, "accept: %s", strerror(errno));
	setsockopt(got, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return got;
}

int host_connect(const char *addr, uint16_t port)
{
	struct nst_sockaddr sa = test_sa(addr, port);
	struct timeval tv = {.tv_sec = WAIT_S};
	struct host_addr h;
	int fd;

	host_addr_from(&sa, &h);
	fd = socket(h.u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	cr_assert_eq(connect(fd, &h.u.sa, h.len), 0, "connect: %s",
		     strerror(errno));
	return fd;
}

void host_send(int fd, const void *data, size_t bytes)
{
	const uint8_t *p = data;

	while (bytes > 0) {
		ssize_t n = send(fd, p, bytes, MSG_NOSIGNAL);

		cr_assert_gt(n, 0, "send: %s", strerror(errno));
		p += n;
		bytes -= (size_t)n;
	}
}

void host_recv(int fd, void *data, size_t bytes)
{
	ssize_t n = recv(fd, data, bytes, MSG_WAITALL);

	cr_assert_eq(n, (ssize_t)bytes, "recv: %zd of %zu, %s", n, bytes,
		     strerror(errno));
}

uint16_t host_free_port(void)
{
	uint16_t port = 0;
	int fd = host_bound("127.0.0.1", SOCK_STREAM, &port);

	close(fd);
	return port;
}
