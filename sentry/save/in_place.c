/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation. While the stack's clock stands still:
 *
 *   move     the guest's stack, then the gateway's, is saved, and each record
 *            is loaded at once, into a stack beside the old one, with the same
 *            links and the same users. The old one is only read. Nothing is
 *            sent and nothing told, so both may be alive; a failure until here
 *            leaves the old ones. Of many sockets one thread saves and another
 *            one loads.
 *   save     the gateway's own objects go into an image.
 *   change   every pointer into the old stacks is exchanged: the sandbox's, the
 *            links', struct sock's, then the gateway's by its restored records.
 *   free     the old stacks: many sockets' on another thread, after the clock
 *            goes on (retire.c). In tests here, and their memory is poisoned.
 *
 * Events. What endpoints have told and owners have not yet looked at is in the
 * sentry (ep_owner.pending, the dirty list) and stays there; what they would
 * tell next follows from their state, which is in the image. So no edge is lost
 * and none comes twice. Packets between the stacks belong to the link; those
 * that refer to memory of the old stacks get their own before it is freed
 * (link/pair.c), and so do those in a netem.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/nst_tcp.h"
#include "sentry/core/errmap.h"
#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/gateway/gateway_save.h"
#include "sentry/link/link.h"
#include "sentry/save/apart.h"
#include "sentry/save/save_priv.h"
#include "sentry/sock/sock.h"

#define AHEAD 8 /* of what is far apart in memory */
/* From so many on another thread is worth starting. */
#define APART_LEAST_SOCKS 128

struct moved {
	struct sock *s;
	struct nst_tcp *tcp;
	struct nst_dgram *dgram;
};

struct job {
	struct sandbox *sb;
	struct nst_stack *old[SAVE_SIDES], *new[SAVE_SIDES];
	struct points points[SAVE_SIDES];
	struct moved *moved; /* room for all of the guest's */
	size_t nmoved;
	uint64_t bytes; /* of all records */
	nst_time cpu;   /* of other threads */
	char why[NST_SAVE_WHY];
};

static void refuse(struct job *j, const char *why)
{
	snprintf(j->why, sizeof j->why, "%s", why);
}

/* ---- move ---- */

struct side {
	struct job *job;
	int which;
};

static bool load_nic(void *ctx, struct nst_nic_config *cfg)
{
	const struct side *s = ctx;
	struct link *l = s->job->sb->link;

	return l && l->carry && l->carry(l, s->which == SAVE_GUEST, cfg);
}

/* What struct sock has of it from then on. */
static void note_moved(struct job *j, struct sock *s, struct nst_sock *now)
{
	j->moved[j->nmoved++] =
	    (struct moved){s, nst_sock_tcp(now), nst_sock_dgram(now)};
}

static void *load_sock(void *ctx, struct nst_sock *sock, uint64_t id)
{
	const struct side *s = ctx;
	struct ep_owner *user =
	    points_sock(&s->job->points[s->which], sock, id);
	struct sock *of_guest =
	    user && s->which == SAVE_GUEST ? sock_of_owner(user) : NULL;

	if (of_guest)
		note_moved(s->job, of_guest, sock);
	return user;
}

static void load_fwd(void *ctx, struct nst_fwd_req *req, uint64_t id)
{
	const struct side *s = ctx;

	points_fwd(&s->job->points[s->which], req, id);
}

struct mover {
	struct nst_loading *loading;
	uint64_t bytes;
	bool refused; /* by the new stack */
};

static bool move_records(void *ctx, const void *data, size_t bytes)
{
	struct mover *m = ctx;

	m->bytes += bytes;
	m->refused = !nst_load_put(m->loading, data, bytes);
	return !m->refused;
}

/* So that a thread is worth starting. */
static bool is_large(const struct nst_stack *st)
{
	return nst_stack_socks(st) >= APART_LEAST_SOCKS;
}

/* Loading takes longer than saving, and needs nothing of it but the records. */
static enum nst_err move_apart(struct job *j, struct nst_stack *old,
			       const struct nst_save_sink *sink)
{
	struct apart *a = is_large(old) ? apart_begin(sink) : NULL;
	const struct nst_save_sink to_it = {.ctx = a, .put = apart_put};
	enum nst_err e = nst_stack_save(old, a ? &to_it : sink);

	if (a)
		(void)apart_end(a, &j->cpu); /* the mover knows */
	return e;
}

static int move_stack(struct job *j, int which)
{
	struct side side = {j, which};
	const struct nst_load how = {
	    .env = &j->sb->env,
	    .ctx = &side,
	    .nic = load_nic,
	    .sock = load_sock,
	    .fwd = load_fwd,
	    .trusted = !j->sb->poison, /* tests check */
	};
	struct mover m = {0};
	const struct nst_save_sink sink = {.ctx = &m, .put = move_records};
	enum nst_err saved, loaded;

	if (nst_load_begin(&how, &m.loading, j->why))
		return -ENOMEM;
	saved = move_apart(j, j->old[which], &sink);
	loaded = nst_load_end(m.loading, &j->new[which]);
	j->bytes += m.bytes;
	if (saved && !m.refused)
		refuse(j, saved == NST_E_INVAL ? "the sandbox is not settled"
					       : "out of memory");
	if (saved || loaded)
		return -errno_of(m.refused ? loaded : saved ? saved : loaded);
	if (points_whole(&j->points[which]))
		return 0;
	refuse(j, "the sockets are not those that were saved");
	return -EINVAL;
}

