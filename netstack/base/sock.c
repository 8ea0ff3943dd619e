/* SPDX-License-Identifier: Apache-2.0 */
#include "netstack/nst_sock.h"

#include "netstack/base/addr.h"
#include "netstack/base/stack_priv.h"
#include "netstack/ip/ip.h"
#include "netstack/nst_tcp.h"

/* Where nst_sock_at() was, so that a walk over all sockets is linear. */
struct sock_cursor {
	struct nst_sock *at; /* NULL: start anew */
	size_t i;
};

enum nst_err sock_cursor_new(struct nst_stack *st)
{
	st->cursor = nst_alloc(st->env, sizeof(*st->cursor));
	return st->cursor ? NST_OK : NST_E_NOMEM;
}

void sock_cursor_free(struct nst_stack *st)
{
	nst_release(st->env, st->cursor, sizeof(*st->cursor));
	st->cursor = NULL;
}

static struct sock_opts defaults(uint8_t kind, uint8_t family)
{
	bool tcp = kind == SOCK_K_TCP;

	return (struct sock_opts){
	    .mc_loop = true,
	    .mc_loop6 = true,
	    .mc_all = family == 4, /* LINUX: inet6_create() leaves it off */
	    .mc_all6 = true,
	    .mc_ttl = 1,
	    .hops6 = -1,
	    .mc_hops6 = 1,
	    .mtu_disc = 1, /* IP_PMTUDISC_WANT, net.ipv4.ip_no_pmtu_disc=0 */
	    .mtu_disc6 = 1,
	    .linger_s = -1,
	    .raw_csum_off = -1,
	    .rcvlowat = 1,
	    .sndbuf = tcp ? TCP_SNDBUF_DEFAULT : DGRAM_SNDBUF_DEFAULT,
	    .rcvbuf = tcp ? TCP_RCVBUF_DEFAULT : DGRAM_RCVBUF_DEFAULT,
	    .max_pacing_rate = UINT64_MAX,
	    .incoming_cpu = UINT32_MAX, /* -1 */
	};
}

void sock_init(struct nst_sock *s, struct nst_stack *st, uint8_t kind,
	       uint8_t family, uint8_t proto, void *user)
{
	struct nst_sock **head = kind == SOCK_K_TCP ? &st->tcps : &st->dgrams;

	*s = (struct nst_sock){
	    .st = st,
	    .id = ++st->last_id,
	    .user = user,
	    .kind = kind,
	    .family = family,
	    .proto = proto,
	    .opt = defaults(kind, family),
	};
	s->conn.kind = DEMUX_SOCK;
	s->next = *head;
	s->pprev = head;
	if (s->next)
		s->next->pprev = &s->next;
	*head = s;
	st->nsocks++;
	st->cursor->at = NULL;
}

void sock_fini(struct nst_sock *s)
{
	struct nst_stack *st = s->st;

	demux_remove(st->demux, &s->conn);
	ports_release(st->ports, s);
	if (!s->pprev)
		return;
	*s->pprev = s->next;
	if (s->next)
		s->next->pprev = s->pprev;
	s->pprev = NULL;
	st->nsocks--;
	st->cursor->at = NULL;
}

void sock_event(struct nst_sock *s, uint32_t events)
{
	const struct nst_env *env = s->st->env;

	if (s->user)
		env->event(env->ctx, s->user, events);
}

bool sock_takes_family(const struct nst_sock *s, uint8_t family)
{
	uint8_t local = s->local.addr.family;

	if (s->family == 4)
		return family == 4;
	if (local == 4 || (local == 6 && !addr_is_any(&s->local.addr)))
		return family == local;
	return family == 6 || !s->opt.v6only;
}

bool sock_is_listening(const struct nst_sock *s)
{
	union {
		const struct nst_sock *in;
		struct nst_sock *out;
	} u = {.in = s};

	return s->kind == SOCK_K_TCP &&
	       nst_tcp_state(nst_sock_tcp(u.out)) == NST_TCP_LISTEN;
}

static bool any_spoof_nic(const struct nst_stack *st)
{
	struct nst_nic_info info;
	uint32_t i = 0;

	while ((i = nst_nic_next(st, i)))
		if (!nst_nic_get(st, i, &info) && (info.caps & NST_CAP_SPOOF))
			return true;
	return false;
}

bool sock_may_spoof(const struct nst_sock *s)
{
	return s->opt.transparent || any_spoof_nic(s->st);
}

/* ---- options ---- */

static enum nst_err kind_set(struct nst_sock *s, enum nst_opt opt, int64_t v,
			     nst_time now)
{
	if (s->kind == SOCK_K_TCP)
		return tcp_opt_set(s, opt, v, now);
	return dgram_opt_set(s, opt, v, now);
}

enum nst_err nst_sock_set(struct nst_sock *s, enum nst_opt opt, int64_t value,
			  nst_time now)
{
	struct nst_stack *st = s->st;
	enum nst_err common, own;

	stack_enter(st, now);
	common = own = sock_opt_set(s, opt, value);
	if (common == NST_OK || common == NST_E_NOPROTOOPT)
		own = kind_set(s, opt, value, now);
	stack_leave(st);
	if (common == NST_OK && own == NST_E_NOPROTOOPT)
		return NST_OK;
	return own;
}

enum nst_err nst_sock_get(const struct nst_sock *s, enum nst_opt opt,
			  int64_t *value)
{
	enum nst_err e = s->kind == SOCK_K_TCP ? tcp_opt_get(s, opt, value)
					       : dgram_opt_get(s, opt, value);

	return e == NST_E_NOPROTOOPT ? sock_opt_get(s, opt, value) : e;
}

/* ---- names ---- */

void nst_sock_local(const struct nst_sock *s, struct nst_sockaddr *out)
{
	*out = s->local;
	/* LINUX: the port of a raw socket is its protocol */
	if (s->kind == SOCK_K_RAW)
		out->port = s->proto;
}

enum nst_err nst_sock_remote(const struct nst_sock *s, struct nst_sockaddr *out)
{
	*out = s->remote;
	return s->remote.addr.family ? NST_OK : NST_E_NOTCONN;
}

enum nst_err nst_sock_error(struct nst_sock *s, bool consume)
{
	enum nst_err e = s->error;

	if (consume)
		s->error = NST_OK;
	return e;
}

uint8_t nst_sock_family(const struct nst_sock *s)
{
	return s->family;
}

void *nst_sock_user(const struct nst_sock *s)
{
	return s->user;
}

void nst_sock_set_user(struct nst_sock *s, void *user)
{
	s->user = user;
}

struct nst_sock *nst_sock_at(const struct nst_stack *st, size_t i)
{
	struct sock_cursor *c = st->cursor;

	if (!c->at || i < c->i)
		*c = (struct sock_cursor){st->tcps ? st->tcps : st->dgrams, 0};
	while (c->at && c->i < i) {
		if (!c->at->next && c->at->kind == SOCK_K_TCP)
			c->at = st->dgrams;
		else
			c->at = c->at->next;
		c->i++;
	}
	return c->at;
}

void *nst_sock_conflict(const struct nst_sock *s, uint16_t port, size_t i)
{
	return ports_user_at(s->st->ports, s->kind, port, i);
}
