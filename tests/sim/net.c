/* SPDX-License-Identifier: Apache-2.0 */
/* Hosts and the links between them. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_priv.h"

#define ICMP_DELAY NST_MS

void sim_fail(struct sim *s, const char *fmt, ...)
{
	va_list ap;

	if (s->why[0])
		return;
	va_start(ap, fmt);
	vsnprintf(s->why, sizeof(s->why), fmt, ap);
	va_end(ap);
}

static void check(struct sim_host *h)
{
	if (!nst_stack_check(h->st))
		sim_fail(h->sim, "an invariant of the stack is broken, host %u",
			 h->i);
}

void net_check(struct sim_host *h, enum sim_event what)
{
	uint32_t every = h->sim->conf.check_every;

	if (every && h->events % every == 0)
		check(h);
	h->events++;
	save_maybe(h, what);
}

/* ---- packets ---- */

static bool is_tcp(const struct nst_pkt *pkt)
{
	const uint8_t *ip = nst_pkt_data(pkt);

	return ip[ip[0] >> 4 == 4 ? 9 : 6] == 6;
}

/* The flow's side at this host; NULL: no packet of a flow. */
static struct sim_end *end_of(struct sim_host *h, const struct nst_pkt *pkt,
			      bool out)
{
	uint32_t l4 = h->sim->conf.family == 4 ? 20 : 40;
	/* The server's port names the flow. */
	const uint8_t *p = nst_pkt_data(pkt) + l4 + (out == !h->i ? 0 : 2);
	uint32_t port;

	if (pkt->len < l4 + 20 || !h->sim->flows || !is_tcp(pkt))
		return NULL;
	port = (uint32_t)p[0] << 8 | p[1];
	if (port < SIM_PORT || port >= SIM_PORT + h->sim->conf.nflows)
		return NULL;
	return &h->sim->flows[port - SIM_PORT]
		    .end[h->i ? SIM_CLIENT : SIM_SERVER];
}

static void note_in(struct sim_host *h, const struct nst_pkt *pkt)
{
	struct sim_end *e = end_of(h, pkt, false);

	if (e)
		e->heard_at = h->sim->now;
}

static void note_out(struct sim_host *h, const struct nst_pkt *pkt)
{
	struct sim_end *e = end_of(h, pkt, true);
	uint32_t l4 = h->sim->conf.family == 4 ? 20 : 40;
	uint32_t hdr;

	if (!e)
		return;
	hdr = (uint32_t)(nst_pkt_data(pkt)[l4 + 12] >> 4) * 4;
	if (nst_pkt_bytes(pkt) > l4 + hdr)
		e->data_at = h->sim->now;
}

static nst_time batch_of(const struct sim_host *h)
{
	return h->sim->conf.host[h->i ? SIM_CLIENT : SIM_SERVER].batch;
}

/* It waits for others, as behind an interrupt that is moderated. */
static void batch_add(struct sim_host *h, struct nst_pkt *pkt, nst_time every)
{
	pkt->next = NULL;
	*h->batch_tail = pkt;
	h->batch_tail = &pkt->next;
	if (h->batch_at == NST_NEVER)
		h->batch_at = (h->sim->now / every + 1) * every;
}

static void batch_run(struct sim_host *h)
{
	struct nst_pkt *pkt = h->batch, *next;

	h->batch = NULL;
	h->batch_tail = &h->batch;
	h->batch_at = NST_NEVER;
	nst_gro_begin(h->st);
	for (; pkt; pkt = next) {
		next = pkt->next;
		pkt->next = NULL;
		nst_nic_in(h->st, SIM_IF, pkt, h->sim->now);
	}
	nst_gro_end(h->st, h->sim->now);
	net_check(h, SIM_PACKET);
}

static void host_in(struct sim_host *h, struct nst_pkt *pkt)
{
	note_in(h, pkt);
	trace_packet(h, false, pkt);
	if (h->answers)
		pkt = ether_in(h, pkt);
	if (!pkt)
		return;
	if (batch_of(h)) {
		batch_add(h, pkt, batch_of(h));
		return;
	}
	nst_nic_in(h->st, SIM_IF, pkt, h->sim->now);
	net_check(h, SIM_PACKET);
}

