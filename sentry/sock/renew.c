/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replacing a used-up guest end in place. An AF_UNIX stream connects once; a
 * TCP socket may connect again after a failure or after AF_UNSPEC. The file
 * behind the guest's descriptor is exchanged (ADDFD SETFD), and because epoll
 * watches files, the registrations are made again: their events and data are
 * in the epoll's fdinfo, and the kernel keys them by (file, number), so they
 * are added by a thread whose own descriptor table holds the new file under
 * the guest's number.
 */
#include "sentry/sock/sock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#define RENEW_EPOLLS 64 /* epoll sets of one process that are looked after */
#define RENEW_DUPS 64   /* copies of the descriptor, the same */

struct epoll_reg {
	int epfd; /* our dup */
	int own;  /* the helper thread's */
	struct epoll_event ev;
};

struct regs {
	struct epoll_reg v[RENEW_EPOLLS];
	size_t n;
	int fd;     /* the new guest end, our dup */
	int number; /* the guest's descriptor */
};

/* Reads one fdinfo; true: it has our number, event and data are set. */
static bool fdinfo_reg(pid_t tid, const char *name, int number,
		       struct epoll_event *ev)
{
	char path[64], line[256];
	bool found = false;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/fdinfo/%.16s", tid, name);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (!found && fgets(line, sizeof line, f)) {
		unsigned long long data;
		unsigned events;
		int tfd;

		if (sscanf(line, "tfd: %d events: %x data: %llx", &tfd, &events,
			   &data) != 3 ||
		    tfd != number)
			continue;
		ev->events = events;
		ev->data.u64 = data;
		found = true;
	}
	fclose(f);
	return found;
}

static bool is_epoll(int dirfd, const char *name)
{
	char target[64];
	ssize_t n = readlinkat(dirfd, name, target, sizeof target - 1);

	if (n <= 0)
		return false;
	target[n] = '\0';
	return strstr(target, "[eventpoll]") != NULL;
}

static void regs_read(struct trap *t, struct regs *r)
{
	pid_t tid = (pid_t)t->n.pid;
	struct dirent *e;
	char path[32];
	DIR *d;

	snprintf(path, sizeof path, "/proc/%d/fd", tid);
	d = opendir(path);
	while (d && r->n < RENEW_EPOLLS && (e = readdir(d)) != NULL) {
		struct epoll_reg *reg = &r->v[r->n];

		if (!is_epoll(dirfd(d), e->d_name) ||
		    !fdinfo_reg(tid, e->d_name, r->number, &reg->ev))
			continue;
		reg->epfd = guest_fd_get(t->sb, tid, atoi(e->d_name));
		if (reg->epfd >= 0)
			r->n++;
	}
	if (d)
		closedir(d);
}

/* Runs on a thread of its own, which leaves its descriptor table behind. */
static void *regs_add(void *arg)
{
	struct regs *r = arg;
	int above = r->number + 1, fd;

	if (unshare(CLONE_FILES) < 0)
		return NULL;
	fd = fcntl(r->fd, F_DUPFD_CLOEXEC, above);
	/* Out of the way of the guest's number. */
	for (size_t i = 0; i < r->n; i++)
		r->v[i].own = fcntl(r->v[i].epfd, F_DUPFD_CLOEXEC, above);
	if (fd < 0 || dup2(fd, r->number) < 0)
		return NULL;
	for (size_t i = 0; i < r->n; i++)
		(void)epoll_ctl(r->v[i].own, EPOLL_CTL_ADD, r->number,
				&r->v[i].ev);
	return NULL;
}

/* Adds them (if `add`) and closes our dups. */
static void regs_apply(struct regs *r, bool add)
{
	pthread_t thread;

	if (!r->n)
		return;
	if (add && pthread_create(&thread, NULL, regs_add, r) == 0)
		pthread_join(thread, NULL);
	for (size_t i = 0; i < r->n; i++)
		close(r->v[i].epfd);
}

static bool guest_cloexec(const struct trap *t, int number)
{
	char leaf[32], text[256];
	const char *p;

	snprintf(leaf, sizeof leaf, "fdinfo/%d", number);
	if (!guest_proc_text((pid_t)t->n.pid, leaf, text, sizeof text))
		return false;
	p = strstr(text, "flags:");
	return p && (strtol(p + 6, NULL, 8) & O_CLOEXEC);
}

