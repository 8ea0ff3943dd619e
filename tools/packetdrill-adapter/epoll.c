/* SPDX-License-Identifier: Apache-2.0 */
/*
 * epoll(7). Registrations are kept in the order in which they are reported:
 * what was told goes behind the others. LINUX: an edge is a wake-up, whether
 * or not the state had been the same before.
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <stdlib.h>

#define ALWAYS (EPOLLERR | EPOLLHUP)
/* LINUX: EP_PRIVATE_BITS */
#define PRIVATE (EPOLLWAKEUP | EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE)
#define NESTS_MAX 4 /* LINUX: EP_MAX_NESTS */

int epoll_open(struct world *w)
{
	struct file *f = file_new(w, FILE_EPOLL);
	int fd;

	if (!f)
		return -ENOMEM;
	fd = file_install(f, 0);
	file_put(f);
	return fd;
}

static void remove_item(struct ep_item **pp)
{
	struct ep_item *it = *pp;

	*pp = it->next;
	free(it);
}

void epoll_close(struct file *ep)
{
	while (ep->items)
		remove_item(&ep->items);
}

void epoll_forget(struct file *f)
{
	for (struct file *ep = f->w->files; ep; ep = ep->all_next) {
		struct ep_item **pp = &ep->items;

		while (*pp) {
			if ((*pp)->file == f)
				remove_item(pp);
			else
				pp = &(*pp)->next;
		}
	}
}

/* ---- readiness ---- */

/* What a wake-up of the netstack says to those who wait, as poll bits. */
static uint32_t bits_of(uint32_t events)
{
	uint32_t m = 0;

	if (events & (NST_EV_IN | NST_EV_ACCEPT))
		m |= EPOLLIN | EPOLLRDNORM | EPOLLPRI;
	if (events & (NST_EV_OUT | NST_EV_CONNECTED))
		m |= EPOLLOUT | EPOLLWRNORM;
	if (events & (NST_EV_FIN | NST_EV_ERR | NST_EV_CLOSED))
		m = UINT32_MAX;
	return m;
}

void epoll_note(struct file *f, uint32_t events)
{
	uint32_t m = bits_of(events);

	for (struct file *ep = f->w->files; ep; ep = ep->all_next)
		for (struct ep_item *it = ep->items; it; it = it->next)
			if (it->file == f && (m & (it->events | ALWAYS)))
				it->fresh = true;
}

static uint32_t ready_mask(const struct ep_item *it)
{
	if (!(it->events & ~(uint32_t)PRIVATE))
		return 0;
	if ((it->events & EPOLLET) && !it->fresh)
		return 0;
	return file_poll(it->file) & (it->events | ALWAYS);
}

uint32_t epoll_poll(struct file *ep)
{
	for (const struct ep_item *it = ep->items; it; it = it->next)
		if (ready_mask(it))
			return EPOLLIN | EPOLLRDNORM;
	return 0;
}

/* ---- epoll_ctl ---- */

static struct ep_item **find(struct file *ep, const struct file *f, int fd)
{
	struct ep_item **pp = &ep->items;

	while (*pp && ((*pp)->file != f || (*pp)->fd != fd))
		pp = &(*pp)->next;
	return pp;
}

/* How deep epolls hang below this one; too deep or a circle: > NESTS_MAX. */
static int depth(const struct file *ep, const struct file *top, int level)
{
	int deepest = level;

	if (ep == top || level > NESTS_MAX)
		return NESTS_MAX + 1;
	for (const struct ep_item *it = ep->items; it; it = it->next) {
		int d = it->file->kind == FILE_EPOLL
			    ? depth(it->file, top, level + 1)
			    : level;

		deepest = d > deepest ? d : deepest;
	}
	return deepest;
}

