/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of things: the guest is forked first (before threads and memory),
 * the sandbox is built while it prepares itself, and it execs when everything
 * is there. Taken apart in the opposite order.
 */
#include "sentry/core/run.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sentry/control/control.h"
#include "sentry/core/errmap.h"
#include "sentry/core/fds.h"
#include "sentry/core/linger.h"
#include "sentry/core/log.h"
#include "sentry/core/sandbox.h"
#include "sentry/core/stack_start.h"
#include "sentry/gateway/gateway.h"
#include "sentry/image/restore.h"
#include "sentry/launch/launch.h"
#include "sentry/link/link.h"
#include "sentry/loop/loop.h"
#include "sentry/save/save.h"
#include "sentry/sock/sock.h"
#include "sentry/trap/trap.h"
#include "sentry/upgrade/upgrade.h"

struct run {
	struct options opt;
	struct sandbox sb;
	struct guest *guest;
	int argc; /* the words behind "run" */
	char **argv;
	uint64_t upgrades; /* so far */
	pthread_t loop_thread;
	bool loop_started, trapper_started, backing_ready;
};

static void hook_lock(void *ctx)
{
	sandbox_lock(ctx);
}

static void hook_unlock(void *ctx)
{
	sandbox_unlock(ctx);
}

static nst_time hook_next_deadline(void *ctx)
{
	return sandbox_monotonic(ctx, sandbox_next_deadline(ctx));
}

static void hook_run_timers(void *ctx)
{
	sandbox_run_timers(ctx);
}

/* What the links' packets of this batch were merged into is delivered. */
static void hook_batch_end(void *ctx)
{
	struct sandbox *sb = ctx;

	if (sb->stack)
		nst_gro_end(sb->stack, sandbox_now(sb));
}

static void hook_idle(void *ctx)
{
	trap_run_ready(ctx);
}

static int start_loop(struct run *r)
{
	struct sandbox *sb = &r->sb;
	const struct loop_hooks hooks = {
	    .ctx = sb,
	    .lock = hook_lock,
	    .unlock = hook_unlock,
	    .next_deadline = hook_next_deadline,
	    .run_timers = hook_run_timers,
	    .batch_end = hook_batch_end,
	    .idle = hook_idle,
	};
	int rc = loop_new(&hooks, &sb->loop);

	/* What keeps the guest from starting is the better explanation: inside
	 * another cordon there is no io_uring, nor a second listener. */
	if (rc && !launch_attach(r->guest))
		log_error("%s", loop_refusal(rc));
	return rc;
}

static int start_capture(struct sandbox *sb)
{
	if (!sb->opt->pcap_path)
		return 0;
	int rc = capture_new(sb->opt->pcap_path, &sb->cap);
	if (rc)
		log_error("--pcap %s: %s; give a file that can be written",
			  sb->opt->pcap_path, strerror(-rc));
	return rc;
}

/* An address of eth0 and the default route of its family. */
static int add_addr(struct sandbox *sb, const struct nst_addr *addr,
		    uint8_t len, const struct nst_addr *gw)
{
	struct nst_ifaddr a = {
	    .addr = *addr, .prefix_len = len, .ifindex = sb->ifindex};
	struct nst_route r = {
	    .dst = {.family = addr->family}, .gw = *gw, .ifindex = sb->ifindex};
	enum nst_err e = nst_addr_add(sb->stack, &a, sandbox_now(sb));

	if (!e && gw->family)
		e = nst_route_add(sb->stack, &r);
	if (!e)
		return 0;
	log_error("cannot set the address or route of eth0: %s; see --ip and "
		  "--gateway",
		  strerror(errno_of(e)));
	return -errno_of(e);
}

/* The interface that a link has added: the last one. */
static uint32_t newest_nic(const struct nst_stack *st)
{
	uint32_t last = 0, i = 0;

	while ((i = nst_nic_next(st, i)))
		last = i;
	return last;
}

static uint32_t mtu_of(const struct sandbox *sb)
{
	struct nst_nic_info info;

	return nst_nic_get(sb->stack, sb->ifindex, &info) ? 0 : info.mtu;
}

static int start_tap(struct sandbox *sb)
{
	const struct options *o = sb->opt;
	int rc = tap_link_new(sb, o->tap_name, &sb->link);

	if (rc)
		return rc;
	if (!sb->ifindex)
		sb->ifindex = newest_nic(sb->stack);
	rc = add_addr(sb, &o->ip4, o->ip4_len, &o->gw4);
	if (rc || mtu_of(sb) < 1280) /* RFC 8200 5 */
		return rc;
	return add_addr(sb, &o->ip6, o->ip6_len, &o->gw6);
}

