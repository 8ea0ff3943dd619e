/* SPDX-License-Identifier: Apache-2.0 */
/* Packets to and from a TAP device's frames with virtio-net headers. */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "sentry/link/tap_priv.h"

int tap_io_write(int fd, const struct nst_pkt *pkt)
{
	struct virtio_net_hdr h;
	struct iovec iov[2 + NST_PKT_FRAGS];
	int n = 2;

	if (!tap_vnet_emit(pkt, &h))
		return -EINVAL;
	iov[0] = (struct iovec){&h, sizeof(h)};
	iov[1] = (struct iovec){nst_pkt_data(pkt), pkt->len};
	for (int i = 0; i < pkt->nfrags; i++)
		iov[n++] = (struct iovec){(void *)(uintptr_t)pkt->frag[i].p,
					  pkt->frag[i].len};
	while (writev(fd, iov, n) < 0) {
		if (errno != EINTR)
			return -errno; /* EIO: the device is down */
	}
	return 0;
}

struct nst_pkt *tap_io_packet(const struct nst_env *env, const uint8_t *data,
			      size_t bytes)
{
	struct virtio_net_hdr h;
	struct nst_pkt *pkt;
	size_t len = bytes - sizeof(h);

	if (bytes <= sizeof(h))
		return NULL;
	memcpy(&h, data, sizeof(h));
	pkt = nst_pkt_new(env, 0, (uint32_t)len);
	if (!pkt)
		return NULL;
	memcpy(nst_pkt_put(pkt, (uint32_t)len), data + sizeof(h), len);
	if (tap_vnet_parse(&h, pkt))
		return pkt;
	nst_pkt_free(pkt);
	return NULL;
}