/* The host whose address is there; damage may have made it anybody's. */
static struct sim_host *host_at(struct sim *s, const struct nst_pkt *pkt,
				uint32_t v4_off, uint32_t v6_off)
{
	uint32_t at = s->conf.family == 4 ? v4_off + 3 : v6_off + 15;
	uint32_t n = pkt->len > at ? nst_pkt_data(pkt)[at] : 0;

	return n >= 1 && n <= s->nhosts ? &s->host[n - 1] : NULL;
}

static void hop_in(struct sim_hop *hop, struct nst_pkt *pkt)
{
	netem_in(hop->nm, pkt, hop->sim->now);
}

static void hop_out(struct sim_hop *hop, struct nst_pkt *pkt)
{
	struct sim *s = hop->sim;
	struct sim_host *to = hop->to;

	if (hop->next) {
		hop_in(hop->next, pkt);
		return;
	}
	if (!to)
		to = host_at(s, pkt, 16, 24);
	if (!to || (!hop->to && !to->i)) {
		s->misrouted++;
		nst_pkt_free(pkt);
	} else if (!hop->to && s->down[to->i - 1].nm) {
		hop_in(&s->down[to->i - 1], pkt);
	} else {
		host_in(to, pkt);
	}
}

static void transmit(void *link, struct nst_pkt *pkt)
{
	struct sim_host *h = link;

	tape_packet(h, pkt);
	if (h->answers && !ether_out(h, pkt))
		return;
	trace_packet(h, true, pkt);
	note_out(h, pkt);
	hop_in(h->out, pkt);
}

const struct nst_link_ops net_ops = {transmit};

/* A router's answer; inside a stack's entry: it must wait outside. */
static void too_long(void *ctx, const struct nst_pkt *pkt, uint32_t mtu)
{
	struct sim_hop *hop = ctx;
	struct sim_host *from = host_at(hop->sim, pkt, 12, 8);
	struct nst_pkt *icmp = netem_too_big(pkt, 0, mtu);

	if (icmp && from)
		netem_in(from->noticed, icmp, hop->sim->now);
	else
		nst_pkt_free(icmp);
}

/* ---- set-up ---- */

void net_hop_told(struct sim_hop *hop)
{
	if (hop->sim->conf.icmp)
		netem_on_mtu(hop->nm, too_long, hop);
}

static bool hop_init(struct sim *s, struct sim_hop *hop,
		     const struct netem_conf *conf, uint64_t salt)
{
	struct netem_conf c = *conf;

	c.seed = c.seed * 1000 + s->conf.seed * 31 + salt;
	hop->sim = s;
	if (netem_new(&s->net.env, &c, 0, s->now, &hop->nm))
		return false;
	net_hop_told(hop);
	return true;
}

static bool access_init(struct sim *s, uint32_t i)
{
	struct netem_conf c = {.delay = s->conf.access[i], .keep_order = true};

	s->host[i + 1].out = &s->forward;
	if (!c.delay)
		return true;
	s->host[i + 1].out = &s->up[i];
	s->up[i].next = &s->forward;
	s->down[i].to = &s->host[i + 1];
	return hop_init(s, &s->up[i], &c, 100 + i) &&
	       hop_init(s, &s->down[i], &c, 200 + i);
}

static bool links_init(struct sim *s)
{
	s->forward.to = &s->host[0];
	s->host[0].out = &s->backward;
	if (!hop_init(s, &s->forward, &s->conf.forward, 1) ||
	    !hop_init(s, &s->backward, &s->conf.backward, 2))
		return false;
	for (uint32_t i = 0; i < s->conf.nclients; i++)
		if (!access_init(s, i))
			return false;
	return true;
}

static bool set(struct sim_host *h, const char *name, const char *value)
{
	if (!nst_sysctl_set(h->st, name, value))
		return true;
	sim_fail(h->sim, "%s = %s is refused", name, value);
	return false;
}

