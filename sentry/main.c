/* SPDX-License-Identifier: Apache-2.0 */
/* The command: `cordon COMMAND ...`. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sentry/bridge/bridge.h"
#include "sentry/control/cli.h"
#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/image/cli.h"
#include "sentry/upgrade/cli.h"

static const char usage_text[] =
    "Usage: cordon run [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
    "       cordon run --help\n"
    "       cordon ps [--json]\n"
    "       cordon pause|resume ID\n"
    "       cordon save [--pause] [--clone] ID FILE\n"
    "       cordon save --in-place ID\n"
    "       cordon image show|check|diff FILE...\n"
    "       cordon restore [--clone] FILE [OPTIONS] [--] PROGRAM [ARGUMENTS]\n"
    "       cordon upgrade [--binary PATH] ID\n"
    "       cordon bridge [OPTIONS] TAP[@NETNS] TAP[@NETNS]\n"
    "       cordon --help | --version\n"
    "Runs an unmodified program with a TCP/IP stack of its own.\n";

/*
 * Descriptors 0-2 that were closed when we were started are filled, so that
 * nothing of ours lands there; close-on-exec, so that the guest finds them
 * closed as its caller wanted.
 */
static void fill_std_fds(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 &&
		    open("/dev/null", O_RDWR | O_CLOEXEC) != fd)
			_exit(EXIT_CORDON_FAILED);
}

/* Dies of the signal that the guest died of, without a core of our own. */
static void die_of(int sig)
{
	const struct rlimit none = {0, 0};
	sigset_t set;

	setrlimit(RLIMIT_CORE, &none);
	signal(sig, SIG_DFL);
	sigemptyset(&set);
	sigaddset(&set, sig);
	raise(sig);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static int finish_output(int code)
{
	if (!fflush(stdout) && !ferror(stdout))
		return code;
	log_error("cannot write to standard output");
	return EXIT_CORDON_FAILED;
}

/* argv[0] is the first word after the command; the exit code. */
static const struct {
	const char *word;
	int (*run)(int argc, char **argv);
} commands[] = {
    {"bridge", cordon_bridge},
    {"image", cordon_image},
    {"pause", cordon_pause},
    {"ps", cordon_ps},
    {"resume", cordon_resume},
    {"save", cordon_save},
    {"upgrade", cordon_upgrade},
    {"upgrade-probe", cordon_upgrade_probe}, /* sentry/upgrade asks */
};

static int command(int argc, char **argv, int *term_signal)
{
	const char *word = argc > 1 ? argv[1] : "";

	if (!strcmp(word, "run"))
		return cordon_run(argc - 2, argv + 2, term_signal);
	if (!strcmp(word, "restore"))
		return cordon_restore(argc - 2, argv + 2, term_signal);
	if (!strcmp(word, "upgrade-run"))
		return cordon_upgrade_run(argc - 2, argv + 2, term_signal);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(word, commands[i].word))
			return commands[i].run(argc - 2, argv + 2);
	if (!strcmp(word, "--help") || !strcmp(word, "-h")) {
		fputs(usage_text, stdout);
		return 0;
	}
	if (!strcmp(word, "--version")) {
		puts("cordon " CORDON_VERSION);
		return 0;
	}
	if (!*word)
		log_error("no command given; see cordon --help");
	else
		log_error("unknown command %s; see cordon --help", word);
	return EXIT_CORDON_FAILED;
}

int main(int argc, char **argv)
{
	int term_signal = 0;

	fill_std_fds();
	int code = finish_output(command(argc, argv, &term_signal));
	if (term_signal)
		die_of(term_signal);
	return code;
}
