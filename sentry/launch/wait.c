/* SPDX-License-Identifier: Apache-2.0 */
/* While the guest runs: the main thread waits for it and passes signals on. */
#include "sentry/launch/launch.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/launch/guest.h"

/* How long the guest may take to continue by itself, after we did. */
#define CONT_PATIENCE_MS 20

/* What would continue only the first process of a paused guest is kept from
 * it; what asks it to end continues all of it. */
static void on_signal(struct guest *g, const struct signalfd_siginfo *si)
{
	if (g->exited || (si->ssi_signo == SIGCONT && launch_paused(g)))
		return;
	signals_forward(g->pidfd, si);
	if (signals_asks_to_end(si))
		pause_end_for_signal(g);
}

static void on_signals(struct guest *g)
{
	struct signalfd_siginfo si;

	while (read(g->sigfd, &si, sizeof si) == (ssize_t)sizeof si)
		on_signal(g, &si);
}

/*
 * The guest has stopped; so do we. Continued again, a shell has continued the
 * whole process group, or somebody only us: then the guest is still stopped
 * after a moment, and is told.
 */
static void on_stop(struct guest *g, int sig)
{
	struct pollfd p = {.fd = g->plan.ctl[0], .events = POLLIN};

	signals_stop_self(sig);
	if (poll(&p, 1, CONT_PATIENCE_MS) == 0)
		syscall(SYS_pidfd_send_signal, g->pidfd, SIGCONT, NULL, 0);
}

static void on_watcher_death(struct guest *g)
{
	log_error("the watcher was killed; killing the guest");
	g->watcher_dead = true;
	g->exited = true;
	g->status = EXIT_CORDON_FAILED << 8;
	/* We are the subreaper now. */
	reap_all(false);
	g->watcher = 0;
}

/* One message of the watcher; false when there is none now. */
static bool on_message(struct guest *g, bool *child)
{
	struct launch_msg m;
	int rc = message_recv(g->plan.ctl[0], &m, NULL, false);

	if (rc == -EAGAIN)
		return false;
	if (rc <= 0) {
		on_watcher_death(g);
		return false;
	}
	switch (m.kind) {
	case CTL_EXIT:
		g->exited = true;
		g->status = m.value;
		break;
	case CTL_STOP:
		on_stop(g, m.value);
		break;
	case CTL_CHILD:
		*child = true;
		break;
	default:
		break;
	}
	return !g->exited;
}

static int exit_code(const struct guest *g, int *term_signal)
{
	*term_signal = 0;
	if (WIFEXITED(g->status))
		return WEXITSTATUS(g->status);
	*term_signal = WTERMSIG(g->status);
	return 128 + *term_signal;
}

void launch_listen(struct guest *g, int fd, void (*fn)(void *arg), void *arg)
{
	g->ask_fd = fd;
	g->asked = fn;
	g->ask_arg = arg;
}

int launch_wait(struct guest *g, void (*on_child_exit)(void *arg), void *arg,
		int *term_signal)
{
	struct pollfd p[3] = {{.fd = g->plan.ctl[0], .events = POLLIN},
			      {.fd = g->sigfd, .events = POLLIN},
			      {.fd = g->ask_fd, .events = POLLIN}};

	while (!g->exited) {
		bool child = false;

		if (poll(p, 3, -1) < 0)
			continue;
		if (p[1].revents)
			on_signals(g);
		if (p[0].revents)
			while (on_message(g, &child))
				;
		if (child)
			on_child_exit(arg);
		if (p[2].revents && !g->exited)
			g->asked(g->ask_arg);
	}
	guest_explain(g);
	on_signals(g);
	return exit_code(g, term_signal);
}

void launch_kill_rest(struct guest *g)
{
	struct launch_msg m = {0};

	if (g->watcher_dead)
		return;
	message_send(g->plan.ctl[0], CTL_KILL, 0, 0);
	while (m.kind != CTL_GONE)
		if (message_recv(g->plan.ctl[0], &m, NULL, true) <= 0)
			break;
	if (m.kind != CTL_GONE)
		on_watcher_death(g);
	/* It cleans up and exits while we do; launch_fini waits for it. */
	close(g->plan.ctl[0]);
	g->plan.ctl[0] = -1;
}

bool launch_signal_pending(void *arg)
{
	struct guest *g = arg;
	struct signalfd_siginfo si;
	bool end = false;

	while (read(g->sigfd, &si, sizeof si) == (ssize_t)sizeof si)
		end |= signals_asks_to_end(&si);
	return end;
}
