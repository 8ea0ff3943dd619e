/* SPDX-License-Identifier: Apache-2.0 */
/* Maximum segment size: RFC 9293 3.7.1, RFC 6691, RFC 7323 (options). */
#include "netstack/tcp/tcp_priv.h"

uint32_t tcp_ip_hdr_bytes(const struct nst_tcp *tp)
{
	return tp->sk.remote.addr.family == 6 ? 40 : 20;
}

static uint32_t mtu_mss(const struct nst_tcp *tp)
{
	uint32_t hdrs = tcp_ip_hdr_bytes(tp) + TCP_HDR_BYTES;
	uint32_t mtu = u32_min(tp->path.mtu, 65535);

	return mtu > hdrs + TCP_MSS_MIN ? mtu - hdrs : TCP_MSS_MIN;
}

uint16_t tcp_advmss(const struct nst_tcp *tp)
{
	uint32_t mss = mtu_mss(tp);

	if (tp->conf.user_mss)
		mss = u32_min(mss, tp->conf.user_mss);
	return (uint16_t)mss;
}

static uint32_t peer_limit(const struct nst_tcp *tp)
{
	if (tp->peer_mss)
		return u32_max(tp->peer_mss, TCP_MSS_MIN);
	return tp->sk.remote.addr.family == 6 ? TCP_MSS_DEFAULT6
					      : TCP_MSS_DEFAULT;
}

/* LINUX: tcp_bound_to_half_wnd: two segments fit into any peer's window. */
static uint32_t half_wnd(const struct nst_tcp *tp, uint32_t mss)
{
	uint32_t cut =
	    tp->max_wnd > TCP_MSS_DEFAULT ? tp->max_wnd / 2 : tp->max_wnd;

	return cut && mss > cut ? u32_max(cut, TCP_MSS_MIN) : mss;
}

void tcp_mss_sync(struct nst_tcp *tp)
{
	uint32_t mss = u32_min(mtu_mss(tp), peer_limit(tp));

	if (tp->conf.user_mss)
		mss = u32_min(mss, tp->conf.user_mss);
	if (tp->ts_on)
		mss -= 12;
	mss = half_wnd(tp, u32_max(mss, TCP_MSS_MIN - 12));
	if (mss == tp->mss)
		return;
	tp->mss = mss;
	tcp_sent_repack(tp);
}
