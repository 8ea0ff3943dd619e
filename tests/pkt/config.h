/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The settings of a run: packetdrill's options, with packetdrill's names and
 * defaults.  They come from the command line and from `--name=value` lines
 * at the head of a script; the command line wins.
 */
#ifndef CORDON_TESTS_PKT_CONFIG_H
#define CORDON_TESTS_PKT_CONFIG_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/pkt/arena.h"
#include "tests/pkt/lex.h"

enum backend {
	BACKEND_NETSTACK, /* our stack, in this process, virtual time */
	BACKEND_KERNEL,   /* the host's, behind a tun, real time */
	BACKEND_SO,       /* a shared object with packetdrill's interface */
};

enum ip_version { IP_UNSET, IP_V4, IP_V4_MAPPED, IP_V6 };

/* An address of either family; `af` 0 is none. */
struct ip_addr {
	int af;
	uint8_t b[16];
};

struct config {
	struct arena *arena; /* of the strings below; borrowed */
	enum backend backend;
	const char *so_filename, *so_flags;
	enum ip_version ip_version;
	unsigned bind_port, connect_port;
	const char *local, *remote, *gateway, *netmask; /* as given */
	unsigned mtu, mss;
	unsigned long speed;
	const char *code_command;
	const char *init_scripts;
	const char *save; /* when the stack is saved and loaded; NULL: never */
	long tolerance_usecs;
	double tolerance_percent;
	int ts_tick_usecs;
	bool ts_ecr_scaled, strict_segments, non_fatal_packet;
	bool non_fatal_syscall, dry_run, verbose, is_anyip;
	const struct define *defines;

	/* Of config_finish(). */
	struct ip_addr local_ip, remote_ip, gateway_ip;
	unsigned local_plen, remote_plen;
	int socket_domain; /* of "..." in socket() */
	int wire_af;       /* of packets */
};

/* packetdrill's defaults; strings will live in `a` (borrowed). */
void config_init(struct config *c, struct arena *a);
/*
 * One option; `value` NULL if none was given.  0, or -1 with a message:
 * an unknown option, one that is not supported here, a bad value.
 */
int config_set(struct config *c, const char *name, const char *value, char *err,
	       size_t err_size);
/* Does the option take a value?  -1: no such option. */
int config_takes_value(const char *name);
/* Addresses and families of the chosen IP version.  0, or -1: message. */
int config_finish(struct config *c, char *err, size_t err_size);
/* The options, one a line. */
void config_usage(void);

/* The text of an address. */
void ip_to_string(const struct ip_addr *ip, char out[INET6_ADDRSTRLEN]);
/* The socket address of `ip`, mapped into IPv6 if the sockets are so. */
socklen_t config_sockaddr(const struct config *c, const struct ip_addr *ip,
			  unsigned port, struct sockaddr_storage *out);

#endif /* CORDON_TESTS_PKT_CONFIG_H */
