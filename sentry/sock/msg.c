/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/sock/msg.h"

#include <errno.h>
#include <string.h>

/* LINUX: MAX_RW_COUNT, what one call moves at most. */
#define MSG_MAX_BYTES ((size_t)0x7ffff000)

static int sum_iov(struct msg *m)
{
	m->total = 0;
	for (size_t i = 0; i < m->niov; i++) {
		if ((ssize_t)m->iov[i].iov_len < 0)
			return -EINVAL;
		if (m->iov[i].iov_len > MSG_MAX_BYTES - m->total)
			m->iov[i].iov_len = MSG_MAX_BYTES - m->total;
		m->total += m->iov[i].iov_len;
	}
	return 0;
}

int msg_read(const struct trap *t, uint64_t addr, struct scratch *sc,
	     struct msg *m)
{
	struct guest_msghdr h;
	int rc = trap_read(t, addr, &h, sizeof(h));

	if (rc < 0)
		return rc;
	if (h.name && (int32_t)h.namelen < 0)
		return -EINVAL;
	if (h.iovlen > SCRATCH_IOV)
		return -EMSGSIZE;
	memset(m, 0, sizeof(*m));
	m->addr = addr;
	m->name = h.name;
	m->namelen = h.name ? h.namelen : 0;
	if (m->namelen > sizeof(struct sockaddr_storage))
		m->namelen = sizeof(struct sockaddr_storage);
	m->control = h.control;
	m->controllen = h.controllen;
	m->iov = sc->iov;
	m->niov = (size_t)h.iovlen;
	if (m->niov > 0) {
		rc = trap_read(t, h.iov, sc->iov,
			       m->niov * sizeof(struct iovec));
		if (rc < 0)
			return rc;
	}
	return sum_iov(m);
}

void msg_of_buffer(uint64_t buf, uint64_t len, uint64_t name, uint32_t namelen,
		   struct scratch *sc, struct msg *m)
{
	memset(m, 0, sizeof(*m));
	if (len > MSG_MAX_BYTES)
		len = MSG_MAX_BYTES;
	sc->iov[0].iov_base = (void *)(uintptr_t)buf;
	sc->iov[0].iov_len = (size_t)len;
	m->iov = sc->iov;
	m->niov = 1;
	m->total = (size_t)len;
	m->name = name;
	m->namelen = name ? namelen : 0;
}

void msg_advance(struct msg *m, size_t bytes)
{
	m->total -= bytes;
	while (m->niov > 0 && bytes >= m->iov->iov_len) {
		bytes -= m->iov->iov_len;
		m->iov++;
		m->niov--;
	}
	if (m->niov == 0)
		return;
	m->iov->iov_base = (uint8_t *)m->iov->iov_base + bytes;
	m->iov->iov_len -= bytes;
}

bool trap_may_wait(struct trap *t, unsigned flags, int timeo_opt)
{
	if ((flags & MSG_DONTWAIT) || t->expired || trap_nonblock(t))
		return false;
	trap_set_deadline(t, timeo_opt);
	return true;
}
