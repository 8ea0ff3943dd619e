/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SO_TIMESTAMPING of streams, sending side: when the last byte of a call was
 * put in a packet (SCHED, and at the same moment SND: nothing queues below
 * us), and when it was acknowledged (ACK). LINUX: Documentation/networking/
 * timestamping.rst; reports come on the error queue, where OPT_ID numbers the
 * bytes. The packet itself is not given back: MSG_TRUNC says so, as for a
 * buffer of no bytes.
 */
#include "tools/packetdrill-adapter/opt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>

/* Names that Debian 12's headers lack. */
#define OPT_ID_TCP (1u << 16)
#define ALL_FLAGS ((1u << 19) - 1) /* LINUX 6.18 */

#define RECORDS                                                                \
	((uint32_t)(SOF_TIMESTAMPING_TX_SCHED | SOF_TIMESTAMPING_TX_SOFTWARE | \
		    SOF_TIMESTAMPING_TX_ACK))

/* The last byte of a call, of which something is still to be told. */
struct stamp_mark {
	struct stamp_mark *next;
	uint64_t end; /* bytes of the stream up to it */
	uint32_t want;
};

static uint64_t acked(const struct file *f)
{
	return f->written - nst_tcp_outq(f->tcp);
}

static uint64_t left(const struct file *f)
{
	return f->written - nst_tcp_outq_nsd(f->tcp);
}

/* ---- the option ---- */

int opt_set_timestamping(struct file *f, struct opt_io *io)
{
	int v, rc = opt_int(io, &v);
	uint32_t flags = (uint32_t)v;

	if (rc < 0)
		return rc;
	if (flags & ~ALL_FLAGS)
		return -EINVAL;
	if ((flags & OPT_ID_TCP) && !(flags & SOF_TIMESTAMPING_OPT_ID))
		return -EINVAL;
	if (f->tcp && (flags & SOF_TIMESTAMPING_OPT_ID) &&
	    !(f->stamp_flags & SOF_TIMESTAMPING_OPT_ID)) {
		if (nst_tcp_state(f->tcp) == NST_TCP_CLOSE ||
		    nst_tcp_state(f->tcp) == NST_TCP_LISTEN)
			return -EINVAL;
		f->stamp_base = flags & OPT_ID_TCP ? f->written : acked(f);
	}
	f->stamp_flags = flags;
	return 0;
}

int opt_get_timestamping(struct file *f, struct opt_io *io)
{
	return opt_give_int(io, (int)f->stamp_flags);
}

/* ---- marks and reports ---- */

static void report(struct file *f, const struct stamp_mark *s, uint32_t type)
{
	struct err_entry e = {.errno_ = ENOMSG,
			      .origin = SO_EE_ORIGIN_TIMESTAMPING,
			      .info = type,
			      .stamp = f->w->now};

	if (f->stamp_flags & SOF_TIMESTAMPING_OPT_ID)
		e.data = (uint32_t)(s->end - f->stamp_base - 1);
	file_errq_add(f, &e);
	epoll_note(f, NST_EV_ERR);
}

static void report_if(struct file *f, struct stamp_mark *s, uint32_t flag,
		      uint32_t type)
{
	if (s->want & flag)
		report(f, s, type);
	s->want &= ~flag;
}

static void look(struct file *f, struct stamp_mark *s)
{
	if (s->end <= left(f)) {
		report_if(f, s, SOF_TIMESTAMPING_TX_SCHED, SCM_TSTAMP_SCHED);
		report_if(f, s, SOF_TIMESTAMPING_TX_SOFTWARE, SCM_TSTAMP_SND);
	}
	if (s->end <= acked(f))
		report_if(f, s, SOF_TIMESTAMPING_TX_ACK, SCM_TSTAMP_ACK);
}

static void scan(struct file *f)
{
	struct stamp_mark **pp = &f->stamps;

	/* LINUX: what is purged is not told of. */
	if (!f->tcp || nst_tcp_state(f->tcp) == NST_TCP_CLOSE) {
		timestamping_drop(f);
		return;
	}
	while (*pp) {
		struct stamp_mark *s = *pp;

		look(f, s);
		if (s->want) {
			pp = &s->next;
			continue;
		}
		*pp = s->next;
		free(s);
	}
}

/* LINUX: flags of a control message hold for one call. */
static uint32_t flags_of(const struct file *f, const struct msghdr *m)
{
	uint32_t flags = f->stamp_flags, v;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h;
	     h = CMSG_NXTHDR((struct msghdr *)(uintptr_t)m, h)) {
		if (h->cmsg_level != SOL_SOCKET ||
		    h->cmsg_type != SO_TIMESTAMPING ||
		    h->cmsg_len != CMSG_LEN(sizeof(v)))
			continue;
		memcpy(&v, CMSG_DATA(h), sizeof(v));
		flags = (flags & ~RECORDS) | (v & RECORDS);
	}
	return flags & RECORDS;
}

void timestamping_sent(struct file *f, const struct msghdr *m)
{
	struct stamp_mark **pp = &f->stamps, *s;
	uint32_t want = flags_of(f, m);

	if (!want)
		return;
	s = calloc(1, sizeof(*s));
	if (!s)
		return;
	s->end = f->written;
	s->want = want;
	while (*pp)
		pp = &(*pp)->next;
	*pp = s;
	scan(f);
}

void timestamping_scan(struct world *w)
{
	for (struct file *f = w->files; f; f = f->all_next)
		if (f->stamps)
			scan(f);
}

void timestamping_drop(struct file *f)
{
	while (f->stamps) {
		struct stamp_mark *s = f->stamps;

		f->stamps = s->next;
		free(s);
	}
}

void timestamping_cmsg(const struct file *f, struct msghdr *m, size_t *used,
		       const struct err_entry *e)
{
	struct scm_timestamping t;

	if (e->origin != SO_EE_ORIGIN_TIMESTAMPING)
		return;
	if (!(f->stamp_flags & SOF_TIMESTAMPING_OPT_TSONLY))
		m->msg_flags |= MSG_TRUNC;
	if (!(f->stamp_flags & SOF_TIMESTAMPING_SOFTWARE))
		return;
	memset(&t, 0, sizeof(t));
	t.ts[0].tv_sec = e->stamp / NST_SEC;
	t.ts[0].tv_nsec = e->stamp % NST_SEC;
	cmsg_add(m, used, SOL_SOCKET, SCM_TIMESTAMPING, &t, sizeof(t));
}
