/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals of the sentry are the guest's. Those that the kernel sent (the
 * terminal's: ^C, ^Z, a new window size, hang-up) went to the whole foreground
 * process group, the guest included, and are not repeated; those that a process
 * sent are passed on.
 */
#include "sentry/launch/launch_priv.h"

#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

static int send_pidfd(int pidfd, int sig, siginfo_t *info)
{
	return (int)syscall(SYS_pidfd_send_signal, pidfd, sig, info, 0);
}

void signals_forward(int guest_pidfd, const struct signalfd_siginfo *si)
{
	int sig = (int)si->ssi_signo;
	siginfo_t info;

	/* CLD_* (the watcher) and the terminal's have positive codes. */
	if (si->ssi_code > 0)
		return;
	if (si->ssi_code != SI_QUEUE) {
		send_pidfd(guest_pidfd, sig, NULL);
		return;
	}
	memset(&info, 0, sizeof info);
	info.si_signo = sig;
	info.si_code = SI_QUEUE;
	info.si_pid = (pid_t)si->ssi_pid;
	info.si_uid = si->ssi_uid;
	info.si_value.sival_ptr = (void *)(uintptr_t)si->ssi_ptr;
	send_pidfd(guest_pidfd, sig, &info);
}

void signals_stop_self(int sig)
{
	const struct timespec none = {0, 0};
	sigset_t set, old, cont;

	/* Our parent sees the same stop as it would of the guest. */
	sigemptyset(&set);
	sigaddset(&set, sig);
	kill(getpid(), sig);
	sigprocmask(SIG_UNBLOCK, &set, &old);
	sigprocmask(SIG_SETMASK, &old, NULL);
	/* What continued us is not passed on: see CTL_CONT in wait.c. */
	sigemptyset(&cont);
	sigaddset(&cont, SIGCONT);
	sigtimedwait(&cont, NULL, &none);
}

bool signals_asks_to_end(const struct signalfd_siginfo *si)
{
	switch (si->ssi_signo) {
	case SIGHUP:
	case SIGINT:
	case SIGQUIT:
	case SIGTERM:
		return true;
	default:
		return false;
	}
}
