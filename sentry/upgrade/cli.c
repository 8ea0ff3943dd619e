/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/upgrade/cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sentry/control/client.h"
#include "sentry/core/log.h"
#include "sentry/core/run.h"

/* Trying the new program and saving a large sandbox. */
#define UPGRADE_MS 60000

static const char usage[] =
    "Usage: cordon upgrade ID [--binary PATH]\n"
    "Replaces the cordon of a running sandbox by another one, in place; the\n"
    "program in it goes on, its connections too. PATH: by default where the\n"
    "sandbox's cordon was started from, which may be a new one by now.\n";

struct args {
	const char *id, *binary;
	bool help;
};

static bool parse(int argc, char **argv, struct args *a)
{
	static const char eq[] = "--binary=";

	for (int i = 0; i < argc; i++) {
		if (!strcmp(argv[i], "--help"))
			a->help = true;
		else if (!strcmp(argv[i], "--binary") && i + 1 < argc)
			a->binary = argv[++i];
		else if (!strncmp(argv[i], eq, sizeof eq - 1))
			a->binary = argv[i] + sizeof eq - 1;
		else if (argv[i][0] != '-' && !a->id)
			a->id = argv[i];
		else
			return false;
	}
	return a->help || (a->id && value_id_ok(a->id));
}

/* The program goes with the request. */
static int open_binary(const char *path, struct control_fds *fds)
{
	int fd;

	fds->n = 0;
	if (!path)
		return 0;
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		log_error("--binary %s: %s", path, strerror(errno));
		return -1;
	}
	fds->fd[fds->n++] = fd;
	return 0;
}

static long long number(struct json_object *o, const char *name)
{
	struct json_object *v;

	return json_object_object_get_ex(o, name, &v) ? json_object_get_int64(v)
						      : 0;
}

int cordon_upgrade(int argc, char **argv)
{
	struct args a = {0};
	struct control_fds fds;
	struct json_object *reply;
	int own;

	if (!parse(argc, argv, &a)) {
		log_error("upgrade needs one id, or its beginning; see cordon "
			  "upgrade --help");
		return EXIT_CORDON_FAILED;
	}
	if (a.help) {
		fputs(usage, stdout);
		return 0;
	}
	if (open_binary(a.binary, &fds))
		return EXIT_CORDON_FAILED;
	own = fds.n ? fds.fd[0] : -1;
	int rc = control_call(a.id, control_request("upgrade"), UPGRADE_MS,
			      &reply, &fds);
	if (own >= 0)
		close(own);
	if (rc)
		return EXIT_CORDON_FAILED;
	printf("upgraded; it stood still for %lld us\n",
	       number(reply, "stall_us"));
	json_object_put(reply);
	control_fds_close(&fds);
	return 0;
}
