/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From a datagram's destination to its path and the choices for its IP header.
 * LINUX: udp_sendmsg(), udpv6_sendmsg() and the like, in their order of errors.
 */
#include "netstack/dgram/dgram_priv.h"

/* May a socket bound as this one is send to that family? */
static enum nst_err check_family(const struct nst_sock *s, uint8_t family)
{
	const struct nst_addr *local = &s->local.addr;

	if (family != 4 && family != 6)
		return NST_E_AFNOSUPPORT;
	if (s->family == 4)
		return family == 4 ? NST_OK : NST_E_AFNOSUPPORT;
	if (family == 4 && s->kind != SOCK_K_UDP)
		return NST_E_INVAL;
	if (family == 4)
		return s->opt.v6only ? NST_E_NETUNREACH : NST_OK;
	return local->family == 4 ? NST_E_AFNOSUPPORT : NST_OK;
}

static uint32_t interface(const struct dgram_tx *tx)
{
	const struct sock_opts *opt = &tx->d->s.opt;
	bool six = tx->to.addr.family == 6;

	if (tx->o->ifindex)
		return tx->o->ifindex;
	if (opt->bound_if)
		return opt->bound_if;
	if (addr_needs_scope(&tx->to.addr) && tx->to.addr.scope)
		return tx->to.addr.scope;
	if (addr_is_mcast(&tx->to.addr))
		return six ? opt->mc_if6 : opt->mc_if;
	return 0;
}

/* The source that was asked for; NULL: the path's own. */
static const struct nst_addr *source(const struct dgram_tx *tx)
{
	const struct nst_sock *s = &tx->d->s;
	const struct nst_addr *local = &s->local.addr;

	if (tx->o->has_src && !addr_is_any(&tx->o->src))
		return tx->o->src.family == tx->to.addr.family ? &tx->o->src
							       : NULL;
	if (addr_is_any(local) || local->family != tx->to.addr.family)
		return NULL;
	/* LINUX: a multicast or broadcast address is only a filter */
	if (addr_is_mcast(local) || addr_is_bcast4(local))
		return NULL;
	return local;
}

static void choose_ttl(struct dgram_tx *tx)
{
	const struct sock_opts *opt = &tx->d->s.opt;
	bool six = tx->to.addr.family == 6;
	int hops = six ? opt->hops6 : opt->ttl;

	if (tx->path.mcast) {
		hops = six ? opt->mc_hops6 : opt->mc_ttl;
		tx->out.no_mc_loop = six ? !opt->mc_loop6 : !opt->mc_loop;
	}
	if (tx->o->has_ttl)
		hops = tx->o->ttl;
	/* LINUX: TTL 0 stays in the host: members here get it, no link does */
	if (tx->path.mcast && hops == 0)
		tx->path.loopback = true;
	tx->out.ttl = hops < 0 ? 0 : (uint8_t)hops;
	tx->out.tos = six ? opt->tclass : opt->tos;
	if (tx->o->has_tos)
		tx->out.tos = tx->o->tos;
}

static void choose_mtu(struct dgram_tx *tx)
{
	const struct sock_opts *opt = &tx->d->s.opt;
	bool six = tx->to.addr.family == 6;
	struct nst_nic_info nic;

	tx->disc = six ? opt->mtu_disc6 : opt->mtu_disc;
	tx->frag_ok = tx->disc <= PMTUDISC_WANT || tx->disc == PMTUDISC_OMIT;
	if (six && opt->dontfrag6)
		tx->frag_ok = false;
	if (tx->disc >= PMTUDISC_PROBE &&
	    !nst_nic_get(tx->d->s.st, tx->path.ifindex, &nic))
		tx->path.mtu = nic.mtu;
	if (six && opt->frag_size6 && opt->frag_size6 < tx->path.mtu)
		tx->path.mtu = opt->frag_size6;
}

static enum nst_err check_path(const struct dgram_tx *tx)
{
	const struct nst_sock *s = &tx->d->s;

