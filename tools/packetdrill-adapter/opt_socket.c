/* SPDX-License-Identifier: Apache-2.0 */
/* Options of SOL_SOCKET that are more than a number (opt.h). */
#include "tools/packetdrill-adapter/opt.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#include "sentry/core/errmap.h"

#define MEMINFO_VARS 9          /* LINUX: SK_MEMINFO_VARS */
#define TCP_RMEM_MAX (32 << 20) /* LINUX 6.18: tcp_rmem[2] */

static int set_nst(struct file *f, enum nst_opt opt, int64_t v)
{
	return -errno_of(nst_sock_set(file_sock(f), opt, v, f->w->now));
}

static int64_t get_nst(const struct file *f, enum nst_opt opt)
{
	int64_t v = 0;

	return nst_sock_get(file_sock(f), opt, &v) == NST_OK ? v : 0;
}

static int protocol_of(const struct file *f)
{
	if (f->proto)
		return f->proto;
	return f->kind == FILE_TCP ? IPPROTO_TCP : IPPROTO_UDP;
}

int opt_get_fixed(struct file *f, struct opt_io *io)
{
	switch (io->row->name) {
	case SO_TYPE:
		return opt_give_int(io, f->type);
	case SO_DOMAIN:
		return opt_give_int(io, f->domain);
	case SO_PROTOCOL:
		return opt_give_int(io, protocol_of(f));
	case SO_ACCEPTCONN:
		return opt_give_int(io, f->listening);
	case SO_SNDLOWAT:
		return opt_give_int(io, 1);
	default:
		return opt_give_int(io, 0);
	}
}

int opt_set_nothing(struct file *f, struct opt_io *io)
{
	(void)f;
	(void)io;
	return 0;
}

/* LINUX: without an error a soft one is shown. */
int opt_get_error(struct file *f, struct opt_io *io)
{
	int err = file_error(f);

	if (!err && f->tcp)
		err = errno_of(nst_tcp_soft_error(f->tcp, true));
	return opt_give_int(io, err);
}

/* ---- SO_LINGER ---- */

int opt_set_linger(struct file *f, struct opt_io *io)
{
	struct linger l;

	if (io->len < sizeof(l))
		return -EINVAL;
	memcpy(&l, io->v, sizeof(l));
	if (!l.l_onoff)
		return set_nst(f, NST_SO_LINGER, -1);
	/* LINUX: negative seconds are very many. */
	return set_nst(f, NST_SO_LINGER, l.l_linger < 0 ? INT_MAX : l.l_linger);
}

int opt_get_linger(struct file *f, struct opt_io *io)
{
	int64_t v = get_nst(f, NST_SO_LINGER);
	struct linger l = {.l_onoff = v >= 0, .l_linger = v >= 0 ? (int)v : 0};

	return opt_give(io, &l, sizeof(l));
}

/* ---- time-outs ---- */

static nst_time *timeo_of(struct file *f, int name)
{
	bool rcv = name == SO_RCVTIMEO_OLD || name == SO_RCVTIMEO_NEW;

	return rcv ? &f->rcvtimeo : &f->sndtimeo;
}

/* LINUX: sock_set_timeout(): none at all is for ever, negative is at once. */
int opt_set_timeo(struct file *f, struct opt_io *io)
{
	nst_time *t = timeo_of(f, io->row->name);
	struct timeval tv;

	if (io->len < sizeof(tv))
		return -EINVAL;
	memcpy(&tv, io->v, sizeof(tv));
	if (tv.tv_usec < 0 || tv.tv_usec >= 1000000)
		return -EDOM;
	if (tv.tv_sec < 0)
		*t = 0;
	else if (tv.tv_sec == 0 && tv.tv_usec == 0)
		*t = NST_NEVER;
	else if (tv.tv_sec > INT_MAX)
		*t = NST_NEVER;
	else
		*t = tv.tv_sec * NST_SEC + tv.tv_usec * NST_US;
	return 0;
}

int opt_get_timeo(struct file *f, struct opt_io *io)
{
	nst_time t = *timeo_of(f, io->row->name);
	struct timeval tv = {0};

	if (t != NST_NEVER) {
		tv.tv_sec = t / NST_SEC;
		tv.tv_usec = t % NST_SEC / NST_US;
	}
	return opt_give(io, &tv, sizeof(tv));
}

