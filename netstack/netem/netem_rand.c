/* SPDX-License-Identifier: Apache-2.0 */
/* Decisions of chance: splitmix64 streams, correlation by repetition. */
#include "netstack/netem/netem_priv.h"

#define GOLDEN 0x9e3779b97f4a7c15ull

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

void netem_rand_seed(struct netem *nm, uint64_t seed)
{
	uint64_t base = mix(seed + GOLDEN);

	for (uint32_t k = 0; k < NETEM_R_COUNT; k++)
		nm->rng[k] = mix(base + k);
}

uint64_t netem_rand(struct netem *nm, enum netem_kind k)
{
	return mix(nm->rng[k] += GOLDEN);
}

/* The upper half decides, the lower half whether it decides at all. */
bool netem_chance(struct netem *nm, enum netem_kind k,
		  const struct netem_chance *c)
{
	uint64_t r;

	if (!c->p)
		return false;
	r = netem_rand(nm, k);
	if ((r & (NETEM_ONE - 1)) >= c->corr)
		nm->before[k] = r >> 32 < c->p;
	return nm->before[k];
}

/* Gilbert-Elliott: the state changes, then the state's chance of loss. */
static bool ge_lost(struct netem *nm)
{
	const struct netem_conf *c = &nm->conf;
	uint64_t r = netem_rand(nm, NETEM_R_GE);

	if (r >> 32 < (nm->ge_is_bad ? c->ge_r : c->ge_p))
		nm->ge_is_bad = !nm->ge_is_bad;
	return (r & (NETEM_ONE - 1)) < (nm->ge_is_bad ? c->ge_bad : c->ge_good);
}

bool netem_lost(struct netem *nm)
{
	bool lost = netem_chance(nm, NETEM_R_LOSS, &nm->conf.loss);

	return (nm->conf.ge && ge_lost(nm)) || lost;
}

/* In 2^-16 of the jitter: uniform in [-1, 1). */
static int64_t draw_uniform(struct netem *nm)
{
	return (int64_t)(netem_rand(nm, NETEM_R_JITTER) >> 47) - 65536;
}

/* Normal, as the sum of twelve uniform numbers: variance 1, within 6. */
static int64_t draw_normal(struct netem *nm)
{
	int64_t sum = 0;

	for (int i = 0; i < 3; i++) {
		uint64_t r = netem_rand(nm, NETEM_R_JITTER);

		for (; r; r >>= 16)
			sum += (int64_t)(r & 0xffff);
	}
	return sum - 6 * 65536;
}

nst_time netem_jitter(struct netem *nm)
{
	const struct netem_conf *c = &nm->conf;
	uint64_t again;

	if (!c->jitter)
		return 0;
	again =
	    c->jitter_corr ? netem_rand(nm, NETEM_R_JITTER) >> 32 : NETEM_ONE;
	if (again >= c->jitter_corr)
		nm->jitter_before = c->dist == NETEM_NORMAL ? draw_normal(nm)
							    : draw_uniform(nm);
	return nm->jitter_before * c->jitter / 65536;
}

static nst_time slot_length(struct netem *nm)
{
	const struct netem_conf *c = &nm->conf;
	uint64_t width = (uint64_t)(c->slot_max - c->slot_min) + 1;

	return c->slot_min + (nst_time)(netem_rand(nm, NETEM_R_SLOT) % width);
}

/* The end of the slot that `at` lies in. Slots that nobody used are not drawn
 * one by one. */
nst_time netem_slot(struct netem *nm, nst_time at)
{
	const struct netem_conf *c = &nm->conf;

	if (!c->slot_max)
		return at;
	if (at - nm->slot_at > 2 * c->slot_max)
		nm->slot_at = at - at % c->slot_max;
	while (nm->slot_at < at)
		nm->slot_at += slot_length(nm);
	return nm->slot_at;
}
