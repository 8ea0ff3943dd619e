/* SPDX-License-Identifier: Apache-2.0 */
/* Descriptors: how they come, what they are, how they go. */
#include "tests/pkt/call_priv.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

struct sock *sock_new(struct run *r)
{
	struct sock *s = arena_alloc(r->arena, sizeof(*s));

	s->next = r->socks;
	r->socks = s;
	return s;
}

/* A descriptor that a call gave; NULL if the script's number is taken. */
static struct sock *new_fd(struct call *c, long long script_fd, int live_fd)
{
	struct sock *s;

	for (s = c->r->socks; s != NULL; s = s->next) {
		if (s->closed || s->live_fd < 0 || s->script_fd != script_fd)
			continue;
		call_fail(c, "duplicate fd %lld in script", script_fd);
		return NULL;
	}
	if (script_fd < 0) {
		call_fail(c, "invalid fd %lld in script", script_fd);
		return NULL;
	}
	s = sock_new(c->r);
	s->script_fd = (int)script_fd;
	s->live_fd = live_fd;
	return s;
}

/* LINUX's default, whatever this host's is; see note_congestion(). */
static void choose_congestion(struct call *c, const struct sock *s)
{
	enum { SOL_TCP_LEVEL = 6, CONGESTION = 13 };
	const char *name = c->r->congestion;

	if (c->r->conf->backend != BACKEND_KERNEL || s->proto != IPPROTO_TCP)
		return;
	if (*name == '\0')
		name = "cubic";
	(void)c->r->ifc.setsockopt(c->ud, s->live_fd, SOL_TCP_LEVEL, CONGESTION,
				   name, (socklen_t)strlen(name));
}

/* LINUX: a limit of the pacing rate, however high, turns pacing on. */
static void choose_pacing(struct call *c, const struct sock *s)
{
	enum { MAX_PACING_RATE = 47 };
	const unsigned rate = 0xfffffffe;

	if (!c->r->paced || s->proto != IPPROTO_TCP)
		return;
	(void)c->r->ifc.setsockopt(c->ud, s->live_fd, SOL_SOCKET,
				   MAX_PACING_RATE, &rate, sizeof(rate));
}

void call_socket(struct call *c)
{
	int domain = c->r->conf->socket_domain, type, proto, fd;
	struct sock *s;

	if (!call_args(c, 3, 3))
		return;
	if (!call_is(c, 0, EXPR_ELLIPSIS))
		domain = call_int(c, 0);
	type = call_int(c, 1);
	proto = call_int(c, 2);
	if (c->err != NULL)
		return;
	call_begin(c);
	fd = c->r->ifc.socket(c->ud, domain, type, proto);
	call_end(c, fd, true);
	if (c->err != NULL || fd < 0)
		return;
	s = new_fd(c, c->s->result->num, fd);
	if (s == NULL)
		return;
	s->is_socket = true;
	s->state = SOCK_FRESH;
	s->family = domain;
	s->type = type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC);
	s->proto = proto;
	if (proto == 0)
		s->proto = s->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
	c->r->under_test = s;
	choose_congestion(c, s);
	choose_pacing(c, s);
}

void call_bind(struct call *c)
{
	struct sockaddr_storage sa;
	struct sock *s = call_fd(c, 0);
	socklen_t len;

	call_args(c, 3, 3);
	call_ellipsis(c, 1);
	call_ellipsis(c, 2);
	if (c->err != NULL)
		return;
	len = config_sockaddr(c->r->conf, &c->r->conf->local_ip,
			      c->r->conf->bind_port, &sa);
	call_begin(c);
	call_end(c,
		 c->r->ifc.bind(c->ud, s->live_fd, (struct sockaddr *)&sa, len),
		 false);
}

void call_listen(struct call *c)
{
	struct sock *s = call_fd(c, 0);
	int backlog = call_int(c, 1);

	if (!call_args(c, 2, 2) || c->err != NULL)
		return;
	call_begin(c);
	call_end(c, c->r->ifc.listen(c->ud, s->live_fd, backlog), false);
	if (c->err == NULL)
		s->state = SOCK_LISTENING;
}

static unsigned port_of(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)sa)->sin_port);
}

/* The child that an accept() is about: the one with this remote port. */
static struct sock *find_child(struct call *c, unsigned port)
{
	struct sock *s;

	for (s = c->r->socks; s != NULL; s = s->next)
		if ((s->state == SOCK_SYNACK_SENT ||
		     s->state == SOCK_SYNACK_ACKED) &&
		    s->live_fd < 0 && s->live.rport == port)
			return s;
	call_fail(c, "unable to find socket matching accept() call");
	return NULL;
}

