/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/control/place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* Claiming a name takes microseconds. */
#define LOCK_TRIES 50
#define LOCK_WAIT_US 10000

/* The parent of $XDG_RUNTIME_DIR/cordon: the user's, and nobody else's to
 * write, as its specification demands. */
static bool base_is_private(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == geteuid() && !(st.st_mode & 022);
}

static bool dir_is_ours(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && st.st_uid == geteuid() &&
	       (st.st_mode & 07777) == 0700;
}

/* The parent directory and the name in it of candidate n; false: none. */
static bool candidate(unsigned n, const char **base, char name[32])
{
	*base = NULL;
	snprintf(name, 32, "cordon");
	if (n == 0) {
		*base = getenv("XDG_RUNTIME_DIR");
	} else if (n == 1 && geteuid() == 0) {
		*base = "/run";
	} else if (n == 2) {
		*base = "/tmp";
		snprintf(name, 32, "cordon-%u", geteuid());
	}
	return *base && **base == '/' &&
	       strlen(*base) + 1 + strlen(name) < CONTROL_DIR_BYTES;
}

static int open_below(int base, const char *name, bool make)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

	if (make && mkdirat(base, name, 0700) && errno != EEXIST)
		return -errno;
	int fd = openat(base, name, flags);
	if (fd < 0)
		return errno == ENOENT ? -ENOENT : -EPERM;
	if (dir_is_ours(fd))
		return fd;
	close(fd);
	return -EPERM;
}

int control_dir_open(unsigned n, bool make, struct control_dir *d)
{
	const char *path;
	char name[32];

	d->fd = -1;
	if (!candidate(n, &path, name))
		return -ENOENT;
	int base = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (base < 0)
		return -ENOENT;
	int rc = -EPERM;
	if (n != 0 || base_is_private(base))
		rc = open_below(base, name, make);
	close(base);
	if (rc < 0)
		return rc;
	d->fd = rc;
	snprintf(d->path, sizeof d->path, "%s/%s", path, name);
	return 0;
}

void control_dir_close(struct control_dir *d)
{
	if (d->fd >= 0)
		close(d->fd);
	d->fd = -1;
}

void control_dir_lock(const struct control_dir *d)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (!flock(d->fd, LOCK_EX | LOCK_NB) || errno != EWOULDBLOCK)
			return;
		usleep(LOCK_WAIT_US);
	}
}

void control_dir_unlock(const struct control_dir *d)
{
	flock(d->fd, LOCK_UN);
}

int control_dir_connect(const struct control_dir *d, const char *id)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	int fd =
	    socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	snprintf(un.sun_path, sizeof un.sun_path,
		 "/proc/self/fd/%d/%s" CONTROL_SUFFIX, d->fd, id);
	if (!connect(fd, (struct sockaddr *)&un, sizeof un))
		return fd;
	int err = errno;
	close(fd);
	return -err;
}

bool control_dir_remove_dead(const struct control_dir *d, const char *id)
{
	char name[VALUE_ID_BYTES + sizeof CONTROL_SUFFIX];
	int fd = control_dir_connect(d, id);

	if (fd >= 0)
		close(fd);
	if (fd != -ECONNREFUSED)
		return false;
	snprintf(name, sizeof name, "%s" CONTROL_SUFFIX, id);
	return !unlinkat(d->fd, name, 0);
}

struct sweep {
	const struct control_dir *dir;
	bool any;
};

static int sweep_one(void *arg, const char *id)
{
	struct sweep *s = arg;

	s->any |= control_dir_remove_dead(s->dir, id);
	return 0;
}

void control_dir_sweep(const struct control_dir *d)
{
	struct sweep s = {.dir = d};

	control_dir_lock(d);
	control_dir_each(d, sweep_one, &s);
	control_dir_unlock(d);
	if (s.any)
		rmdir(d->path);
}

/* "ID.sock" → "ID"; false for other names. */
static bool id_of_name(const char *name, char id[VALUE_ID_BYTES])
{
	const size_t tail = strlen(CONTROL_SUFFIX);
	size_t len = strlen(name);

	if (len <= tail || len - tail >= VALUE_ID_BYTES ||
	    strcmp(name + len - tail, CONTROL_SUFFIX) != 0)
		return false;
	memcpy(id, name, len - tail);
	id[len - tail] = '\0';
	return value_id_ok(id);
}

static int only_ids(const struct dirent *e)
{
	char id[VALUE_ID_BYTES];

	return id_of_name(e->d_name, id);
}

int control_dir_each(const struct control_dir *d,
		     int (*fn)(void *arg, const char *id), void *arg)
{
	struct dirent **list;
	char id[VALUE_ID_BYTES];
	int n = scandirat(d->fd, ".", &list, only_ids, alphasort), rc = 0;

	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (!rc && id_of_name(list[i]->d_name, id))
			rc = fn(arg, id);
		free(list[i]);
	}
	free(list);
	return rc;
}
