/* SPDX-License-Identifier: Apache-2.0 */
/* The table of commands, and those that are about the sandbox as a whole. */
#include "sentry/control/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sentry/control/control.h"
#include "sentry/control/text.h"
#include "sentry/image/run_save.h"
#include "sentry/launch/launch.h"
#include "sentry/save/command.h"
#include "sentry/sock/sock.h"
#include "sentry/upgrade/run_upgrade.h"

static void add(struct json_object *o, const char *name,
		struct json_object *value)
{
	json_object_object_add(o, name, value);
}

static void add_int(struct json_object *o, const char *name, int64_t v)
{
	add(o, name, json_object_new_int64(v));
}

static void add_text(struct json_object *o, const char *name, const char *v)
{
	add(o, name, text_to_json(v));
}

/* ---- ps ---- */

static int64_t count_sockets(struct sandbox *sb)
{
	int64_t n = 0;

	sandbox_lock_turn(sb);
	for (struct sock *s = sock_next(sb, NULL); s; s = sock_next(sb, s))
		n++;
	sandbox_unlock(sb);
	return n;
}

/* How long this process has been there; an exec is not a new one. Field 22 of
 * its stat: proc_pid_stat(5). */
static double uptime_seconds(void)
{
	struct timespec now;
	unsigned long long ticks = 0;
	char text[512] = "";
	FILE *f = fopen("/proc/self/stat", "re");

	if (!f)
		return 0;
	const char *at =
	    fgets(text, sizeof text, f) ? strrchr(text, ')') : NULL;
	fclose(f);
	for (int field = 2; at && field < 22; field++)
		at = strchr(at + 1, ' ');
	if (!at || sscanf(at, "%llu", &ticks) != 1)
		return 0;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9 -
	       (double)ticks / (double)sysconf(_SC_CLK_TCK);
}

static void add_net(struct json_object *o, const struct options *opt)
{
	char tap[32];

	switch (opt->net) {
	case NET_NAT:
		add_text(o, "net", "nat");
		break;
	case NET_NONE:
		add_text(o, "net", "none");
		break;
	case NET_TAP:
		snprintf(tap, sizeof tap, "tap:%s", opt->tap_name);
		add_text(o, "net", tap);
		break;
	}
}

static int run_ps(struct sandbox *sb, struct json_object *request,
		  struct control_reply *reply)
{
	struct json_object *o = reply->body, *argv = json_object_new_array();
	bool paused = launch_paused(sb->guest);

	(void)request;
	add_text(o, "id", control_id(sb));
	add_int(o, "pid", getpid());
	add_int(o, "guest_pid", sb->guest_pid);
	add_int(o, "uid", geteuid());
	add_text(o, "state", paused ? "paused" : "running");
	add_net(o, sb->opt);
	add(o, "uptime_s", json_object_new_double(uptime_seconds()));
	add_int(o, "sockets", count_sockets(sb));
	for (char **a = sb->opt->argv; *a; a++)
		json_object_array_add(argv, text_to_json(*a));
	add(o, "argv", argv);
	return 0;
}

/* ---- pause, resume ---- */

static int run_pause(struct sandbox *sb, struct json_object *request,
		     struct control_reply *reply)
{
	unsigned n;
	int rc = launch_pause(sb->guest, &n);

	(void)request;
	if (rc == -EALREADY)
		return control_fail(reply, rc, "it is paused already");
	if (rc == -EBUSY)
		return control_fail(reply, rc,
				    "the guest forks faster than it "
				    "can be stopped");
	if (rc == -ESRCH)
		return control_fail(reply, rc, "the guest has ended");
	if (!rc)
		add_int(reply->body, "processes", n);
	return rc;
}

static int run_resume(struct sandbox *sb, struct json_object *request,
		      struct control_reply *reply)
{
	unsigned n;
	int rc = launch_resume(sb->guest, &n);

	(void)request;
	if (rc == -EALREADY)
		return control_fail(reply, rc, "it is not paused");
	if (rc == -ESRCH)
		return control_fail(reply, rc, "the guest has ended");
	if (!rc)
		add_int(reply->body, "processes", n);
	return rc;
}

const struct control_command control_commands[] = {
    {"ps", run_ps},
    {"pause", run_pause},
    {"resume", run_resume},
    {"save", image_run_save},
    {"upgrade", upgrade_run},
    {"save-in-place", save_run_in_place},
    {NULL, NULL},
};
