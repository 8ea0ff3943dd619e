/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Is the packet that left the one the script wants?  `actual` already has
 * the script's numbers.  Every field is looked at, in the order of the
 * headers; what a script leaves open (window, <...>) is not.
 */
#include "tests/pkt/run.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

struct field {
	const char *name;
	uint32_t want, got;
};

static const char *compare(struct run *r, const struct field *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (f[i].want != f[i].got)
			return arena_printf(
			    r->arena,
			    "live packet field %s: expected: %u (0x%x) vs "
			    "actual: %u (0x%x)",
			    f[i].name, f[i].want, f[i].want, f[i].got,
			    f[i].got);
	return NULL;
}

#define COMPARE(r, ...)                                                        \
	compare(r, (const struct field[]){__VA_ARGS__},                        \
		sizeof((const struct field[]){__VA_ARGS__}) /                  \
		    sizeof(struct field))

static const char *check_tos(struct run *r, const struct packet *s,
			     const struct packet *a)
{
	unsigned ecn = wire_tos(a) & 3U;

	switch (s->tos_check) {
	case TOS_ANY:
		return NULL;
	case TOS_ECT01:
		if (ecn == 1 || ecn == 2)
			return NULL;
		return arena_printf(r->arena,
				    "live packet field ip_ecn: expected: 0x1 "
				    "or 0x2 vs actual: 0x%x",
				    ecn);
	case TOS_ECN:
		return COMPARE(r, {"ip_ecn", wire_tos(s), ecn});
	default:
		return COMPARE(r, {"tos", wire_tos(s), wire_tos(a)});
	}
}

/* `strict` is off between the fragments of one large packet. */
static const char *check_ip(struct run *r, const struct packet *s,
			    const struct packet *a, bool strict)
{
	size_t slack = s->any_options ? a->payload - a->l4 - TCP_HEADER : 0;
	const char *err =
	    COMPARE(r, {"ip_version", (uint32_t)s->af, (uint32_t)a->af},
		    {"ip_protocol", s->proto, a->proto},
		    {"ip_header_length", (uint32_t)s->l4, (uint32_t)a->l4},
		    {"ip_total_length", strict ? (uint32_t)(s->len + slack) : 0,
		     strict ? (uint32_t)a->len : 0});

	if (err == NULL)
		err = check_tos(r, s, a);
	if (err == NULL && s->check_ttl)
		err = COMPARE(r, {"ttl", wire_ttl(s), wire_ttl(a)});
	return err;
}

static const char *check_ecn_flags(struct run *r, const struct packet *s,
				   unsigned sf, unsigned af, bool strict)
{
	const unsigned ace = TCP_ECE | TCP_CWR | TCP_AE;

	if (s->ace)
		return COMPARE(r,
			       {"tcp_ace", (sf & ace) >> 6, (af & ace) >> 6});
	return COMPARE(
	    r, {"tcp_ece", sf & TCP_ECE, af & TCP_ECE},
	    {"tcp_cwr", strict ? sf & TCP_CWR : 0, strict ? af & TCP_CWR : 0},
	    {"tcp_ae", sf & TCP_AE, af & TCP_AE});
}

static const char *check_tcp(struct run *r, const struct packet *s,
			     const struct packet *a, bool strict)
{
	unsigned sf = tcp_flags(s), af = tcp_flags(a);
	unsigned loose = strict ? 0 : TCP_FIN | TCP_PSH;
	uint32_t seq =
	    tcp_seq(s) + (strict ? 0 : (uint32_t)wire_payload_len(s));
	size_t slack = s->any_options ? a->payload - a->l4 - TCP_HEADER : 0;
	const char *err = COMPARE(
	    r,
	    {"tcp_data_offset", (uint32_t)(s->payload - s->l4 + slack) / 4,
	     (uint32_t)(a->payload - a->l4) / 4},
	    {"tcp_fin", sf & TCP_FIN & ~loose, af & TCP_FIN & ~loose},
	    {"tcp_syn", sf & TCP_SYN, af & TCP_SYN},
	    {"tcp_rst", sf & TCP_RST, af & TCP_RST},
	    {"tcp_psh", sf & TCP_PSH & ~loose, af & TCP_PSH & ~loose},
	    {"tcp_ack", sf & TCP_ACK, af & TCP_ACK},
	    {"tcp_urg", sf & TCP_URG, af & TCP_URG});

	if (err == NULL)
		err = check_ecn_flags(r, s, sf, af, strict);
	if (err != NULL)
		return err;
	return COMPARE(
	    r, {"tcp_reserved_bits", sf & TCP_RESERVED, af & TCP_RESERVED},
	    {"tcp_seq", seq, tcp_seq(a)},
	    {"tcp_ack_seq", tcp_ack_seq(s), tcp_ack_seq(a)},
	    {"tcp_window", s->any_window ? 0 : tcp_window(s),
	     s->any_window ? 0 : tcp_window(a)},
	    {"tcp_urg_ptr", tcp_urg(s), tcp_urg(a)});
}

