/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. Bytes from the host are read straight into the free
 * space of the endpoint's send ring, and bytes from the guest are written from
 * its receive ring: no copy and no memory of a relay's own. Back-pressure is
 * therefore the rings': no space, no read, and the host's own window closes;
 * the host's socket full, no consumption, and the guest's window closes.
 *
 * Readiness of the host socket is edge-like (one multishot poll): host_in and
 * host_out are set by events and cleared by a short read or write or EAGAIN. A
 * short read does not clear host_in once RDHUP or HUP was seen, since nothing
 * more would be announced. Space and data on the guest's side are announced by
 * NST_EV_OUT and NST_EV_IN.
 *
 * Fairness: moving bytes makes the other side move more within the same
 * settling, so a fast pair would keep the stack lock for ever. Each relay may
 * move GW_BUDGET_BYTES, then waits in gw->ready for its next turn, which the
 * loop gives when it has looked at everybody else (relay_run_ready, reached as
 * a timer that is due).
 *
 * Endings. EOF goes across as FIN (nst_tcp_shutdown, SHUT_WR); after both the
 * relay closes both ends and goes, the netstack and the kernel finish what is
 * queued. A reset from the host is passed on after the bytes before it. A
 * failed write says that the host's end is dead while bytes from it may still
 * be unread (and consumes the error, so that reading ends in a false EOF):
 * host_gone remembers it. A reset from the guest closes the host socket with
 * linger zero.
 */
#include "sentry/gateway/relay.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(sizeof(struct nst_iov) == sizeof(struct iovec) &&
		   offsetof(struct nst_iov, len) ==
		       offsetof(struct iovec, iov_len),
	       "pieces of a ring are passed to the kernel as they are");

struct relay *relay_new(struct gateway *gw, const struct relay_kind *kind,
			void *ctx)
{
	struct relay *r;

	if (gw->nrelays >= gw->relays_max) {
		gw->count.TcpLimit++;
		return NULL;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		gw->count.NoMemory++;
		return NULL;
	}
	r->owner.events = relay_events;
	r->gw = gw;
	r->kind = kind;
	r->ctx = ctx;
	r->fd = -1;
	r->budget = GW_BUDGET_BYTES;
	TAILQ_INSERT_TAIL(&gw->relays, r, all);
	gw->nrelays++;
	return r;
}

void relay_free(struct relay *r)
{
	struct gateway *gw = r->gw;

	if (r->req)
		nst_fwd_drop(r->req);
	if (r->tp)
		nst_tcp_abort(r->tp, gw_now(gw));
	owner_forget(gw->sb, &r->owner);
	host_close(gw, r->op, r->fd);
	if (r->waiting)
		TAILQ_REMOVE(&gw->ready, r, turn);
	TAILQ_REMOVE(&gw->relays, r, all);
	gw->nrelays--;
	free(r);
}

void relay_reset(struct relay *r)
{
	struct linger now = {.l_onoff = 1, .l_linger = 0};

	if (r->fd >= 0)
		setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	relay_free(r);
}

/* Both FINs are on their way: the netstack and the kernel do the rest. */
static void relay_done(struct relay *r)
{
	struct nst_tcp *tp = r->tp;

	r->tp = NULL;
	nst_tcp_close(tp, gw_now(r->gw));
	relay_free(r);
}

static void wait_turn(struct relay *r)
{
	struct gateway *gw = r->gw;

	if (r->waiting)
		return;
	if (TAILQ_EMPTY(&gw->ready))
		gw->ready_since = gw_now(gw);
	TAILQ_INSERT_TAIL(&gw->ready, r, turn);
	r->waiting = true;
}

static void spend(struct relay *r, size_t bytes)
{
	r->budget -= bytes < r->budget ? (uint32_t)bytes : r->budget;
}

/* The host's FIN, or the end of what a dead host left. False: r is gone. */
static bool host_ended(struct relay *r)
{
	if (r->host_gone) {
		r->gw->count.TcpHostResets++;
		relay_free(r);
		return false;
	}
	r->host_eof = true;
	if (nst_tcp_shutdown(r->tp, false, true, gw_now(r->gw)) != NST_OK) {
		relay_reset(r);
		return false;
	}
	return true;
}

/* readv failed. False: r is gone. */
static bool read_failed(struct relay *r, int err)
{
	if (err == EAGAIN || err == EINTR) {
		r->host_in = err == EINTR;
		return true;
	}
	r->gw->count.TcpHostResets++;
	relay_free(r);
	return false;
}

