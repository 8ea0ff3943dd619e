/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/sentry_link/rig.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void hook_lock(void *ctx)
{
	sandbox_lock(ctx);
}

static void hook_unlock(void *ctx)
{
	sandbox_unlock(ctx);
}

static nst_time hook_next(void *ctx)
{
	return sandbox_next_deadline(ctx);
}

static void hook_timers(void *ctx)
{
	sandbox_run_timers(ctx);
}

static void hook_idle(void *ctx)
{
	(void)ctx;
}

void rig_init(struct rig *r)
{
	const struct loop_hooks hooks = {.ctx = &r->sb,
					 .lock = hook_lock,
					 .unlock = hook_unlock,
					 .next_deadline = hook_next,
					 .run_timers = hook_timers,
					 .idle = hook_idle};

	cr_assert_geq(sodium_init(), 0);
	sandbox_init(&r->sb, &r->opt);
	cr_assert_eq(loop_new(&hooks, &r->sb.loop), 0);
	cr_assert_eq(
	    nst_stack_new(&r->sb.env, sandbox_now(&r->sb), &r->sb.stack),
	    NST_OK);
}

static void *loop_main(void *arg)
{
	loop_run(arg);
	return NULL;
}

void rig_run(struct rig *r)
{
	cr_assert_eq(pthread_create(&r->thread, NULL, loop_main, r->sb.loop),
		     0);
	r->threaded = true;
}

void rig_fini(struct rig *r)
{
	if (r->threaded) {
		loop_stop(r->sb.loop);
		pthread_join(r->thread, NULL);
	}
	if (r->sb.link)
		r->sb.link->free(r->sb.link);
	nst_stack_free(r->sb.stack);
	capture_free(r->sb.cap);
	loop_free(r->sb.loop);
	sandbox_fini(&r->sb);
}

void rig_addr(struct nst_stack *st, uint32_t ifindex, const char *addr,
	      uint8_t len)
{
	struct nst_ifaddr a = {
	    .addr = test_addr(addr), .prefix_len = len, .ifindex = ifindex};

	cr_assert_eq(nst_addr_add(st, &a, 1), NST_OK);
}

void rig_route(struct nst_stack *st, uint32_t ifindex, const char *net,
	       uint8_t len)
{
	struct nst_route rt = {
	    .dst = test_addr(net), .prefix_len = len, .ifindex = ifindex};

	cr_assert_eq(nst_route_add(st, &rt), NST_OK);
}

/* ---- endpoints ---- */

static void check_pattern(struct peer *p, const struct nst_iov *v)
{
	const uint8_t *b = v->p;

	for (size_t i = 0; i < v->len; i++)
		p->bad += b[i] != pattern(p->received + i);
	p->received += v->len;
}

/* Takes what is there, or as much as there is room for in its own send ring. */
static void take(struct peer *p)
{
	nst_time now = sandbox_now(p->sb);
	struct nst_iov in[2], out[2];
	size_t n, m, k;

	while (nst_tcp_rcv_data(p->tcp, in, &n)) {
		k = in[0].len;
		if (p->echo) {
			if (!nst_tcp_snd_space(p->tcp, out, &m))
				return;
			if (out[0].len < k)
				k = out[0].len;
			memcpy(out[0].p, in[0].p, k);
		}
		in[0].len = k;
		check_pattern(p, in);
		nst_tcp_rcv_consume(p->tcp, k, now);
		if (p->echo)
			nst_tcp_snd_commit(p->tcp, k, false, now);
	}
}

static void take_children(struct peer *p)
{
	struct nst_tcp *child;

	while (nst_tcp_accept(p->tcp, &child) == NST_OK) {
		p->child->tcp = child;
		nst_sock_set_user(nst_tcp_sock(child), &p->child->owner);
		take(p->child);
	}
}

static void peer_events(struct ep_owner *o, uint32_t events)
{
	struct peer *p = (struct peer *)o;

	p->seen |= events;
	if (!p->tcp)
		return;
	if (p->accepts)
		take_children(p);
	else if (events & (NST_EV_IN | NST_EV_OUT | NST_EV_FIN))
		take(p);
}

