/* SPDX-License-Identifier: Apache-2.0 */
/* poll() and epoll. */
#include "tests/pkt/call_priv.h"

#include <stdlib.h>
#include <string.h>

#include "tests/pkt/symbols.h"

enum { MAX_EVENTS = 4096 };

static bool is_shape(const struct expr *e, enum expr_shape shape)
{
	return e->kind == EXPR_STRUCT && e->shape == shape;
}

static struct pollfd *poll_fds(struct call *c, const struct expr *list)
{
	struct pollfd *fds =
	    arena_alloc(c->r->arena, (list->n_items + 1) * sizeof(fds[0]));

	for (size_t i = 0; i < list->n_items; i++) {
		const struct expr *e = list->items[i];

		if (!is_shape(e, SHAPE_POLLFD)) {
			call_fail(c, "Expected {fd=, events=, revents=}");
			return fds;
		}
		fds[i].fd =
		    call_find_fd(c, call_number(c, e->items[0]))->live_fd;
		fds[i].events = (short)call_number(c, e->items[1]);
	}
	return fds;
}

static void check_revents(struct call *c, const struct expr *list,
			  const struct pollfd *fds)
{
	for (size_t i = 0; i < list->n_items; i++) {
		const struct expr *e = list->items[i];
		long long want =
		    e->n_items > 2 ? call_number(c, e->items[2]) : 0;
		char *a, *b;

		if (fds[i].revents == want)
			continue;
		a = symbol_poll_mask((unsigned)want);
		b = symbol_poll_mask((unsigned)fds[i].revents);
		call_fail(c, "Expected revents of %s but got %s for pollfd %zu",
			  a, b, i);
		free(a);
		free(b);
	}
}

void call_poll(struct call *c)
{
	const struct expr *list = call_arg(c, 0, EXPR_LIST);
	int n = call_int(c, 1), timeout = call_int(c, 2);
	struct pollfd *fds = poll_fds(c, list);

	call_args(c, 3, 3);
	if ((size_t)n != list->n_items)
		call_fail(c, "nfds %d does not match %zu-element pollfd array",
			  n, list->n_items);
	if (c->err != NULL)
		return;
	call_begin(c);
	call_end(c, c->r->ifc.poll(c->ud, fds, (nfds_t)n, timeout), false);
	if (c->err == NULL)
		check_revents(c, list, fds);
}

void call_epoll_create(struct call *c)
{
	int size = call_int(c, 0), fd;
	struct sock *s;

	if (!call_args(c, 1, 1) || c->err != NULL)
		return;
	call_begin(c);
	fd = c->r->ifc.epoll_create(c->ud, size);
	call_end(c, fd, true);
	if (c->err != NULL || fd < 0)
		return;
	s = sock_new(c->r);
	s->script_fd = (int)c->s->result->num;
	s->live_fd = fd;
}

/* {events=, fd=|ptr=|u32=|u64=}; descriptors become live ones. */
static struct epoll_event epoll_arg(struct call *c, size_t i)
{
	const struct expr *e = call_arg(c, i, EXPR_STRUCT);
	struct epoll_event ev = {0};
	long long n;

	if (e->kind != EXPR_STRUCT || e->shape < SHAPE_EPOLL_FD ||
	    e->shape > SHAPE_EPOLL_U64) {
		call_fail(c, "Expected an epoll_event");
		return ev;
	}
	ev.events = (uint32_t)call_number(c, e->items[0]);
	n = call_number(c, e->items[1]);
	if (e->shape == SHAPE_EPOLL_FD)
		ev.data.fd = call_find_fd(c, n)->live_fd;
	else if (e->shape == SHAPE_EPOLL_U32)
		ev.data.u32 = (uint32_t)n;
	else
		ev.data.u64 = (uint64_t)n;
	return ev;
}

void call_epoll_ctl(struct call *c)
{
	struct sock *ep = call_fd(c, 0), *s = call_fd(c, 2);
	int op = call_int(c, 1);
	struct epoll_event ev = epoll_arg(c, 3);

	if (!call_args(c, 4, 4) || c->err != NULL)
		return;
	call_begin(c);
	call_end(c,
		 c->r->ifc.epoll_ctl(c->ud, ep->live_fd, op, s->live_fd, &ev),
		 false);
}

void call_epoll_wait(struct call *c)
{
	struct sock *ep = call_fd(c, 0);
	struct epoll_event want = epoll_arg(c, 1), *got;
	int max = call_int(c, 2), timeout = call_int(c, 3), n;

	if (!call_args(c, 4, 4) || c->err != NULL)
		return;
	if (max < 0 || max > MAX_EVENTS) {
		call_fail(c, "bad maxevents %d", max);
		return;
	}
	got = arena_alloc(c->r->arena, ((size_t)max + 1) * sizeof(*got));
	call_begin(c);
	n = c->r->ifc.epoll_wait(c->ud, ep->live_fd, got, max, timeout);
	call_end(c, n, false);
	if (c->err != NULL)
		return;
	if (n <= 0) {
		if (want.events != 0)
			call_fail(c, "epoll_wait gave no event");
	} else if (want.events != got[0].events) {
		call_fail(c,
			  "epoll_event->events does not match script: "
			  "expected: 0x%x actual: 0x%x",
			  want.events, got[0].events);
	} else if (want.data.u64 != got[0].data.u64) {
		call_fail(c,
			  "epoll_event->data does not match script: expected: "
			  "0x%llx actual: 0x%llx",
			  (unsigned long long)want.data.u64,
			  (unsigned long long)got[0].data.u64);
	}
}