/* ---- buffers ---- */

int opt_set_buf(struct file *f, struct opt_io *io)
{
	int v, rc = opt_int(io, &v);

	if (rc == 0)
		rc = set_nst(f, io->row->opt, v);
	if (rc == 0 && io->row->opt == NST_SO_RCVBUF)
		f->rcvbuf_set = true;
	return rc;
}

/* LINUX: tcp_set_rcvlowat() cuts to half the receive buffer, or half of
 * tcp_rmem[2] while that is not fixed. */
int opt_set_lowat(struct file *f, struct opt_io *io)
{
	int64_t most =
	    f->rcvbuf_set ? get_nst(f, NST_SO_RCVBUF) / 2 : TCP_RMEM_MAX / 2;
	int v, rc = opt_int(io, &v);

	if (rc < 0)
		return rc;
	if (v < 0)
		v = INT_MAX;
	if (f->tcp && v > most)
		v = (int)most;
	return set_nst(f, NST_SO_RCVLOWAT, v);
}

/* rmem_alloc, rcvbuf, wmem_alloc, sndbuf, fwd_alloc, wmem_queued, optmem,
 * backlog, drops: what there is an equal of. */
int opt_get_meminfo(struct file *f, struct opt_io *io)
{
	uint32_t v[MEMINFO_VARS] = {0};
	struct nst_iov iov[2];
	size_t niov;

	v[1] = (uint32_t)get_nst(f, NST_SO_RCVBUF);
	v[3] = (uint32_t)get_nst(f, NST_SO_SNDBUF);
	if (f->tcp && !f->listening) {
		v[0] = (uint32_t)nst_tcp_rcv_data(f->tcp, iov, &niov);
		v[5] = (uint32_t)nst_tcp_outq(f->tcp);
		v[2] = v[5];
	}
	return opt_give(io, v, sizeof(v));
}

/* ---- others ---- */

int opt_set_stamp(struct file *f, struct opt_io *io)
{
	int v, rc = opt_int(io, &v);

	if (rc < 0)
		return rc;
	if (!v)
		return set_nst(f, NST_SO_TIMESTAMP, 0);
	return set_nst(f, NST_SO_TIMESTAMP,
		       io->row->name == SO_TIMESTAMP ? 1 : 2);
}

int opt_get_stamp(struct file *f, struct opt_io *io)
{
	int64_t mode = get_nst(f, NST_SO_TIMESTAMP);

	return opt_give_int(io,
			    mode == (io->row->name == SO_TIMESTAMP ? 1 : 2));
}

/* LINUX: unsigned long, or an unsigned int of which all ones is no limit. */
int opt_set_pacing(struct file *f, struct opt_io *io)
{
	uint32_t narrow;
	int64_t v;

	if (io->len >= sizeof(v)) {
		memcpy(&v, io->v, sizeof(v));
		return set_nst(f, NST_SO_MAX_PACING_RATE, v);
	}
	memcpy(&narrow, io->v, sizeof(narrow));
	return set_nst(f, NST_SO_MAX_PACING_RATE,
		       narrow == UINT32_MAX ? -1 : (int64_t)narrow);
}

int opt_get_pacing(struct file *f, struct opt_io *io)
{
	uint64_t v = (uint64_t)get_nst(f, NST_SO_MAX_PACING_RATE);
	uint32_t narrow = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;

	if (io->room >= sizeof(v))
		return opt_give(io, &v, sizeof(v));
	return opt_give(io, &narrow, sizeof(narrow));
}

int opt_set_peek_off(struct file *f, struct opt_io *io)
{
	int v, rc = opt_int(io, &v);

	if (rc == 0)
		f->peek_off = v < 0 ? -1 : v;
	return rc;
}

int opt_get_peek_off(struct file *f, struct opt_io *io)
{
	return opt_give_int(io, f->peek_off);
}

int opt_set_zerocopy(struct file *f, struct opt_io *io)
{
	int v, rc = opt_int(io, &v);

	if (rc < 0)
		return rc;
	if (v < 0 || v > 1)
		return -EINVAL;
	f->zerocopy = v;
	return 0;
}

int opt_get_zerocopy(struct file *f, struct opt_io *io)
{
	return opt_give_int(io, f->zerocopy);
}
