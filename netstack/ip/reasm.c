/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/ip/reasm_priv.h"
#include "netstack/ip/icmp.h"
#include "netstack/ip/nic.h"

static uint32_t key_more(const struct nst_addr *src, uint32_t id, uint8_t proto)
{
	uint32_t w = id ^ ((uint32_t)proto << 16);

	for (size_t i = 0; i < addr_bytes(src); i += 4)
		w = (w * 0x9e3779b1u) ^ wire_get32(src->b + i);
	return w;
}

static struct reasm **bucket_of(struct ip_layer *ip, const struct nst_addr *src,
				const struct nst_addr *dst, uint32_t id,
				uint8_t proto)
{
	/* Colliding on purpose costs no more than LIMIT_REASM_DATAGRAMS. */
	uint64_t h = ip_hash(ip, dst, key_more(src, id, proto));

	return &ip->reasm[h % REASM_BUCKETS];
}

/* RFC 8200 4.5: the next header is not part of the key. */
static uint8_t key_proto(const struct nst_addr *dst, uint8_t proto)
{
	return dst->family == 6 ? 0 : proto;
}

static void charge(struct reasm *r, size_t bytes)
{
	r->bytes += (uint32_t)bytes;
	r->ip->reasm_bytes += bytes;
}

static void reasm_free(struct reasm *r)
{
	struct ip_layer *ip = r->ip;
	const struct nst_env *env = ip->st->env;
	struct reasm **at = bucket_of(ip, &r->src, &r->dst, r->id,
				      key_proto(&r->dst, r->proto));

	while (*at != r)
		at = &(*at)->next;
	*at = r->next;
	wheel_stop(ip->st->wheel, &r->timer);
	while (r->pieces) {
		struct piece *p = r->pieces;

		r->pieces = p->next;
		nst_release(env, p, sizeof(*p) + p->end - p->off);
	}
	nst_release(env, r->hdr, r->hdr_bytes);
	ip->reasm_bytes -= r->bytes;
	ip->nreasm--;
	nst_release(env, r, sizeof(*r));
}

/* RFC 792, RFC 8200 4.5: only when the fragment at offset 0 is here. */
static void report_timeout(struct reasm *r)
{
	bool v6 = r->dst.family == 6;
	struct icmp_what what = {v6 ? ICMP6_TIME_EXCEEDED : ICMP4_TIME_EXCEEDED,
				 1, 0};
	struct ip_rx rx = {.in = r->in, .loop = r->loop};
	const struct piece *p = r->pieces;
	struct nst_pkt *pkt;
	uint32_t n;

	if (!r->hdr || !p || p->off != 0)
		return;
	n = p->end < 1280 ? p->end : 1280;
	pkt = nst_pkt_new(r->ip->st->env, 0, r->hdr_bytes + n);
	if (!pkt) {
		r->ip->st->count.PktNoMemory++;
		return;
	}
	memcpy(nst_pkt_put(pkt, r->hdr_bytes), r->hdr, r->hdr_bytes);
	memcpy(nst_pkt_put(pkt, n), p->data, n);
	rx.nic = nic_find(r->ip, r->ifindex);
	icmp_error_about(r->ip, &what, &rx, pkt, 0);
	nst_pkt_free(pkt);
}

static void reasm_timer(struct wheel_timer *t, nst_time now)
{
	struct reasm *r = container_of(t, struct reasm, timer);

	(void)now;
	r->ip->st->count.IpReasmTimeout++;
	r->ip->st->count.IpReasmFails++;
	report_timeout(r);
	reasm_free(r);
}

static nst_time deadline(const struct reasm *r)
{
	return r->since + (r->dst.family == 6 ? REASM_TIMEOUT6 : REASM_TIMEOUT);
}

void reasm_arm(struct reasm *r)
{
	wheel_arm(r->ip->st->wheel, &r->timer, deadline(r));
}

static void link_in(struct ip_layer *ip, struct reasm *r, struct reasm **at)
{
	r->ip = ip;
	r->timer.fn = reasm_timer;
	r->timer.turn = (uint32_t)ip_hash(
	    ip, &r->dst,
	    key_more(&r->src, r->id, key_proto(&r->dst, r->proto)));
	r->next = *at;
	*at = r;
	ip->nreasm++;
	charge(r, sizeof(*r));
}

