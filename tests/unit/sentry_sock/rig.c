/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sentry_sock/rig.h"

#include <criterion/criterion.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "netstack/nst_stack.h"

void rig_init(struct rig *r)
{
	memset(r, 0, sizeof *r);
	sandbox_init(&r->sb, &r->opt);
	cr_assert_eq(
	    nst_stack_new(&r->sb.env, sandbox_now(&r->sb), &r->sb.stack),
	    NST_OK);
	cr_assert_eq(sock_table_new(&r->sb), 0);
	cr_assert_eq(backing_init(&r->sb), 0);
}

void rig_fini(struct rig *r)
{
	sock_table_free(&r->sb);
	nst_stack_free(r->sb.stack);
	sandbox_dir_free(&r->sb);
	sandbox_fini(&r->sb);
}

struct sock *rig_stream(struct rig *r, int *guest_fd)
{
	struct sock *s;

	sandbox_lock(&r->sb);
	s = sock_new(&r->sb, AF_INET, SOCK_STREAM, 0);
	cr_assert_not_null(s);
	cr_assert_eq(sock_open(s), 0);
	*guest_fd = backing_new(s, true);
	cr_assert_geq(*guest_fd, 0);
	sandbox_unlock(&r->sb);
	return s;
}

struct sock *rig_listener(struct rig *r, int backlog, int *guest_fd,
			  struct nst_sockaddr *addr)
{
	struct sock *s = rig_stream(r, guest_fd);
	struct nst_sockaddr a = {.addr = {.family = 4, .b = {127, 0, 0, 1}}};

	sandbox_lock(&r->sb);
	cr_assert_eq(nst_sock_bind(sock_nst(s), &a), NST_OK);
	cr_assert_eq(nst_tcp_listen(s->tcp, backlog, sandbox_now(&r->sb)),
		     NST_OK);
	cr_assert_eq(listen(*guest_fd, backlog), 0);
	s->state = SOCK_LISTENING;
	listener_link(s);
	nst_sock_local(sock_nst(s), addr);
	sandbox_unlock(&r->sb);
	return s;
}

void rig_connect(struct rig *r, struct sock *s, int guest_fd,
		 const struct nst_sockaddr *addr)
{
	sandbox_lock(&r->sb);
	s->state = SOCK_PARKED_CONNECT;
	cr_assert_eq(nst_tcp_connect(s->tcp, addr, sandbox_now(&r->sb)),
		     NST_E_INPROGRESS);
	sandbox_settle(&r->sb);
	cr_assert_eq(nst_tcp_state(s->tcp), NST_TCP_ESTABLISHED);
	cr_assert_eq(stream_established(s, guest_fd), 0);
	sandbox_unlock(&r->sb);
}

void rig_pair(struct rig *r, struct rig_pair *p)
{
	struct nst_sockaddr addr;

	p->listener = rig_listener(r, 16, &p->lfd, &addr);
	p->client = rig_stream(r, &p->cfd);
	rig_connect(r, p->client, p->cfd, &addr);
	p->sfd = accept4(p->lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	cr_assert_geq(p->sfd, 0);
	sandbox_lock(&r->sb);
	p->server = sock_of_guest_fd(&r->sb, p->sfd);
	sandbox_unlock(&r->sb);
	cr_assert_not_null(p->server);
}

void rig_pump(struct rig *r)
{
	for (int i = 0; i < 4; i++) {
		struct sock *s, *next;

		sandbox_lock(&r->sb);
		for (s = sock_next(&r->sb, NULL); s; s = next) {
			next = sock_next(&r->sb, s);
			stream_pump(s);
		}
		sandbox_unlock(&r->sb);
		sock_jobs_run(&r->sb);
	}
}

int rig_revents(int fd)
{
	struct pollfd p = {.fd = fd,
			   .events = POLLIN | POLLOUT | POLLRDHUP | POLLPRI};

	return poll(&p, 1, 0) > 0 ? p.revents : 0;
}