/* Does every struct sock that has an endpoint get one? It cannot be otherwise:
 * every endpoint has a new one. Tests look, because it is a cold walk. */
static int check_socks(struct job *j)
{
	size_t n = 0;

	for (struct sock *s = sock_next(j->sb, NULL); s;
	     s = sock_next(j->sb, s))
		n += s->tcp || s->dgram;
	if (n == j->nmoved)
		return 0;
	refuse(j, "a socket has no endpoint");
	return -EINVAL;
}

static int move_stacks(struct job *j)
{
	int err = 0;

	for (int i = 0; i < SAVE_SIDES && !err; i++)
		if (j->old[i])
			err = points_of(&j->points[i], j->old[i]);
	j->moved = calloc(j->points[SAVE_GUEST].n + 1, sizeof *j->moved);
	if (!j->moved)
		return -ENOMEM;
	sandbox_env_expect(saves_need(j->sb), false);
	for (int i = 0; i < SAVE_SIDES && !err; i++)
		if (j->old[i])
			err = move_stack(j, i);
	return err || !j->sb->poison ? err : check_socks(j);
}

static int save_gateway(struct job *j, struct save_image *im)
{
	const struct nst_save_sink sink = {.ctx = im, .put = save_image_put};

	return j->sb->gw ? gateway_save(j->sb->gw, &sink) : 0;
}

/* ---- change ---- */

static void change_socks(struct job *j)
{
	for (size_t i = 0; i < j->nmoved; i++) {
		if (i + AHEAD < j->nmoved)
			__builtin_prefetch(&j->moved[i + AHEAD].s->tcp, 1);
		j->moved[i].s->tcp = j->moved[i].tcp;
		j->moved[i].s->dgram = j->moved[i].dgram;
	}
}

static struct nst_sock *find_sock(void *ctx, bool of_guest, uint64_t id)
{
	const struct job *j = ctx;

	return points_find(&j->points[of_guest ? SAVE_GUEST : SAVE_GATEWAY],
			   id);
}

static struct nst_fwd_req *find_req(void *ctx, uint64_t id)
{
	const struct job *j = ctx;

	return points_find_req(&j->points[SAVE_GATEWAY], id);
}

static int change_all(struct job *j, const uint8_t **image, const uint8_t *end)
{
	const struct gateway_finds finds = {j, find_sock, find_req};
	struct sandbox *sb = j->sb;

	change_socks(j);
	sb->stack = j->new[SAVE_GUEST];
	if (sb->link && sb->link->moved)
		sb->link->moved(sb->link, j->new[SAVE_GUEST],
				j->new[SAVE_GATEWAY]);
	if (!sb->gw)
		return 0;
	gateway_set_stack(sb->gw, j->new[SAVE_GATEWAY]);
	return gateway_restore(sb->gw, &finds, image, end, j->why);
}

/* ---- the whole ---- */

/* There is nothing to go back to. The watcher ends the guest. */
static _Noreturn void give_up(const struct job *j)
{
	log_error("restoring failed: %s; the sandbox is lost", j->why);
	_exit(EXIT_CORDON_FAILED);
}

static int run_job(struct job *j, struct save_image *im)
{
	const uint8_t *p, *end;
	int err = move_stacks(j);

	if (!err)
		err = save_gateway(j, im);
	if (err) {
		retire_stacks(&j->sb->saves->retired, j->new, false);
		return err;
	}
	p = im->p;
	end = p + im->used;
	j->bytes += im->used;
	if (change_all(j, &p, end))
		give_up(j);
	/* Tests want poison at once. */
	retire_stacks(&j->sb->saves->retired, j->old,
		      is_large(j->old[SAVE_GUEST]) && !j->sb->poison);
	return 0;
}

static void fill_report(const struct job *j, struct save_report *out)
{
	*out = (struct save_report){.image_bytes = j->bytes, .cpu = j->cpu};
	for (int i = 0; i < SAVE_SIDES; i++) {
		out->endpoints += j->points[i].found;
		out->connections += j->points[i].connections;
	}
}

size_t saves_need(struct sandbox *sb)
{
	size_t n = sb->stack ? nst_stack_socks(sb->stack) : 0;

	if (sb->gw)
		n += nst_stack_socks(gateway_stack(sb->gw));
	return n * ENDPOINT_BYTES + 2 * sb->saves->last_bytes;
}

int saves_run(struct sandbox *sb, struct save_image *im,
	      struct save_report *out)
{
	struct job j = {.sb = sb, .old = {sb->stack}};
	int err;

	if (sb->gw)
		j.old[SAVE_GATEWAY] = gateway_stack(sb->gw);
	retire_wait(&sb->saves->retired);
	err = run_job(&j, im);
	fill_report(&j, out);
	for (int i = 0; i < SAVE_SIDES; i++)
		points_fini(&j.points[i]);
	free(j.moved);
	if (err)
		log_error("save: %s; the sandbox goes on as it was",
			  j.why[0] ? j.why : strerror(-err));
	return err;
}