static struct reasm *reasm_new(struct ip_layer *ip, const struct ip_rx *rx,
			       const struct reasm_in *f, struct reasm **at)
{
	struct nst_stack *st = ip->st;
	struct reasm *r;

	if (ip->nreasm >= LIMIT_REASM_DATAGRAMS ||
	    ip->reasm_bytes >= LIMIT_REASM_BYTES) {
		st->count.IpReasmLimit++;
		return NULL;
	}
	r = nst_alloc(st->env, sizeof(*r));
	if (!r) {
		st->count.PktNoMemory++;
		return NULL;
	}
	r->src = rx->in.src;
	r->dst = rx->in.dst;
	r->id = f->id;
	r->proto = f->proto;
	r->ifindex = rx->in.ifindex;
	r->loop = rx->loop;
	r->since = st->now;
	link_in(ip, r, at);
	reasm_arm(r);
	return r;
}

static struct reasm *find_in(struct reasm *r, const struct nst_addr *src,
			     const struct nst_addr *dst, uint32_t id,
			     uint8_t proto)
{
	while (r && (r->id != id || key_proto(&r->dst, r->proto) != proto ||
		     !addr_eq(&r->src, src) || !addr_eq(&r->dst, dst)))
		r = r->next;
	return r;
}

static struct reasm *reasm_get(struct ip_layer *ip, const struct ip_rx *rx,
			       const struct reasm_in *f)
{
	uint8_t proto = key_proto(&rx->in.dst, f->proto);
	struct reasm **at =
	    bucket_of(ip, &rx->in.src, &rx->in.dst, f->id, proto);
	struct reasm *r = find_in(*at, &rx->in.src, &rx->in.dst, f->id, proto);

	return r ? r : reasm_new(ip, rx, f, at);
}

enum fit { FIT_OK, FIT_REPEAT, FIT_OVERLAP, FIT_WRONG };

/* Where does [off, end) belong? *after: the link to insert at. */
static enum fit fit(struct reasm *r, uint32_t off, uint32_t end, bool more,
		    struct piece ***after)
{
	struct piece **at = &r->pieces;

	if (end <= off || (r->total && end > r->total))
		return FIT_WRONG;
	if (!more && r->total && end != r->total)
		return FIT_WRONG;
	while (*at && (*at)->end <= off)
		at = &(*at)->next;
	*after = at;
	if (!*at)
		return FIT_OK;
	if (off >= (*at)->off && end <= (*at)->end)
		return FIT_REPEAT;
	if (end > (*at)->off)
		return FIT_OVERLAP;
	/* Something lies behind: then this cannot be the last one. */
	return more ? FIT_OK : FIT_WRONG;
}

static bool add_piece(struct reasm *r, const struct reasm_in *f,
		      const struct nst_pkt *pkt, uint32_t bytes,
		      struct piece **at)
{
	struct nst_stack *st = r->ip->st;
	struct piece *p;

	if (r->npieces >= LIMIT_REASM_FRAGS ||
	    r->ip->reasm_bytes + sizeof(*p) + bytes > LIMIT_REASM_BYTES) {
		st->count.IpReasmLimit++;
		return false;
	}
	p = nst_alloc(st->env, sizeof(*p) + bytes);
	if (!p) {
		st->count.PktNoMemory++;
		return false;
	}
	p->off = f->off;
	p->end = f->off + bytes;
	nst_pkt_copy(pkt, f->hdr_bytes + f->skip_bytes, p->data, bytes);
	p->next = *at;
	*at = p;
	r->npieces++;
	r->have += bytes;
	if (!f->more)
		r->total = p->end;
	charge(r, sizeof(*p) + bytes);
	return true;
}

/* Keeps the headers of the fragment at offset 0. */
static bool keep_header(struct reasm *r, const struct ip_rx *rx,
			const struct reasm_in *f, const struct nst_pkt *pkt)
{
	struct nst_stack *st = r->ip->st;

	if (f->off != 0 || r->hdr)
		return true;
	r->hdr = nst_alloc(st->env, f->hdr_bytes);
	if (!r->hdr) {
		st->count.PktNoMemory++;
		return false;
	}
	nst_pkt_copy(pkt, 0, r->hdr, f->hdr_bytes);
	r->hdr_bytes = f->hdr_bytes;
	r->next_ptr = f->next_ptr;
	r->proto = f->proto;
	r->in = rx->in;
	r->in.hdr_bytes = (uint16_t)f->hdr_bytes;
	charge(r, f->hdr_bytes);
	return true;
}

/* RFC 3168 5.3: the ECN field of the whole, or -1 when the parts contradict
 * each other. */
