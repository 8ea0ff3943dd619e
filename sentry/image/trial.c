/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/image/trial.h"

#include <errno.h>
#include <stdlib.h>

#include "netstack/netem/netem_save.h"
#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"

struct seen {
	const struct nst_env *env;
	struct nst_sock **v;
	size_t n, room;
	bool nomem;
};

static void drop(void *link, struct nst_pkt *pkt)
{
	(void)link;
	nst_pkt_free(pkt);
}

static bool take_nic(void *ctx, struct nst_nic_config *cfg)
{
	static const struct nst_link_ops ops = {drop};

	(void)ctx;
	cfg->ops = &ops;
	return true;
}

static void *take_sock(void *ctx, struct nst_sock *s, uint64_t id)
{
	struct seen *seen = ctx;

	(void)id;
	if (seen->n == seen->room) {
		size_t room = seen->room ? seen->room * 2 : 64;
		struct nst_sock **v =
		    reallocarray(seen->v, room, sizeof *seen->v);

		seen->nomem |= !v;
		if (!v)
			return NULL;
		seen->v = v;
		seen->room = room;
	}
	seen->v[seen->n++] = s;
	return NULL;
}

static void count_tcp(struct image_trial *t, struct nst_tcp *tp)
{
	unsigned state = (unsigned)nst_tcp_state(tp);
	struct nst_iov iov[2];
	size_t n;

	if (state < TRIAL_STATES)
		t->tcp[state]++;
	if (state == NST_TCP_LISTEN)
		return;
	t->unsent_bytes += nst_tcp_outq(tp);
	t->unread_bytes += nst_tcp_rcv_data(tp, iov, &n);
}

static void count(struct image_trial *t, const struct seen *seen)
{
	for (size_t i = 0; i < seen->n; i++) {
		struct nst_tcp *tp = nst_sock_tcp(seen->v[i]);

		t->sockets++;
		if (tp)
			count_tcp(t, tp);
		else
			t->datagram++;
	}
}

int image_trial(struct image_trial *t, const struct nst_env *env,
		const uint8_t **p, const uint8_t *end, bool clone, char *why)
{
	struct seen seen = {.env = env};
	struct nst_load how = {.env = env,
			       .ctx = &seen,
			       .nic = take_nic,
			       .sock = take_sock,
			       .clone = clone};
	char text[NST_SAVE_WHY];
	struct nst_stack *st;
	enum nst_err e = nst_stack_load(&how, p, end, &st, text);

	if (e || seen.nomem) {
		nst_stack_free(st);
		free(seen.v);
		return image_fail(
		    why, e == NST_E_NOMEM || !e ? -ENOMEM : -EBADMSG,
		    "cannot be loaded: %s", e ? text : "no memory");
	}
	count(t, &seen);
	t->stacks++;
	t->now = nst_stack_now(st);
	nst_stack_free(st);
	free(seen.v);
	return 0;
}

int image_trial_netem(const struct nst_env *env, const uint8_t **p,
		      const uint8_t *end, char *why)
{
	char text[NST_SAVE_WHY];
	struct netem *nm;
	enum nst_err e = netem_load(env, p, end, &nm, text);

	if (e)
		return image_fail(why, e == NST_E_NOMEM ? -ENOMEM : -EBADMSG,
				  "cannot be loaded: %s", text);
	netem_free(nm);
	return 0;
}
