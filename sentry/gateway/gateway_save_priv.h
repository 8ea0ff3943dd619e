/* SPDX-License-Identifier: Apache-2.0 */
/* What saving and restoring the gateway share. */
#ifndef SENTRY_GATEWAY_GATEWAY_SAVE_PRIV_H
#define SENTRY_GATEWAY_GATEWAY_SAVE_PRIV_H

#include "sentry/gateway/dflow.h"
#include "sentry/gateway/dns.h"
#include "sentry/gateway/gateway.fields.h"
#include "sentry/gateway/gateway_save.h"
#include "sentry/gateway/publish.h"
#include "sentry/gateway/relay.h"

/* Who made a relay; numbers are for good. */
enum gw_relay_kind { GW_RELAY_FLOW = 1, GW_RELAY_DNS, GW_RELAY_PUBLISH };

/* The queues that hold the flows of datagrams, in the order of their records.
 */
#define GW_DFLOW_QUEUES 4
static const enum gw_queue_id gw_dflow_queues[GW_DFLOW_QUEUES] = {
    GWQ_UDP_DNS, GWQ_UDP_NEW, GWQ_UDP_STREAM, GWQ_ECHO};

#endif