static int start_link(struct sandbox *sb)
{
	switch (sb->opt->net) {
	case NET_NAT:
		return gateway_new(sb);
	case NET_TAP:
		return start_tap(sb);
	case NET_NONE:
		break;
	}
	return 0;
}

static int start_sockets(struct run *r)
{
	int rc = sock_table_new(&r->sb);

	if (!rc)
		rc = backing_init(&r->sb);
	r->backing_ready = !rc;
	if (rc)
		log_error("cannot set up sockets: %s", strerror(-rc));
	return rc;
}

/* Everything that needs no thread; links may already start operations. */
static int build(struct run *r)
{
	int rc = start_loop(r);

	if (r->opt.restore)
		restore_clock(r->opt.restore, &r->sb);
	if (!rc)
		rc = stack_start(&r->sb);
	if (!rc)
		rc = start_capture(&r->sb);
	if (rc)
		return rc;
	sandbox_lock(&r->sb);
	rc = start_link(&r->sb);
	if (!rc)
		rc = start_sockets(r);
	sandbox_unlock(&r->sb);
	return rc;
}

static void *loop_main(void *arg)
{
	prctl(PR_SET_NAME, "cordon-loop");
	loop_run(arg);
	return NULL;
}

/* The trapper first, and away last: the loop runs what was parked there. */
static int start_threads(struct run *r)
{
	int rc = trapper_start(&r->sb);

	r->trapper_started = !rc;
	if (!rc)
		rc = -pthread_create(&r->loop_thread, NULL, loop_main,
				     r->sb.loop);
	r->loop_started = r->trapper_started && !rc;
	if (r->loop_started)
		rc = saves_start(&r->sb);
	if (!rc && r->loop_started)
		rc = upgrade_open(&r->sb, r->argc, r->argv, r->upgrades);
	if (!rc && r->loop_started)
		rc = control_start(&r->sb);
	if (rc)
		log_error("cannot start threads: %s", strerror(-rc));
	return rc;
}

static void on_child_exit(void *arg)
{
	trapper_sweep(arg);
}

/* Backing sockets are ordinary descriptors: as many as the host lets us. */
static void raise_nofile(struct sandbox *sb)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl))
		return;
	rl.rlim_cur = rl.rlim_max;
	setrlimit(RLIMIT_NOFILE, &rl);
	sb->fds_max = fds_most(rl.rlim_cur);
}

/* The opposite order of build(). Threads first: nothing runs beside it. */
static void take_apart(struct run *r)
{
	struct sandbox *sb = &r->sb;

	upgrade_close(sb);
	control_stop(sb);
	upgrade_free(sb);
	saves_stop(sb);
	if (r->loop_started) {
		loop_stop(sb->loop);
		pthread_join(r->loop_thread, NULL);
	}
	if (r->trapper_started)
		trapper_stop(sb);
	if (sb->socks)
		sock_table_free(sb);
	if (r->backing_ready)
		backing_fini(sb);
	if (sb->gw)
		gateway_free(sb);
	if (sb->link && sb->link->free)
		sb->link->free(sb->link);
	sb->link = NULL;
	if (sb->stack)
		nst_stack_free(sb->stack);
	if (sb->cap)
		capture_free(sb->cap);
	if (sb->loop)
		loop_free(sb->loop);
	saves_free(sb);
}

static int wait_for_guest(struct run *r, int *term_signal)
{
	int code = launch_wait(r->guest, on_child_exit, &r->sb, term_signal);

	upgrade_close(&r->sb);
	launch_kill_rest(r->guest);
	linger(&r->sb, launch_signal_pending, r->guest);
	return code;
}

static void clean_up(struct run *r)
{
	take_apart(r);
	/* While the watcher is there to do it if we are killed. */
	control_free(&r->sb);
	if (r->guest)
		launch_fini(r->guest);
	sandbox_fini(&r->sb);
}

/* cordon restore: the guest is there, nothing runs beside us yet. */
static int begin_restored(struct run *r)
{
	int rc = 0;

	if (!r->opt.restore)
		return 0;
	sandbox_lock(&r->sb);
	rc = restore_stack(r->opt.restore, &r->sb);
	sandbox_unlock(&r->sb);
	return rc;
}

static int hand_restored(struct run *r)
{
	return r->opt.restore ? restore_hand(r->opt.restore, &r->sb) : 0;
}

static int run_guest(struct run *r, int *term_signal)
{
	if (control_open(&r->sb) || launch_guest(&r->sb, &r->guest))
		return EXIT_CORDON_FAILED;
	raise_nofile(&r->sb);
	if (build(r) || launch_attach(r->guest) || begin_restored(r) ||
	    start_threads(r) || launch_go(r->guest) || hand_restored(r))
		return EXIT_CORDON_FAILED;
	return wait_for_guest(r, term_signal);
}

