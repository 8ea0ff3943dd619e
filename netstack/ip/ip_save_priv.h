/* SPDX-License-Identifier: Apache-2.0 */
/* Between ip_save.c and the other files that save and load the IP layer: a
 * module's records, and its timers. Locking as in nst_stack.h. */
#ifndef NETSTACK_IP_IP_SAVE_PRIV_H
#define NETSTACK_IP_IP_SAVE_PRIV_H

#include "netstack/ip/ip_layer.h"
#include "netstack/save/load.h"

void nics_save(const struct ip_layer *ip, struct save_out *o);
NST_MUST_CHECK bool nic_load(struct load *l);

void neighs_save(const struct ip_layer *ip, struct save_out *o);
NST_MUST_CHECK bool neigh_load(struct load *l);
void neighs_arm(struct ip_layer *ip);

void reasms_save(const struct ip_layer *ip, struct save_out *o);
NST_MUST_CHECK bool reasm_load(struct load *l);
void reasms_arm(struct ip_layer *ip);

void groups_save(const struct ip_layer *ip, struct save_out *o);
NST_MUST_CHECK bool group_load(struct load *l);
void groups_arm(struct ip_layer *ip);

#endif