void call_accept(struct call *c)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct sock *s = call_fd(c, 0), *child;
	int fd;

	call_args(c, 3, 3);
	call_ellipsis(c, 1);
	call_ellipsis(c, 2);
	if (c->err != NULL)
		return;
	memset(&sa, 0, sizeof(sa));
	call_begin(c);
	fd = c->r->ifc.accept(c->ud, s->live_fd, (struct sockaddr *)&sa, &len);
	call_end(c, fd, true);
	if (c->err != NULL || fd < 0)
		return;
	child = find_child(c, port_of(&sa));
	if (child == NULL)
		return;
	child->script_fd = (int)c->s->result->num;
	child->live_fd = fd;
}

socklen_t call_connect_address(struct call *c, struct sock *s,
			       struct sockaddr_storage *out, int family)
{
	const struct config *conf = c->r->conf;

	if (family >= 0) {
		memset(out, 0, sizeof(*out));
		out->ss_family = (sa_family_t)family;
		if (family == AF_UNSPEC)
			s->state = SOCK_FRESH;
		return sizeof(*out);
	}
	if (s->state == SOCK_FRESH && s->is_socket) {
		s->state = SOCK_CONNECTING;
		memset(&s->live, 0, sizeof(s->live));
		s->live.remote = conf->remote_ip;
		s->live.rport =
		    s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6
			? 0
			: conf->connect_port;
	}
	return config_sockaddr(conf, &conf->remote_ip, conf->connect_port, out);
}

void call_connect(struct call *c)
{
	struct sockaddr_storage sa;
	struct sock *s = call_fd(c, 0);
	int family = call_is(c, 1, EXPR_ELLIPSIS) ? -1 : call_int(c, 1);
	socklen_t len;

	call_args(c, 3, 3);
	call_ellipsis(c, 2);
	if (c->err != NULL)
		return;
	len = call_connect_address(c, s, &sa, family);
	call_begin(c);
	call_end(
	    c,
	    c->r->ifc.connect(c->ud, s->live_fd, (struct sockaddr *)&sa, len),
	    false);
}

void call_close(struct call *c)
{
	struct sock *s = call_fd(c, 0);
	int rc;

	if (!call_args(c, 1, 1) || c->err != NULL)
		return;
	call_begin(c);
	rc =
	    s->is_host ? close(s->live_fd) : c->r->ifc.close(c->ud, s->live_fd);
	call_end(c, rc, false);
	if (c->err == NULL)
		s->closed = true;
}

void call_shutdown(struct call *c)
{
	struct sock *s = call_fd(c, 0);
	int how = call_int(c, 1);

	if (!call_args(c, 2, 2) || c->err != NULL)
		return;
	call_begin(c);
	call_end(c, c->r->ifc.shutdown(c->ud, s->live_fd, how), false);
}

void call_open(struct call *c)
{
	const char *name = call_arg(c, 0, EXPR_STRING)->text;
	int flags = call_int(c, 1), fd;
	struct sock *s;

	if (!call_args(c, 2, 2) || c->err != NULL)
		return;
	call_begin(c);
	fd = open(name, flags | O_CLOEXEC, 0600);
	call_end(c, fd, true);
	if (c->err != NULL || fd < 0)
		return;
	s = new_fd(c, c->s->result->num, fd);
	if (s != NULL)
		s->is_host = true;
}

void call_pipe(struct call *c)
{
	struct expr *e = call_arg(c, 0, EXPR_LIST);
	int live[2] = {-1, -1};

	if (!call_args(c, 1, 1) || c->err != NULL)
		return;
	if (e->n_items != 2) {
		call_fail(c, "%zu pipe file descriptors instead of 2",
			  e->n_items);
		return;
	}
	call_begin(c);
	call_end(c, c->r->ifc.pipe(c->ud, live), false);
	for (int i = 0; i < 2 && c->err == NULL && live[i] >= 0; i++)
		(void)new_fd(c, call_number(c, e->items[i]), live[i]);
}

void call_fcntl(struct call *c)
{
	struct sock *s = call_fd(c, 0);
	int cmd = call_int(c, 1), arg = 0, rc;

	if (!call_args(c, 2, 3))
		return;
	if (c->args->n_items == 3)
		arg = call_int(c, 2);
	if (c->err != NULL)
		return;
	call_begin(c);
	rc = s->is_host ? fcntl(s->live_fd, cmd, arg)
			: c->r->ifc.fcntl(c->ud, s->live_fd, cmd, arg);
	call_end(c, rc, false);
}

void call_ioctl(struct call *c)
{
	struct sock *s = call_fd(c, 0);
	int cmd = call_int(c, 1), want = 0, live = 0, rc;

	if (!call_args(c, 2, 3))
		return;
	if (c->args->n_items == 3)
		want = call_bracketed(c, 2);
	if (c->err != NULL)
		return;
	call_begin(c);
	rc = c->r->ifc.ioctl(c->ud, s->live_fd, (unsigned)cmd, &live);
	call_end(c, rc, false);
	if (c->args->n_items == 3 && rc >= 0 && live != want)
		call_fail(c, "Bad ioctl optval: expected: %d actual: %d", want,
			  live);
}
