/* SPDX-License-Identifier: Apache-2.0 */
/* Options of SOL_TCP that are more than a number (opt.h). */
#include "tools/packetdrill-adapter/opt.h"

#include <errno.h>
#include <string.h>

#include "sentry/core/errmap.h"
#include "sentry/sock/tcp_info.h"

#define CC_NAME_MAX 16 /* LINUX: TCP_CA_NAME_MAX */
#define TFO_KEY 16     /* LINUX: TCP_FASTOPEN_KEY_LENGTH; two at most */

int opt_get_tcp_info(struct file *f, struct opt_io *io)
{
	struct nst_tcp_info i;

	nst_tcp_info(f->tcp, f->w->now, &i);
	tcp_info_linux(&i, io->v);
	io->len = TCP_INFO_LINUX_BYTES;
	return 0;
}

int opt_get_cc_info(struct file *f, struct opt_io *io)
{
	io->len =
	    (socklen_t)nst_tcp_cc_info(f->tcp, f->w->now, io->v, sizeof(io->v));
	return 0;
}

int opt_set_congestion(struct file *f, struct opt_io *io)
{
	char name[CC_NAME_MAX] = {0};
	size_t n = io->len < CC_NAME_MAX - 1 ? io->len : CC_NAME_MAX - 1;

	if (io->len < 1)
		return -EINVAL;
	memcpy(name, io->v, n);
	return -errno_of(nst_tcp_set_cc(f->tcp, name, f->w->now));
}

int opt_get_congestion(struct file *f, struct opt_io *io)
{
	char name[CC_NAME_MAX] = {0};

	strncpy(name, nst_tcp_cc(f->tcp), CC_NAME_MAX - 1);
	return opt_give(io, name, sizeof(name));
}

/* LINUX: handed out once; one with too little room is told how much. */
int opt_get_saved_syn(struct file *f, struct opt_io *io)
{
	io->len = (socklen_t)nst_tcp_saved_syn(f->tcp, io->v, sizeof(io->v));
	if (io->len > io->room)
		return -EINVAL;
	nst_tcp_saved_syn_drop(f->tcp);
	return 0;
}

/* TCP_REPAIR and what needs it. */
int opt_set_refused(struct file *f, struct opt_io *io)
{
	(void)f;
	(void)io;
	return -EPERM;
}

/* LINUX: without the tls module no name is known. */
int opt_set_ulp(struct file *f, struct opt_io *io)
{
	(void)f;
	return io->len < 1 ? -EINVAL : -ENOENT;
}

/* LINUX: a negative clamp is a very small one. */
int opt_set_clamp(struct file *f, struct opt_io *io)
{
	int v, rc = opt_int(io, &v);

	if (rc < 0)
		return rc;
	return -errno_of(nst_sock_set(file_sock(f), NST_TCP_WINDOW_CLAMP,
				      v < 0 ? 1 : v, f->w->now));
}

int opt_set_fastopen_key(struct file *f, struct opt_io *io)
{
	if (io->len != TFO_KEY && io->len != 2 * TFO_KEY)
		return -EINVAL;
	return -errno_of(
	    nst_tcp_set_fastopen_keys(f->tcp, io->v, io->len / TFO_KEY));
}

int opt_get_fastopen_key(struct file *f, struct opt_io *io)
{
	io->len = (socklen_t)nst_tcp_fastopen_keys(f->tcp, io->v) * TFO_KEY;
	return 0;
}