	if (tx->path.bcast && !s->opt.broadcast)
		return NST_E_ACCES;
	if ((s->opt.dontroute || tx->o->dontroute) && !tx->path.loopback &&
	    !addr_same(&tx->path.next_hop, &tx->path.dst))
		return NST_E_NETUNREACH;
	return NST_OK;
}

enum nst_err dgram_route(struct dgram_tx *tx)
{
	struct nst_sock *s = &tx->d->s;
	const struct nst_addr *src;
	enum nst_err e = check_family(s, tx->to.addr.family);

	if (e)
		return e;
	if (s->opt.bound_if && tx->o->ifindex &&
	    s->opt.bound_if != tx->o->ifindex)
		return NST_E_INVAL;
	src = source(tx);
	e = ip_path_find(s->st, &tx->to.addr, src, interface(tx),
			 sock_may_spoof(s), &tx->path);
	/* LINUX: a source that is not ours is a bad argument */
	if (e == NST_E_ADDRNOTAVAIL && src)
		return NST_E_INVAL;
	if (!e)
		e = check_path(tx);
	if (e)
		return e;
	tx->to.addr = tx->path.dst;
	tx->out.proto = s->proto;
	tx->out.owner = s;
	choose_ttl(tx);
	choose_mtu(tx);
	return NST_OK;
}

enum nst_err dgram_fits(struct dgram_tx *tx, uint32_t ip_bytes)
{
	bool four = tx->path.dst.family == 4;
	uint32_t total = ip_bytes + (four ? IP4_HDR_BYTES : IP6_HDR_BYTES);
	bool fits = total <= tx->path.mtu;

	/* The IPv4 length counts its header, the IPv6 one does not */
	if ((four ? total : ip_bytes) > IP_MAX_BYTES)
		return NST_E_MSGSIZE;
	if (!fits && !tx->frag_ok) {
		dgram_local_msgsize(tx->d, &tx->to, tx->path.mtu);
		return NST_E_MSGSIZE;
	}
	tx->out.df =
	    fits && tx->disc >= PMTUDISC_WANT && tx->disc <= PMTUDISC_PROBE;
	tx->out.no_local_frag = !tx->frag_ok;
	return NST_OK;
}

enum nst_err dgram_pending(struct nst_dgram *d)
{
	return nst_sock_error(&d->s, true);
}

uint32_t dgram_iov_bytes(const struct nst_iov *iov, size_t niov)
{
	size_t sum = 0;

	for (size_t i = 0; i < niov; i++) {
		if (iov[i].len > DGRAM_MAX_BYTES)
			return DGRAM_MAX_BYTES + 1;
		sum += iov[i].len;
		if (sum > DGRAM_MAX_BYTES)
			return DGRAM_MAX_BYTES + 1;
	}
	return (uint32_t)sum;
}

struct nst_pkt *dgram_gather(const struct dgram_tx *tx, uint32_t header,
			     uint32_t from, uint32_t bytes)
{
	struct nst_pkt *pkt =
	    nst_pkt_new(tx->d->s.st->env, NST_PKT_HEADROOM + header, bytes);
	uint8_t *at;

	if (!pkt) {
		tx->d->s.st->count.PktNoMemory++;
		return NULL;
	}
	at = nst_pkt_put(pkt, bytes);
	for (size_t i = 0; i < tx->niov && bytes; i++) {
		size_t n = tx->iov[i].len;

		if (from >= n) {
			from -= (uint32_t)n;
			continue;
		}
		n = n - from < bytes ? n - from : bytes;
		memcpy(at, (const uint8_t *)tx->iov[i].p + from, n);
		at += n;
		bytes -= (uint32_t)n;
		from = 0;
	}
	return pkt;
}

enum nst_err dgram_gather_all(struct dgram_tx *tx, struct nst_pkt **out)
{
	enum nst_err e = dgram_fits(tx, tx->bytes);

	if (e)
		return e;
	*out = dgram_gather(tx, 0, 0, tx->bytes);
	return *out ? NST_OK : NST_E_NOBUFS;
}
