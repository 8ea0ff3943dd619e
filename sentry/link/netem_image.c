/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/link/netem_image.h"

#include <errno.h>
#include <stddef.h>

#include "sentry/core/errmap.h"
#include "sentry/link/link.h"
#include "sentry/link/netem_link_priv.h"
#include "sentry/link/pair_priv.h"
#include "sentry/link/tap_priv.h"

#define ETH_BYTES 14

/* Where the sandbox's link keeps its netem; NULL: there is no link. */
static struct netem_link **place(const struct sandbox *sb)
{
	if (!sb->link || sb->opt->net == NET_NONE)
		return NULL;
	return sb->opt->net == NET_TAP ? &((struct tap *)sb->link)->netem
				       : &((struct pair *)sb->link)->netem;
}

int netem_image_save(const struct sandbox *sb, int way,
		     const struct nst_save_sink *sink)
{
	struct netem_link **at = place(sb);

	if (!at || !*at || !(*at)->way[way])
		return 0;
	return -errno_of(netem_save((*at)->way[way], sink));
}

static struct netem_link *made_now(struct sandbox *sb)
{
	bool tap = sb->opt->net == NET_TAP;
	struct netem_sides sides = tap ? tap_sides((struct tap *)sb->link)
				       : pair_sides((struct pair *)sb->link);
	struct netem_link *nl = netem_link_alloc(sb, &sides);

	if (nl)
		nl->l2_bytes = tap ? ETH_BYTES : 0;
	return nl;
}

/* Takes nm. */
static int set_way(struct sandbox *sb, struct netem_link **at, int way,
		   struct netem *nm)
{
	static const struct netem_conf none;
	const struct options *o = sb->opt;
	enum nst_err e =
	    netem_set(nm, o->netem_on[way] ? &o->netem[way] : &none);

	if (!e && !*at)
		*at = made_now(sb);
	if (e || !*at) {
		netem_free(nm);
		return e ? -errno_of(e) : -ENOMEM;
	}
	netem_free((*at)->way[way]);
	netem_link_set(*at, way, nm);
	return 0;
}

int netem_image_load(struct sandbox *sb, int way, const uint8_t **image,
		     const uint8_t *end, char *why)
{
	struct netem_link **at = place(sb);
	struct netem *nm;
	enum nst_err e = netem_load(&sb->env, image, end, &nm, why);

	if (e)
		return -errno_of(e);
	/* Nothing inside, and nothing wanted. */
	if (!at || (!*at && netem_next(nm) == NST_NEVER)) {
		netem_free(nm);
		return 0;
	}
	return set_way(sb, at, way, nm);
}
