/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Binding of published ports. "Every address" is two sockets, 0.0.0.0 and [::]
 * (V6ONLY), so that a host without IPv6 loses nothing but that.
 */
#include "sentry/gateway/publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sentry/core/log.h"

#define LISTEN_BACKLOG 4096
#define BIND_STEP_MS 5
#define BIND_WAIT_MS 300 /* for all ports together */

bool pub_addrs(const struct gateway *gw, uint8_t family, struct nst_addr *from,
	       struct nst_addr *to)
{
	const struct options *o = gw->sb->opt;
	bool v6 = family == 6;

	if (v6 ? o->ip6.family == 0 : o->ip4.family == 0)
		v6 = !v6;
	*from = v6 ? o->gw6 : o->gw4;
	*to = v6 ? o->ip6 : o->ip4;
	return to->family != 0;
}

uint8_t pub_other_family(const struct gateway *gw, uint8_t tried)
{
	const struct options *o = gw->sb->opt;

	if (o->ip4.family == 0 || o->ip6.family == 0)
		return 0;
	if (!(tried & pub_family_bit(4)))
		return 4;
	return tried & pub_family_bit(6) ? 0 : 6;
}

enum nst_err pub_bind(struct nst_sock *s, const struct nst_addr *from,
		      nst_time now)
{
	struct nst_sockaddr at = {.addr = *from};
	enum nst_err err;

	/* Ports are then chosen by the complete flow, not per address. */
	err = nst_sock_set(s, NST_IP_BIND_ADDRESS_NO_PORT, 1, now);
	(void)err;
	return nst_sock_bind(s, &at);
}

static void bind_failed(const struct nst_sockaddr *at, bool udp, int err)
{
	const char *kind = udp ? " (udp)" : "";

	if (err == EADDRINUSE)
		log_error("port %u%s is in use on the host; choose another "
			  "with -p",
			  at->port, kind);
	else if (err == EACCES)
		log_error("port %u%s: permission denied; ports below 1024 "
			  "need root",
			  at->port, kind);
	else
		log_error("cannot publish port %u%s: %s", at->port, kind,
			  strerror(err));
}

static int bind_now(struct gateway *gw, const struct nst_sockaddr *at, bool udp)
{
	struct host_addr a;
	int on = 1, err, fd;

	host_addr_from(at, &a);
	fd = host_socket(gw, a.u.sa.sa_family, udp ? SOCK_DGRAM : SOCK_STREAM,
			 0);
	if (fd < 0)
		return fd;
	if (!udp)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, &a.u.sa, a.len) == 0 &&
	    (udp || listen(fd, LISTEN_BACKLOG) == 0))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/*
 * LINUX: what a killed process had in an io_uring is let go by a worker, some
 * ms after the process is gone. Whoever starts a sandbox again at once is not
 * told that its port is taken.
 */
static int bind_socket(struct gateway *gw, const struct nst_sockaddr *at,
		       bool udp)
{
	const struct timespec step = {.tv_nsec = BIND_STEP_MS * NST_MS};
	int fd = bind_now(gw, at, udp);

	while (fd == -EADDRINUSE && gw->pub->waited < BIND_WAIT_MS) {
		gw->pub->waited += BIND_STEP_MS;
		nanosleep(&step, NULL);
		fd = bind_now(gw, at, udp);
	}
	return fd;
}

static int open_port(struct gateway *gw, const struct opt_publish *o,
		     const struct nst_sockaddr *at)
{
	struct publish *pub = gw->pub;
	struct pub_port *p = &pub->port[pub->nports];
	int fd = bind_socket(gw, at, o->udp);

	if (fd < 0)
		return fd;
	*p = (struct pub_port){.gw = gw,
			       .fd = fd,
			       .family = at->addr.family,
			       .udp = o->udp,
			       .guest_port = o->guest_port};
	pub->nports++;
	return o->udp ? pub_udp_start(p) : pub_tcp_start(p);
}

static int open_everywhere(struct gateway *gw, const struct opt_publish *o)
{
	struct nst_sockaddr at = {.addr.family = 4, .port = o->host.port};
	int err = open_port(gw, o, &at);

	if (err < 0) {
		bind_failed(&at, o->udp, -err);
		return err;
	}
	at.addr.family = 6;
	err = open_port(gw, o, &at);
	if (err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL)
		return 0; /* a host without IPv6 */
	if (err < 0)
		bind_failed(&at, o->udp, -err);
	return err;
}

static int open_publish(struct gateway *gw, const struct opt_publish *o)
{
	int err;

	if (o->host.addr.family == 0)
		return open_everywhere(gw, o);
	err = open_port(gw, o, &o->host);
	if (err < 0)
		bind_failed(&o->host, o->udp, -err);
	return err;
}

int publish_blank(struct gateway *gw, size_t ports)
{
	struct publish *pub = calloc(1, sizeof(*pub));

	if (!pub)
		return -ENOMEM;
	gw->pub = pub;
	pub->peers_max = GW_PUB_PEERS_MAX;
	gw->sb->env.random(gw->sb->env.ctx, pub->key, sizeof(pub->key));
	for (size_t i = 0; i < PUB_BUCKETS; i++)
		LIST_INIT(&pub->peer[i]);
	if (ports == 0)
		return 0;
	pub->port = calloc(ports, sizeof(*pub->port));
	return pub->port ? 0 : -ENOMEM;
}

int publish_new(struct gateway *gw)
{
	const struct options *o = gw->sb->opt;
	int err = publish_blank(gw, 2 * o->npublish);

	for (size_t i = 0; i < o->npublish && err == 0; i++)
		err = open_publish(gw, &o->publish[i]);
	return err;
}

void publish_free(struct gateway *gw)
{
	struct publish *pub = gw->pub;

	if (!pub)
		return;
	pub_udp_free_all(gw);
	for (size_t i = 0; i < pub->nports; i++) {
		gw_timer_stop(gw, &pub->port[i].retry);
		host_close(gw, pub->port[i].op, pub->port[i].fd);
	}
	free(pub->port);
	free(pub);
	gw->pub = NULL;
}
