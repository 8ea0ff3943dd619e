/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stack is saved, freed and made of its image again, when asked to or after
 * events: a system call, an injected packet, timers. Time stands still for it;
 * descriptors and calls that are blocked stay, sockets are found by their
 * `user`, the file. Not part of the shared object: it needs more libraries.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/reborn.h"
#include "tools/packetdrill-adapter/ad_priv.h"
#include "tools/packetdrill-adapter/adapter.h"

static const struct nst_link_ops link_ops = {.transmit = world_transmit};

static void forget_sockets(struct world *w)
{
	for (struct file *f = w->files; f; f = f->all_next) {
		f->tcp = NULL;
		f->dgram = NULL;
	}
}

static void find_sockets(struct world *w)
{
	struct nst_sock *s;

	for (size_t i = 0; (s = nst_sock_at(w->st, i)); i++) {
		struct file *f = nst_sock_user(s);

		if (!f)
			continue;
		f->tcp = nst_sock_tcp(s);
		f->dgram = nst_sock_dgram(s);
	}
}

static void reborn(struct world *w, nst_time outage, bool clone)
{
	struct reborn_nic nic = {"tun0", &link_ops, w};
	struct reborn how = {.env = &w->env,
			     .nics = &nic,
			     .nnics = 1,
			     .outage = outage,
			     .clone = clone};
	uint64_t rng = w->rng;

	w->poison = true;
	forget_sockets(w);
	stack_reborn(&w->st, &how);
	find_sockets(w);
	/* What a new stack drew, its image has replaced. */
	if (!clone)
		w->rng = rng;
	if (outage)
		nst_stack_resumed(w->st, w->now);
}

int pkt_netstack_reborn(void *u, long long outage_usecs, bool clone)
{
	world_enter(u);
	reborn(u, outage_usecs * NST_US, clone);
	world_leave(u);
	return 0;
}

/* ---- after events ---- */

/* xorshift64: when to save must not touch what the stack draws. */
static uint64_t draw(uint64_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 7;
	*x ^= *x << 17;
	return *x;
}

static void after_event(struct world *w)
{
	struct save_mode *m = &w->save;

	m->events++;
	if (m->one_in ? draw(&m->rng) % m->one_in : m->events % m->every)
		return;
	reborn(w, 0, false);
}

static bool parse_mode(const char *text, struct save_mode *m)
{
	bool random = strncmp(text, "random:", 7) == 0;
	char *end;
	unsigned long n;

	if (strcmp(text, "every") == 0) {
		m->every = 1;
		return true;
	}
	errno = 0;
	n = strtoul(text + (random ? 7 : 0), &end, 10);
	if (errno || !n || *end || n > UINT32_MAX)
		return false;
	m->rng = n * 0x9e3779b97f4a7c15u;
	m->one_in = random ? 1 + (uint32_t)(draw(&m->rng) % 8) : 0;
	m->every = random ? 0 : (uint32_t)n;
	return true;
}

int pkt_netstack_save_mode(void *u, const char *mode)
{
	struct world *w = u;
	struct save_mode m = {0};

	if (!parse_mode(mode, &m)) {
		errno = EINVAL;
		return -1;
	}
	w->save = m;
	w->after_event = after_event;
	return 0;
}