static bool host_options(struct sim_host *h)
{
	const struct sim_host_conf *c =
	    &h->sim->conf.host[h->i ? SIM_CLIENT : SIM_SERVER];
	char ecn[8];

	if (c->no_sack && !set(h, "tcp_sack", "0"))
		return false;
	if (c->no_ts && !set(h, "tcp_timestamps", "0"))
		return false;
	if (c->no_wscale && !set(h, "tcp_window_scaling", "0"))
		return false;
	snprintf(ecn, sizeof(ecn), "%d", c->ecn);
	if (c->ecn >= 0 && !set(h, "tcp_ecn", ecn))
		return false;
	for (uint32_t i = 0; i < c->nctl; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%d", c->ctl[i].value);
		if (!set(h, c->ctl[i].name, text))
			return false;
	}
	return !c->cc[0] || set(h, "tcp_congestion_control", c->cc);
}

struct nst_addr net_addr(const struct sim *s, uint32_t host, bool behind)
{
	char text[32];

	snprintf(text, sizeof(text),
		 s->conf.family == 4 ? "10.0.%u.%u" : "fd00::%x:%x",
		 behind ? SIM_BEHIND : 0, host + 1);
	return test_addr(text);
}

/* Its address, and the way to those behind the server. */
static bool host_addr(struct sim_host *h)
{
	bool v4 = h->sim->conf.family == 4;
	struct nst_ifaddr a = {.prefix_len = v4 ? 24 : 112, .ifindex = SIM_IF};
	struct nst_route r = {.prefix_len = v4 ? 24 : 112, .ifindex = SIM_IF};

	a.addr = net_addr(h->sim, h->i, false);
	r.dst = net_addr(h->sim, 0, true);
	r.dst.b[v4 ? 3 : 15] = 0;
	return !nst_addr_add(h->st, &a, h->sim->now) &&
	       (!h->i || !nst_route_add(h->st, &r));
}

static bool forwards(const struct sim *s)
{
	bool yes = false;

	for (uint32_t i = 0; i < s->conf.nflows; i++)
		yes |= s->conf.flows[i].fwd;
	for (uint32_t i = 0; i < s->conf.ntalks; i++)
		yes |= s->conf.talk[i].fwd;
	return yes;
}

/* The server's host stands for others. */
static void host_forward(struct sim_host *h)
{
	struct nst_forwarder fwd = open_forwarder;

	fwd.ctx = h;
	if (!h->i && forwards(h->sim))
		nst_set_forwarder(h->st, &fwd);
}

static bool host_init(struct sim *s, uint32_t i)
{
	struct sim_host *h = &s->host[i];
	struct netem_conf late = {.delay = ICMP_DELAY};
	struct nst_nic_config nic = {.name = "eth0",
				     .kind = NST_LINK_IP,
				     .mtu = s->conf.mtu,
				     .caps = s->conf.caps,
				     .ops = &net_ops,
				     .link = h};
	uint32_t ifindex;

	h->sim = s;
	h->i = i;
	testenv_init(&h->te, s->conf.seed * 64 + i);
	h->te.on_event = app_event;
	h->batch_tail = &h->batch;
	h->batch_at = NST_NEVER;
	if (s->conf.ether) {
		nic.kind = NST_LINK_ETHER;
		ether_mac(h, nic.mac);
	}
	if (!i && forwards(s))
		nic.caps |= NST_CAP_ANYCAST_IN | NST_CAP_SPOOF;
	return !netem_new(&s->net.env, &late, 0, s->now, &h->noticed) &&
	       ether_init(h) && !nst_stack_new(&h->te.env, s->now, &h->st) &&
	       !nst_nic_add(h->st, &nic, &ifindex) && host_addr(h) &&
	       host_options(h);
}

bool net_init(struct sim *s)
{
	testenv_init(&s->net, s->conf.seed);
	s->nhosts = s->conf.nclients + 1;
	for (uint32_t i = 0; i < s->nhosts; i++)
		if (!host_init(s, i))
			return false;
	host_forward(&s->host[0]);
	return links_init(s);
}

