/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/control/cli.h"

#include <stdio.h>
#include <string.h>

#include "sentry/control/client.h"
#include "sentry/control/text.h"
#include "sentry/core/log.h"
#include "sentry/core/run.h"

/* More than a pause takes at the worst. */
#define PAUSE_MS 15000
#define COMMAND_COLUMNS 60

/* ---- ps ---- */

static const char *text_of(struct json_object *o, const char *name)
{
	struct json_object *v;

	if (!json_object_object_get_ex(o, name, &v))
		return "-";
	return json_object_get_string(v);
}

/* argv in one line. */
static void command_line(struct json_object *o, char *out, size_t size)
{
	struct json_object *argv;
	char line[4096] = "";

	out[0] = '\0';
	if (!json_object_object_get_ex(o, "argv", &argv) ||
	    !json_object_is_type(argv, json_type_array))
		return;
	for (size_t i = 0; i < json_object_array_length(argv); i++) {
		struct json_object *a = json_object_array_get_idx(argv, i);
		size_t at = strlen(line);
		const char *text = json_object_get_string(a);

		if (at + 8 > sizeof line)
			break;
		snprintf(line + at, sizeof line - at, "%s%s", i ? " " : "",
			 text ? text : "");
	}
	text_for_terminal(out, size, line, COMMAND_COLUMNS);
}

static void print_row(void *arg, const struct control_seen *s)
{
	char up[24], cmd[512], net[64] = "", state[32] = "";
	struct json_object *o = s->reply, *v;

	(void)arg;
	if (!o) {
		printf("%-12s %7d %7s %6d %-8s %-9s %6s %7s %s\n", s->id,
		       s->pid, "-", s->uid, "silent", "-", "-", "-", "-");
		return;
	}
	text_of_seconds(up, json_object_object_get_ex(o, "uptime_s", &v)
				? (long long)json_object_get_double(v)
				: 0);
	text_for_terminal(net, sizeof net, text_of(o, "net"), 20);
	text_for_terminal(state, sizeof state, text_of(o, "state"), 8);
	command_line(o, cmd, sizeof cmd);
	printf("%-12s %7d %7.12s %6d %-8s %-9s %6s %7.12s %s\n", s->id, s->pid,
	       text_of(o, "guest_pid"), s->uid, state, net, up,
	       text_of(o, "sockets"), cmd);
}

static void add_object(void *arg, const struct control_seen *s)
{
	struct json_object *o = s->reply;

	if (o) {
		json_object_get(o);
		json_object_object_del(o, "version");
		json_object_object_del(o, "ok");
	} else {
		o = json_object_new_object();
		json_object_object_add(o, "id", json_object_new_string(s->id));
		json_object_object_add(o, "pid", json_object_new_int(s->pid));
		json_object_object_add(o, "uid", json_object_new_int(s->uid));
		json_object_object_add(o, "state",
				       json_object_new_string("silent"));
	}
	json_object_array_add(arg, o);
}

static int ps_json(void)
{
	struct json_object *all = json_object_new_array();
	int rc = all ? control_each(add_object, all) : -1;

	if (!rc)
		puts(json_object_to_json_string_ext(
		    all,
		    JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(all);
	return rc;
}

static int ps_table(void)
{
	printf("%-12s %7s %7s %6s %-8s %-9s %6s %7s %s\n", "ID", "PID", "GUEST",
	       "UID", "STATE", "NET", "UPTIME", "SOCKETS", "COMMAND");
	return control_each(print_row, NULL);
}

int cordon_ps(int argc, char **argv)
{
	static const char usage[] =
	    "Usage: cordon ps [--json]\n"
	    "Lists the running sandboxes of this user.\n";
	bool json = argc == 1 && !strcmp(argv[0], "--json");

	if (argc == 1 && !strcmp(argv[0], "--help")) {
		fputs(usage, stdout);
		return 0;
	}
	if (argc && !json) {
		log_error("ps: %s is not known; use: cordon ps [--json]",
			  argv[argc > 1]);
		return EXIT_CORDON_FAILED;
	}
	int rc = json ? ps_json() : ps_table();
	if (rc)
		log_error("ps: %s", strerror(-rc));
	return rc ? EXIT_CORDON_FAILED : 0;
}

/* ---- pause, resume ---- */

static int simple(const char *command, const char *what, int argc, char **argv)
{
	if (argc == 1 && !strcmp(argv[0], "--help")) {
		printf("Usage: cordon %s ID\n%s\n", command, what);
		return 0;
	}
	if (argc != 1 || !value_id_ok(argv[0])) {
		log_error("%s needs one id, or its beginning; see cordon ps",
			  command);
		return EXIT_CORDON_FAILED;
	}
	return control_call(argv[0], control_request(command), PAUSE_MS, NULL,
			    NULL)
		   ? EXIT_CORDON_FAILED
		   : 0;
}

int cordon_pause(int argc, char **argv)
{
	return simple("pause",
		      "Stops all processes of a sandbox; its network goes on.",
		      argc, argv);
}

int cordon_resume(int argc, char **argv)
{
	return simple("resume", "Continues what a pause has stopped.", argc,
		      argv);
}
