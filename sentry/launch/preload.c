/* SPDX-License-Identifier: Apache-2.0 */
/* How the shim gets into dynamic guests: LD_PRELOAD and one variable. */
#include "sentry/launch/launch_priv.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shim/abi.h"

#define SHIM_FILE "libcordon_shim.so"

/* Relative to the folder of the executable: the build folder's layout, the
 * same folder, and the library folders of an installation. */
static const char *const places[] = {
    "../shim/" SHIM_FILE,
    SHIM_FILE,
    "../lib/" SHIM_FILE,
    "../lib/x86_64-linux-gnu/" SHIM_FILE,
    "../lib/aarch64-linux-gnu/" SHIM_FILE,
    "../lib64/" SHIM_FILE,
};

static bool find(char path[PATH_MAX])
{
	char dir[PATH_MAX], try[PATH_MAX * 2];
	ssize_t n = readlink("/proc/self/exe", dir, sizeof dir - 1);

	if (n <= 0)
		return false;
	dir[n] = '\0';
	char *slash = strrchr(dir, '/');
	if (!slash)
		return false;
	*slash = '\0';
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(try, sizeof try, "%s/%s", dir, places[i]);
		if (!access(try, R_OK) && realpath(try, path))
			return true;
	}
	return false;
}

/* ld.so splits LD_PRELOAD at spaces and colons: such a path cannot be named. */
static bool nameable(const char *path)
{
	return !strpbrk(path, " :");
}

bool preload_setenv(uint64_t magic)
{
	char path[PATH_MAX], value[32];
	const char *old = getenv("LD_PRELOAD");
	char *list;
	int rc;

	if (!find(path) || !nameable(path))
		return false;
	if (asprintf(&list, "%s%s%s", old ? old : "", old && *old ? ":" : "",
		     path) < 0)
		return false;
	rc = setenv("LD_PRELOAD", list, 1);
	free(list);
	snprintf(value, sizeof value, "%c:%016" PRIx64, SHIM_ENV_VERSION,
		 magic);
	return rc == 0 && setenv(SHIM_ENV, value, 1) == 0;
}