static void batch_free(struct sim_host *h)
{
	struct nst_pkt *pkt;

	while ((pkt = h->batch)) {
		h->batch = pkt->next;
		nst_pkt_free(pkt);
	}
}

void net_fini(struct sim *s)
{
	netem_free(s->forward.nm);
	netem_free(s->backward.nm);
	for (uint32_t i = 0; i < SIM_CLIENTS_MAX; i++) {
		netem_free(s->up[i].nm);
		netem_free(s->down[i].nm);
	}
	for (uint32_t i = 0; i < s->nhosts; i++) {
		netem_free(s->host[i].noticed);
		netem_free(s->host[i].answers);
		batch_free(&s->host[i]);
	}
	for (uint32_t i = 0; i < s->nhosts; i++)
		nst_stack_free(s->host[i].st);
}

/* ---- time ---- */

static nst_time min_time(nst_time a, nst_time b)
{
	return a < b ? a : b;
}

static nst_time hop_next(const struct sim_hop *hop)
{
	return hop->nm ? netem_next(hop->nm) : NST_NEVER;
}

nst_time net_next(const struct sim *s)
{
	nst_time t = min_time(hop_next(&s->forward), hop_next(&s->backward));

	for (uint32_t i = 0; i < s->nhosts; i++) {
		t = min_time(t, nst_next_deadline(s->host[i].st));
		t = min_time(t, netem_next(s->host[i].noticed));
		t = min_time(t, s->host[i].batch_at);
		t = min_time(t, s->host[i].query_at);
		if (s->host[i].answers)
			t = min_time(t, netem_next(s->host[i].answers));
	}
	for (uint32_t i = 0; i < s->conf.nclients; i++) {
		t = min_time(t, hop_next(&s->up[i]));
		t = min_time(t, hop_next(&s->down[i]));
	}
	if (s->next_change < s->conf.nchanges)
		t = min_time(t, SIM_START + s->conf.change[s->next_change].at);
	return t;
}

static void hop_run(struct sim_hop *hop)
{
	struct nst_pkt *pkt;

	if (!hop->nm)
		return;
	while ((pkt = netem_out(hop->nm, hop->sim->now)))
		hop_out(hop, pkt);
	if (hop->sim->conf.check_every == 1 && !netem_check(hop->nm))
		sim_fail(hop->sim, "an invariant of netem is broken");
}

static void host_run(struct sim_host *h)
{
	struct nst_pkt *pkt;

	while ((pkt = netem_out(h->noticed, h->sim->now)))
		host_in(h, pkt);
	ether_run(h);
	while (h->answers && (pkt = netem_out(h->answers, h->sim->now))) {
		nst_nic_in(h->st, SIM_IF, pkt, h->sim->now);
		net_check(h, SIM_PACKET);
	}
	if (h->batch_at <= h->sim->now)
		batch_run(h);
	if (nst_next_deadline(h->st) > h->sim->now)
		return;
	nst_run_timers(h->st, h->sim->now);
	net_check(h, SIM_TIMER);
}

void net_run(struct sim *s)
{
	for (uint32_t i = 0; i < s->conf.nclients; i++) {
		hop_run(&s->up[i]);
		hop_run(&s->down[i]);
	}
	hop_run(&s->forward);
	hop_run(&s->backward);
	for (uint32_t i = 0; i < s->nhosts; i++)
		host_run(&s->host[i]);
}

void net_apply_changes(struct sim *s)
{
	while (s->next_change < s->conf.nchanges) {
		const struct sim_change *c = &s->conf.change[s->next_change];
		struct netem_conf conf = c->conf;
		struct netem *nm = c->backward ? s->backward.nm : s->forward.nm;

		if (SIM_START + c->at > s->now)
			return;
		s->next_change++;
		if (netem_set(nm, &conf))
			sim_fail(s, "settings are refused");
	}
}
