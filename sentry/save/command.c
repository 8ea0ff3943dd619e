/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/save/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "sentry/control/client.h"
#include "sentry/core/log.h"
#include "sentry/core/run.h"
#include "sentry/save/save.h"

#define SAVE_MS 30000

static const char *const members[] = {"stall_us", "cpu_us", "image_bytes",
				      "connections", "endpoints"};

int save_run_in_place(struct sandbox *sb, struct json_object *request,
		      struct control_reply *reply)
{
	struct save_report report;
	int rc;

	(void)request;
	save_prepare(sb);
	sandbox_lock_turn(sb);
	rc = save_in_place(sb, &report);
	sandbox_unlock(sb);
	if (rc)
		return control_fail(reply, rc,
				    "it could not be saved; it goes on as it "
				    "was");
	const int64_t values[] = {report.stall / NST_US, report.cpu / NST_US,
				  (int64_t)report.image_bytes,
				  (int64_t)report.connections,
				  (int64_t)report.endpoints};
	for (size_t i = 0; i < sizeof values / sizeof *values; i++)
		json_object_object_add(reply->body, members[i],
				       json_object_new_int64(values[i]));
	return 0;
}

int cordon_save_in_place(int argc, char **argv)
{
	struct json_object *reply, *v;

	if (argc != 1 || !value_id_ok(argv[0])) {
		log_error("save --in-place needs one id, or its beginning; see "
			  "cordon ps");
		return EXIT_CORDON_FAILED;
	}
	if (control_call(argv[0], control_request("save-in-place"), SAVE_MS,
			 &reply, NULL))
		return EXIT_CORDON_FAILED;
	for (size_t i = 0; i < sizeof members / sizeof *members; i++)
		if (json_object_object_get_ex(reply, members[i], &v))
			printf("%s%s %" PRId64, i ? " " : "", members[i],
			       json_object_get_int64(v));
	putchar('\n');
	json_object_put(reply);
	return 0;
}