static int merge_ecn(uint8_t seen)
{
	bool not_ect = seen & 1;

	if (not_ect)
		return seen == 1 ? 0 : -1;
	if (seen & 8)
		return 3;
	return seen & 4 ? 2 : 1;
}

static void fix_header(const struct reasm *r, uint8_t *p, int ecn)
{
	if (r->dst.family == 4) {
		wire_put16(p + 2, r->hdr_bytes + r->total);
		wire_put16(p + 6, 0);
		p[1] = (uint8_t)((p[1] & 0xfc) | ecn);
		ip4_fix_csum(p, r->hdr_bytes);
		return;
	}
	wire_put16(p + 4, r->hdr_bytes - IP6_HDR_BYTES + r->total);
	p[r->next_ptr] = r->proto;
	p[1] = (uint8_t)((p[1] & 0xcf) | (ecn << 4));
}

static struct nst_pkt *join(const struct reasm *r, int ecn)
{
	struct nst_pkt *pkt = nst_pkt_new(r->ip->st->env, NST_PKT_HEADROOM,
					  r->hdr_bytes + r->total);
	uint8_t *p = pkt ? nst_pkt_put(pkt, r->hdr_bytes + r->total) : NULL;

	if (!p) {
		nst_pkt_free(pkt);
		r->ip->st->count.PktNoMemory++;
		return NULL;
	}
	memcpy(p, r->hdr, r->hdr_bytes);
	for (const struct piece *s = r->pieces; s; s = s->next)
		memcpy(p + r->hdr_bytes + s->off, s->data, s->end - s->off);
	fix_header(r, p, ecn);
	pkt->ifindex = r->ifindex;
	pkt->when = r->ip->st->now;
	return pkt;
}

/* All is here: the whole packet, or NULL when it must be dropped. Frees r. */
static struct nst_pkt *complete(struct reasm *r, struct ip_rx *rx)
{
	struct nst_counters *c = &r->ip->st->count;
	int ecn = merge_ecn(r->ecn_seen);
	struct nst_pkt *pkt = NULL;

	if (ecn >= 0 &&
	    r->hdr_bytes + r->total <=
		IP_MAX_BYTES + (r->dst.family == 6 ? IP6_HDR_BYTES : 0))
		pkt = join(r, ecn);
	rx->in = r->in;
	rx->next_ptr = (uint16_t)r->next_ptr;
	rx->in.tos = (uint8_t)((r->in.tos & 0xfc) | (ecn & 3));
	rx->fragged = true;
	if (pkt)
		c->IpReasmOKs++;
	else
		c->IpReasmFails++;
	reasm_free(r);
	return pkt;
}

/* Adds to r; false: r must go (counted). */
static bool reasm_insert(struct reasm *r, const struct ip_rx *rx,
			 const struct reasm_in *f, const struct nst_pkt *pkt)
{
	struct nst_counters *c = &r->ip->st->count;
	uint32_t bytes = nst_pkt_bytes(pkt) - f->hdr_bytes - f->skip_bytes;
	struct piece **at = NULL;

	/* RFC 791: all but the last are multiples of 8. LINUX: cut down. */
	if (f->more)
		bytes &= ~7u;
	switch (fit(r, f->off, f->off + bytes, f->more, &at)) {
	case FIT_REPEAT:
		return true;
	case FIT_OVERLAP:
		c->IpReasmOverlaps++;
		return false;
	case FIT_WRONG:
		return false;
	case FIT_OK:
		break;
	}
	if (!keep_header(r, rx, f, pkt) || !add_piece(r, f, pkt, bytes, at))
		return false;
	r->ecn_seen |= (uint8_t)(1u << (rx->in.tos & 3));
	return true;
}

struct nst_pkt *reasm_add(struct ip_layer *ip, struct ip_rx *rx,
			  const struct reasm_in *f, struct nst_pkt *pkt)
{
	struct nst_counters *c = &ip->st->count;
	struct reasm *r;
	bool ok;

	c->IpReasmReqds++;
	if (f->off + nst_pkt_bytes(pkt) - f->skip_bytes >
	    IP_MAX_BYTES + (rx->in.dst.family == 6 ? IP6_HDR_BYTES : 0)) {
		nic_rx_drop(rx->nic, pkt, &c->IpReasmFails);
		return NULL;
	}
	r = reasm_get(ip, rx, f);
	if (!r) {
		nic_rx_drop(rx->nic, pkt, &c->IpReasmFails);
		return NULL;
	}
	ok = reasm_insert(r, rx, f, pkt);
	nst_pkt_free(pkt);
	if (!ok) {
		c->IpReasmFails++;
		reasm_free(r);
		return NULL;
	}
	if (r->total && r->have == r->total)
		return complete(r, rx);
	return NULL;
}

