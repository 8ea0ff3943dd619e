/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who gets a packet: a growing hash table of complete flows, keyed with a
 * per-stack secret, and the port table's bound sockets behind it.
 */
#ifndef NETSTACK_BASE_DEMUX_H
#define NETSTACK_BASE_DEMUX_H

#include "netstack/base/sock_priv.h"

struct demux;

struct demux *demux_new(const struct nst_env *env);
void demux_free(struct demux *d);
/* Inserts node->key. ADDRNOTAVAIL: the flow exists (Linux's errno for a
 * connect on a used 4-tuple). NOMEM never: growth that fails is put off. */
NST_MUST_CHECK enum nst_err demux_insert(struct demux *d, struct demux_node *n);
void demux_remove(struct demux *d, struct demux_node *n);
struct demux_node *demux_find(const struct demux *d,
			      const struct flow_key *key);
size_t demux_count(const struct demux *d);
/* Calls fn for every node; fn may remove the node it is given. */
void demux_each(struct demux *d, void (*fn)(struct demux_node *n, void *arg),
		void *arg);

/* Consistency (tests). */
bool demux_check(const struct demux *d);

#endif
