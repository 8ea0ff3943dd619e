/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START (1000 * NST_SEC)
#define MAX_LIVE ((size_t)64 << 20)
/* Timers that fire in one step of the input; more is a timer gone wild. */
#define MAX_FIRES 200000

void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, what);
	abort();
}

uint8_t fuzz_u8(struct fuzz_in *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

uint16_t fuzz_u16(struct fuzz_in *in)
{
	uint16_t hi = fuzz_u8(in);

	return (uint16_t)(hi << 8 | fuzz_u8(in));
}

uint32_t fuzz_u32(struct fuzz_in *in)
{
	uint32_t hi = fuzz_u16(in);

	return hi << 16 | fuzz_u16(in);
}

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct fuzz_world *w = link;

	if (w->on_out)
		w->on_out(w->arg, pkt);
	nst_pkt_free(pkt);
}

static const struct nst_link_ops link_ops = {transmit};

static void add_addr(struct fuzz_world *w, const char *text, uint8_t prefix)
{
	struct nst_ifaddr a = {test_addr(text), prefix, w->ifindex};

	FUZZ_CHECK(nst_addr_add(w->st, &a, w->now) == NST_OK);
}

void fuzz_open(struct fuzz_world *w)
{
	struct nst_nic_config cfg = {.name = "eth0",
				     .kind = NST_LINK_IP,
				     .mtu = 1500,
				     .ops = &link_ops,
				     .link = w};

	memset(w, 0, sizeof(*w));
	testenv_init(&w->te, 1);
	w->te.max_bytes = MAX_LIVE;
	w->now = START;
	FUZZ_CHECK(nst_stack_new(&w->te.env, w->now, &w->st) == NST_OK);
	FUZZ_CHECK(nst_nic_add(w->st, &cfg, &w->ifindex) == NST_OK);
	add_addr(w, FUZZ_LOCAL4, 24);
	add_addr(w, FUZZ_LOCAL6, 64);
}

void fuzz_close(struct fuzz_world *w)
{
	nst_stack_free(w->st);
	FUZZ_CHECK(testenv_leaks(&w->te) == 0);
}

void fuzz_check(const struct fuzz_world *w)
{
	FUZZ_CHECK(nst_stack_check(w->st));
}

void fuzz_pass(struct fuzz_world *w, nst_time dt)
{
	nst_time until = w->now + dt;
	uint32_t fires = 0;

	while (nst_next_deadline(w->st) <= until) {
		nst_time at = nst_next_deadline(w->st);

		FUZZ_CHECK(++fires < MAX_FIRES);
		if (at > w->now)
			w->now = at;
		nst_run_timers(w->st, w->now);
	}
	w->now = until;
	fuzz_check(w);
}

void fuzz_arrive(struct fuzz_world *w, const uint8_t *p, uint32_t bytes,
		 bool checked)
{
	struct nst_pkt *pkt = nst_pkt_new(&w->te.env, 0, bytes);
	uint8_t *to = pkt ? nst_pkt_put(pkt, bytes) : NULL;

	if (!to) {
		nst_pkt_free(pkt);
		return;
	}
	if (bytes)
		memcpy(to, p, bytes);
	if (checked)
		pkt->csum = NST_CSUM_VALID;
	nst_nic_in(w->st, w->ifindex, pkt, w->now);
	fuzz_check(w);
}
