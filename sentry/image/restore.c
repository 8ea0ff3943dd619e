/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/image/restore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sentry/core/errmap.h"
#include "sentry/core/log.h"
#include "sentry/gateway/gateway_save.h"
#include "sentry/image/restore_priv.h"
#include "sentry/launch/launch.h"
#include "sentry/link/link.h"

/* ---- before the sandbox ---- */

static nst_time since(int64_t saved_at)
{
	struct timespec ts;
	nst_time now;

	clock_gettime(CLOCK_REALTIME, &ts);
	now = ts.tv_sec * NST_SEC + ts.tv_nsec;
	return saved_at > 0 && saved_at < now ? now - saved_at : 0;
}

int restore_open(const char *path, const struct restore_how *how,
		 struct restore **out)
{
	struct restore *rs = calloc(1, sizeof *rs);
	char why[IMAGE_WHY] = "out of memory";
	int rc = rs ? image_read(&rs->im, path, why) : -ENOMEM;

	*out = rs;
	if (!rc) {
		rs->how = *how;
		rs->how.clone |= rs->im.header->clone;
		rs->outage = since(rs->im.header->saved_at);
		rs->list = json_object_new_array();
		rc = restore_see(rs, why);
	}
	if (rc)
		log_error("%s %s", path, why);
	return rc;
}

void restore_clock(struct restore *rs, struct sandbox *sb)
{
	sandbox_clock_stop(sb, rs->now);
	sandbox_clock_start(sb);
}

/* ---- the stack ---- */

struct loading {
	struct restore *rs;
	struct sandbox *sb;
};

static bool load_nic(void *ctx, struct nst_nic_config *cfg)
{
	const struct loading *l = ctx;
	struct link *link = l->sb->link;
	bool ether = l->sb->opt->net == NET_TAP;

	if (!link || (cfg->kind == NST_LINK_ETHER) != ether)
		return false;
	return link->carry && link->carry(link, true, cfg);
}

static void *load_sock(void *ctx, struct nst_sock *s, uint64_t id)
{
	const struct loading *l = ctx;
	struct held *h = restore_find(l->rs, id);

	if (h)
		h->ep = s;
	return NULL;
}

/* The link knows its interface by the number that it had in the new stack. */
static bool same_nic(const struct sandbox *sb, const struct nst_stack *st)
{
	struct nst_nic_info info;

	return !sb->ifindex || (nst_nic_get(st, sb->ifindex, &info) == NST_OK &&
				!strcmp(info.name, "eth0"));
}

/* The gateway answers for, and to, the addresses that the options say. */
static bool same_addresses(const struct sandbox *sb, const struct nst_stack *st)
{
	const struct options *o = sb->opt;

	if (o->net != NET_NAT)
		return true;
	return (!o->ip4.family || nst_addr_is_local(st, &o->ip4)) &&
	       (!o->ip6.family || nst_addr_is_local(st, &o->ip6));
}

static int refuse(const struct restore *rs, enum nst_err e, const char *why)
{
	const char *hint = "";

	if (e == NST_E_NODEV)
		hint = rs->gateway ? "; use --net nat" : "; use --net tap:NAME";
	log_error("the image cannot be restored: %s%s", why, hint);
	return -errno_of(e);
}

/* st in the place of the stack that was just made, on the same link. */
static void exchange(struct restore *rs, struct sandbox *sb,
		     struct nst_stack *st)
{
	struct nst_stack *other = sb->gw ? gateway_stack(sb->gw) : NULL;
	struct nst_stack *old = sb->stack;

	sb->stack = st;
	gateway_leave_guest(sb);
	nst_stack_free(old);
	if (sb->link && sb->link->moved)
		sb->link->moved(sb->link, st, other);
	restore_close_forsaken(rs, sb);
	gateway_join_guest(sb);
}

static int give_back(struct nst_stack *st, const char *why)
{
	nst_stack_free(st);
	log_error("%s", why);
	return -ENODEV;
}

static int load_stack(struct restore *rs, struct sandbox *sb)
{
	struct loading l = {rs, sb};
	const struct nst_load how = {.env = &sb->env,
				     .ctx = &l,
				     .nic = load_nic,
				     .sock = load_sock,
				     .outage = rs->outage,
				     .clone = rs->how.clone};
	const uint8_t *p = rs->im.records;
	char why[NST_SAVE_WHY];
	struct nst_stack *st;
	enum nst_err e = nst_stack_load(&how, &p, rs->im.end, &st, why);

	if (e)
		return refuse(rs, e, why);
	if (!same_nic(sb, st))
		return give_back(st, "the image has no eth0; use --net none");
	if (!same_addresses(sb, st))
		return give_back(st, "the image has other addresses; give --ip "
				     "and --gateway as they were");
	exchange(rs, sb, st);
	return 0;
}

static int load_netem(struct restore *rs, struct sandbox *sb)
{
	char why[NST_SAVE_WHY] = "";
	int rc = 0;

	for (int i = 0; !rc && i < NETEM_WAYS; i++) {
		const uint8_t *p = rs->netem[i];

		if (p)
			rc = netem_image_load(sb, i, &p, rs->im.end, why);
	}
	if (rc)
		log_error("the image cannot be restored: %s", why);
	return rc;
}

int restore_stack(struct restore *rs, struct sandbox *sb)
{
	int rc = load_stack(rs, sb);

	if (!rc)
		rc = load_netem(rs, sb);
	return rc ? rc : restore_take_all(rs, sb);
}

int restore_hand(struct restore *rs, struct sandbox *sb)
{
	const char *text = json_object_to_json_string_ext(
	    rs->list, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE);
	int rc = -ENOMEM;

	if (text)
		rc = launch_hand(sb->guest, text, rs->fds, rs->nfds);
	if (rc) {
		log_error("cannot hand %zu sockets to the program: %s",
			  rs->nfds, strerror(-rc));
		return rc;
	}
	for (size_t i = 0; i < rs->nfds; i++)
		close(rs->fds[i]);
	rs->nfds = 0;
	sandbox_lock(sb);
	nst_stack_resumed(sb->stack, sandbox_now(sb));
	sandbox_unlock(sb);
	return 0;
}

void restore_free(struct restore *rs)
{
	if (!rs)
		return;
	for (size_t i = 0; i < rs->nfds; i++)
		close(rs->fds[i]);
	json_object_put(rs->list);
	image_free(&rs->im);
	free(rs->children.v);
	free(rs->forsaken.v);
	free(rs->unread.v);
	free(rs->datagrams.v);
	free(rs->fds);
	free(rs->v);
	free(rs);
}
