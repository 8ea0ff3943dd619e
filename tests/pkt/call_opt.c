/* SPDX-License-Identifier: Apache-2.0 */
/* Socket options: [N] an int, [N, M] ints or longs as the length says,
 * "text" bytes, {onoff=, linger=}, inet6_addr(). */
#include "tests/pkt/call_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_OPTLEN = 65536 };

/* The bytes of an option's value; their number in *len. */
static void *value_bytes(struct call *c, const struct expr *e, size_t optlen,
			 size_t *len)
{
	size_t width = e->n_items > 1 ? optlen / e->n_items : sizeof(int);
	struct linger l;
	char *out;

	*len = 0;
	if (e->kind == EXPR_STRING) {
		*len = e->len;
		out = arena_alloc(c->r->arena, *len + 1);
		memcpy(out, e->text, *len);
		return out;
	}
	if (e->kind == EXPR_STRUCT && e->shape == SHAPE_LINGER) {
		l.l_onoff = (int)call_number(c, e->items[0]);
		l.l_linger = (int)call_number(c, e->items[1]);
		*len = sizeof(l);
		out = arena_alloc(c->r->arena, *len);
		memcpy(out, &l, *len);
		return out;
	}
	if (e->kind == EXPR_IN6) {
		*len = sizeof(e->in6);
		out = arena_alloc(c->r->arena, *len);
		memcpy(out, &e->in6, *len);
		return out;
	}
	if (e->kind != EXPR_LIST || e->n_items == 0 ||
	    (e->n_items > 1 && width != 4 && width != 8)) {
		call_fail(c, "unsupported type of option value");
		return NULL;
	}
	*len = e->n_items * width;
	out = arena_alloc(c->r->arena, *len);
	for (size_t i = 0; i < e->n_items; i++) {
		long long n = call_number(c, e->items[i]);

		memcpy(out + i * width, &n, width);
	}
	return out;
}

void call_setsockopt(struct call *c)
{
	struct sock *s = call_fd(c, 0);
	int level = call_int(c, 1), name = call_int(c, 2);
	int optlen = call_int(c, 4);
	size_t len, room;
	char *value, *buf;

	if (!call_args(c, 5, 5) || c->err != NULL)
		return;
	if (optlen < -1 || optlen > MAX_OPTLEN) {
		call_fail(c, "bad optlen %d", optlen);
		return;
	}
	value = value_bytes(c, c->args->items[3], (size_t)optlen, &len);
	if (c->err != NULL)
		return;
	/* A script may claim more bytes than it gives. */
	room = optlen > 0 && (size_t)optlen > len ? (size_t)optlen : len;
	buf = arena_alloc(c->r->arena, room + 1);
	memcpy(buf, value, len);
	call_begin(c);
	call_end(c,
		 c->r->ifc.setsockopt(c->ud, s->live_fd, level, name, buf,
				      (socklen_t)optlen),
		 false);
}

static char *printable(struct call *c, const char *p, size_t n)
{
	char *text = NULL, *copy;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return "?";
	for (size_t i = 0; i < n; i++)
		if (p[i] >= ' ' && p[i] <= '~')
			fputc(p[i], f);
		else
			fprintf(f, "\\x%02x", (unsigned char)p[i]);
	fclose(f);
	copy = arena_strdup(c->r->arena, text);
	free(text);
	return copy;
}

static void compare_value(struct call *c, const struct expr *e,
			  const char *want, size_t len, const char *live)
{
	int a, b;

	if (memcmp(want, live, len) == 0)
		return;
	if (e->kind == EXPR_LIST && len == sizeof(a)) {
		memcpy(&a, want, sizeof(a));
		memcpy(&b, live, sizeof(b));
		call_fail(c, "Bad getsockopt optval: expected: %d actual: %d",
			  a, b);
		return;
	}
	call_fail(c, "Bad getsockopt optval: expected: '%s' actual: '%s'",
		  printable(c, want, len), printable(c, live, len));
}

void call_getsockopt(struct call *c)
{
	struct sock *s = call_fd(c, 0);
	int level = call_int(c, 1), name = call_int(c, 2);
	int optlen = call_bracketed(c, 4), rc;
	socklen_t live_len = (socklen_t)optlen;
	char *live, *want;
	size_t len;

	if (!call_args(c, 5, 5) || c->err != NULL)
		return;
	if (optlen < 0 || optlen > MAX_OPTLEN) {
		call_fail(c, "bad optlen %d", optlen);
		return;
	}
	want = value_bytes(c, c->args->items[3], (size_t)optlen, &len);
	live = arena_alloc(c->r->arena, (size_t)optlen + 1);
	if (c->err != NULL)
		return;
	call_begin(c);
	rc = c->r->ifc.getsockopt(c->ud, s->live_fd, level, name, live,
				  &live_len);
	call_end(c, rc, false);
	if (c->err != NULL || rc < 0)
		return;
	if ((int)live_len != optlen)
		call_fail(c, "Bad getsockopt optlen: expected: %d actual: %d",
			  optlen, (int)live_len);
	else if ((size_t)optlen != len)
		call_fail(c,
			  "Bad getsockopt optval: expected optlen (%d bytes) "
			  "does not match length of expected optval (%zu "
			  "bytes)",
			  optlen, len);
	else
		compare_value(c, c->args->items[3], want, len, live);
}
