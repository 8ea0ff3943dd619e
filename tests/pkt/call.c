/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/call_priv.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void call_fail(struct call *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	if (c->err != NULL)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	c->err = arena_strdup(c->r->arena, text);
}

bool call_args(struct call *c, size_t min, size_t max)
{
	size_t n = c->args->n_items;

	if (n >= min && n <= max)
		return true;
	call_fail(c, "Expected %zu args but got %zu", min, n);
	return false;
}

static const char *kind_name(enum expr_kind kind)
{
	static const char *const NAMES[] = {"ellipsis", "integer", "string",
					    "list",     "pair",    "iovec",
					    "in6_addr", "struct"};

	return NAMES[kind];
}

static struct expr EMPTY = {.kind = EXPR_INT};

struct expr *call_arg(struct call *c, size_t i, enum expr_kind kind)
{
	struct expr *e;

	if (i >= c->args->n_items) {
		call_fail(c, "Argument list too short");
		return &EMPTY;
	}
	e = c->args->items[i];
	if (e->kind == kind)
		return e;
	call_fail(c, "Bad type; actual: %s expected: %s", kind_name(e->kind),
		  kind_name(kind));
	return &EMPTY;
}

bool call_is(const struct call *c, size_t i, enum expr_kind kind)
{
	return i < c->args->n_items && c->args->items[i]->kind == kind;
}

void call_ellipsis(struct call *c, size_t i)
{
	(void)call_arg(c, i, EXPR_ELLIPSIS);
}

long long call_number(struct call *c, const struct expr *e)
{
	if (e->kind == EXPR_INT)
		return e->num;
	call_fail(c, "Bad type; actual: %s expected: integer",
		  kind_name(e->kind));
	return 0;
}

static int narrow(struct call *c, long long n)
{
	if (n > UINT_MAX || n < INT_MIN)
		call_fail(c, "Value out of range for 32-bit integer: %lld", n);
	return (int)n;
}

int call_int(struct call *c, size_t i)
{
	return narrow(c, call_arg(c, i, EXPR_INT)->num);
}

long long call_long(struct call *c, size_t i)
{
	return call_arg(c, i, EXPR_INT)->num;
}

int call_bracketed(struct call *c, size_t i)
{
	struct expr *e = call_arg(c, i, EXPR_LIST);

	if (e->n_items == 1)
		return narrow(c, call_number(c, e->items[0]));
	call_fail(c, "Expected [<integer>]");
	return 0;
}

struct sock *call_find_fd(struct call *c, long long script_fd)
{
	static struct sock none;
	struct sock *s;

	for (s = c->r->socks; s != NULL; s = s->next)
		if (!s->closed && s->live_fd >= 0 && s->script_fd == script_fd)
			return s;
	call_fail(c, "unable to find fd with script fd %lld", script_fd);
	none.live_fd = -1;
	return &none;
}

struct sock *call_fd(struct call *c, size_t i)
{
	return call_find_fd(c, call_int(c, i));
}

void *call_buffer(struct call *c, size_t i, size_t n)
{
	if (c->err != NULL)
		return NULL;
	if (call_is(c, i, EXPR_INT) && c->args->items[i]->num == 0)
		return NULL;
	if (!call_is(c, i, EXPR_ELLIPSIS)) {
		call_fail(c, "Expected ... or NULL for buffer");
		return NULL;
	}
	return arena_alloc(c->r->arena, n > 0 ? n : 1);
}

struct iovec *call_iovec(struct call *c, const struct expr *e, size_t *n)
{
	struct iovec *v;

	*n = e->n_items;
	if (e->kind != EXPR_LIST) {
		call_fail(c, "Expected a list of iovecs");
		return NULL;
	}
	v = arena_alloc(c->r->arena, (*n + 1) * sizeof(*v));
	for (size_t i = 0; i < *n; i++) {
		if (e->items[i]->kind != EXPR_IOVEC) {
			call_fail(c, "Expected {..., <length>}");
			return v;
		}
		v[i].iov_len = (size_t)e->items[i]->num;
		v[i].iov_base = arena_alloc(c->r->arena, v[i].iov_len + 1);
	}
	return v;
}

void call_begin(struct call *c)
{
	blocking_begin(c->r, c->s);
	errno = 0;
}

void call_end(struct call *c, long long result, bool is_fd)
{
	int err = errno, want;

	blocking_end(c->r, c->s);
	if (c->r->conf->verbose)
		printf("%s syscall: %9.6f\n", c->s->name,
		       (double)(run_now(c->r) - c->r->live_start) / 1e6);
	want = narrow(c, call_number(c, c->s->result));
	if (is_fd && want >= 0 && result < 0)
		call_fail(c,
			  "Expected non-negative result but got %lld with "
			  "errno %d (%s)",
			  result, err, strerror(err));
	else if (!(is_fd && want >= 0) && result != want)
		call_fail(c,
			  "Expected result %d but got %lld with errno %d (%s)",
			  want, result, err, strerror(err));
	if (c->s->err_name != NULL && err != c->s->err_num)
		call_fail(c, "Expected errno %d (%s) but got %d (%s)",
			  c->s->err_num, strerror(c->s->err_num), err,
			  strerror(err));
}

static const struct {
	const char *name;
	call_fn fn;
} CALLS[] = {
    {"socket", call_socket},
    {"bind", call_bind},
    {"listen", call_listen},
    {"accept", call_accept},
    {"connect", call_connect},
    {"read", call_read},
    {"readv", call_readv},
    {"recv", call_recv},
    {"recvfrom", call_recvfrom},
    {"recvmsg", call_recvmsg},
    {"write", call_write},
    {"writev", call_writev},
    {"send", call_send},
    {"sendto", call_sendto},
    {"sendmsg", call_sendmsg},
    {"fcntl", call_fcntl},
    {"ioctl", call_ioctl},
    {"close", call_close},
    {"shutdown", call_shutdown},
    {"getsockopt", call_getsockopt},
    {"setsockopt", call_setsockopt},
    {"poll", call_poll},
    {"open", call_open},
    {"sendfile", call_sendfile},
    {"epoll_create", call_epoll_create},
    {"epoll_ctl", call_epoll_ctl},
    {"epoll_wait", call_epoll_wait},
    {"pipe", call_pipe},
    {"splice", call_splice},
};

const char *call_run(struct run *r, struct event *e)
{
	struct call c = {
	    .r = r, .s = e->call, .args = e->call->args, .ud = r->ifc.userdata};

	for (size_t i = 0; i < sizeof(CALLS) / sizeof(CALLS[0]); i++) {
		if (strcmp(CALLS[i].name, e->call->name) != 0)
			continue;
		CALLS[i].fn(&c);
		return c.err;
	}
	return arena_printf(r->arena, "Unknown system call: '%s'",
			    e->call->name);
}
