/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/core/stack_start.h"

#include <errno.h>
#include <string.h>

#include "sentry/core/errmap.h"
#include "sentry/core/log.h"

static int set_cc(struct sandbox *sb)
{
	const char *cc = sb->opt->cc;

	if (!cc ||
	    nst_sysctl_set(sb->stack, "tcp_congestion_control", cc) == NST_OK)
		return 0;
	log_error("--cc %s: no such congestion control; there are cubic, bbr "
		  "and reno",
		  cc);
	return -EINVAL;
}

static int set_sysctls(struct sandbox *sb)
{
	for (size_t i = 0; i < sb->opt->nsysctls; i++) {
		const char *text = sb->opt->sysctls[i];
		const char *eq = strchr(text, '=');
		char name[64];
		enum nst_err e = NST_E_NOENT;

		if ((size_t)(eq - text) < sizeof name) {
			memcpy(name, text, (size_t)(eq - text));
			name[eq - text] = '\0';
			e = nst_sysctl_set(sb->stack, name, eq + 1);
		}
		if (!e)
			continue;
		log_error("--sysctl %s: %s", text,
			  e == NST_E_NOENT ? "no such setting, or value of it"
					   : "not a value it takes");
		return -errno_of(e);
	}
	return 0;
}

int stack_start(struct sandbox *sb)
{
	enum nst_err e = nst_stack_new(&sb->env, sandbox_now(sb), &sb->stack);

	if (!e) {
		int err = set_cc(sb);

		return err ? err : set_sysctls(sb);
	}
	log_error("cannot make a network stack: %s", strerror(errno_of(e)));
	return -errno_of(e);
}
