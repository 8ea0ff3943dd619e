/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A relay joins one TCP endpoint of the gateway's side (or of the guest's
 * netstack, for a loopback resolver) with one TCP socket of the host, byte for
 * byte, half-closes and resets included. Who makes one: flow_tcp.c for the
 * guest's connections, publish_tcp.c for the host's, dns_tcp.c for queries.
 *
 * All under the stack lock. A relay frees itself when both sides are done; any
 * function that may do so says it. -errno.
 */
#ifndef SENTRY_GATEWAY_RELAY_H
#define SENTRY_GATEWAY_RELAY_H

#include "sentry/gateway/gateway_priv.h"

struct relay;

/* What differs between the three kinds. Each may free the relay. */
struct relay_kind {
	/* The host's connection is up; make the guest's side. NULL: it is
	 * there already. Returns false when it has freed the relay. */
	bool (*host_up)(struct relay *r);
	/* The host's connection failed before it was up. */
	void (*host_failed)(struct relay *r, int err);
	/* The guest's side failed before it was up. NULL: reset the host. */
	void (*guest_failed)(struct relay *r, enum nst_err err);
};

struct relay {
	struct ep_owner owner;         /* R first: the endpoint's user */
	struct gateway *gw;            /* R */
	const struct relay_kind *kind; /* S as a number */
	void *ctx;                     /* R the kind's own */
	TAILQ_ENTRY(relay) all;        /* R */
	TAILQ_ENTRY(relay) turn;       /* R */
	struct nst_fwd_req *req; /* S a SYN that waits for the host's answer */
	struct nst_tcp *tp;      /* S or NULL while there is none */
	bool of_guest;           /* S tp is of the guest's stack */
	int fd;                  /* S or -1 */
	struct loop_op *op;      /* R poll on fd */
	uint32_t budget;         /* S bytes it may still move this turn */
	uint16_t guest_port;     /* S publish: where to connect */
	uint8_t tried;           /* S the kind's count of attempts */
	bool waiting;            /* S in gw->ready */
	bool host_up, guest_up;  /* S handshakes done */
	bool host_in, host_out;  /* S readiness as last seen; edges set them */
	bool host_hup;           /* S RDHUP, HUP or ERR seen: read to the end */
	bool host_eof;           /* S FIN from the host passed to the guest */
	bool host_gone;          /* S writing failed: reset once it is read */
	bool guest_eof;          /* S FIN from the guest passed to the host */
};

extern const struct relay_kind relay_flow, relay_dns, relay_publish;

/* Without memory or beyond the limit (both counted): NULL. */
struct relay *relay_new(struct gateway *gw, const struct relay_kind *kind,
			void *ctx);
/* Frees; what is left of the guest's side is reset, the host's is closed. */
void relay_free(struct relay *r);
/* Resets both sides and frees. */
void relay_reset(struct relay *r);
/*
 * Starts a connection to the host: its SYN has left when this returns. Then
 * kind->host_up or host_failed follows, or has happened already when `local`
 * (r may be gone). An error returned here called neither.
 */
int relay_connect_host(struct relay *r, const struct host_addr *to, bool local);
/* Takes a connected host socket; the guest's side is not up yet. */
int relay_take_host(struct relay *r, int fd);
/* After restoring: looks at its host socket again. False: no memory. */
bool relay_resume(struct relay *r);
/* Options of the endpoint r->tp: latency, buffers. */
void relay_tune_guest(struct relay *r);
/* Moves what can move. May free. */
void relay_pump(struct relay *r);
/* Bytes from the guest not yet written to the host, one more for a FIN. */
size_t relay_left(const struct relay *r);
/*
 * The gateway goes: what the guest has sent is written to the host, waiting
 * while any host socket takes some, at most RELAY_FLUSH_MS without progress.
 */
#define RELAY_FLUSH_MS 5000
void relay_flush_all(struct gateway *gw);
/* Next turn of those whose budget was used up. */
void relay_run_ready(struct gateway *gw);
/* An endpoint's events; also given to owner. May free. */
void relay_events(struct ep_owner *o, uint32_t events);

#endif
