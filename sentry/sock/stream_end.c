/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a stream's guest end ends: a close that no end of file tells, and the
 * peer's reset, shown to the guest. stream.c has the rest of the pipe.
 *
 * Everything here runs under the stack lock.
 */
#include <errno.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "sentry/sock/sock.h"
#include "sentry/sock/sock_priv.h"

/* ---- the guest closed ---- */

enum guest_end { END_THERE, END_CLOSED, END_CLOSED_UNREAD };

/* The way to the guest is shut too, so HUP does not tell a close from a
 * shutdown: both directions were, or the guest shut down reading. */
static bool hup_is_ambiguous(const struct sock *s)
{
	return s->pipe.eof_to_guest || (s->shut & 1);
}

static enum guest_end look(const struct sock *s)
{
	struct pollfd p = {.fd = s->send_fd};
	socklen_t len = sizeof(int);
	int err = 0;

	if (poll(&p, 1, 0) <= 0 || !(p.revents & (POLLHUP | POLLERR)))
		return END_THERE;
	(void)getsockopt(s->send_fd, SOL_SOCKET, SO_ERROR, &err, &len);
	if (err == ECONNRESET)
		return END_CLOSED_UNREAD;
	if (hup_is_ambiguous(s) && backing_peer_gone(s->sb, s->send_fd) != 1)
		return END_THERE;
	return END_CLOSED;
}

bool stream_check_gone(struct sock *s)
{
	enum guest_end end = look(s);

	if (end != END_THERE)
		sock_close(s, end == END_CLOSED_UNREAD);
	return end != END_THERE;
}

static bool undelivered(struct sock *s)
{
	struct nst_iov iov[2];
	size_t niov = 0;

	return nst_tcp_rcv_data(s->tcp, iov, &niov) > 0;
}

/* LINUX: tcp_close with data unread, or data that comes after a close, is a
 * reset at once; what is not sent yet is dropped. A dead connection takes
 * nothing more either. */
bool stream_check_cut(struct sock *s)
{
	struct nst_iov iov[2];
	size_t niov = 0;
	enum guest_end end;

	if (nst_tcp_snd_space(s->tcp, iov, &niov))
		return false;
	end = look(s);
	if (end == END_THERE || (end == END_CLOSED && !undelivered(s) &&
				 nst_tcp_state(s->tcp) != NST_TCP_CLOSE))
		return false;
	sock_close(s, true);
	return true;
}

/* ---- the peer's reset ---- */

/* Reads and forgets all but `leave` bytes that the guest has written. */
static void discard(int fd, int leave)
{
	char buf[16384];
	int unread = 0;

	(void)ioctl(fd, FIONREAD, &unread);
	while (unread > leave) {
		size_t n = (size_t)(unread - leave);
		ssize_t r = recv(fd, buf, n < sizeof buf ? n : sizeof buf,
				 MSG_DONTWAIT);

		if (r <= 0)
			return;
		unread -= (int)r;
	}
}

/* The byte whose loss makes the kernel say ECONNRESET. */
static bool leave_byte(struct sock *s, int gfd)
{
	int unread = 0;

	(void)ioctl(s->send_fd, FIONREAD, &unread);
	return unread > 0 ||
	       (gfd >= 0 && send(gfd, "", 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1);
}

/* The guest end is full and the guest may not read before it has written: who
 * waits for room must learn that there will be none. What has arrived can
 * still be read, and the reset comes behind it. */
static void stop_writes(struct sock *s, int gfd)
{
	if ((s->shut & 2) || !leave_byte(s, gfd))
		return;
	(void)shutdown(s->send_fd, SHUT_RD);
	discard(s->send_fd, 1);
	/* The buffer of that last byte is no small one. */
	if (gfd >= 0)
		backing_sndbuf(gfd, 0);
}

bool stream_show_end(struct sock *s)
{
	if (!s->pipe.eof_to_guest && !nst_tcp_rcv_eof(s->tcp))
		return false;
	(void)shutdown(s->send_fd, SHUT_RDWR);
	discard(s->send_fd, 0);
	stream_drop_end(s);
	trap_kick(s);
	return true;
}

/*
 * One byte that the guest "wrote", unread when the sentry end closes, is what
 * makes the kernel say ECONNRESET instead of end of file.
 */
void stream_job_reset(struct sock *s, int gfd)
{
	if (s->state != SOCK_CONNECTED || !s->pipe.reset || s->send_fd < 0)
		return;
	if (!(s->shut & 1) && undelivered(s)) {
		stop_writes(s, gfd);
		return;
	}
	if (stream_show_end(s))
		return;
	s->pipe.shown = leave_byte(s, gfd);
	stream_drop_end(s);
	if (gfd >= 0)
		backing_name_late(s, gfd);
	trap_kick(s);
}
