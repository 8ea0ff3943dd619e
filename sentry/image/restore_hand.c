/* SPDX-License-Identifier: Apache-2.0 */
/* The sockets of a restored stack, as descriptors for its program. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "netstack/nst_save.h"
#include "netstack/nst_stack.h"
#include "sentry/core/log.h"
#include "sentry/core/values.h"
#include "sentry/image/json.h"
#include "sentry/image/restore_priv.h"
#include "sentry/launch/launch.h"

static void addr_text(const struct nst_sockaddr *a, char *out, size_t bytes)
{
	char addr[VALUE_TEXT_BYTES];

	value_addr_text(&a->addr, addr);
	snprintf(out, bytes, a->addr.family == 6 ? "[%s]:%u" : "%s:%u",
		 a->addr.family ? addr : "*", a->port);
}

/* ---- what cannot be restored ---- */

/*
 * Its other end was a connection of the gateway's, which went with it: a new
 * gateway knows nothing of it and answers with RST. What is still being opened
 * comes to the new one as to the old.
 */
static bool is_lost(const struct restore *rs, const struct sandbox *sb,
		    const struct held *h)
{
	struct nst_tcp *tp = nst_sock_tcp(h->ep);
	struct nst_sockaddr to;

	if (!rs->gateway || !tp)
		return false;
	switch (nst_tcp_state(tp)) {
	case NST_TCP_CLOSE:
	case NST_TCP_LISTEN:
	case NST_TCP_SYN_SENT:
		return false;
	default:
		return nst_sock_remote(h->ep, &to) == NST_OK &&
		       !nst_addr_is_local(sb->stack, &to.addr);
	}
}

static void say_lost(const struct held *h)
{
	char from[VALUE_TEXT_BYTES + 16], to[VALUE_TEXT_BYTES + 16];
	struct nst_sockaddr a;

	nst_sock_local(h->ep, &a);
	addr_text(&a, from, sizeof from);
	(void)!nst_sock_remote(h->ep, &a);
	addr_text(&a, to, sizeof to);
	log_error(
	    "%s to %s (%s) is reset: its other end was the gateway's", from, to,
	    image_tcp_state((uint32_t)nst_tcp_state(nst_sock_tcp(h->ep))));
}

static int look_for_lost(const struct restore *rs, const struct sandbox *sb)
{
	size_t n = 0;

	for (size_t i = 0; i < rs->n; i++) {
		if (!rs->v[i].ep || !is_lost(rs, sb, &rs->v[i]))
			continue;
		if (rs->how.reset_lost)
			say_lost(&rs->v[i]);
		n++;
	}
	if (!n || rs->how.reset_lost)
		return 0;
	log_error("%zu connections of the image end in its gateway (--net "
		  "nat), whose sockets are gone; --reset-lost resets them and "
		  "restores the rest",
		  n);
	return -ENOTCONN;
}

void restore_close_forsaken(struct restore *rs, struct sandbox *sb)
{
	nst_time now = sandbox_now(sb);

	for (size_t i = 0; i < rs->n; i++) {
		struct held *h = &rs->v[i];
		struct nst_tcp *tp = h->ep ? nst_sock_tcp(h->ep) : NULL;

		if (!h->ep || !h->forsaken || h->child)
			continue;
		if (tp)
			nst_tcp_abort(tp, now);
		else
			nst_dgram_close(nst_sock_dgram(h->ep), now);
		h->ep = NULL;
	}
}

/* ---- what the program is told ---- */

static void add_addr(struct json_object *o, const char *name,
		     const struct nst_sockaddr *a)
{
	char text[VALUE_TEXT_BYTES + 16];

	addr_text(a, text, sizeof text);
	json_object_object_add(o, name, json_object_new_string(text));
}

static void add_number(struct json_object *o, const char *name, uint64_t n)
{
	json_object_object_add(o, name, json_object_new_uint64(n));
}

static void tell(struct restore *rs, const struct sandbox *sb,
		 const struct held *h, size_t fd)
{
	struct json_object *o = json_object_new_object();
	struct nst_tcp *tp = nst_sock_tcp(h->ep);
	struct nst_sockaddr a;

	add_number(o, "fd", fd);
	add_number(o, "id", h->id);
	json_object_object_add(o, "proto", json_object_new_string(h->proto));
	if (h->shape.type == SOCK_RAW)
		add_number(o, "protocol", (uint64_t)h->shape.proto);
	add_number(o, "family", nst_sock_family(h->ep));
	if (tp)
		json_object_object_add(o, "state",
				       json_object_new_string(image_tcp_state(
					   (uint32_t)nst_tcp_state(tp))));
	nst_sock_local(h->ep, &a);
	add_addr(o, "local", &a);
	if (nst_sock_remote(h->ep, &a) == NST_OK)
		add_addr(o, "remote", &a);
	if (is_lost(rs, sb, h))
		json_object_object_add(o, "lost", json_object_new_boolean(1));
	json_object_array_add(rs->list, o);
}

/* ---- all ---- */

static int no_end(int rc)
{
	if (rc == -ENOBUFS)
		log_error("what the old program had not read does not fit into "
			  "this host's sockets; raise net.core.wmem_max");
	else
		log_error("cannot make a socket again: %s", strerror(-rc));
	return rc;
}

static int take_one(struct restore *rs, struct sandbox *sb,
		    const struct held *h)
{
	int number = LAUNCH_HAND_FIRST + (int)rs->nfds;
	int fd;

	tell(rs, sb, h, (size_t)number);
	fd = sock_around(sb, h->ep, &h->shape, (pid_t)sb->guest_pid, number);
	if (fd < 0)
		return no_end(fd);
	rs->fds[rs->nfds++] = fd;
	return 0;
}

struct given {
	struct sock_given g; /* first */
	struct restore *rs;
};

static const struct sock_unread *child_unread(struct sock_given *g,
					      const struct nst_sock *ep)
{
	const struct held *h =
	    restore_find(((struct given *)g)->rs, nst_sock_id(ep));

	return h && h->child ? &h->shape.unread : NULL;
}

/* A listener takes its children with it. */
static int take_each(struct restore *rs, struct sandbox *sb)
{
	struct given given = {.g = {.of = child_unread}, .rs = rs};
	int rc = 0;

	sock_unread_given(sb, &given.g);
	for (size_t i = 0; !rc && i < rs->n; i++)
		if (!rs->v[i].child && rs->v[i].ep)
			rc = take_one(rs, sb, &rs->v[i]);
	sock_unread_given(sb, NULL);
	if (!rc && given.g.err)
		rc = no_end(given.g.err);
	return rc;
}

int restore_take_all(struct restore *rs, struct sandbox *sb)
{
	int rc = look_for_lost(rs, sb);

	rs->fds = calloc(rs->n + 1, sizeof *rs->fds);
	if (!rc && !rs->fds)
		rc = -ENOMEM;
	return rc ? rc : take_each(rs, sb);
}
