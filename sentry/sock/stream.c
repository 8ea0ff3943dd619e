/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The byte pipe between a TCP endpoint and its guest end (DESIGN 3).
 *
 * Guest to netstack: bytes stay in the kernel until the send ring has room and
 * are read straight into it. Netstack to guest: sent straight from the receive
 * ring; what the guest end does not take waits there, and a poll for room is
 * armed only then, so that a guest that keeps up causes no events.
 *
 * What the end of the sentry side means:
 *   EOF, guest did not shut down      the guest closed: close, FIN
 *   EOF, guest did shut down writing  FIN; a close comes as HUP later
 *   ECONNRESET                        closed with data unread: RST
 *   HUP after both ways are shut      ambiguous: the kernel is asked whether
 *                                     the peer still exists
 *
 * The marker. The kernel says ECONNRESET to a guest whose sentry end closes
 * with bytes unread; that is how a peer's RST is shown, and a byte for it is
 * written through a dup of the guest end. After SHUT_WR none can be written, so
 * one is left behind in advance: it is known by its credentials (SO_PASSCRED is
 * set just before), since another thread of the guest may still be writing, and
 * it is never taken for data.
 *
 * Everything here runs under the stack lock.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sentry/core/errmap.h"
#include "sentry/loop/loop.h"
#include "sentry/sock/sock_priv.h"

/* Moves of one pump before others get their turn. */
#define PUMP_TURNS 8

/* ---- guest → netstack ---- */

/* Returns false when s was closed. */
static bool guest_eof(struct sock *s)
{
	if (!(s->shut & 2)) {
		sock_close(s, false);
		return false;
	}
	if (!s->pipe.eof_from_guest) {
		s->pipe.eof_from_guest = true;
		/* NOTCONN: the connection has failed already. */
		if (nst_tcp_shutdown(s->tcp, false, true, sandbox_now(s->sb)) !=
		    NST_OK)
			return true;
	}
	return !stream_check_gone(s);
}

static ssize_t read_into(int fd, const struct nst_iov *iov, size_t niov)
{
	struct iovec v[2];

	for (size_t i = 0; i < niov; i++)
		v[i] = (struct iovec){iov[i].p, iov[i].len};
	return readv(fd, v, (int)niov);
}

/* Nothing more to be read now. Returns false when s was closed. */
static bool read_ended(struct sock *s, ssize_t n)
{
	if (n == 0)
		return guest_eof(s);
	if (errno == EAGAIN || errno == EINTR)
		return true;
	sock_close(s, true);
	return false;
}

/* ---- the marker ---- */

/* Is the next byte in the pipe written by the sentry? */
static bool marker_is_next(int fd)
{
	char c, control[CMSG_SPACE(sizeof(struct ucred))];
	struct iovec v = {&c, 1};
	struct msghdr m = {.msg_iov = &v,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = sizeof control};
	const struct cmsghdr *h;
	struct ucred cred;

	if (recvmsg(fd, &m, MSG_PEEK | MSG_DONTWAIT) != 1)
		return false;
	h = CMSG_FIRSTHDR(&m);
	if (!h || h->cmsg_level != SOL_SOCKET ||
	    h->cmsg_type != SCM_CREDENTIALS)
		return false;
	memcpy(&cred, CMSG_DATA(h), sizeof cred);
	return cred.pid == getpid();
}

/* True when only the marker is left. One that others wrote behind is taken
 * out: it has lost its use. */
static bool marker_reached(struct sock *s)
{
	int unread = 0;
	char c;

	if (!s->pipe.marker || !marker_is_next(s->send_fd))
		return false;
	(void)ioctl(s->send_fd, FIONREAD, &unread);
	if (unread <= 1)
		return true;
	(void)!recv(s->send_fd, &c, 1, MSG_DONTWAIT);
	s->pipe.marker = false;
	return false;
}

