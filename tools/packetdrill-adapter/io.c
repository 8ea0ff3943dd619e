/* SPDX-License-Identifier: Apache-2.0 */
/* What all reads and writes share: iovecs, control messages, dispatch. */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* LINUX: MAX_RW_COUNT, what one call moves at most. */
#define RW_MAX (INT_MAX & ~4095)

ssize_t iov_bytes(const struct iovec *iov, size_t n)
{
	size_t sum = 0;

	if (n > LIMIT_IOV)
		return -EMSGSIZE;
	if (n > 0 && !iov)
		return -EFAULT;
	for (size_t i = 0; i < n; i++) {
		if ((ssize_t)iov[i].iov_len < 0)
			return -EINVAL;
		if (iov[i].iov_len > 0 && !iov[i].iov_base)
			return -EFAULT;
		sum += iov[i].iov_len;
		if (sum > RW_MAX)
			return RW_MAX;
	}
	return (ssize_t)sum;
}

static size_t iov_move(const struct msghdr *m, size_t at, void *buf,
		       size_t bytes, bool to_buf)
{
	uint8_t *p = buf;
	size_t done = 0;

	for (size_t i = 0; i < m->msg_iovlen && done < bytes; i++) {
		const struct iovec *v = &m->msg_iov[i];
		uint8_t *base = v->iov_base;
		size_t n;

		if (at >= v->iov_len) {
			at -= v->iov_len;
			continue;
		}
		n = v->iov_len - at;
		n = n < bytes - done ? n : bytes - done;
		memcpy(to_buf ? p + done : base + at,
		       to_buf ? base + at : p + done, n);
		done += n;
		at = 0;
	}
	return done;
}

size_t iov_copy_in(const struct msghdr *m, size_t at, void *to, size_t bytes)
{
	return iov_move(m, at, to, bytes, true);
}

size_t iov_copy_out(const struct msghdr *m, size_t at, const void *from,
		    size_t bytes)
{
	return iov_move(m, at, (void *)(uintptr_t)from, bytes, false);
}

/* LINUX: put_cmsg(): what does not fit is cut, and MSG_CTRUNC says so. */
void cmsg_add(struct msghdr *m, size_t *used, int level, int type,
	      const void *data, size_t bytes)
{
	struct cmsghdr h = {.cmsg_len = CMSG_LEN(bytes),
			    .cmsg_level = level,
			    .cmsg_type = type};
	size_t left = m->msg_controllen - *used, space = CMSG_SPACE(bytes);
	uint8_t *p = m->msg_control;

	if (!p || left < sizeof(h)) {
		m->msg_flags |= MSG_CTRUNC;
		return;
	}
	if (left < h.cmsg_len) {
		m->msg_flags |= MSG_CTRUNC;
		h.cmsg_len = left;
	}
	p += *used;
	memset(p, 0, left < space ? left : space);
	memcpy(p, &h, sizeof(h));
	memcpy(p + sizeof(h), data, h.cmsg_len - sizeof(h));
	*used += left < space ? left : space;
}

ssize_t io_send(struct file *f, const struct msghdr *m, int flags)
{
	switch (f->kind) {
	case FILE_TCP:
		return stream_send(f, m, flags);
	case FILE_DGRAM:
		return dgram_send(f, m, flags);
	case FILE_PIPE:
		return pipe_write(f, m);
	case FILE_EPOLL:
		break;
	}
	return -EINVAL;
}

ssize_t io_recv(struct file *f, struct msghdr *m, int flags)
{
	switch (f->kind) {
	case FILE_TCP:
		return stream_recv(f, m, flags);
	case FILE_DGRAM:
		return dgram_recv(f, m, flags);
	case FILE_PIPE:
		return pipe_read(f, m);
	case FILE_EPOLL:
		break;
	}
	return -EINVAL;
}
