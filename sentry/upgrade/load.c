/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox of an image, in the process that comes, and in the one that only
 * tries. What is made refers to descriptors by their numbers and uses none.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "netstack/save/save.h"
#include "sentry/control/control.h"
#include "sentry/control/place.h"
#include "sentry/core/errmap.h"
#include "sentry/gateway/gateway_save.h"
#include "sentry/launch/guest.h"
#include "sentry/link/link_save.h"
#include "sentry/sock/sock_save.h"
#include "sentry/trap/trap_save.h"
#include "sentry/upgrade/ids.h"
#include "sentry/upgrade/sandbox.fields.h"
#include "sentry/upgrade/upgrade_priv.h"

/* An outage that peers may have noticed. */
#define OUTAGE_NOTICED (200 * NST_MS)

struct load {
	struct sandbox *sb;
	struct upgrade_hand *hand;
	const uint8_t *p, *end;
	nst_time now;
	struct ids guest_ids, gw_ids, req_ids;
	char *why;
};

static int fail(struct load *l, const char *why)
{
	snprintf(l->why, UPGRADE_WHY, "%s", why);
	return -EINVAL;
}

/* ---- the first record ---- */

static bool load_guest(struct load *l, struct save_in *in,
		       const Cordon__Guest *m)
{
	struct guest *g = m ? guest_adopt(l->sb) : NULL;

	if (!g)
		return save_bad(in, "guest", "is missing");
	if (!save_restore(in, &save_guest, m, g))
		return false;
	g->plan.boot[0] = m->boot;
	g->plan.ctl[0] = m->ctl;
	g->plan.freeze[0] = m->freeze;
	return true;
}

static bool load_control(struct load *l, struct save_in *in,
			 const Cordon__UpgradeHead *m)
{
	struct control_place place = {0};

	if (!m->place)
		return true;
	if (!save_restore(in, &save_control_place, m->place, &place))
		return false;
	if (control_adopt(l->sb, &place, m->control_fd, m->clients,
			  m->n_clients))
		return save_fail(in, NST_E_NOMEM, "no memory");
	return true;
}

static bool load_first_record(struct load *l, struct save_in *in)
{
	Cordon__UpgradeHead *m;

	if (!save_next(in) || (int)in->type != UPGRADE_SAVE_FIRST)
		return save_bad(in, "image", "is none of an upgrade");
	m = save_parse(in, &cordon__upgrade_head__descriptor);
	if (!m)
		return false;
	if (m->version != UPGRADE_VERSION) {
		char text[128];

		snprintf(text, sizeof text,
			 "is of version %u (cordon %.32s), this one "
			 "(" CORDON_VERSION ") needs version %u",
			 m->version, m->cordon, UPGRADE_VERSION);
		return save_bad(in, "image", text);
	}
	if (!m->sandbox || !save_restore(in, &save_sandbox, m->sandbox, l->sb))
		return save_bad(in, "sandbox", "is missing");
	l->now = m->now;
	l->hand->client = m->client;
	l->hand->began = m->began;
	l->hand->count = m->count;
	return load_guest(l, in, m->guest) && load_control(l, in, m);
}

static int load_first(struct load *l)
{
	struct save_in in;
	int err;

	save_in_init(&in, &l->sb->env, l->p, (size_t)(l->end - l->p), l->why);
	(void)load_first_record(l, &in);
	l->p = in.p;
	err = -errno_of(in.err);
	save_in_fini(&in);
	return err;
}

static int load_end(struct load *l)
{
	struct save_in in;
	int err;

	save_in_init(&in, &l->sb->env, l->p, (size_t)(l->end - l->p), l->why);
	if (!save_next(&in) || (int)in.type != UPGRADE_SAVE_END)
		(void)save_bad(&in, "image", "has no end");
	else if (in.p != in.end)
		(void)save_bad(&in, "image", "has something behind its end");
	err = -errno_of(in.err);
	save_in_fini(&in);
	return err;
}

/* ---- the stacks ---- */

struct side {
	struct load *l;
	bool guest;
};

static bool load_nic(void *ctx, struct nst_nic_config *cfg)
{
	const struct side *s = ctx;
	struct link *link = s->l->sb->link;

	return link && link->carry && link->carry(link, s->guest, cfg);
}

static void *load_sock(void *ctx, struct nst_sock *ns, uint64_t id)
{
	const struct side *s = ctx;
	struct load *l = s->l;

	ids_add(s->guest ? &l->guest_ids : &l->gw_ids, id, ns);
	return s->guest ? sock_table_claim(l->sb, ns, id) : NULL;
}

static void load_fwd(void *ctx, struct nst_fwd_req *req, uint64_t id)
{
	const struct side *s = ctx;

	ids_add(&s->l->req_ids, id, req);
}

static int load_stack(struct load *l, bool guest, struct nst_stack **out)
{
	struct side side = {l, guest};
	const struct nst_load how = {
	    .env = &l->sb->env,
	    .ctx = &side,
	    .nic = load_nic,
	    .sock = load_sock,
	    .fwd = guest ? NULL : load_fwd,
	    .outage = upgrade_clock() - l->hand->began,
	};
	enum nst_err e = nst_stack_load(&how, &l->p, l->end, out, l->why);

	return e ? -errno_of(e) : 0;
}

