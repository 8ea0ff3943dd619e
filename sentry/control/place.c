/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/control/place.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64
#define ID_LETTERS 8
/* The last one in a directory removes it, perhaps while we are entering. */
#define DIR_TRIES 20

static void name_of(const char *id, char name[static VALUE_ID_BYTES + 8])
{
	snprintf(name, VALUE_ID_BYTES + 8, "%s" CONTROL_SUFFIX, id);
}

/* 40 random bits in RFC 4648's base32, lower case. */
static void random_id(char id[VALUE_ID_BYTES])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	unsigned char r[ID_LETTERS];

	randombytes_buf(r, sizeof r);
	for (int i = 0; i < ID_LETTERS; i++)
		id[i] = letters[r[i] % 32];
	id[ID_LETTERS] = '\0';
}

static int bind_to(int fd, const struct control_dir *d, const char *name)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	snprintf(un.sun_path, sizeof un.sun_path, "/proc/self/fd/%d/%s", d->fd,
		 name);
	return bind(fd, (struct sockaddr *)&un, sizeof un) ? -errno : 0;
}

static struct control_made made_of(const struct control_dir *d,
				   const char *name)
{
	struct stat st;

	if (fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW))
		return (struct control_made){0};
	return (struct control_made){
	    st.st_ino, st.st_ctim.tv_sec * 1000000000ll + st.st_ctim.tv_nsec};
}

/* Nobody can connect before listen(): by then the mode is right. */
static int listen_at(int fd, const struct control_dir *d, const char *name)
{
	if (!fchmodat(d->fd, name, 0600, 0) && !listen(fd, BACKLOG))
		return 0;
	int err = errno;
	unlinkat(d->fd, name, 0);
	return -err;
}

/* Binds fd to the name of p->id, under the directory's lock. */
static int take(int fd, const struct control_dir *d, struct control_place *p)
{
	char name[VALUE_ID_BYTES + 8];

	name_of(p->id, name);
	int rc = bind_to(fd, d, name);
	if (rc == -EADDRINUSE && control_dir_remove_dead(d, p->id))
		rc = bind_to(fd, d, name);
	if (rc == -EADDRINUSE)
		return -EEXIST;
	if (!rc)
		rc = listen_at(fd, d, name);
	if (!rc)
		p->made = made_of(d, name);
	return rc;
}

/* In one directory: `id`, or random ones until one is free. */
static int claim_in(const struct control_dir *d, int fd, const char *id,
		    struct control_place *p)
{
	int rc;

	control_dir_lock(d);
	do {
		if (id)
			snprintf(p->id, sizeof p->id, "%s", id);
		else
			random_id(p->id);
		rc = take(fd, d, p);
	} while (rc == -EEXIST && !id);
	control_dir_unlock(d);
	snprintf(p->dir, sizeof p->dir, "%s", d->path);
	return rc;
}

/* In candidate n. -ENOENT of a directory that was removed under us: again. */
static int claim_at(unsigned n, int fd, const char *id, struct control_place *p)
{
	struct control_dir d;
	int rc = -ENOENT;

	for (int i = 0; i < DIR_TRIES && rc == -ENOENT; i++) {
		rc = control_dir_open(n, true, &d);
		if (rc)
			return rc;
		control_dir_sweep(&d);
		rc = claim_in(&d, fd, id, p);
		control_dir_close(&d);
	}
	return rc;
}

/* A name that lives in another candidate's directory is taken as well: `ps`
 * looks into all of them. */
static bool lives_elsewhere(const char *id, unsigned here)
{
	bool lives = false;

	for (unsigned n = 0; n < CONTROL_DIRS && !lives; n++) {
		struct control_dir d;

		if (n == here || control_dir_open(n, false, &d))
			continue;
		int fd = control_dir_connect(&d, id);
		lives = fd >= 0 || fd == -EAGAIN;
		if (fd >= 0)
			close(fd);
		control_dir_close(&d);
	}
	return lives;
}

int control_place_claim(const char *id, struct control_place *p)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int rc = -ENOENT;

	memset(p, 0, sizeof *p);
	if (fd < 0)
		return -errno;
	for (unsigned n = 0; n < CONTROL_DIRS; n++) {
		if (id && lives_elsewhere(id, n))
			rc = -EEXIST;
		else
			rc = claim_at(n, fd, id, p);
		if (!rc)
			return fd;
		if (rc == -EEXIST)
			break;
	}
	close(fd);
	return rc;
}

void control_place_remove(const struct control_place *p)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct control_dir d = {.fd = open(p->dir, flags)};
	char name[VALUE_ID_BYTES + 8];
	struct control_made now;

	if (d.fd < 0)
		return;
	name_of(p->id, name);
	control_dir_lock(&d);
	now = made_of(&d, name);
	if (now.ino && now.ino == p->made.ino && now.ctime == p->made.ctime)
		unlinkat(d.fd, name, 0);
	else
		control_dir_remove_dead(&d, p->id);
	control_dir_close(&d); /* and so its lock */
	rmdir(p->dir);
}

int control_place_cover(const struct control_place *p)
{
	const unsigned long flags =
	    MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY;

	if (mount("cordon", p->dir, "tmpfs", flags, "mode=0700,nr_inodes=1"))
		return -errno;
	return 0;
}

void control_place_uncover(const struct control_place *p)
{
	umount2(p->dir, MNT_DETACH | UMOUNT_NOFOLLOW);
}