void peer_init(struct peer *p, struct sandbox *sb)
{
	memset(p, 0, sizeof(*p));
	p->owner.events = peer_events;
	p->sb = sb;
}

size_t peer_send(struct peer *p, uint64_t at, size_t max)
{
	struct nst_iov v[2];
	size_t n, done = 0;

	nst_tcp_snd_space(p->tcp, v, &n);
	for (size_t i = 0; i < n; i++) {
		uint8_t *b = v[i].p;

		for (size_t j = 0; j < v[i].len && done < max; j++)
			b[j] = pattern(at + done++);
	}
	nst_tcp_snd_commit(p->tcp, done, false, sandbox_now(p->sb));
	return done;
}

/* ---- pcapng ---- */

static uint32_t get32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, 4);
	return v;
}

static uint16_t get16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, 2);
	return v;
}

void cap_open(struct cap_file *f, const char *path)
{
	FILE *in = fopen(path, "rb");

	cr_assert_not_null(in);
	memset(f, 0, sizeof(*f));
	fseek(in, 0, SEEK_END);
	f->bytes = (size_t)ftell(in);
	rewind(in);
	f->mem = malloc(f->bytes + 1);
	cr_assert_eq(fread(f->mem, 1, f->bytes, in), f->bytes);
	fclose(in);
	cr_assert_geq(f->bytes, 28);
	cr_assert_eq(get32(f->mem), 0x0a0d0d0a);
	cr_assert_eq(get32(f->mem + 8), 0x1a2b3c4d);
}

/* The value of an option, NULL if it is not there. */
static const uint8_t *option(const uint8_t *p, const uint8_t *end,
			     uint16_t code, uint16_t *len)
{
	*len = 0;
	while (p + 4 <= end && get16(p)) {
		*len = get16(p + 2);
		if (get16(p) == code)
			return p + 4;
		p += 4 + ((*len + 3u) & ~3u);
	}
	return NULL;
}

static void on_interface(struct cap_file *f, const uint8_t *b,
			 const uint8_t *end)
{
	unsigned i = f->interfaces++;
	uint16_t len;
	const uint8_t *v = option(b + 16, end, 2, &len);

	cr_assert_lt(i, 4);
	f->linktype[i] = get16(b + 8);
	cr_assert_not_null(v);
	memcpy(f->name[i], v, len);
	v = option(b + 16, end, 9, &len);
	cr_assert_not_null(v);
	f->tsresol[i] = *v;
}

static void on_packet(const uint8_t *b, const uint8_t *end, struct cap_pkt *out)
{
	uint16_t len;
	const uint8_t *v;

	out->interface = get32(b + 8);
	out->when = (uint64_t)get32(b + 12) << 32 | get32(b + 16);
	out->caplen = get32(b + 20);
	out->origlen = get32(b + 24);
	out->data = b + 28;
	cr_assert(b + 28 + out->caplen <= end);
	v = option(b + 28 + ((out->caplen + 3u) & ~3u), end, 2, &len);
	cr_assert_not_null(v);
	out->flags = get32(v);
}

bool cap_next(struct cap_file *f, struct cap_pkt *out)
{
	while (f->at + 12 <= f->bytes) {
		const uint8_t *b = f->mem + f->at, *end;
		uint32_t n = get32(b + 4);
		uint16_t len = 0;

		cr_assert(n % 4 == 0 && n >= 12);
		if (f->at + n > f->bytes && f->torn_ok)
			return false;
		cr_assert_leq(f->at + n, f->bytes, "a torn block");
		cr_assert_eq(get32(b + n - 4), n);
		end = b + n - 4;
		f->at += n;
		if (get32(b) == 1) {
			on_interface(f, b, end);
		} else if (get32(b) == 6) {
			on_packet(b, end, out);
			return true;
		} else if (get32(b) == 5) {
			f->stats = true;
			memcpy(&f->dropped, option(b + 20, end, 5, &len), 8);
		}
	}
	cr_assert(f->torn_ok || f->at == f->bytes, "a torn block");
	return false;
}

void cap_close(struct cap_file *f)
{
	free(f->mem);
}
