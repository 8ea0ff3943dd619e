/* SPDX-License-Identifier: Apache-2.0 */
/* Accept queues while an image is written: back in the netstack's, in order,
 * and afterwards as if nothing had been. */
#include "sentry/sock/unaccepted.h"

#include <criterion/criterion.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/sentry_sock/rig.h"

#define OPENERS 4

static struct rig r;
static struct sock *lis, *opener[OPENERS];
static int lfd, fd[OPENERS];

static void up(void)
{
	struct nst_sockaddr at;

	rig_init(&r);
	lis = rig_listener(&r, 8, &lfd, &at);
	for (int i = 0; i < OPENERS; i++) {
		opener[i] = rig_stream(&r, &fd[i]);
		rig_connect(&r, opener[i], fd[i], &at);
	}
	rig_pump(&r);
}

static void down(void)
{
	for (int i = 0; i < OPENERS; i++)
		close(fd[i]);
	close(lfd);
	rig_fini(&r);
}

TestSuite(unaccepted, .init = up, .fini = down);

static size_t put_back(struct unaccepted *u)
{
	sandbox_lock(&r.sb);
	cr_assert_eq(unaccepted_put_back(&r.sb, u), 0);
	return nst_tcp_accept_queued(lis->tcp);
}

static void take(struct unaccepted *u)
{
	unaccepted_take(u);
	cr_assert_eq(nst_tcp_accept_queued(lis->tcp), 0);
	sandbox_unlock(&r.sb);
}

static bool waits_for(const struct unaccepted *u, size_t i,
		      const struct sock *peer)
{
	struct nst_sockaddr from, to;

	nst_sock_local(nst_tcp_sock(peer->tcp), &from);
	return u->v[i].listener == lis &&
	       !nst_sock_remote(nst_tcp_sock(u->v[i].child->tcp), &to) &&
	       from.port == to.port;
}

/* The guest accepts, and hears what the opener says. */
static int accepts(int from)
{
	int c = accept(lfd, NULL, NULL);
	char got[4];

	cr_assert_geq(c, 0);
	cr_assert_eq(send(from, "ping", 4, 0), 4);
	rig_pump(&r);
	rig_pump(&r);
	cr_assert_eq(recv(c, got, sizeof got, MSG_DONTWAIT), 4);
	return c;
}

Test(unaccepted, those_that_wait_are_in_the_queue_in_order)
{
	struct unaccepted u;
	int first = accepts(fd[0]);

	cr_assert_eq(put_back(&u), OPENERS - 1);
	cr_assert_eq(u.n, OPENERS - 1);
	for (size_t i = 0; i < u.n; i++)
		cr_assert(waits_for(&u, i, opener[i + 1]), "%zu", i);
	take(&u);
	for (int i = 1; i < OPENERS; i++)
		close(accepts(fd[i]));
	close(first);
}

Test(unaccepted, nothing_waits)
{
	struct unaccepted u;
	int c[OPENERS];

	for (int i = 0; i < OPENERS; i++)
		c[i] = accepts(fd[i]);
	cr_assert_eq(put_back(&u), 0);
	take(&u);
	for (int i = 0; i < OPENERS; i++)
		close(c[i]);
}

/* Closed by the guest right after accept(), which the sentry has not seen. */
Test(unaccepted, a_closed_one_does_not_wait)
{
	struct unaccepted u;

	close(accept(lfd, NULL, NULL));
	cr_assert_eq(put_back(&u), OPENERS - 1);
	take(&u);
}