/* RFC 6437: a script's labels are the stack's under other names. */
static const char *check_label(struct run *r, struct sock *k,
			       const struct packet *s, const struct packet *a)
{
	uint32_t live = wire_flow_label(a);

	if (s->flow_label == 0)
		return NULL;
	if (live == 0)
		return "flowlabel unmarked in the live packet";
	if (k->have_label && s->flow_label == k->label_script) {
		if (live == k->label_live)
			return NULL;
		return arena_printf(r->arena,
				    "inconsistent flowlabels for this packet: "
				    "expected: 0x%x vs actual: 0x%x",
				    k->label_live, live);
	}
	if (k->have_label && live == k->label_live)
		return "expected a different flowlabel but got the same";
	k->have_label = true;
	k->label_script = s->flow_label;
	k->label_live = live;
	return NULL;
}

static const char *check_timestamp(struct run *r, const uint8_t *so,
				   const uint8_t *ao)
{
	int32_t off = (int32_t)(get32(ao + 2) - get32(so + 2));

	if (r->conf->ts_tick_usecs == 0 ||
	    llabs((long long)off * r->conf->ts_tick_usecs) <=
		r->conf->tolerance_usecs)
		return NULL;
	return arena_printf(r->arena,
			    "bad outbound TCP timestamp value, tolerance %ld",
			    r->conf->tolerance_usecs);
}

static const char *check_option(struct run *r, const struct packet *s,
				const uint8_t *so, size_t sl, const uint8_t *ao,
				size_t al)
{
	if (so[0] != ao[0])
		return "bad outbound TCP options";
	if (sl != al)
		return arena_printf(
		    r->arena, "bad length of outbound TCP option %u", so[0]);
	if (so[0] == OPT_TS && sl == 10)
		return check_timestamp(r, so, ao);
	if (so[0] == OPT_WSCALE && s->any_wscale)
		return NULL;
	if (memcmp(so, ao, sl) != 0)
		return arena_printf(
		    r->arena, "bad value of outbound TCP option %u", so[0]);
	return NULL;
}

static const char *check_options(struct run *r, const struct packet *s,
				 const struct packet *a)
{
	size_t st, at, si = 0, ai = 0, sl, al;
	uint8_t *so = tcp_options(s, &st), *ao = tcp_options(a, &at), *x, *y;
	bool broken = false;
	const char *err;

	if (s->any_options)
		return NULL;
	for (;;) {
		x = tcp_option_next(so, st, &si, &sl, &broken);
		y = tcp_option_next(ao, at, &ai, &al, &broken);
		if (broken || (x == NULL) != (y == NULL))
			return "bad outbound TCP options";
		if (x == NULL)
			return NULL;
		err = check_option(r, s, x, sl, y, al);
		if (err != NULL)
			return err;
	}
}

static const char *check_icmp(struct run *r, const struct packet *s,
			      const struct packet *a)
{
	return COMPARE(r, {"icmp_type", s->data[s->l4], a->data[a->l4]},
		       {"icmp_code", s->data[s->l4 + 1], a->data[a->l4 + 1]});
}

const char *check_packet(struct run *r, struct sock *k, const struct packet *s,
			 const struct packet *a)
{
	const char *err = NULL;
	size_t n = wire_payload_len(s);

	if (s->proto != a->proto || s->af != a->af)
		return arena_printf(r->arena,
				    "live packet protocol: expected: %u vs "
				    "actual: %u",
				    s->proto, a->proto);
	/* What an ICMP message quotes is not the script's to say. */
	if (s->proto == IPPROTO_ICMP || s->proto == IPPROTO_ICMPV6) {
		err = check_tos(r, s, a);
		return err != NULL ? err : check_icmp(r, s, a);
	}
	err = check_ip(r, s, a, true);
	if (err == NULL && s->proto == IPPROTO_TCP)
		err = check_tcp(r, s, a, true);
	if (err == NULL)
		err = check_label(r, k, s, a);
	if (err == NULL && s->proto == IPPROTO_TCP)
		err = check_options(r, s, a);
	if (err == NULL && wire_payload_len(a) != n)
		err = "bad length of outbound data";
	if (err == NULL &&
	    memcmp(s->data + s->payload, a->data + a->payload, n) != 0)
		err = "incorrect outbound data payload";
	return err;
}

const char *check_fragment(struct run *r, const struct packet *next,
			   const struct packet *prev, size_t got, size_t want)
{
	size_t n = wire_payload_len(next), p = wire_payload_len(prev);
	const char *err = NULL;

	if (p == 0)
		return "unexpected packet without data";
	if (next->proto != prev->proto || next->proto != IPPROTO_TCP)
		return "live packet of another protocol between segments";
	err = check_ip(r, prev, next, false);
	if (err == NULL)
		err = check_tcp(r, prev, next, false);
	if (err == NULL && n < want - got && n != p)
		err = arena_printf(r->arena,
				   "fragment payload: expected %zu bytes vs "
				   "actual %zu bytes; total payload: expected "
				   "%zu bytes vs actual %zu bytes",
				   p, n, want, n + got);
	return err;
}