/* Host → guest. False: r is gone. */
static bool pump_to_guest(struct relay *r)
{
	struct nst_iov iov[2];
	size_t n, room;
	ssize_t got;

	while (r->host_in && !r->host_eof) {
		if (r->budget == 0) {
			wait_turn(r);
			return true;
		}
		room = nst_tcp_snd_space(r->tp, iov, &n);
		if (room == 0)
			return true;
		got = readv(r->fd, (const struct iovec *)(void *)iov, (int)n);
		if (got == 0)
			return host_ended(r);
		if (got < 0) {
			if (!read_failed(r, errno))
				return false;
			continue;
		}
		nst_tcp_snd_commit(r->tp, (size_t)got, false, gw_now(r->gw));
		spend(r, (size_t)got);
		if ((size_t)got < room && !r->host_hup)
			r->host_in = false;
	}
	return true;
}

/* Writing failed: what the guest sends is for nobody, what the host has sent
 * is still to be read. */
static void write_failed(struct relay *r, int err)
{
	if (err == EAGAIN || err == EINTR) {
		r->host_out = err == EINTR;
		return;
	}
	r->host_gone = r->host_hup = r->host_in = true;
}

static void discard_from_guest(struct relay *r)
{
	struct nst_iov iov[2];
	size_t n, have;

	while ((have = nst_tcp_rcv_data(r->tp, iov, &n)) > 0)
		nst_tcp_rcv_consume(r->tp, have, gw_now(r->gw));
}

/* Guest → host. */
static void pump_to_host(struct relay *r)
{
	struct nst_iov iov[2];
	struct msghdr msg = {.msg_iov = (struct iovec *)(void *)iov};
	size_t have;
	ssize_t put;

	while (r->host_out && !r->host_gone) {
		have = nst_tcp_rcv_data(r->tp, iov, &msg.msg_iovlen);
		if (have == 0)
			break;
		if (r->budget == 0) {
			wait_turn(r);
			return;
		}
		put = sendmsg(r->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (put < 0) {
			write_failed(r, errno);
			continue;
		}
		nst_tcp_rcv_consume(r->tp, (size_t)put, gw_now(r->gw));
		spend(r, (size_t)put);
		if ((size_t)put < have)
			r->host_out = false;
	}
	if (r->host_gone)
		discard_from_guest(r);
	else if (!r->guest_eof && nst_tcp_rcv_eof(r->tp)) {
		r->guest_eof = true;
		shutdown(r->fd, SHUT_WR);
	}
}

void relay_pump(struct relay *r)
{
	if (!r->host_up || !r->guest_up)
		return;
	pump_to_host(r);
	if (!pump_to_guest(r))
		return;
	if (r->host_eof && r->guest_eof)
		relay_done(r);
}

size_t relay_left(const struct relay *r)
{
	struct nst_iov iov[2];
	size_t n;

	if (!r->tp || !r->host_up || !r->guest_up)
		return 0;
	if (r->guest_eof || r->host_gone)
		return 0;
	return nst_tcp_rcv_data(r->tp, iov, &n) + nst_tcp_rcv_eof(r->tp);
}

static size_t write_left(struct gateway *gw)
{
	struct relay *r;
	size_t sum = 0;

	for (r = TAILQ_FIRST(&gw->relays); r; r = TAILQ_NEXT(r, all)) {
		if (relay_left(r) == 0)
			continue;
		r->host_out = true;
		r->budget = UINT32_MAX;
		pump_to_host(r);
		sum += relay_left(r);
	}
	return sum;
}

/* The loop has stopped; a millisecond is fine enough for a last farewell. */
void relay_flush_all(struct gateway *gw)
{
	size_t before = SIZE_MAX, now;

	for (int idle = 0; idle < RELAY_FLUSH_MS; idle++) {
		now = write_left(gw);
		if (now == 0)
			return;
		if (now < before)
			idle = 0;
		before = now;
		poll(NULL, 0, 1);
	}
}

void relay_run_ready(struct gateway *gw)
{
	struct relay_list turn = TAILQ_HEAD_INITIALIZER(turn);
	struct relay *r;

	TAILQ_CONCAT(&turn, &gw->ready, turn);
	for (r = TAILQ_FIRST(&turn); r; r = TAILQ_NEXT(r, turn))
		r->waiting = false;
	/* A turn may free its own relay, never another one. */
	while ((r = TAILQ_FIRST(&turn)) != NULL) {
		TAILQ_REMOVE(&turn, r, turn);
		r->budget = GW_BUDGET_BYTES;
		relay_pump(r);
	}
}

/* ---- the guest's side ---- */

void relay_tune_guest(struct relay *r)
{
	static const struct {
		enum nst_opt opt;
		int64_t value;
	} wanted[] = {{NST_TCP_NODELAY, 1},
		      {NST_SO_OOBINLINE, 1},
		      {NST_SO_SNDBUF, GW_TCP_BUF_BYTES},
		      {NST_SO_RCVBUF, GW_TCP_BUF_BYTES}};
	nst_time now = gw_now(r->gw);

	/* Each is a wish: a relay works without. */
	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		enum nst_err err = nst_sock_set(
		    nst_tcp_sock(r->tp), wanted[i].opt, wanted[i].value, now);

		(void)err;
	}
}