void stream_shut_guest(struct sock *s, int gfd, int how)
{
	int on = 1;

	if (how != SHUT_RD && !(s->shut & 2) && s->send_fd >= 0) {
		(void)setsockopt(s->send_fd, SOL_SOCKET, SO_PASSCRED, &on,
				 sizeof on);
		s->pipe.marker =
		    send(gfd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
	}
	s->shut |= (unsigned)how + 1;
	(void)shutdown(gfd, how);
}

/* ---- one pump ---- */

/* Reads once. Returns 1 to go on, 0 when there is no more now, -1 when s was
 * closed. */
static int pump_in_once(struct sock *s, nst_time now)
{
	struct nst_iov iov[2];
	size_t niov = 0;
	size_t room = nst_tcp_snd_space(s->tcp, iov, &niov);
	ssize_t n;

	if (!room) {
		s->pipe.want_space = true;
		return s->pipe.ending && stream_check_cut(s) ? -1 : 0;
	}
	if (marker_reached(s))
		return guest_eof(s) ? 0 : -1;
	n = read_into(s->send_fd, iov, niov);
	if (n <= 0)
		return read_ended(s, n) ? 0 : -1;
	nst_tcp_snd_commit(s->tcp, (size_t)n, false, now);
	trap_kick(s);
	/* All there was; what comes later comes with an event. An end may have
	 * shared the event of the last bytes. */
	return (size_t)n == room || s->pipe.ending || s->pipe.marker;
}

/* Returns false when s was closed. */
static bool pump_in_now(struct sock *s)
{
	nst_time now = sandbox_now(s->sb);
	int more = 1;

	/* With our FIN queued only the guest's close is of interest. */
	if (s->pipe.eof_from_guest)
		return !stream_check_gone(s);
	s->pipe.want_space = false;
	for (int i = 0; more > 0 && i < PUMP_TURNS; i++)
		more = pump_in_once(s, now);
	if (more > 0) {
		s->pipe.want_space = true;
		owner_mark(s->sb, &s->owner, NST_EV_OUT);
	}
	return more >= 0;
}

/* For events; calls of the guest's act on what it wrote before, always. */
static bool pump_in(struct sock *s)
{
	if (!s->sb->holding)
		return pump_in_now(s);
	s->pipe.want_space = true;
	return true;
}

/* ---- netstack → guest ---- */

static bool pump_out(struct sock *s);

static void on_room(void *arg, const struct loop_event *ev)
{
	struct sock *s = arg;

	if (ev->last)
		s->pipe.out_op = NULL;
	if (s->send_fd >= 0)
		(void)pump_out(s);
}

static void want_room(struct sock *s)
{
	if (!s->pipe.out_op && s->sb->loop)
		s->pipe.out_op =
		    loop_poll(s->sb->loop, s->send_fd, POLLOUT, on_room, s);
}

static void drained(struct sock *s)
{
	if (s->pipe.out_op)
		loop_cancel(s->sb->loop, s->pipe.out_op);
	s->pipe.out_op = NULL;
	if (s->pipe.reset) {
		if (!stream_show_end(s))
			sock_job(s, SOCK_JOB_RESET);
		return;
	}
	if (s->pipe.eof_to_guest || !nst_tcp_rcv_eof(s->tcp))
		return;
	s->pipe.eof_to_guest = true;
	(void)shutdown(s->send_fd, SHUT_WR);
	trap_kick(s);
}

static ssize_t send_from(int fd, const struct nst_iov *iov, size_t niov)
{
	struct iovec v[2];
	struct msghdr m = {.msg_iov = v, .msg_iovlen = niov};

	for (size_t i = 0; i < niov; i++)
		v[i] = (struct iovec){iov[i].p, iov[i].len};
	return sendmsg(fd, &m, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* After SHUT_RD the guest end takes nothing more and shows the end of file;
 * what arrives stays with the endpoint, so that a close with it unread is a
 * reset. Returns false when s was closed. */
static bool pump_out(struct sock *s)
{
	nst_time now = sandbox_now(s->sb);

	if (s->shut & 1) {
		drained(s);
		return true;
	}
	for (int i = 0; i < PUMP_TURNS; i++) {
		struct nst_iov iov[2];
		size_t niov = 0;
		size_t have = nst_tcp_rcv_data(s->tcp, iov, &niov);
		ssize_t n;

		if (!have) {
			drained(s);
			return true;
		}
		n = send_from(s->send_fd, iov, niov);
		if (n < 0 && errno != EAGAIN) {
			/* Closed: pump_in sees it, or waits for room. */
			return !s->pipe.want_space || !stream_check_cut(s);
		}
		if (n > 0) {
			nst_tcp_rcv_consume(s->tcp, (size_t)n, now);
			trap_kick(s);
		}
		if (n < (ssize_t)have) {
			want_room(s);
			return true;
		}
	}
	owner_mark(s->sb, &s->owner, NST_EV_IN);
	return true;
}

void stream_pump(struct sock *s)
{
	if (s->state != SOCK_CONNECTED || s->send_fd < 0)
		return;
	if (pump_in(s))
		(void)pump_out(s);
}

void stream_drain_guest(struct sock *s)
{
	if (s->state == SOCK_CONNECTED && s->send_fd >= 0)
		(void)pump_in_now(s);
}

/* ---- events ---- */

/* Sends and receives that trap (an address, MSG_WAITALL on us) wait for bytes
 * to move either way. */
static void wake_parked(struct sock *s)
{
	if (!s->dead && s->parked)
		trap_kick(s);
}

static void on_poll(void *arg, const struct loop_event *ev)
{
	struct sock *s = arg;

	if (ev->last)
		s->poll_op = NULL;
	if (s->send_fd < 0)
		return;
	if (ev->last && ev->res >= 0 && stream_start(s) < 0) {
		sock_close(s, true);
		return;
	}
	if (ev->res > 0 && (ev->res & (POLLRDHUP | POLLHUP | POLLERR)))
		s->pipe.ending = true;
	/* While connecting the prefill is readable; only a close counts. */
	if (s->state == SOCK_CONNECTING && ev->res >= 0 &&
	    (ev->res & (POLLHUP | POLLERR)))
		sock_close(s, true);
	else if (s->state == SOCK_CONNECTED && pump_in(s))
		wake_parked(s);
}

int stream_start(struct sock *s)
{
	if (s->poll_op || !s->sb->loop)
		return 0;
	s->poll_op =
	    loop_poll(s->sb->loop, s->send_fd, POLLIN | POLLRDHUP, on_poll, s);
	return s->poll_op ? 0 : -ENOMEM;
}

void stream_drop_end(struct sock *s)
{
	if (s->pipe.out_op)
		loop_cancel(s->sb->loop, s->pipe.out_op);
	s->pipe.out_op = NULL;
	/* Always through the loop: a cancelled operation may still use it. */
	if (s->send_fd >= 0 && s->sb->loop)
		loop_cancel_close(s->sb->loop, s->poll_op, s->send_fd);
	else if (s->send_fd >= 0)
		close(s->send_fd);
	s->poll_op = NULL;
	s->send_fd = -1;
}

/* Failed, reset or timed out while connected. */
static void connection_failed(struct sock *s)
{
	enum nst_err e = nst_sock_error(nst_tcp_sock(s->tcp), true);

	if (e != NST_OK)
		s->so_error = errno_of(e);
	if (nst_tcp_state(s->tcp) != NST_TCP_CLOSE || e == NST_OK)
		return;
	s->pipe.reset = true;
	sock_job(s, SOCK_JOB_RESET);
}

static void connected_events(struct sock *s, uint32_t events)
{
	if (s->send_fd < 0)
		return;
	if (events & NST_EV_ERR)
		connection_failed(s);
	if ((events & NST_EV_OUT) && s->pipe.want_space && !pump_in(s))
		return;
	if ((events & (NST_EV_IN | NST_EV_FIN | NST_EV_ERR)) && !pump_out(s))
		return;
	wake_parked(s);
}

static void connecting_events(struct sock *s)
{
	enum nst_tcp_state st = nst_tcp_state(s->tcp);

	if (st == NST_TCP_CLOSE)
		stream_connect_failed(
		    s, errno_of(nst_sock_error(nst_tcp_sock(s->tcp), true)));
	else
		sock_job(s, SOCK_JOB_CONNECTED);
}

void stream_events(struct ep_owner *o, uint32_t events)
{
	const uint32_t decided = NST_EV_CONNECTED | NST_EV_ERR | NST_EV_CLOSED;
	struct sock *s = (struct sock *)o;

	switch (s->state) {
	case SOCK_CONNECTED:
		connected_events(s, events);
		break;
	case SOCK_LISTENING:
		if (events & NST_EV_ACCEPT)
			listener_push(s);
		break;
	case SOCK_PARKED_CONNECT:
		if (events & decided)
			trap_kick(s);
		break;
	case SOCK_CONNECTING:
		if (events & decided)
			connecting_events(s);
		break;
	case SOCK_FRESH:
	case SOCK_FAILED:
		break;
	}
}
