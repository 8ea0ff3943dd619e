/* SPDX-License-Identifier: Apache-2.0 */
/* getsockopt(2) and setsockopt(2) over the table in opt.h. */
#include "tools/packetdrill-adapter/opt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <string.h>

#include "sentry/core/errmap.h"

/* Does the socket have this level at all? */
static bool has_level(const struct file *f, int level)
{
	switch (level) {
	case SOL_SOCKET:
		return true;
	case SOL_IP:
		return f->domain == AF_INET || f->type != SOCK_RAW;
	case SOL_IPV6:
		return f->domain == AF_INET6;
	case SOL_TCP:
		return f->kind == FILE_TCP;
	case SOL_UDP:
		return f->type == SOCK_DGRAM;
	default:
		return false;
	}
}

int opt_give(struct opt_io *io, const void *p, size_t bytes)
{
	memcpy(io->v, p, bytes);
	io->len = (socklen_t)bytes;
	return 0;
}

int opt_give_int(struct opt_io *io, int v)
{
	return opt_give(io, &v, sizeof(v));
}

/* LINUX: do_ip_setsockopt() takes a byte for an int. */
int opt_int(const struct opt_io *io, int *v)
{
	if (io->len >= sizeof(*v)) {
		memcpy(v, io->v, sizeof(*v));
		return 0;
	}
	if (io->row->level != SOL_IP || io->len == 0)
		return -EINVAL;
	*v = io->v[0];
	return 0;
}

/* ---- set ---- */

static int set_int(struct file *f, struct opt_io *io)
{
	const struct opt_row *r = io->row;
	int64_t value;
	int v, rc = opt_int(io, &v);

	if (rc < 0)
		return rc;
	if (r->lo < r->hi && (v < r->lo || v > r->hi))
		return -EINVAL;
	value = r->flags & OPT_UNSIGNED ? (int64_t)(uint32_t)v : v;
	if (r->flags & OPT_BOOL)
		value = v != 0;
	return -errno_of(nst_sock_set(file_sock(f), r->opt, value, f->w->now));
}

int opt_set(struct file *f, int level, int name, const void *v, socklen_t len)
{
	struct opt_io io = {.row = opt_find(level, name)};
	int rc;

	if ((int)len < 0)
		return -EINVAL;
	if (!has_level(f, level))
		return -ENOPROTOOPT;
	/* LINUX: these levels look at the length before the name. */
	if (len < sizeof(int) && level == SOL_SOCKET)
		return -EINVAL;
	if (!io.row || !(io.row->flags & OPT_SET))
		return -ENOPROTOOPT;
	if (!v && len > 0)
		return -EFAULT;
	io.len = len < OPT_VALUE_MAX ? len : OPT_VALUE_MAX;
	if (io.len > 0)
		memcpy(io.v, v, io.len);
	rc = io.row->set ? io.row->set(f, &io) : set_int(f, &io);
	f->w->events = true;
	return rc;
}

/* ---- get ---- */

static int get_int(struct file *f, struct opt_io *io)
{
	int64_t v = 0;
	enum nst_err e = nst_sock_get(file_sock(f), io->row->opt, &v);

	(void)opt_give_int(io, (int)v);
	return -errno_of(e);
}

/* LINUX: do_ip_getsockopt() answers a short buffer with one byte. */
static socklen_t cut(const struct opt_io *io)
{
	int v;

	if (io->room >= io->len)
		return io->len;
	if (io->row->level == SOL_IP && io->room > 0) {
		memcpy(&v, io->v, sizeof(v));
		return v >= 0 && v <= 255 ? 1 : io->room;
	}
	return io->room;
}

int opt_get(struct file *f, int level, int name, void *v, socklen_t *len)
{
	struct opt_io io = {.row = opt_find(level, name)};
	int rc;

	if (!has_level(f, level))
		return f->domain == AF_INET ? -EOPNOTSUPP : -ENOPROTOOPT;
	if (!len)
		return -EFAULT;
	if ((int)*len < 0)
		return -EINVAL;
	if (!io.row || !(io.row->flags & OPT_GET))
		return -ENOPROTOOPT;
	io.room = *len;
	rc = io.row->get ? io.row->get(f, &io) : get_int(f, &io);
	if (rc == -EINVAL && io.len > io.room)
		*len = io.len; /* what would have been enough */
	if (rc < 0)
		return rc;
	*len = cut(&io);
	if (*len > 0 && !v)
		return -EFAULT;
	memcpy(v, io.v, *len);
	return 0;
}
