/* SPDX-License-Identifier: Apache-2.0 */
/*
 * --pcap: packets to a pcapng file.
 *
 * Whoever transmits or receives (under the stack lock) formats the block into
 * a buffer; a thread of the capture's own writes buffers out, whole blocks at a
 * time, so that neither disk nor system call is waited for under that lock and
 * a crash leaves a readable file. The thread starts with the first packet.
 *
 * `lock` guards everything here; it nests inside the stack lock.
 */
#include "sentry/link/capture_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "sentry/core/log.h"
#include "sentry/core/thread.h"
#include "sentry/link/pcapng.h"

#define CAPTURE_BUF_BYTES (2u << 20)    /* two of them */
#define CAPTURE_FLUSH_BYTES (64u << 10) /* written without delay from here */
#define CAPTURE_FLUSH_MS 200
#define CAPTURE_WAIT_MS 1000 /* for a file that takes no bytes */
/* ---- the file ---- */

static void fail(struct capture *c, int err, off_t good)
{
	bool torn = c->regular && good >= 0 && ftruncate(c->fd, good) != 0;

	c->error = -err;
	log_error("--pcap: cannot write: %s; the capture ends here%s",
		  strerror(err), torn ? ", within a block" : "");
}

/* Writes whole blocks; on failure the file ends with the previous ones. */
static void write_out(struct capture *c, const struct capture_buf *b)
{
	off_t start = c->regular ? lseek(c->fd, 0, SEEK_CUR) : -1;
	size_t done = 0;

	while (done < b->used && !c->error) {
		ssize_t n = write(c->fd, b->p + done, b->used - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			fail(c, errno, start);
	}
}

static struct timespec in_ms(long ms)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	ts.tv_nsec += ms % 1000 * 1000000;
	ts.tv_sec += ms / 1000 + ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	return ts;
}

/* Under the lock; released while writing. */
static void flush_fill(struct capture *c)
{
	struct capture_buf b = c->fill;

	c->fill = c->full;
	c->full = b;
	pthread_mutex_unlock(&c->lock);
	write_out(c, &b);
	pthread_mutex_lock(&c->lock);
	c->full.used = 0;
	c->stuck = false;
	pthread_cond_broadcast(&c->space);
}

/* Gathers for a while unless there is much to write already. */
static void gather(struct capture *c)
{
	struct timespec end = in_ms(CAPTURE_FLUSH_MS);

	while (c->fill.used < CAPTURE_FLUSH_BYTES && !c->stopping) {
		if (pthread_cond_timedwait(&c->work, &c->lock, &end))
			return;
	}
}