static void guest_error(struct relay *r)
{
	enum nst_err err = nst_sock_error(nst_tcp_sock(r->tp), true);

	if (!r->guest_up) {
		r->gw->count.TcpGuestFailed++;
		if (r->kind->guest_failed) {
			r->kind->guest_failed(r, err);
			return;
		}
	} else {
		r->gw->count.TcpGuestResets++;
	}
	relay_reset(r);
}

void relay_events(struct ep_owner *o, uint32_t events)
{
	struct relay *r = GW_OWNER_OF(o, struct relay, owner);

	if (!r->tp)
		return;
	if (events & NST_EV_ERR) {
		guest_error(r);
		return;
	}
	if (events & NST_EV_CONNECTED)
		r->guest_up = true;
	if (r->waiting)
		return; /* its turn comes, and looks at everything */
	relay_pump(r);
}

/* ---- the host's side ---- */

static void host_event(void *arg, const struct loop_event *ev);

static bool poll_host(struct relay *r)
{
	r->op = loop_poll(r->gw->sb->loop, r->fd, POLLIN | POLLOUT | POLLRDHUP,
			  host_event, r);
	if (!r->op)
		r->gw->count.NoMemory++;
	return r->op != NULL;
}

bool relay_resume(struct relay *r)
{
	return r->fd < 0 || r->op || poll_host(r);
}

static void tune_host(int fd)
{
	int on = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

static void host_connected(struct relay *r)
{
	r->host_up = r->host_out = r->host_in = true;
	if (r->kind->host_up && !r->kind->host_up(r))
		return;
	relay_pump(r);
}

/* The outcome of the connect, if there is one by now. May free. */
static void check_connect(struct relay *r, int revents)
{
	socklen_t len = sizeof(int);
	int err = 0;

	if (!(revents & (POLLOUT | POLLERR | POLLHUP)))
		return;
	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err)
		r->kind->host_failed(r, err);
	else
		host_connected(r);
}

static void host_event(void *arg, const struct loop_event *ev)
{
	struct relay *r = arg;
	int revents = ev->res < 0 ? 0 : ev->res;

	if (ev->last) {
		r->op = NULL;
		if (!poll_host(r)) {
			relay_reset(r);
			return;
		}
	}
	if (!r->host_up) {
		check_connect(r, revents);
		return;
	}
	if (revents & (POLLRDHUP | POLLHUP | POLLERR))
		r->host_hup = true;
	if (revents & (POLLIN | POLLRDHUP | POLLHUP | POLLERR))
		r->host_in = true;
	if (revents & (POLLOUT | POLLHUP | POLLERR))
		r->host_out = true;
	if (r->waiting)
		return;
	r->budget = GW_BUDGET_BYTES;
	relay_pump(r);
}

/* A failed attempt leaves no trace, so that the kind may try another. */
static int drop_host(struct relay *r, int err)
{
	host_close(r->gw, r->op, r->fd);
	r->op = NULL;
	r->fd = -1;
	return err;
}

int relay_connect_host(struct relay *r, const struct host_addr *to, bool local)
{
	struct pollfd p = {.events = POLLOUT};
	int fd = host_socket(r->gw, to->u.sa.sa_family, SOCK_STREAM, 0);

	drop_host(r, 0);
	if (fd < 0)
		return fd;
	r->fd = fd;
	tune_host(fd);
	if (connect(fd, &to->u.sa, to->len) < 0 && errno != EINPROGRESS)
		return drop_host(r, -errno);
	if (!poll_host(r))
		return drop_host(r, -ENOMEM);
	/* The host's own loopback has answered by now: tell the guest within
	 * its connect(). */
	p.fd = fd;
	if (local && poll(&p, 1, 0) == 1)
		check_connect(r, p.revents);
	return 0;
}

int relay_take_host(struct relay *r, int fd)
{
	r->fd = fd;
	r->host_up = r->host_out = r->host_in = true;
	tune_host(fd);
	return poll_host(r) ? 0 : -ENOMEM;
}
