/* SPDX-License-Identifier: Apache-2.0 */
/* TCP_INFO, TCP_CONGESTION, TCP_ULP (sockopt.h). */
#include "sentry/sock/sockopt.h"

#include <errno.h>
#include <string.h>

#include "sentry/core/errmap.h"
#include "sentry/sock/tcp_info.h"

int opt_get_tcp_info(struct sock *s, struct opt_io *io)
{
	struct nst_tcp_info i;

	nst_tcp_info(s->tcp, sandbox_now(s->sb), &i);
	tcp_info_linux(&i, io->v);
	io->len = TCP_INFO_LINUX_BYTES;
	return 0;
}

/* ---- names ---- */

#define CC_NAME_MAX 16 /* LINUX: TCP_CA_NAME_MAX, TCP_ULP_NAME_MAX */

int opt_set_congestion(struct sock *s, struct opt_io *io)
{
	char name[CC_NAME_MAX] = {0};
	size_t n = io->len < CC_NAME_MAX - 1 ? io->len : CC_NAME_MAX - 1;

	if (io->len < 1)
		return -EINVAL;
	memcpy(name, io->v, n);
	return -errno_of(nst_tcp_set_cc(s->tcp, name, sandbox_now(s->sb)));
}

int opt_get_congestion(struct sock *s, struct opt_io *io)
{
	memset(io->v, 0, CC_NAME_MAX);
	strncpy((char *)io->v, nst_tcp_cc(s->tcp), CC_NAME_MAX - 1);
	io->len = CC_NAME_MAX;
	return 0;
}

/* LINUX: without the tls module no name is known. */
int opt_set_ulp(struct sock *s, struct opt_io *io)
{
	(void)s;
	return io->len < 1 ? -EINVAL : -ENOENT;
}
