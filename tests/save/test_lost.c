/* SPDX-License-Identifier: Apache-2.0 */
/* The table sees what is lost: for each of these members, some cell comes to
 * another end when loading forgets it. */
#include <criterion/criterion.h>
#include <string.h>

#include "netstack/tcp/tcp_priv.h"
#include "tests/save/table.h"

struct member {
	const char *name;
	struct table_lost at;
};
#define M(f)                                                                   \
	{                                                                      \
#f,                                                            \
		{                                                              \
			offsetof(struct nst_tcp, f),                           \
			    sizeof(((struct nst_tcp *)0)->f)                   \
		}                                                              \
	}

static const struct member members[] = {
    M(backoff),    M(srtt),        M(rttvar),     M(cwnd),
    M(ssthresh),   M(pace),        M(cork_since), M(rtx),
    M(rack),       M(ca_state),    M(high_seq),   M(ts_recent),
    M(snd_wnd),    M(rcv_adv),     M(fin_queued), M(sack_on),
    M(ts_on),      M(rcv_wscale),  M(hs_sent),    M(hs_timeouts),
    M(rate),       M(min_rtt),     M(undo),       M(cc_priv),
    M(rcv_mss),    M(ack_pending), M(ack_wait),   M(packets_out),
    M(snd_wscale), M(mss),         M(ts_off),     M(rto),
    M(probes_out),
};

static bool seen_by(const struct member *m, const char *cc)
{
	bool seen = false;

	for (int s = 0; s < STATES && !seen; s++) {
		for (int k = 0; k < CONDS && !seen; k++) {
			struct outcome was, now;

			if (!table_possible(s, k))
				continue;
			was = table_run(s, k, cc, 0);
			table_lost = m->at;
			now = table_run(s, k, cc, 1);
			table_lost.bytes = 0;
			seen = memcmp(&was, &now, sizeof(was)) != 0;
		}
	}
	return seen;
}

Test(save_lost, is_seen)
{
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++)
		cr_expect(seen_by(&members[i], "cubic") ||
			      seen_by(&members[i], "reno") ||
			      seen_by(&members[i], "bbr"),
			  "%s can be lost unseen", members[i].name);
}
