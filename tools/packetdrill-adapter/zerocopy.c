/* SPDX-License-Identifier: Apache-2.0 */
/*
 * MSG_ZEROCOPY: the bytes are copied, as Linux does where a device cannot take
 * pages (a tun, for one), and the notification says so. LINUX: it comes when
 * the bytes are acknowledged or given up; those in a row become one.
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <linux/errqueue.h>
#include <stdlib.h>
#include <sys/epoll.h>

/* A send that is not all acknowledged yet. */
struct zc_send {
	struct zc_send *next;
	uint64_t end; /* bytes of the stream up to its last */
	uint32_t id;
};

static void notify(struct file *f, uint32_t id)
{
	struct err_entry e = {.info = id,
			      .data = id,
			      .origin = SO_EE_ORIGIN_ZEROCOPY,
			      .code = SO_EE_CODE_ZEROCOPY_COPIED};
	struct err_entry *last = f->errq;

	while (last && last->next)
		last = last->next;
	if (last && last->origin == SO_EE_ORIGIN_ZEROCOPY &&
	    last->data + 1 == id) {
		last->data = id;
		f->w->events = true;
	} else {
		file_errq_add(f, &e);
	}
	epoll_note(f, NST_EV_ERR);
}

void zerocopy_sent(struct file *f)
{
	struct zc_send *z = calloc(1, sizeof(*z)), **pp = &f->zc_sends;
	uint32_t id = f->zc_next++;

	if (!z) {
		notify(f, id);
		return;
	}
	z->end = f->written;
	z->id = id;
	while (*pp)
		pp = &(*pp)->next;
	*pp = z;
}

static void scan(struct file *f)
{
	uint64_t acked = f->written;

	if (f->tcp && nst_tcp_state(f->tcp) != NST_TCP_CLOSE)
		acked -= nst_tcp_outq(f->tcp);
	while (f->zc_sends && f->zc_sends->end <= acked) {
		struct zc_send *z = f->zc_sends;

		f->zc_sends = z->next;
		notify(f, z->id);
		free(z);
	}
}

void zerocopy_scan(struct world *w)
{
	for (struct file *f = w->files; f; f = f->all_next)
		if (f->zc_sends)
			scan(f);
}

void zerocopy_drop(struct file *f)
{
	while (f->zc_sends) {
		struct zc_send *z = f->zc_sends;

		f->zc_sends = z->next;
		free(z);
	}
}
