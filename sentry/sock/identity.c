/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which socket a guest descriptor stands for, and whether its guest end still
 * exists: identification, jobs that need a dup, sweeps.
 */
#include "sentry/sock/sock.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sentry/sock/sock_priv.h"

/* ---- identification ---- */

/* Was the other end connected by the sentry itself? The kernel's word for it;
 * a guest can give a socket of its own any abstract name. */
static bool peer_is_sentry(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof cred;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       cred.pid == getpid();
}

/* Id of the accepted child that fd is the guest end of; 0: none. */
static uint64_t child_id(int fd)
{
	struct sockaddr_un un;
	socklen_t len = sizeof un;
	struct nst_sockaddr peer;
	uint64_t id;

	if (getpeername(fd, (struct sockaddr *)&un, &len) < 0 ||
	    !listener_parse_name(&un, len, &id, &peer) || !peer_is_sentry(fd))
		return 0;
	return id;
}

struct sock *sock_of_guest_fd(struct sandbox *sb, int gfd)
{
	uint64_t cookie = socket_cookie(gfd), id;
	struct sock *s;

	if (!cookie)
		return NULL;
	s = sock_by_cookie(sb, cookie);
	if (s)
		return s;
	id = child_id(gfd);
	s = id ? sock_by_id(sb, id) : NULL;
	if (!s || s->cookie)
		return NULL;
	sock_set_cookie(s, cookie);
	return s;
}

static bool match_child(void *arg, int dup)
{
	return child_id(dup) == *(const uint64_t *)arg;
}

/* What is needed to look for a guest end without the lock. */
struct whereabouts {
	uint64_t cookie, id;
	pid_t tid;
	int fd;
};

static int find_guest_end(struct sandbox *sb, const struct whereabouts *w)
{
	uint64_t id = w->id;

	if (w->cookie)
		return guest_fd_find(sb, w->cookie, w->tid, w->fd);
	return guest_fd_scan(sb, match_child, &id, NULL, NULL);
}

/* ---- jobs ---- */

void sock_job(struct sock *s, enum sock_job job)
{
	struct sock_table *tb = s->sb->socks;

	if (s->jobs) {
		s->jobs |= job;
		return;
	}
	s->jobs = job;
	sock_get(s);
	s->job_next = NULL;
	__atomic_store_n(tb->jobs_tail, s, __ATOMIC_RELAXED);
	tb->jobs_tail = &s->job_next;
}

static struct sock *pop_job(struct sock_table *tb, unsigned *jobs)
{
	struct sock *s = tb->jobs;

	if (!s)
		return NULL;
	__atomic_store_n(&tb->jobs, s->job_next, __ATOMIC_RELAXED);
	if (!tb->jobs)
		tb->jobs_tail = &tb->jobs;
	*jobs = s->jobs;
	s->jobs = 0;
	return s;
}

/* Runs the jobs of s, found again with a dup of its guest end. Takes the
 * queue's reference. */
static void run_jobs_of(struct sandbox *sb, struct sock *s, unsigned jobs,
			const struct whereabouts *w)
{
	int gfd = find_guest_end(sb, w);

	sandbox_lock(sb);
	if (!s->dead && !s->cookie && gfd >= 0)
		sock_set_cookie(s, socket_cookie(gfd));
	if (!s->dead && (jobs & SOCK_JOB_CONNECTED))
		stream_job_connected(s, gfd);
	if (!s->dead && (jobs & SOCK_JOB_RESET))
		stream_job_reset(s, gfd);
	sock_put(s);
	sandbox_unlock(sb);
	if (gfd >= 0)
		close(gfd);
}

static bool run_one_job(struct sandbox *sb)
{
	struct whereabouts w = {0};
	unsigned jobs = 0;
	struct sock *s;
	bool dead = false;

	sandbox_lock(sb);
	s = pop_job(sb->socks, &jobs);
	/* A guest end that is gone is not looked for: of a process that had
	 * thousands, each would be a scan. */
	if (s && !s->dead && s->send_fd >= 0)
		(void)stream_check_gone(s);
	if (s) {
		w = (struct whereabouts){s->cookie, s->id, s->hint_tid,
					 s->hint_fd};
		dead = s->dead;
	}
	if (dead)
		sock_put(s);
	sandbox_unlock(sb);
	if (s && !dead)
		run_jobs_of(sb, s, jobs, &w);
	return s != NULL;
}

bool sock_jobs_waiting(const struct sandbox *sb)
{
	return sb->socks && sb->socks->jobs;
}

void sock_jobs_run(struct sandbox *sb)
{
	if (!sb->socks)
		return;
	while (__atomic_load_n(&sb->socks->jobs, __ATOMIC_RELAXED)) {
		if (!run_one_job(sb))
			return;
	}
}

/* ---- sweeps ---- */

/* No peer, so no event when the guest closes it: asked by name. */
static bool is_probed(const struct sock *s)
{
	if (s->name_fd < 0)
		return false;
	return s->type != SOCK_STREAM || s->send_fd < 0;
}

/* No name to ask either (accepted, then reset; refused a connect when there
 * was no descriptor for a name): looked for among the guest's descriptors. A
 * parked call holds a dup. */
static bool is_scanned(const struct sock *s)
{
	if (s->type != SOCK_STREAM || s->parked)
		return false;
	return s->name_fd < 0 && s->send_fd < 0 && !listener_is_pushing(s);
}

