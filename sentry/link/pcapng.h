/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The blocks of a pcapng file that we write (draft-ietf-opsawg-pcapng):
 * section header, interface description, enhanced packet, interface
 * statistics. Host byte order, as the format allows; everything is padded to
 * 32 bits; times are nanoseconds since 1970.
 */
#ifndef SENTRY_LINK_PCAPNG_H
#define SENTRY_LINK_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#include "netstack/nst_pkt.h"

/* Each writes one block at `to` and returns its size; PCAPNG_SMALL_MAX bounds
 * the first three, pcapng_packet_max() the last. */
#define PCAPNG_SMALL_MAX 160

size_t pcapng_section(uint8_t *to);
/* name is cut to 63 bytes. */
size_t pcapng_interface(uint8_t *to, const char *name, uint16_t linktype,
			uint32_t snaplen);
size_t pcapng_statistics(uint8_t *to, uint32_t interface, uint64_t when,
			 uint64_t dropped);

struct pcapng_packet {
	uint32_t interface;
	bool outbound;
	uint64_t when; /* ns since 1970 */
	uint32_t snaplen;
	const struct nst_pkt *pkt; /* borrowed */
};
size_t pcapng_packet_max(const struct pcapng_packet *p);
size_t pcapng_packet(uint8_t *to, const struct pcapng_packet *p);

#endif
