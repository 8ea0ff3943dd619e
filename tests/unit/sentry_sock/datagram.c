/* SPDX-License-Identifier: Apache-2.0 */
/* The datagram channel over loopback: what is visible, whose it is, errors. */
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/sock/dgram_priv.h"
#include "tests/unit/sentry_sock/rig.h"

struct end {
	struct sock *s;
	int fd;
	struct nst_sockaddr addr;
};

static void open_end(struct rig *r, struct end *e)
{
	struct nst_sockaddr any = {.addr = {.family = 4, .b = {127, 0, 0, 1}}};

	sandbox_lock(&r->sb);
	e->s = sock_new(&r->sb, AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(sock_open(e->s), 0);
	e->fd = backing_new(e->s, true);
	cr_assert_geq(e->fd, 0);
	cr_assert_eq(nst_sock_bind(sock_nst(e->s), &any), NST_OK);
	nst_sock_local(sock_nst(e->s), &e->addr);
	sandbox_unlock(&r->sb);
}

static void send_end(struct rig *r, struct end *from, const struct end *to,
		     const char *text)
{
	struct nst_iov iov = {(void *)(uintptr_t)text, strlen(text)};
	struct nst_dgram_opts o = {0};

	sandbox_lock(&r->sb);
	cr_assert_eq(nst_dgram_send(from->s->dgram, &to->addr, &iov, 1, &o,
				    sandbox_now(&r->sb)),
		     NST_OK);
	sandbox_unlock(&r->sb);
}

/* As connect(2) does. */
static void connect_end(struct rig *r, struct end *e, const struct end *to)
{
	struct sockaddr_un un;
	socklen_t len = backing_back_addr(e->s, &un);

	sandbox_lock(&r->sb);
	cr_assert_eq(
	    nst_dgram_connect(e->s->dgram, &to->addr, sandbox_now(&r->sb)),
	    NST_OK);
	cr_assert_eq(connect(e->fd, (struct sockaddr *)&un, len), 0);
	e->s->dg.connected = true;
	sandbox_unlock(&r->sb);
}

static ssize_t take(struct rig *r, struct end *e, bool peek, char *buf,
		    struct nst_dgram_in *in)
{
	ssize_t n;

	sandbox_lock(&r->sb);
	n = datagram_take(e->s, e->fd, peek, buf, 64, in);
	sandbox_unlock(&r->sb);
	return n;
}

static void pump(struct rig *r, struct end *e)
{
	sandbox_lock(&r->sb);
	datagram_drain_guest(e->s);
	datagram_pump(e->s);
	sandbox_unlock(&r->sb);
}

Test(datagram, one_is_visible_and_its_source_known)
{
	struct rig r;
	struct end a, b, c;
	struct nst_dgram_in in;
	char buf[64];

	rig_init(&r);
	open_end(&r, &a);
	open_end(&r, &b);
	open_end(&r, &c);
	send_end(&r, &b, &a, "from b");
	send_end(&r, &c, &a, "from c");
	send_end(&r, &b, &a, "");
	cr_assert(a.s->dg.visible);
	cr_assert_eq(a.s->dg.head.src.port, b.addr.port);
	/* natively, behind our back */
	cr_assert_eq(read(a.fd, buf, sizeof buf), 6);
	cr_assert_eq(read(a.fd, buf, sizeof buf), -1);
	cr_assert_eq(take(&r, &a, true, buf, &in), 6);
	cr_assert_eq(in.src.port, c.addr.port);
	cr_assert_eq(take(&r, &a, false, buf, &in), 6);
	cr_assert_eq(memcmp(buf, "from c", 6), 0);
	cr_assert_eq(take(&r, &a, false, buf, &in), 0);
	cr_assert_eq(in.src.port, b.addr.port);
	cr_assert_eq(take(&r, &a, false, buf, &in), -EAGAIN);
	close(a.fd);
	close(b.fd);
	close(c.fd);
	rig_fini(&r);
}

Test(datagram, connected_ones_stream)
{
	struct rig r;
	struct end a, b;
	char buf[64];

	rig_init(&r);
	open_end(&r, &a);
	open_end(&r, &b);
	connect_end(&r, &a, &b);
	for (int i = 0; i < 5; i++)
		send_end(&r, &b, &a, "peer");
	cr_assert_not(a.s->dg.visible);
	for (int i = 0; i < 5; i++)
		cr_assert_eq(read(a.fd, buf, sizeof buf), 4);
	cr_assert_eq(write(a.fd, "native", 6), 6);
	pump(&r, &a);
	cr_assert_eq(read(b.fd, buf, sizeof buf), 6);
	close(a.fd);
	close(b.fd);
	rig_fini(&r);
}

Test(datagram, undelivered_goes_back_to_the_head)
{
	struct rig r;
	struct end a, b;
	struct nst_dgram_in in;
	struct dgram_kept *k;
	char buf[64];

	rig_init(&r);
	open_end(&r, &a);
	open_end(&r, &b);
	send_end(&r, &b, &a, "1");
	send_end(&r, &b, &a, "22");
	send_end(&r, &b, &a, "333");
	cr_assert_eq(take(&r, &a, false, buf, &in), 1);
	k = dgram_keep(&in, buf, 1);
	cr_assert(a.s->dg.visible); /* the second, already */
	sandbox_lock(&r.sb);
	datagram_untake(a.s, a.fd, k);
	sandbox_unlock(&r.sb);
	for (ssize_t n = 1; n <= 3; n++) {
		cr_assert_eq(take(&r, &a, false, buf, &in), n);
		cr_assert_eq(in.src.port, b.addr.port);
	}
	close(a.fd);
	close(b.fd);
	rig_fini(&r);
}

Test(datagram, peer_of_streamed_ones_is_kept_over_reclaim)
{
	struct rig r;
	struct end a, b;
	struct nst_dgram_in in;
	char buf[64];

	rig_init(&r);
	open_end(&r, &a);
	open_end(&r, &b);
	connect_end(&r, &a, &b);
	send_end(&r, &b, &a, "x");
	send_end(&r, &b, &a, "yy");
	sandbox_lock(&r.sb);
	datagram_reclaim(a.s, a.fd);
	cr_assert_eq(nst_dgram_connect(a.s->dgram, NULL, sandbox_now(&r.sb)),
		     NST_OK);
	a.s->dg.connected = false;
	datagram_pump(a.s);
	sandbox_unlock(&r.sb);
	cr_assert_eq(take(&r, &a, false, buf, &in), 1);
	cr_assert_eq(in.src.port, b.addr.port);
	cr_assert_eq(take(&r, &a, false, buf, &in), 2);
	cr_assert_eq(in.src.port, b.addr.port);
	close(a.fd);
	close(b.fd);
	rig_fini(&r);
}

Test(datagram, an_error_shows_once_and_the_socket_lives_on)
{
	struct rig r;
	struct end a, b;
	char buf[64];

	rig_init(&r);
	open_end(&r, &a);
	open_end(&r, &b);
	connect_end(&r, &a, &b);
	close(b.fd);
	sandbox_lock(&r.sb);
	sock_close(b.s, false);
	sandbox_unlock(&r.sb);
	cr_assert_eq(write(a.fd, "x", 1), 1);
	pump(&r, &a);
	cr_assert_eq(a.s->so_error, ECONNREFUSED);
	cr_assert(rig_revents(a.fd) & POLLERR);
	cr_assert_eq(read(a.fd, buf, sizeof buf), -1);
	cr_assert_eq(errno, ECONNRESET);
	/* consumed natively: SO_ERROR is clear */
	sandbox_lock(&r.sb);
	cr_assert_eq(datagram_error(a.s, a.fd), 0);
	sandbox_unlock(&r.sb);
	cr_assert_eq(read(a.fd, buf, sizeof buf), -1);
	cr_assert_eq(errno, EAGAIN);
	/* again, and this time SO_ERROR is asked */
	cr_assert_eq(write(a.fd, "x", 1), 1);
	pump(&r, &a);
	sandbox_lock(&r.sb);
	cr_assert_eq(datagram_error(a.s, a.fd), ECONNREFUSED);
	datagram_error_clear(a.s);
	sandbox_unlock(&r.sb);
	cr_assert_not(rig_revents(a.fd) & POLLERR);
	close(a.fd);
	rig_fini(&r);
}

Test(datagram, a_dead_owner_of_the_port_is_found_first)
{
	struct rig r;
	struct end a, b;

	rig_init(&r);
	open_end(&r, &a);
	open_end(&r, &b);
	connect_end(&r, &a, &b);
	close(b.fd); /* no event */
	cr_assert_eq(write(a.fd, "x", 1), 1);
	pump(&r, &a);
	cr_assert_eq(a.s->so_error, ECONNREFUSED);
	close(a.fd);
	rig_fini(&r);
}

Test(datagram, what_was_sent_before_the_close_still_goes)
{
	struct rig r;
	struct end a, b;
	char buf[64];

	rig_init(&r);
	open_end(&r, &a);
	open_end(&r, &b);
	connect_end(&r, &a, &b);
	cr_assert_eq(write(a.fd, "last", 4), 4);
	close(a.fd);
	sandbox_lock(&r.sb);
	sock_close(a.s, false);
	sandbox_unlock(&r.sb);
	cr_assert_eq(read(b.fd, buf, sizeof buf), 4);
	close(b.fd);
	rig_fini(&r);
}