/* True when s turned out to be gone, and was closed. */
static bool reap_one(struct sock *s)
{
	bool gone;

	if (is_probed(s) && !backing_alive(s)) {
		sock_close(s, true);
		return true;
	}
	if (s->type != SOCK_STREAM || s->send_fd < 0)
		return false;
	if (s->state == SOCK_CONNECTING)
		return stream_check_gone(s);
	sock_get(s);
	stream_pump(s);
	gone = s->dead;
	sock_put(s);
	return gone;
}

/* A scan: the sockets to look for are marked unseen; each dup that is shown
 * clears its mark. */
static bool see(void *arg, int dup)
{
	struct sandbox *sb = arg;
	struct sock *s;

	sandbox_lock(sb);
	s = sock_of_guest_fd(sb, dup);
	if (s) {
		s->unseen = 0;
		backing_name_late(s, dup); /* there may be room for it now */
	}
	sandbox_unlock(sb);
	return false;
}

/* Looks whether s is gone, and closes it then: what gives no event, or, if
 * `all`, also what the loop will be told but has not been yet. */
static void look_after(struct sock *s, bool all)
{
	if (all && s->state != SOCK_LISTENING) {
		(void)reap_one(s);
		return;
	}
	if (is_probed(s) && !backing_alive(s))
		sock_close(s, true);
	else if (s->pipe.eof_from_guest && s->send_fd >= 0)
		(void)stream_check_gone(s);
	else if (s->state == SOCK_LISTENING)
		listener_push(s);
}

/* Returns how many are left that only a scan finds. */
static size_t probe_all(struct sandbox *sb, bool all)
{
	struct sock *s, *next;
	size_t scanned = 0;

	for (s = sock_next(sb, NULL); s; s = next) {
		bool lost;

		next = sock_next(sb, s);
		if (next)
			sock_get(next);
		sock_get(s);
		look_after(s, all);
		scanned += !s->dead && is_scanned(s);
		sock_put(s);
		if (!next)
			continue;
		/* Closing may take others along. */
		lost = next->dead;
		sock_put(next);
		if (lost)
			next = sock_next(sb, NULL);
	}
	return scanned;
}

bool sock_make_room(struct sandbox *sb, int err)
{
	struct sock_table *tb = sb->socks;
	size_t before = tb->count;
	nst_time start = sandbox_now(sb), end;

	if ((err != -EMFILE && err != -ENFILE) || start < tb->room_next)
		return false;
	(void)probe_all(sb, true);
	/* At most a tenth of the time, however many sockets there are. */
	end = sandbox_now(sb);
	tb->room_next = end + 10 * (end - start);
	return tb->count < before;
}

/* A descriptor may be in flight between two processes: only what two scans in
 * a row have missed is gone. */
#define UNSEEN_MAX 2

enum scan_step { MARK, UNMARK, CLOSE };

static void scan_step(struct sandbox *sb, enum scan_step step)
{
	struct sock *s, *next;

	for (s = sock_next(sb, NULL); s; s = next) {
		next = sock_next(sb, s);
		if (!is_scanned(s))
			continue;
		if (step == MARK)
			s->unseen++;
		else if (step == UNMARK)
			s->unseen = 0;
		else if (s->unseen >= UNSEEN_MAX)
			sock_close(s, true);
	}
}

/* The allocator keeps what many sockets needed; when most are gone the host
 * gets it back. */
#define PEAK_MIN 64

static void give_back_memory(struct sandbox *sb)
{
	struct sock_table *tb = sb->socks;
	bool fell;

	sandbox_lock(sb);
	fell = tb->peak >= PEAK_MIN && tb->count < tb->peak / 2;
	if (fell)
		tb->peak = tb->count;
	sandbox_unlock(sb);
	if (fell)
		(void)malloc_trim(0);
}

void sock_sweep(struct sandbox *sb, bool scan)
{
	size_t scanned;
	bool whole;

	if (!sb->socks)
		return;
	if (scan)
		give_back_memory(sb);
	sandbox_lock(sb);
	scanned = probe_all(sb, false);
	if (scan && scanned)
		scan_step(sb, MARK);
	sandbox_unlock(sb);
	if (!scan || !scanned)
		return;
	/* A scan that was cut short has missed nothing for sure. */
	whole = guest_fd_scan(sb, see, sb, NULL, NULL) == -ENOENT;
	sandbox_lock(sb);
	scan_step(sb, whole ? CLOSE : UNMARK);
	sandbox_unlock(sb);
}

/* ---- conflicts ---- */

struct sock *sock_of_owner(struct ep_owner *o)
{
	if (o->events != stream_events && o->events != datagram_events)
		return NULL;
	return (struct sock *)o; /* owner is its first member */
}

bool sock_reap_owner(const struct sock *s, void *user)
{
	struct sock *other = sock_of_owner(user);

	return other && other != s && reap_one(other);
}

bool sock_reap_conflicts(struct sock *s, uint16_t port)
{
	bool any = false;
	size_t i = 0;
	void *user;

	while ((user = nst_sock_conflict(sock_nst(s), port, i)) != NULL) {
		/* What is closed leaves the list: the i-th is another. */
		if (sock_reap_owner(s, user))
			any = true;
		else
			i++;
	}
	return any;
}
