/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ioctl(2) on sockets: queue lengths, the urgent mark, and the interfaces of
 * the sandbox (netdevice(7)). What belongs to the descriptor (FIONBIO,
 * FIONREAD, FIOASYNC, owners) stays native.
 */
#include "sentry/sock/dgram_priv.h"
#include "sentry/sock/if_ioctl.h"

#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>

/* Bytes that left the guest's hands, not acknowledged yet: what is still in
 * the byte pipe counts, being neither sent nor lost. */
static int stream_outq(struct sock *s, bool unsent, int *v)
{
	int piped = 0;

	stream_drain_guest(s);
	if (s->dead)
		return -EBADF;
	if (nst_tcp_state(s->tcp) == NST_TCP_LISTEN)
		return -EINVAL;
	if (s->state == SOCK_CONNECTED && s->send_fd >= 0)
		(void)ioctl(s->send_fd, SIOCINQ, &piped);
	*v = piped +
	     (int)(unsent ? nst_tcp_outq_nsd(s->tcp) : nst_tcp_outq(s->tcp));
	return 0;
}

/* Datagrams leave at once. */
static int queue_query(struct sock *s, unsigned cmd, int *v)
{
	*v = 0;
	if (s->dead)
		return -EBADF;
	if (s->dgram)
		return cmd == SIOCOUTQ ? 0 : -ENOTTY;
	switch (cmd) {
	case SIOCATMARK:
		stream_pump(s);
		*v = !s->dead && nst_tcp_at_mark(s->tcp);
		return 0;
	case SIOCOUTQNSD:
		return stream_outq(s, true, v);
	default:
		return stream_outq(s, false, v);
	}
}

static enum trap_verdict answer_query(struct trap *t, unsigned cmd)
{
	int v, rc;

	sandbox_lock(t->sb);
	rc = queue_query(t->sock, cmd, &v);
	sandbox_unlock(t->sb);
	if (rc == 0)
		rc = trap_write(t, trap_arg(t, 2), &v, sizeof(v));
	return trap_answer(t, rc);
}

enum trap_verdict sys_ioctl(struct trap *t)
{
	unsigned cmd = (unsigned)trap_int(t, 1);

	switch (cmd) {
	case FIOSETOWN:
	case SIOCSPGRP:
	case FIOGETOWN:
	case SIOCGPGRP:
		(void)trap_reply_continue(t);
		return TRAP_DONE;
	case SIOCOUTQ:
	case SIOCOUTQNSD:
	case SIOCATMARK:
		return answer_query(t, cmd);
	case SIOCGIFCONF:
		return trap_answer(t, if_conf(t));
	default:
		if (!if_is_ioctl(cmd)) {
			(void)trap_reply_continue(t);
			return TRAP_DONE;
		}
		return trap_answer(t, if_ioctl(t, cmd));
	}
}