static struct nst_sock *find_sock(void *ctx, bool of_guest, uint64_t id)
{
	struct load *l = ctx;

	return ids_find(of_guest ? &l->guest_ids : &l->gw_ids, id);
}

static struct nst_fwd_req *find_req(void *ctx, uint64_t id)
{
	struct load *l = ctx;

	return ids_find(&l->req_ids, id);
}

/* The stack first: its objects refer to it; then its objects, empty. */
static int load_gateway(struct load *l, struct nst_stack **gw_stack)
{
	const struct gateway_finds finds = {l, find_sock, find_req};
	struct sandbox *sb = l->sb;
	int err = load_stack(l, false, gw_stack);

	if (!err)
		err = gateway_make(sb, l->p, l->end, l->why);
	if (err)
		return err;
	gateway_set_stack(sb->gw, *gw_stack);
	err = gateway_restore(sb->gw, &finds, &l->p, l->end, l->why);
	if (!err)
		gateway_claim(sb->gw);
	return err;
}

static int load_stacks(struct load *l)
{
	struct sandbox *sb = l->sb;
	struct nst_stack *other = NULL;
	int err = load_stack(l, true, &sb->stack);

	if (!err)
		err = sock_table_check(sb, l->why);
	if (!err && nst_stack_now(sb->stack) > l->now)
		err = fail(l, "the stack's clock would go back");
	if (!err && sb->opt->net == NET_NAT)
		err = load_gateway(l, &other);
	if (!err &&
	    (l->guest_ids.failed || l->gw_ids.failed || l->req_ids.failed))
		err = fail(l, "out of memory");
	if (!err && sb->link && sb->link->moved)
		sb->link->moved(sb->link, sb->stack, other);
	return err;
}

/* ---- everything ---- */

static int load_all(struct load *l)
{
	struct sandbox *sb = l->sb;
	int err = load_first(l);

	if (err)
		return err;
	sandbox_clock_stop(sb, l->now);
	err = link_load(sb, &l->p, l->end, l->why);
	if (!err)
		err = sock_table_load(sb, &l->p, l->end, l->why);
	if (!err)
		err = load_stacks(l);
	if (!err)
		err = trapper_new(sb);
	if (!err)
		err = trap_load_parked(sb, &l->p, l->end, l->why);
	return err ? err : load_end(l);
}

/* Maps the whole file; what is written there later does not show. */
static const uint8_t *map_image(int fd, size_t *bytes)
{
	const int seals = F_SEAL_WRITE | F_SEAL_SHRINK;
	struct stat st;
	void *p;

	if (fstat(fd, &st) || st.st_size <= 0 ||
	    (fcntl(fd, F_GET_SEALS) & seals) != seals)
		return NULL;
	*bytes = (size_t)st.st_size;
	p = mmap(NULL, *bytes, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	return p == MAP_FAILED ? NULL : p;
}

int upgrade_load(struct sandbox *sb, int fd, struct upgrade_hand *out,
		 char *why)
{
	struct load l = {.sb = sb, .hand = out, .why = why};
	size_t bytes;
	int err;

	*out = (struct upgrade_hand){.client = -1};
	why[0] = '\0';
	l.p = map_image(fd, &bytes);
	if (!l.p)
		return fail(&l, "there is no image to be loaded");
	l.end = l.p + bytes;
	const uint8_t *start = l.p;
	err = load_all(&l);
	munmap((void *)(uintptr_t)start, bytes);
	ids_fini(&l.guest_ids);
	ids_fini(&l.gw_ids);
	ids_fini(&l.req_ids);
	if (err && !why[0])
		snprintf(why, UPGRADE_WHY, "%s", strerror(-err));
	return err;
}

/* ---- descriptors ---- */

struct fd_check {
	int bad; /* the first that is not open, or -1 */
};

static void take_fd(void *arg, int *fd)
{
	struct fd_check *c = arg;
	int flags = *fd < 0 ? 0 : fcntl(*fd, F_GETFD);

	if (flags < 0 && c->bad < 0)
		c->bad = *fd;
	else if (*fd >= 0)
		fcntl(*fd, F_SETFD, flags | FD_CLOEXEC);
}

int upgrade_take_fds(struct sandbox *sb, char *why)
{
	struct fd_check c = {.bad = -1};

	upgrade_each_fd(sb, take_fd, &c);
	if (c.bad < 0)
		return 0;
	snprintf(why, UPGRADE_WHY, "descriptor %d was lost", c.bad);
	return -EBADF;
}

/* ---- starting ---- */

int upgrade_start(struct sandbox *sb, const struct upgrade_hand *hand)
{
	int err;

	sandbox_clock_start(sb);
	if (sb->cap)
		capture_clock(sb->cap, sb->behind);
	sandbox_lock(sb);
	if (upgrade_clock() - hand->began > OUTAGE_NOTICED)
		nst_stack_resumed(sb->stack, sandbox_now(sb));
	err = link_start(sb);
	if (!err && sb->gw)
		err = gateway_start(sb->gw);
	if (!err)
		sock_table_start(sb);
	sandbox_unlock(sb);
	return err;
}
