/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl(2) on sockets and pipes: queue lengths, the urgent mark, FIONBIO. */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <asm/ioctls.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <string.h>

static int give(void *arg, int v)
{
	if (!arg)
		return -EFAULT;
	memcpy(arg, &v, sizeof(v));
	return 0;
}

static int set_nonblock(struct file *f, const void *arg)
{
	int on;

	if (!arg)
		return -EFAULT;
	memcpy(&on, arg, sizeof(on));
	f->status = on ? f->status | O_NONBLOCK : f->status & ~O_NONBLOCK;
	return 0;
}

static int stream_ioctl(struct file *f, unsigned long request, void *arg)
{
	bool listens = nst_tcp_state(f->tcp) == NST_TCP_LISTEN;
	struct nst_iov iov[2];
	size_t niov;

	switch (request) {
	case SIOCINQ:
		return listens ? -EINVAL
			       : give(arg, (int)nst_tcp_rcv_data(f->tcp, iov,
								 &niov));
	case SIOCATMARK:
		return give(arg, nst_tcp_at_mark(f->tcp));
	case SIOCOUTQ:
		return listens ? -EINVAL : give(arg, (int)nst_tcp_outq(f->tcp));
	case SIOCOUTQNSD:
		return listens ? -EINVAL
			       : give(arg, (int)nst_tcp_outq_nsd(f->tcp));
	default:
		return -ENOTTY;
	}
}

static int dgram_ioctl(struct file *f, unsigned long request, void *arg)
{
	struct nst_dgram_in in;

	switch (request) {
	case SIOCINQ:
		return give(arg, nst_dgram_peek(f->dgram, &in) == NST_OK
				     ? (int)in.bytes
				     : 0);
	case SIOCOUTQ:
		return give(arg, 0);
	default:
		return -ENOTTY;
	}
}

int file_ioctl(struct file *f, unsigned long request, void *arg)
{
	if (request == FIONBIO)
		return set_nonblock(f, arg);
	if (f->tcp)
		return stream_ioctl(f, request, arg);
	if (f->dgram)
		return dgram_ioctl(f, request, arg);
	if (f->pipe && request == FIONREAD)
		return give(arg, (int)f->pipe->used);
	return -ENOTTY;
}
