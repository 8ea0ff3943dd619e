/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking a program whether it can take over: it is run as a child, with an
 * image of the sandbox as it was a moment ago, makes everything of it that
 * needs no descriptor, and says so. What it says instead is the reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sentry/upgrade/argv.h"
#include "sentry/upgrade/upgrade_priv.h"

/* Loading takes milliseconds; but the machine may be busy. */
#define PROBE_MS 20000
#define PROBE_IMAGE_FD 3

struct probe {
	pid_t pid;
	int out; /* its words */
	char text[UPGRADE_WHY];
	size_t used;
};

/* ---- the child ---- */

static int add_files(posix_spawn_file_actions_t *fa, int image_fd, int out)
{
	int err = posix_spawn_file_actions_adddup2(fa, out, STDOUT_FILENO);

	if (!err)
		err = posix_spawn_file_actions_adddup2(fa, out, STDERR_FILENO);
	if (!err)
		err = posix_spawn_file_actions_adddup2(fa, image_fd,
						       PROBE_IMAGE_FD);
	return err;
}

/* Not of our process group: it is not the guest's business. */
static void set_attr(posix_spawnattr_t *attr)
{
	sigset_t none, pipe;

	sigemptyset(&none);
	sigemptyset(&pipe);
	sigaddset(&pipe, SIGPIPE);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &pipe);
	posix_spawnattr_setpgroup(attr, 0);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSIGMASK |
					   POSIX_SPAWN_SETSIGDEF |
					   POSIX_SPAWN_SETPGROUP);
}

static int run(struct probe *p, const struct upgrade *up, int binary_fd,
	       int image_fd, int out)
{
	char path[40], **argv;
	posix_spawn_file_actions_t fa;
	posix_spawnattr_t attr;
	int err;

	argv = upgrade_argv(up, "upgrade-probe", PROBE_IMAGE_FD);
	if (!argv)
		return -ENOMEM;
	snprintf(path, sizeof path, "/proc/self/fd/%d", binary_fd);
	posix_spawn_file_actions_init(&fa);
	posix_spawnattr_init(&attr);
	set_attr(&attr);
	err = add_files(&fa, image_fd, out);
	if (!err)
		err = posix_spawn(&p->pid, path, &fa, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&fa);
	posix_spawnattr_destroy(&attr);
	upgrade_argv_free(argv);
	return -err;
}

/* ---- its words ---- */

/* Until it closes its end; false: it takes too long. What does not fit is
 * thrown away. */
static bool listen_to(struct probe *p)
{
	int64_t end = upgrade_clock() + PROBE_MS * NST_MS;

	for (;;) {
		int64_t left = (end - upgrade_clock()) / NST_MS;
		struct pollfd f = {.fd = p->out, .events = POLLIN};
		char rest[256];
		ssize_t n;

		if (left <= 0)
			return false;
		if (poll(&f, 1, (int)left) <= 0)
			continue;
		if (p->used < sizeof p->text - 1)
			n = read(p->out, p->text + p->used,
				 sizeof p->text - 1 - p->used);
		else
			n = read(p->out, rest, sizeof rest);
		if (n <= 0)
			return true;
		if (p->used < sizeof p->text - 1)
			p->used += (size_t)n;
	}
}

/* What it said, as one line. */
static void judge(struct probe *p, bool in_time, int status, char *why)
{
	static const char prefix[] = "cordon: ";
	char *text = p->text;

	text[p->used] = '\0';
	if (!strncmp(text, prefix, sizeof prefix - 1))
		text += sizeof prefix - 1;
	text[strcspn(text, "\n")] = '\0';
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	if (!in_time)
		snprintf(why, UPGRADE_WHY, "the new program does not answer");
	else if (!*text || (WIFEXITED(status) && !WEXITSTATUS(status)))
		snprintf(why, UPGRADE_WHY,
			 "the new program is no cordon that can take over");
	else
		snprintf(why, UPGRADE_WHY, "the new program refuses: %.400s",
			 text);
}

static int ask(struct probe *p, char *why)
{
	bool in_time = listen_to(p);
	int status = 0;

	if (!in_time)
		kill(p->pid, SIGKILL);
	while (waitpid(p->pid, &status, 0) < 0 && errno == EINTR)
		;
	p->text[p->used] = '\0';
	if (in_time && WIFEXITED(status) && !WEXITSTATUS(status) &&
	    !strcmp(p->text, UPGRADE_PROBE_OK))
		return 0;
	judge(p, in_time, status, why);
	return -ENOEXEC;
}

static bool is_program(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       !faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS);
}

void upgrade_probe_ok(void)
{
	fputs(UPGRADE_PROBE_OK, stdout);
}

int upgrade_probe(const struct upgrade *up, int binary_fd, int image_fd,
		  char *why)
{
	struct probe p = {.pid = 0};
	int ends[2], err;

	if (!is_program(binary_fd)) {
		snprintf(why, UPGRADE_WHY,
			 "not an executable file that is a regular one");
		return -EACCES;
	}
	if (pipe2(ends, O_CLOEXEC)) {
		snprintf(why, UPGRADE_WHY, "%s", strerror(errno));
		return -errno;
	}
	p.out = ends[0];
	err = run(&p, up, binary_fd, image_fd, ends[1]);
	close(ends[1]);
	if (err)
		snprintf(why, UPGRADE_WHY, "cannot run the new program: %s",
			 strerror(-err));
	else
		err = ask(&p, why);
	close(ends[0]);
	return err;
}