static int add(struct file *ep, struct file *f, int fd,
	       const struct epoll_event *ev)
{
	struct ep_item **pp = find(ep, f, fd), *it;

	if (*pp)
		return -EEXIST;
	if (f->kind == FILE_EPOLL && depth(f, ep, 1) > NESTS_MAX)
		return -ELOOP;
	it = calloc(1, sizeof(*it));
	if (!it)
		return -ENOMEM;
	it->file = f;
	it->fd = fd;
	it->events = ev->events;
	it->data = ev->data.u64;
	it->fresh = true;
	*pp = it;
	return 0;
}

static int change(struct file *ep, struct file *f, int op, int fd,
		  const struct epoll_event *ev)
{
	struct ep_item **pp = find(ep, f, fd);

	if (op == EPOLL_CTL_ADD)
		return add(ep, f, fd, ev);
	if (!*pp)
		return -ENOENT;
	if (op == EPOLL_CTL_DEL) {
		remove_item(pp);
		return 0;
	}
	(*pp)->events = ev->events;
	(*pp)->data = ev->data.u64;
	(*pp)->fresh = true;
	return 0;
}

static int check(const struct file *ep, const struct file *f, int op,
		 const struct epoll_event *ev)
{
	if (op != EPOLL_CTL_DEL && !ev)
		return -EFAULT;
	if (ep->kind != FILE_EPOLL || ep == f)
		return -EINVAL;
	if (op < EPOLL_CTL_ADD || op > EPOLL_CTL_MOD)
		return -EINVAL;
	return 0;
}

int epoll_change(struct world *w, int epfd, int op, int fd,
		 const struct epoll_event *ev)
{
	struct file *ep = file_get(w, epfd), *f = file_get(w, fd);
	int rc = -EBADF;

	if (ep && f) {
		rc = check(ep, f, op, ev);
		if (rc == 0)
			rc = change(ep, f, op, fd, ev);
		w->events = true;
	}
	if (ep)
		file_put(ep);
	if (f)
		file_put(f);
	return rc;
}

/* ---- epoll_wait ---- */

/* Moves an item behind all others. */
static void to_tail(struct ep_item **pp)
{
	struct ep_item *it = *pp;

	*pp = it->next;
	while (*pp)
		pp = &(*pp)->next;
	it->next = NULL;
	*pp = it;
}

static size_t count(const struct file *ep)
{
	size_t n = 0;

	for (const struct ep_item *it = ep->items; it; it = it->next)
		n++;
	return n;
}

static int collect(struct file *ep, struct epoll_event *out, int max)
{
	struct ep_item **pp = &ep->items;
	int n = 0;

	for (size_t left = count(ep); left > 0 && n < max; left--) {
		struct ep_item *it = *pp;
		uint32_t mask = ready_mask(it);

		if (!mask) {
			pp = &it->next;
			continue;
		}
		out[n].events = mask;
		out[n++].data.u64 = it->data;
		it->fresh = false;
		if (it->events & EPOLLONESHOT)
			it->events &= PRIVATE;
		to_tail(pp);
	}
	return n;
}

static int wait_ready(struct file *ep, struct epoll_event *out, int max,
		      int timeout_ms)
{
	struct world *w = ep->w;
	nst_time deadline =
	    timeout_ms < 0 ? NST_NEVER : w->now + timeout_ms * NST_MS;

	for (;;) {
		int n = collect(ep, out, max);

		if (n || timeout_ms == 0)
			return n;
		if (world_wait(w, deadline) < 0)
			return 0;
	}
}

int epoll_collect(struct world *w, int epfd, struct epoll_event *out, int max,
		  int timeout_ms)
{
	struct file *ep;
	int rc;

	if (max <= 0 || (size_t)max > INT32_MAX / sizeof(*out))
		return -EINVAL;
	if (!out)
		return -EFAULT;
	ep = file_get(w, epfd);
	if (!ep)
		return -EBADF;
	rc = ep->kind == FILE_EPOLL ? wait_ready(ep, out, max, timeout_ms)
				    : -EINVAL;
	file_put(ep);
	return rc;
}
