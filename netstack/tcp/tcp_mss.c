/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum segment size: RFC 9293 3.7.1, RFC 6691, RFC 7323 (options), and the
 * path MTU that it follows: RFC 1191, RFC 8201, RFC 4821. */
#include "netstack/tcp/tcp_priv.h"

uint32_t tcp_ip_hdr_bytes(const struct nst_tcp *tp)
{
	return tp->sk.remote.addr.family == 6 ? 40 : 20;
}

uint8_t tcp_mtu_disc(const struct nst_tcp *tp)
{
	const struct sock_opts *o = &tp->sk.opt;

	return tp->sk.remote.addr.family == 6 ? o->mtu_disc6 : o->mtu_disc;
}

bool tcp_dont_fragment(const struct nst_tcp *tp)
{
	uint8_t disc = tcp_mtu_disc(tp);

	return disc == TCP_PMTUDISC_DO ||
	       (disc == TCP_PMTUDISC_WANT && !tp->path.mtu_locked);
}

uint16_t tcp_advmss(const struct nst_tcp *tp)
{
	uint32_t hdrs = tcp_ip_hdr_bytes(tp) + TCP_HDR_BYTES;
	uint32_t mtu = u32_min(tp->path.mtu, 65535);
	uint32_t mss = mtu > hdrs + TCP_MSS_MIN ? mtu - hdrs : TCP_MSS_MIN;

	if (tp->conf.user_mss)
		mss = u32_min(mss, tp->conf.user_mss);
	return (uint16_t)mss;
}

uint32_t tcp_mss_clamp(const struct nst_tcp *tp)
{
	uint32_t clamp = tp->peer_mss;

	if (tp->mtup.mss_clamp)
		return tp->mtup.mss_clamp;
	if (!clamp)
		clamp = tp->sk.remote.addr.family == 6 ? TCP_MSS_DEFAULT6
						       : TCP_MSS_DEFAULT;
	if (tp->conf.user_mss)
		clamp = u32_min(clamp, tp->conf.user_mss);
	return clamp;
}

/* LINUX: room for all options and 8 bytes of data, whatever others say. */
uint32_t tcp_mtu_to_mss(const struct nst_tcp *tp, uint32_t mtu)
{
	uint32_t hdrs = tcp_ip_hdr_bytes(tp) + TCP_HDR_BYTES;
	uint32_t least = (uint32_t)TCP_CTL(tp, min_snd_mss);
	uint32_t mss = mtu > hdrs ? mtu - hdrs : 0;

	mss = u32_max(u32_min(mss, tcp_mss_clamp(tp)), least);
	return mss - (tcp_hdr_fixed(tp) - TCP_HDR_BYTES);
}

uint32_t tcp_mss_to_mtu(const struct nst_tcp *tp, uint32_t mss)
{
	return mss + tcp_hdr_fixed(tp) + tcp_ip_hdr_bytes(tp);
}

/* LINUX: tcp_bound_to_half_wnd: two segments fit into any peer's window. */
static uint32_t half_wnd(const struct nst_tcp *tp, uint32_t mss)
{
	uint32_t cut =
	    tp->max_wnd > TCP_MSS_DEFAULT ? tp->max_wnd / 2 : tp->max_wnd;

	return cut && mss > cut ? u32_max(cut, 68 - tcp_hdr_fixed(tp)) : mss;
}

void tcp_mss_sync(struct nst_tcp *tp)
{
	uint32_t mtu = u32_min(tp->path.mtu, 65535), mss;
	struct tcp_mtup *m = &tp->mtup;

	m->search_high = u32_min(m->search_high, mtu);
	m->pmtu = mtu;
	mss = half_wnd(tp, tcp_mtu_to_mss(tp, mtu));
	if (m->enabled)
		mss = u32_min(mss, tcp_mtu_to_mss(tp, m->search_low));
	/* What was sent keeps the size that it was sent with. */
	tp->mss = mss;
}
