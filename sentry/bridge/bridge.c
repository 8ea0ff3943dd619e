/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One thread, the loop's. A frame that a device gives us enters the netem of
 * its direction; what that lets out by now is written to the other device,
 * the rest when its time has come (the loop's deadline).
 */
#include "sentry/bridge/bridge.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "netstack/netem/netem.h"
#include "sentry/bridge/bridge_args.h"
#include "sentry/bridge/netns.h"
#include "sentry/core/errmap.h"
#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/core/sandbox.h"
#include "sentry/link/tap_priv.h"
#include "sentry/loop/loop.h"

#define ETHER_HDR_BYTES 14

struct port {
	struct bridge *b;
	struct port *peer;
	const char *name;
	int fd; /* -1: not open */
	struct loop_op *read_op;
	struct netem *line; /* what came in here and leaves at the peer */
	uint64_t malformed, refused;
};

struct bridge {
	struct sandbox sb; /* lends its env only */
	pthread_mutex_t lock;
	struct loop *loop;
	struct port port[2];
};

static struct loop *stop_loop; /* for the signal handler */

static void on_signal(int sig)
{
	(void)sig;
	loop_stop(stop_loop);
}

/* ---- packets ---- */

static void drain(struct port *p, nst_time now)
{
	struct nst_pkt *pkt;

	while ((pkt = netem_out(p->line, now))) {
		if (tap_io_write(p->peer->fd, pkt) < 0)
			p->refused++;
		nst_pkt_free(pkt);
	}
}

static void on_frame(void *arg, const struct loop_event *ev)
{
	struct port *p = arg;
	nst_time now = sandbox_now(&p->b->sb);
	struct nst_pkt *pkt;

	if (ev->last) {
		p->read_op = NULL;
		log_error("bridge: %s is gone: %s", p->name,
			  strerror(ev->res < 0 ? -ev->res : EIO));
		loop_stop(p->b->loop);
		return;
	}
	pkt = tap_io_packet(&p->b->sb.env, ev->data, (size_t)ev->res);
	if (!pkt) {
		p->malformed++;
		return;
	}
	pkt->when = now;
	netem_in(p->line, pkt, now);
	drain(p, now);
}

/* ---- the loop's hooks ---- */

static void hook_lock(void *ctx)
{
	pthread_mutex_lock(&((struct bridge *)ctx)->lock);
}

static void hook_unlock(void *ctx)
{
	pthread_mutex_unlock(&((struct bridge *)ctx)->lock);
}

static nst_time hook_next(void *ctx)
{
	struct bridge *b = ctx;
	nst_time x = netem_next(b->port[0].line);
	nst_time y = netem_next(b->port[1].line);

	return x < y ? x : y;
}

static void hook_timers(void *ctx)
{
	struct bridge *b = ctx;
	nst_time now = sandbox_now(&b->sb);

	drain(&b->port[0], now);
	drain(&b->port[1], now);
}

static void hook_idle(void *ctx)
{
	(void)ctx;
}

/* ---- life ---- */

static int port_open(struct port *p, const struct bridge_end *end)
{
	struct tap_dev dev;
	int home = -1, rc;

	p->name = end->dev;
	if (*end->netns) {
		home = netns_enter(end->netns);
		if (home < 0)
			return home;
	}
	rc = tap_dev_open(end->dev, &dev);
	if (home >= 0)
		netns_leave(home);
	if (rc)
		return rc;
	p->fd = dev.fd;
	return 0;
}

static int port_start(struct port *p, const struct netem_conf *conf)
{
	struct bridge *b = p->b;
	enum nst_err e = netem_new(&b->sb.env, conf, ETHER_HDR_BYTES,
				   sandbox_now(&b->sb), &p->line);

	if (e) {
		log_error("bridge: --netem: %s", strerror(errno_of(e)));
		return -errno_of(e);
	}
	p->read_op = loop_read(b->loop, p->fd, on_frame, p);
	return p->read_op ? 0 : -ENOMEM;
}

static void report(const struct port *p)
{
	const struct netem_stats *s = netem_stats(p->line);

	printf("{\"from\":\"%s\",\"to\":\"%s\",\"in\":%" PRIu64
	       ",\"out\":%" PRIu64 ",\"out_bytes\":%" PRIu64
	       ",\"lost\":%" PRIu64 ",\"queue_drops\":%" PRIu64
	       ",\"corrupted\":%" PRIu64 ",\"duplicated\":%" PRIu64
	       ",\"reordered\":%" PRIu64 ",\"marked\":%" PRIu64
	       ",\"down_drops\":%" PRIu64 ",\"mtu_drops\":%" PRIu64
	       ",\"memory_drops\":%" PRIu64 ",\"refused\":%" PRIu64
	       ",\"malformed\":%" PRIu64 "}\n",
	       p->name, p->peer->name, s->in_pkts, s->out_pkts, s->out_bytes,
	       s->lost, s->drop_queue, s->corrupted, s->duplicated,
	       s->reordered, s->marked, s->drop_down, s->drop_mtu,
	       s->drop_memory, p->refused, p->malformed);
}

static int bridge_start(struct bridge *b, const struct bridge_args *args)
{
	const struct loop_hooks hooks = {
	    .ctx = b,
	    .lock = hook_lock,
	    .unlock = hook_unlock,
	    .next_deadline = hook_next,
	    .run_timers = hook_timers,
	    .idle = hook_idle,
	};
	int rc;

	for (int i = 0; i < 2; i++) {
		rc = port_open(&b->port[i], &args->end[i]);
		if (rc)
			return rc;
	}
	rc = loop_new(&hooks, &b->loop);
	if (rc) {
		log_error("%s", loop_refusal(rc));
		return rc;
	}
	for (int i = 0; i < 2 && !rc; i++)
		rc = port_start(&b->port[i], &args->conf[i]);
	return rc;
}

static void bridge_run(struct bridge *b)
{
	struct sigaction sa = {.sa_handler = on_signal};

	stop_loop = b->loop;
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	loop_run(b->loop);
	report(&b->port[0]);
	report(&b->port[1]);
}

static void bridge_fini(struct bridge *b)
{
	if (b->loop)
		loop_free(b->loop);
	for (int i = 0; i < 2; i++) {
		netem_free(b->port[i].line);
		if (b->port[i].fd >= 0)
			close(b->port[i].fd);
	}
	pthread_mutex_destroy(&b->lock);
}

int cordon_bridge(int argc, char **argv)
{
	struct bridge_args args;
	struct bridge b;
	int rc = bridge_args_parse(argc, argv, &args);

	if (rc || args.help)
		return rc ? EXIT_CORDON_FAILED : 0;
	memset(&b, 0, sizeof(b));
	pthread_mutex_init(&b.lock, NULL);
	sandbox_env_init(&b.sb);
	for (int i = 0; i < 2; i++) {
		b.port[i].b = &b;
		b.port[i].peer = &b.port[1 - i];
		b.port[i].fd = -1;
	}
	rc = bridge_start(&b, &args);
	if (!rc)
		bridge_run(&b);
	bridge_fini(&b);
	return rc ? EXIT_CORDON_FAILED : 0;
}