/* ---- after an upgrade ---- */

/* What is not the image's: this process, its log. */
static void take_over_process(struct run *r)
{
	prctl(PR_SET_NAME, "cordon");
	prctl(PR_SET_DUMPABLE, 0);
	signal(SIGPIPE, SIG_IGN);
	if (r->opt.log_path)
		(void)log_continue(r->opt.log_path);
}

static int take_over(struct run *r, int image, struct upgrade_hand *hand,
		     char *why)
{
	int rc = upgrade_load(&r->sb, image, hand, why);

	close(image);
	if (!rc)
		rc = upgrade_take_fds(&r->sb, why);
	if (rc)
		return rc;
	r->guest = r->sb.guest;
	r->backing_ready = true;
	r->upgrades = hand->count;
	rc = start_loop(r);
	if (!rc)
		rc = upgrade_start(&r->sb, hand);
	if (!rc)
		rc = start_threads(r);
	if (rc)
		snprintf(why, UPGRADE_WHY, "%s", strerror(-rc));
	return rc;
}

/* The guest's death is the watcher's work, when we are gone. */
static int go_on(struct run *r, int image, int *term_signal)
{
	struct upgrade_hand hand;
	char why[UPGRADE_WHY];

	take_over_process(r);
	sandbox_init(&r->sb, &r->opt);
	if (take_over(r, image, &hand, why)) {
		upgrade_lost(&hand, why);
		_exit(EXIT_CORDON_FAILED);
	}
	upgrade_done(&r->sb, &hand);
	int code = wait_for_guest(r, term_signal);
	clean_up(r);
	return code;
}

static int image_number(const char *text)
{
	char *end;
	long n = strtol(text, &end, 10);

	return *text && !*end && n > STDERR_FILENO && n < INT_MAX ? (int)n : -1;
}

/* argv is what is behind the command in main's. */
static int parse_handed(int argc, char **argv, struct run *r)
{
	int image = argc > 1 ? image_number(argv[0]) : -1;

	if (image < 0) {
		log_error("this command is for cordon itself");
		return -EINVAL;
	}
	r->argc = argc - 1;
	r->argv = upgrade_words(argc + 2, argv - 2);
	if (!r->argv)
		return -ENOMEM;
	return options_parse(r->argc, r->argv, &r->opt) ? -EINVAL : image;
}

int cordon_upgrade_run(int argc, char **argv, int *term_signal)
{
	static struct run r;
	int image = parse_handed(argc, argv, &r), code = EXIT_CORDON_FAILED;

	*term_signal = 0;
	if (image >= 0)
		code = go_on(&r, image, term_signal);
	options_fini(&r.opt);
	return code;
}

int cordon_upgrade_probe(int argc, char **argv)
{
	static struct run r;
	struct upgrade_hand hand;
	char why[UPGRADE_WHY];
	int image = parse_handed(argc, argv, &r);

	if (image < 0)
		return EXIT_CORDON_FAILED;
	sandbox_init(&r.sb, &r.opt);
	if (!upgrade_load(&r.sb, image, &hand, why)) {
		/* What was made is not taken apart: it refers to
		 * descriptors of another process. */
		upgrade_probe_ok();
		_exit(fflush(stdout) ? EXIT_CORDON_FAILED : 0);
	}
	log_error("%s", why);
	return EXIT_CORDON_FAILED;
}

static int run_parsed(struct run *r, int *term_signal)
{
	if (r->opt.log_path) {
		int rc = log_open(r->opt.log_path);
		if (rc) {
			log_error("--log %s: %s; give a file that can be "
				  "written",
				  r->opt.log_path, strerror(-rc));
			return EXIT_CORDON_FAILED;
		}
	}
	sandbox_init(&r->sb, &r->opt);
	int code = run_guest(r, term_signal);
	clean_up(r);
	return code;
}

int cordon_run(int argc, char **argv, int *term_signal)
{
	return cordon_run_restored(NULL, argc, argv, term_signal);
}

int cordon_run_restored(struct restore *rs, int argc, char **argv,
			int *term_signal)
{
	static struct run r;
	int code = 0;

	*term_signal = 0;
	r.argc = argc;
	r.argv = argv;
	if (options_parse(argc, argv, &r.opt))
		code = EXIT_CORDON_FAILED;
	r.opt.restore = rs;
	if (r.opt.help && !code)
		options_usage();
	else if (r.opt.dry_run && !code)
		options_show(&r.opt);
	else if (!code)
		code = run_parsed(&r, term_signal);
	options_fini(&r.opt);
	return code;
}
