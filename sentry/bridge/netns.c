/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/bridge/netns.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/core/log.h"

int netns_enter(const char *path)
{
	int home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	int there = open(path, O_RDONLY | O_CLOEXEC), err = 0;

	if (home < 0 || there < 0 || setns(there, CLONE_NEWNET) < 0)
		err = errno;
	if (there >= 0)
		close(there);
	if (!err)
		return home;
	if (home >= 0)
		close(home);
	log_error("cannot enter the network namespace %s: %s", path,
		  strerror(err));
	return -err;
}

void netns_leave(int home)
{
	if (setns(home, CLONE_NEWNET) < 0)
		abort(); /* it was ours a moment ago */
	close(home);
}
