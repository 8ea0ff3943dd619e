/* SPDX-License-Identifier: Apache-2.0 */
/* Every packet, when it leaves a host (outbound) and when it arrives (inbound),
 * as pcapng. One interface for all: libpcap refuses several of raw IP. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/link/pcapng.h"
#include "tests/sim/sim_priv.h"

#define SNAPLEN 160
#define RAW_IP 101

bool trace_open(struct sim *s)
{
	uint8_t buf[PCAPNG_SMALL_MAX];

	if (!s->conf.trace)
		return true;
	s->trace = fopen(s->conf.trace, "wb");
	if (!s->trace) {
		sim_fail(s, "%s: %s", s->conf.trace, strerror(errno));
		return false;
	}
	fwrite(buf, 1, pcapng_section(buf), s->trace);
	fwrite(buf, 1, pcapng_interface(buf, "sim", RAW_IP, SNAPLEN), s->trace);
	return true;
}

void trace_packet(struct sim_host *h, bool out, const struct nst_pkt *pkt)
{
	struct pcapng_packet p = {
	    .outbound = out,
	    .when = (uint64_t)h->sim->now,
	    .snaplen = SNAPLEN,
	    .pkt = pkt,
	};
	uint8_t *buf;

	if (!h->sim->trace)
		return;
	buf = malloc(pcapng_packet_max(&p));
	if (!buf)
		return;
	fwrite(buf, 1, pcapng_packet(buf, &p), h->sim->trace);
	free(buf);
}
