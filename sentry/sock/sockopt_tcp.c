/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of tcp(7) that are no plain numbers (sockopt.h): Fast Open's key,
 * the saved SYN, the state of the congestion control, and TCP_REPAIR's family,
 * which is refused as to one without CAP_NET_ADMIN: a connection that was
 * repaired outside of the sentry's knowledge could not be saved.
 */
#include "sentry/sock/sockopt.h"

#include <errno.h>
#include <string.h>

#define FASTOPEN_KEY_BYTES 16 /* LINUX: TCP_FASTOPEN_KEY_LENGTH */

int opt_get_cc_info(struct sock *s, struct opt_io *io)
{
	io->len = (uint32_t)nst_tcp_cc_info(s->tcp, sandbox_now(s->sb), io->v,
					    sizeof(io->v));
	return 0;
}

/* One key, or two of which the second is only accepted. */
int opt_set_fastopen_key(struct sock *s, struct opt_io *io)
{
	if (io->len != FASTOPEN_KEY_BYTES && io->len != 2 * FASTOPEN_KEY_BYTES)
		return -EINVAL;
	return nst_tcp_set_fastopen_keys(s->tcp, io->v,
					 io->len / FASTOPEN_KEY_BYTES)
		   ? -EINVAL
		   : 0;
}

int opt_get_fastopen_key(struct sock *s, struct opt_io *io)
{
	io->len =
	    (uint32_t)nst_tcp_fastopen_keys(s->tcp, io->v) * FASTOPEN_KEY_BYTES;
	return 0;
}

/* LINUX: handed out once; too small a buffer leaves it for the next call. */
int opt_get_saved_syn(struct sock *s, struct opt_io *io)
{
	uint8_t buf[OPT_VALUE_MAX];
	size_t n = nst_tcp_saved_syn(s->tcp, buf, sizeof(buf));

	if (n > io->room)
		return -EINVAL;
	memcpy(io->v, buf, n);
	io->len = (uint32_t)n;
	nst_tcp_saved_syn_drop(s->tcp);
	return 0;
}

/* ---- refused ---- */

int opt_set_refused(struct sock *s, struct opt_io *io)
{
	(void)s;
	(void)io;
	return -EPERM;
}

/* LINUX: the state comes first: closed, but of no queue. */
int opt_set_queue_seq(struct sock *s, struct opt_io *io)
{
	(void)io;
	return nst_tcp_state(s->tcp) == NST_TCP_CLOSE ? -EINVAL : -EPERM;
}

static int give_int(struct opt_io *io, int v)
{
	memcpy(io->v, &v, sizeof(v));
	io->len = sizeof(v);
	return 0;
}

int opt_get_zero(struct sock *s, struct opt_io *io)
{
	(void)s;
	return give_int(io, 0);
}

int opt_get_not_repairing(struct sock *s, struct opt_io *io)
{
	(void)s;
	(void)io;
	return -EINVAL;
}