void reasm_fini(struct ip_layer *ip)
{
	for (size_t b = 0; b < REASM_BUCKETS; b++) {
		while (ip->reasm[b])
			reasm_free(ip->reasm[b]);
	}
}

static bool pieces_check(const struct reasm *r)
{
	uint32_t at = 0, n = 0, have = 0;

	for (const struct piece *p = r->pieces; p; p = p->next) {
		if (p->off < at || p->end <= p->off)
			return false;
		at = p->end;
		have += p->end - p->off;
		n++;
	}
	return n == r->npieces && have == r->have && n <= LIMIT_REASM_FRAGS &&
	       (!r->total || at <= r->total) && wheel_armed(&r->timer);
}

bool reasm_check(const struct ip_layer *ip)
{
	size_t n = 0, bytes = 0;

	for (size_t b = 0; b < REASM_BUCKETS; b++) {
		for (const struct reasm *r = ip->reasm[b]; r; r = r->next) {
			if (!pieces_check(r))
				return false;
			n++;
			bytes += r->bytes;
		}
	}
	return n == ip->nreasm && bytes == ip->reasm_bytes;
}

struct reasm *reasm_restore(struct ip_layer *ip, const struct reasm *saved,
			    enum nst_err *err)
{
	uint8_t proto = key_proto(&saved->dst, saved->proto);
	struct reasm **at =
	    bucket_of(ip, &saved->src, &saved->dst, saved->id, proto);
	struct reasm *r = NULL;

	*err = NST_E_INVAL;
	if (ip->nreasm >= LIMIT_REASM_DATAGRAMS ||
	    find_in(*at, &saved->src, &saved->dst, saved->id, proto))
		return NULL;
	*err = NST_E_NOMEM;
	r = nst_alloc(ip->st->env, sizeof(*r));
	if (!r)
		return NULL;
	*r = *saved;
	while (*at)
		at = &(*at)->next;
	link_in(ip, r, at);
	*err = NST_OK;
	return r;
}

bool reasm_restore_hdr(struct reasm *r, const void *p, uint32_t bytes)
{
	r->hdr = nst_alloc(r->ip->st->env, bytes);
	if (!r->hdr)
		return false;
	memcpy(r->hdr, p, bytes);
	r->hdr_bytes = bytes;
	r->in.hdr_bytes = (uint16_t)bytes;
	charge(r, bytes);
	return true;
}

bool reasm_restore_piece(struct reasm *r, uint32_t off, const void *p,
			 uint32_t bytes)
{
	struct piece **at = &r->pieces, *n;

	n = nst_alloc(r->ip->st->env, sizeof(*n) + bytes);
	if (!n)
		return false;
	n->off = off;
	n->end = off + bytes;
	memcpy(n->data, p, bytes);
	while (*at)
		at = &(*at)->next;
	*at = n;
	r->npieces++;
	r->have += bytes;
	charge(r, sizeof(*n) + bytes);
	return true;
}

/* What the header says is not looked at again, only where things are in it. */
static bool hdr_ok(const struct reasm *r)
{
	uint32_t n = r->hdr_bytes;

	if (!r->hdr)
		return true;
	if (r->in.src.family != r->dst.family ||
	    r->in.dst.family != r->dst.family ||
	    !nic_find(r->ip, r->in.ifindex))
		return false;
	if (r->dst.family == 4)
		return n >= IP4_HDR_BYTES && r->hdr[0] >> 4 == 4 &&
		       (r->hdr[0] & 15u) * 4 == n;
	return n >= IP6_HDR_BYTES && r->hdr[0] >> 4 == 6 && r->next_ptr < n;
}

bool reasm_facts_ok(const struct reasm *r)
{
	bool first = r->pieces && r->pieces->off == 0;
	uint32_t at = 0;

	for (const struct piece *p = r->pieces; p; p = p->next) {
		if (p->off < at || p->end <= p->off)
			return false;
		at = p->end;
	}
	return r->pieces && at <= IP_MAX_BYTES && r->total <= IP_MAX_BYTES &&
	       (!r->total || (at <= r->total && r->have < r->total)) &&
	       r->npieces <= LIMIT_REASM_FRAGS &&
	       r->ip->reasm_bytes <= LIMIT_REASM_BYTES &&
	       first == (r->hdr != NULL) && hdr_ok(r) && r->ecn_seen < 16 &&
	       saved_time_ok(r->ip, r->since);
}