static void copy_timeouts(int from, int to)
{
	static const int opts[] = {SO_RCVTIMEO, SO_SNDTIMEO};

	for (size_t i = 0; i < 2; i++) {
		struct timeval tv;
		socklen_t len = sizeof tv;

		if (getsockopt(from, SOL_SOCKET, opts[i], &tv, &len) == 0)
			(void)setsockopt(to, SOL_SOCKET, opts[i], &tv, len);
	}
}

/* The socket is as new, but for options and a binding. */
static void renewed(struct sock *s, int name_fd, uint64_t cookie)
{
	if (s->name_fd >= 0)
		close(s->name_fd);
	s->name_fd = name_fd;
	sock_set_cookie(s, cookie);
	stream_drop_end(s);
	memset(&s->pipe, 0, sizeof s->pipe);
	s->state = SOCK_FRESH;
	s->shut = 0;
	s->used_up = false;
	s->connect_told = false;
	s->so_error = 0;
}

static int make_end(struct trap *t, int *name_fd)
{
	int type = SOCK_STREAM | SOCK_CLOEXEC;
	int fd;

	if (trap_nonblock(t))
		type |= SOCK_NONBLOCK;
	fd = socket(AF_UNIX, type, 0);
	if (fd < 0)
		return -errno;
	sandbox_lock(t->sb);
	*name_fd = backing_name(t->sb, fd);
	if (sock_make_room(t->sb, *name_fd))
		*name_fd = backing_name(t->sb, fd);
	sandbox_unlock(t->sb);
	if (*name_fd < 0) {
		close(fd);
		return *name_fd;
	}
	copy_timeouts(t->gfd, fd);
	return fd;
}

/* ---- every number of the process that names the socket ---- */

struct numbers {
	int v[RENEW_DUPS];
	size_t n;
};

/* The numbers besides the caller's own. */
static void numbers_read(struct trap *t, struct numbers *nums)
{
	char path[48], own[64], other[64];
	struct dirent *e;
	ssize_t n, m;
	DIR *d;

	snprintf(path, sizeof path, "/proc/%u/fd/%d", t->n.pid, trap_int(t, 0));
	n = readlink(path, own, sizeof own);
	snprintf(path, sizeof path, "/proc/%u/fd", t->n.pid);
	d = n > 0 ? opendir(path) : NULL;
	while (d && nums->n < RENEW_DUPS && (e = readdir(d)) != NULL) {
		int number = atoi(e->d_name);

		if (e->d_name[0] == '.' || number == trap_int(t, 0))
			continue;
		m = readlinkat(dirfd(d), e->d_name, other, sizeof other);
		if (m == n && memcmp(own, other, (size_t)n) == 0)
			nums->v[nums->n++] = number;
	}
	if (d)
		closedir(d);
}

static int replace(struct trap *t, int fd, int number)
{
	struct regs *r = calloc(1, sizeof *r);
	int err;

	if (!r)
		return -ENOMEM;
	r->fd = fd;
	r->number = number;
	regs_read(t, r);
	err = trap_replace_fd(t, fd, number, guest_cloexec(t, number));
	regs_apply(r, err >= 0);
	free(r);
	return err;
}

/* Looked at again just before: another thread may use the number anew. */
static void replace_dup(struct trap *t, int fd, int number, uint64_t cookie)
{
	int g = guest_fd_get(t->sb, (pid_t)t->n.pid, number);

	if (g < 0)
		return;
	if (socket_cookie(g) == cookie)
		(void)replace(t, fd, number);
	close(g);
}

/* DEVIATION: copies in other processes stay with the used-up end. */
int backing_renew(struct trap *t)
{
	uint64_t cookie = socket_cookie(t->gfd);
	struct numbers nums = {.n = 0};
	int name_fd = -1, err, fd = make_end(t, &name_fd);

	if (fd < 0)
		return fd;
	numbers_read(t, &nums);
	err = replace(t, fd, trap_int(t, 0));
	if (err < 0) {
		close(fd);
		close(name_fd);
		return err;
	}
	for (size_t i = 0; i < nums.n; i++)
		replace_dup(t, fd, nums.v[i], cookie);
	sandbox_lock(t->sb);
	if (t->sock->dead)
		close(name_fd);
	else
		renewed(t->sock, name_fd, socket_cookie(fd));
	sandbox_unlock(t->sb);
	close(t->gfd);
	t->gfd = fd;
	return 0;
}
