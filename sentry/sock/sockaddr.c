/* SPDX-License-Identifier: Apache-2.0 */
/* Socket addresses in a guest's memory (sock.h). */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <string.h>

int trap_read_sockaddr(const struct trap *t, uint64_t addr, uint32_t len,
		       int domain, struct nst_sockaddr *out)
{
	struct sockaddr_storage ss;
	int rc;

	if (len > sizeof(ss))
		return -EINVAL;
	memset(&ss, 0, sizeof(ss));
	if (len > 0) {
		rc = trap_read(t, addr, &ss, len);
		if (rc < 0)
			return rc;
	}
	return sockaddr_parse(domain, &ss, len, out);
}

int trap_write_sockaddr(const struct trap *t, uint64_t addr, uint64_t lenp,
			int domain, const struct nst_sockaddr *a, bool optional)
{
	struct sockaddr_storage ss;
	socklen_t full = sockaddr_build(domain, a, &ss);
	int len, rc;

	if (addr == 0 && optional)
		return 0;
	rc = trap_read(t, lenp, &len, sizeof(len));
	if (rc < 0)
		return rc;
	if (len < 0)
		return -EINVAL;
	if ((socklen_t)len > full)
		len = (int)full;
	/* LINUX: the length is written even when the address cannot be. */
	rc = trap_write(t, lenp, &full, sizeof(full));
	if (rc == 0 && len > 0)
		rc = trap_write(t, addr, &ss, (size_t)len);
	return rc;
}
