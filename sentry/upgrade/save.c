/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The image: first the sandbox as a whole, then what can be made without
 * anything else, last what refers to it: links, sockets, the guest's stack,
 * gateway, traps.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "netstack/save/save.h"
#include "sentry/control/control.h"
#include "sentry/control/place.h"
#include "sentry/gateway/gateway_save.h"
#include "sentry/launch/guest.h"
#include "sentry/link/link_save.h"
#include "sentry/sock/sock_save.h"
#include "sentry/trap/trap_save.h"
#include "sentry/upgrade/sandbox.fields.h"
#include "sentry/upgrade/upgrade_priv.h"

#define BUFFER_BYTES (256u << 10)
#define CLIENTS_MAX 64

/* ---- the file ---- */

struct out {
	int fd;
	int err;
	size_t used;
	uint8_t *buf;
};

static void write_all(struct out *f, const uint8_t *p, size_t bytes)
{
	while (bytes && !f->err) {
		ssize_t n = write(f->fd, p, bytes);

		if (n > 0) {
			p += n;
			bytes -= (size_t)n;
		} else if (n == 0 || errno != EINTR) {
			f->err = n ? -errno : -EIO;
		}
	}
}

static void flush(struct out *f)
{
	write_all(f, f->buf, f->used);
	f->used = 0;
}

/* Small records are gathered; queues of bytes are not copied once more. */
static bool put(void *ctx, const void *data, size_t bytes)
{
	struct out *f = ctx;

	if (bytes > BUFFER_BYTES - f->used)
		flush(f);
	if (bytes > BUFFER_BYTES / 4) {
		flush(f);
		write_all(f, data, bytes);
	} else {
		memcpy(f->buf + f->used, data, bytes);
		f->used += bytes;
	}
	return !f->err;
}

/* ---- the first record ---- */

struct fd_list {
	int32_t fd[CLIENTS_MAX];
	size_t n;
};

static void add_fd(void *arg, int *fd)
{
	struct fd_list *l = arg;

	if (l->n < CLIENTS_MAX)
		l->fd[l->n++] = *fd;
}

static void save_control(struct sandbox *sb, struct save_out *o,
			 Cordon__UpgradeHead *m)
{
	struct fd_list l = {.n = 0};

	m->control_fd = -1;
	if (!sb->control)
		return;
	control_each_fd(sb, add_fd, &l);
	m->control_fd = l.fd[0];
	m->place = save_object(o, &save_control_place, control_place(sb));
	m->clients = save_memory(o, sizeof l.fd);
	if (!m->clients)
		return;
	for (size_t i = 1; i < l.n; i++)
		if (l.fd[i] >= 0)
			m->clients[m->n_clients++] = l.fd[i];
}

static Cordon__Guest *guest_of(struct save_out *o, const struct guest *g)
{
	Cordon__Guest *m = save_object(o, &save_guest, g);

	if (!m)
		return NULL;
	m->boot = g->plan.boot[0];
	m->ctl = g->plan.ctl[0];
	m->freeze = g->plan.freeze[0];
	return m;
}

static void save_first(struct sandbox *sb, struct save_out *o, int client,
		       int64_t began)
{
	static char program[] = CORDON_VERSION;
	Cordon__UpgradeHead *m =
	    save_message(o, &cordon__upgrade_head__descriptor);

	if (!m)
		return;
	m->version = UPGRADE_VERSION;
	m->cordon = program;
	m->now = sandbox_now(sb);
	m->began = began;
	m->count = sb->upgrade->count + 1;
	m->client = client;
	m->sandbox = save_object(o, &save_sandbox, sb);
	m->guest = guest_of(o, sb->guest);
	save_control(sb, o, m);
	save_record(o, (enum nst_save_record)UPGRADE_SAVE_FIRST,
		    o->failed ? NULL : m);
}

static int save_end(struct sandbox *sb, const struct nst_save_sink *sink)
{
	struct save_out o;
	bool failed;

	save_out_init(&o, &sb->env, sink);
	save_record(&o, (enum nst_save_record)UPGRADE_SAVE_END,
		    save_message(&o, &cordon__upgrade_end__descriptor));
	failed = o.failed;
	save_out_fini(&o);
	return failed ? -ENOMEM : 0;
}

/* ---- everything ---- */

static int save_parts(struct sandbox *sb, const struct nst_save_sink *sink)
{
	int err = link_save(sb, sink);

	if (!err)
		err = sock_table_save(sb, sink);
	if (!err && nst_stack_save(sb->stack, sink))
		err = -ENOMEM;
	if (!err && sb->gw && nst_stack_save(gateway_stack(sb->gw), sink))
		err = -ENOMEM;
	if (!err && sb->gw)
		err = gateway_save(sb->gw, sink);
	if (!err)
		err = trap_save_parked(sb, sink);
	return err ? err : save_end(sb, sink);
}

static int save_all(struct sandbox *sb, struct out *f, int client,
		    int64_t began)
{
	const struct nst_save_sink sink = {.ctx = f, .put = put};
	struct save_out o;
	int err;

	save_out_init(&o, &sb->env, &sink);
	save_first(sb, &o, client, began);
	err = o.failed ? -ENOMEM : 0;
	save_out_fini(&o);
	if (!err)
		err = save_parts(sb, &sink);
	flush(f);
	return f->err ? f->err : err;
}

int upgrade_save(struct sandbox *sb, int fd, int client, int64_t began)
{
	struct out f = {.fd = fd, .buf = malloc(BUFFER_BYTES)};
	int err;

	if (!f.buf)
		return -ENOMEM;
	if (ftruncate(fd, 0) || lseek(fd, 0, SEEK_SET))
		err = -errno;
	else
		err = save_all(sb, &f, client, began);
	free(f.buf);
	return err;
}

void upgrade_each_fd(struct sandbox *sb, void (*fn)(void *arg, int *fd),
		     void *arg)
{
	struct guest *g = sb->guest;

	fn(arg, &sb->notify_fd);
	fn(arg, &sb->guest_diag_fd);
	fn(arg, &sb->dir_fd);
	fn(arg, &g->pidfd);
	fn(arg, &g->sigfd);
	fn(arg, &g->plan.boot[0]);
	fn(arg, &g->plan.ctl[0]);
	fn(arg, &g->plan.freeze[0]);
	control_each_fd(sb, fn, arg);
	link_each_fd(sb, fn, arg);
	if (sb->gw)
		gateway_each_fd(sb->gw, fn, arg);
	sock_table_each_fd(sb, fn, arg);
	trap_each_fd(sb, fn, arg);
}
