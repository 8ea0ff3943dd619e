/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A sandbox without a guest: real netstacks, real loop, real gateway, and host
 * sockets on 127.0.0.1. The test plays the guest: it calls the guest's netstack
 * under the stack lock and waits for what comes. Nothing sleeps: waiting is for
 * an event of the test's own endpoint or a turn of the loop.
 */
#ifndef TESTS_UNIT_SENTRY_GATEWAY_RIG_H
#define TESTS_UNIT_SENTRY_GATEWAY_RIG_H

#include <pthread.h>
#include <sys/socket.h>

#include "netstack/nst_dgram.h"
#include "netstack/nst_tcp.h"
#include "sentry/core/sandbox.h"
#include "sentry/gateway/gateway_priv.h"
#include "sentry/loop/loop.h"
#include "tests/unit/testenv.h"

struct rig {
	struct options opt;
	struct sandbox sb;
	pthread_t thread;
	pthread_cond_t turned; /* the loop made a turn, or an event came */
};

/* An endpoint of the guest. */
struct peer {
	struct ep_owner owner; /* first */
	struct rig *rig;
	struct nst_tcp *tcp;
	struct nst_dgram *dgram;
	uint32_t seen; /* events */
	enum nst_err err;
};

/* Options as `cordon run` has them, --host-loopback on. */
void rig_options(struct rig *r);
/* Starts with r->opt; fails the test unless gateway_new returns `expect`. */
void rig_start(struct rig *r, int expect);
/* Stops and frees all; every flow must be gone by itself before. */
void rig_stop(struct rig *r);

/* The lock, with `now` in r->sb's clock. */
nst_time rig_lock(struct rig *r);
void rig_unlock(struct rig *r);
/* Waits, at most 10 s, under the lock, until done(arg). */
bool rig_wait(struct rig *r, bool (*done)(void *arg), void *arg);
/* Waits (with the lock taken inside). */
bool rig_wait_relays(struct rig *r, size_t n);

void peer_init(struct peer *p, struct rig *r);
/* Starts a connection; returns what nst_tcp_connect did. */
enum nst_err peer_connect(struct peer *p, const char *to, uint16_t port);
/* Waits for any of these events; returns those seen. */
uint32_t peer_wait(struct peer *p, uint32_t events);
/* Connects and waits for success. */
void peer_connected(struct peer *p, const char *to, uint16_t port);
void peer_send(struct peer *p, const void *data, size_t bytes);
/* Receives exactly so many bytes. */
void peer_recv(struct peer *p, void *data, size_t bytes);
void peer_wait_eof(struct peer *p);
/* SO_ERROR as found at the first NST_EV_ERR. */
enum nst_err peer_wait_error(struct peer *p);
void peer_shutdown(struct peer *p);
void peer_close(struct peer *p);
void peer_abort(struct peer *p);
/* Listening on the guest's address. */
void peer_listen(struct peer *p, const char *at, uint16_t port);
void peer_accept(struct peer *p, struct peer *child);
/* Datagrams. */
void peer_udp(struct peer *p, uint8_t family);
enum nst_err peer_udp_connect(struct peer *p, const char *to, uint16_t port);
enum nst_err peer_udp_send(struct peer *p, const void *data, size_t bytes);
size_t peer_udp_recv(struct peer *p, void *data, size_t cap,
		     struct nst_sockaddr *src);

/* Sockets of the host on `addr`, blocking, with a receive time-out of 10 s.
 * port 0: any; *port says which. */
int host_listen(const char *addr, uint16_t *port);
int host_udp(const char *addr, uint16_t *port);
int host_accept(int fd);
int host_connect(const char *addr, uint16_t port);
void host_send(int fd, const void *data, size_t bytes);
/* Exactly so many bytes. */
void host_recv(int fd, void *data, size_t bytes);
/* A port on which nobody listens. */
uint16_t host_free_port(void);

#endif