static void *writer(void *arg)
{
	struct capture *c = arg;

	pthread_mutex_lock(&c->lock);
	while (c->fill.used || !c->stopping) {
		if (!c->fill.used) {
			pthread_cond_wait(&c->work, &c->lock);
			continue;
		}
		gather(c);
		flush_fill(c);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* ---- blocks ---- */

/* Room for n bytes; NULL: none, for good or for now. */
static uint8_t *reserve(struct capture *c, size_t n)
{
	struct timespec end = in_ms(CAPTURE_WAIT_MS);

	while (!c->error && c->fill.used + n > CAPTURE_BUF_BYTES) {
		if (!c->started) {
			write_out(c, &c->fill);
			c->fill.used = 0;
			continue;
		}
		pthread_cond_signal(&c->work);
		if (c->stuck ||
		    pthread_cond_timedwait(&c->space, &c->lock, &end)) {
			c->stuck = true;
			return NULL;
		}
	}
	return c->error ? NULL : c->fill.p + c->fill.used;
}

static void commit(struct capture *c, size_t n)
{
	size_t before = c->fill.used;

	c->fill.used += n;
	if (!before || (before < CAPTURE_FLUSH_BYTES &&
			c->fill.used >= CAPTURE_FLUSH_BYTES))
		pthread_cond_signal(&c->work);
}

static uint64_t wall(const struct capture *c, nst_time now)
{
	return (uint64_t)(now + c->behind + c->wall_offset);
}

void capture_clock(struct capture *c, nst_time behind)
{
	pthread_mutex_lock(&c->lock);
	c->behind = behind;
	pthread_mutex_unlock(&c->lock);
}

void capture_packet(struct capture *c, int interface, bool outbound,
		    const struct nst_pkt *pkt, nst_time now)
{
	struct pcapng_packet p = {
	    .interface = (uint32_t)interface,
	    .outbound = outbound,
	    .pkt = pkt,
	};
	uint8_t *to;

	pthread_mutex_lock(&c->lock);
	p.when = wall(c, now);
	if (p.interface < c->interfaces) {
		p.snaplen = c->snaplen[interface];
		if (!c->started)
			c->started = !thread_start(&c->thread, writer, c);
		to = reserve(c, pcapng_packet_max(&p));
		if (to)
			commit(c, pcapng_packet(to, &p));
		else
			c->dropped[interface]++;
	}
	pthread_mutex_unlock(&c->lock);
}

int capture_add_interface(struct capture *c, const char *name, int linktype,
			  uint32_t snaplen)
{
	int id = -ENOBUFS;
	uint8_t *to;

	pthread_mutex_lock(&c->lock);
	to = reserve(c, PCAPNG_SMALL_MAX);
	if (c->error)
		id = c->error;
	else if (to && c->interfaces < CAPTURE_INTERFACES) {
		id = (int)c->interfaces++;
		c->snaplen[id] =
		    snaplen < CAPTURE_SNAPLEN ? snaplen : CAPTURE_SNAPLEN;
		commit(c, pcapng_interface(to, name, (uint16_t)linktype,
					   c->snaplen[id]));
	}
	pthread_mutex_unlock(&c->lock);
	return id;
}

/* ---- life ---- */

static nst_time clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (nst_time)ts.tv_sec * NST_SEC + ts.tv_nsec;
}

static void init_sync(struct capture *c)
{
	pthread_condattr_t attr;

	pthread_mutex_init(&c->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&c->work, &attr);
	pthread_cond_init(&c->space, &attr);
	pthread_condattr_destroy(&attr);
}

static void release(struct capture *c)
{
	if (c->fd >= 0)
		close(c->fd);
	free(c->fill.p);
	free(c->full.p);
	free(c);
}

static int open_file(struct capture *c, const char *path)
{
	c->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (c->fd < 0)
		return -errno;
	c->regular = lseek(c->fd, 0, SEEK_CUR) == 0;
	/* At once: a file that cannot be written is found out now. */
	c->fill.used = pcapng_section(c->fill.p);
	if (write(c->fd, c->fill.p, c->fill.used) != (ssize_t)c->fill.used)
		return errno ? -errno : -EIO;
	c->fill.used = 0;
	return 0;
}

struct capture *capture_alloc(void)
{
	struct capture *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->fd = -1;
	init_sync(c);
	c->wall_offset = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
	c->fill.p = malloc(CAPTURE_BUF_BYTES);
	c->full.p = malloc(CAPTURE_BUF_BYTES);
	if (c->fill.p && c->full.p)
		return c;
	release(c);
	return NULL;
}

int capture_new(const char *path, struct capture **out)
{
	struct capture *c = capture_alloc();
	int err;

	if (!c)
		return -ENOMEM;
	err = open_file(c, path);
	if (err) {
		release(c);
		return err;
	}
	*out = c;
	return 0;
}

/* What was left out, said in the file itself. */
static void add_statistics(struct capture *c)
{
	uint64_t now = (uint64_t)clock_ns(CLOCK_REALTIME);

	for (uint32_t i = 0; i < c->interfaces; i++) {
		uint8_t *to = reserve(c, PCAPNG_SMALL_MAX);

		if (to)
			commit(c, pcapng_statistics(to, i, now, c->dropped[i]));
	}
}

void capture_pause(struct capture *c)
{
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_cond_signal(&c->work);
	pthread_mutex_unlock(&c->lock);
	if (c->started)
		pthread_join(c->thread, NULL);
	c->started = c->stopping = false;
	write_out(c, &c->fill);
	c->fill.used = 0;
}

void capture_free(struct capture *c)
{
	if (!c)
		return;
	capture_pause(c);
	add_statistics(c);
	write_out(c, &c->fill);
	release(c);
}
