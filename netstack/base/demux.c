/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chained hash table that doubles, and halves, a few buckets at a time: while
 * `old` is not NULL, its buckets from `moved` on are still in use, and each
 * insertion or removal moves STEP more. No operation pays for all.
 *
 * Flows are chosen by remote hosts, so the hash is keyed (SipHash).
 */
#include "netstack/base/demux.h"

#include "netstack/base/addr.h"
#include "netstack/base/stack_priv.h"

#define MIN_BUCKETS 64
#define STEP 16 /* a halving is over before the next one is due */

struct table {
	struct demux_node **bucket;
	size_t n; /* power of two */
};

struct demux {
	const struct nst_env *env;
	uint8_t key[16];
	struct table cur, old;
	size_t moved; /* buckets of old that are empty */
	size_t count;
	uint32_t walks; /* demux_each under way: nothing moves */
};

struct demux *demux_new(const struct nst_env *env)
{
	struct demux *d = nst_alloc(env, sizeof(*d));

	if (!d)
		return NULL;
	d->env = env;
	d->cur.n = MIN_BUCKETS;
	d->cur.bucket = nst_alloc(env, MIN_BUCKETS * sizeof(*d->cur.bucket));
	if (!d->cur.bucket) {
		nst_release(env, d, sizeof(*d));
		return NULL;
	}
	env->random(env->ctx, d->key, sizeof(d->key));
	return d;
}

static void table_free(const struct nst_env *env, struct table *t)
{
	nst_release(env, t->bucket, t->n * sizeof(*t->bucket));
	*t = (struct table){0};
}

void demux_free(struct demux *d)
{
	if (!d)
		return;
	table_free(d->env, &d->cur);
	table_free(d->env, &d->old);
	nst_release(d->env, d, sizeof(*d));
}

static size_t put_addr(uint8_t *buf, size_t at, const struct nst_addr *a)
{
	size_t n = addr_bytes(a);

	buf[at++] = a->family;
	memcpy(buf + at, a->b, n);
	at += n;
	if (a->family == 6) {
		memcpy(buf + at, &a->scope, sizeof(a->scope));
		at += sizeof(a->scope);
	}
	return at;
}

static uint64_t flow_hash(const struct demux *d, const struct flow_key *k)
{
	uint8_t buf[48];
	size_t n = 0;

	buf[n++] = k->proto;
	memcpy(buf + n, &k->lport, 2);
	memcpy(buf + n + 2, &k->rport, 2);
	n = put_addr(buf, n + 4, &k->local);
	n = put_addr(buf, n, &k->remote);
	return d->env->hash(d->env->ctx, d->key, buf, n);
}

static bool flow_eq(const struct flow_key *a, const struct flow_key *b)
{
	return a->rport == b->rport && a->lport == b->lport &&
	       a->proto == b->proto && addr_same(&a->remote, &b->remote) &&
	       addr_same(&a->local, &b->local) &&
	       a->remote.scope == b->remote.scope &&
	       a->local.scope == b->local.scope;
}

static struct demux_node **bucket_of(const struct demux *d, uint64_t hash)
{
	size_t i = hash & (d->old.n - 1);

	if (d->old.bucket && i >= d->moved)
		return &d->old.bucket[i];
	return &d->cur.bucket[hash & (d->cur.n - 1)];
}

static void link_node(struct demux_node **head, struct demux_node *n)
{
	n->next = *head;
	n->pprev = head;
	if (n->next)
		n->next->pprev = &n->next;
	*head = n;
}

static void step(struct demux *d)
{
	if (!d->old.bucket || d->walks)
		return;
	for (int i = 0; i < STEP && d->moved < d->old.n; i++) {
		struct demux_node *n = d->old.bucket[d->moved], *next;

		d->old.bucket[d->moved++] = NULL;
		for (; n; n = next) {
			next = n->next;
			link_node(&d->cur.bucket[n->hash & (d->cur.n - 1)], n);
		}
	}
	if (d->moved == d->old.n)
		table_free(d->env, &d->old);
}

/* Starts a change of size; without memory the table stays as it is. */
static void resize(struct demux *d, size_t n)
{
	struct table t = {.n = n};

	if (d->old.bucket || d->walks)
		return;
	t.bucket = nst_alloc(d->env, n * sizeof(*t.bucket));
	if (!t.bucket)
		return;
	d->old = d->cur;
	d->cur = t;
	d->moved = 0;
}

static struct demux_node *find(const struct demux *d, uint64_t hash,
			       const struct flow_key *key)
{
	struct demux_node *n = *bucket_of(d, hash);

	while (n && (n->hash != hash || !flow_eq(&n->key, key)))
		n = n->next;
	return n;
}

enum nst_err demux_insert(struct demux *d, struct demux_node *n)
{
	uint64_t hash = flow_hash(d, &n->key);

	if (find(d, hash, &n->key))
		return NST_E_ADDRNOTAVAIL;
	if (d->count >= d->cur.n)
		resize(d, d->cur.n * 2);
	step(d);
	n->hash = hash;
	link_node(bucket_of(d, hash), n);
	d->count++;
	return NST_OK;
}

void demux_remove(struct demux *d, struct demux_node *n)
{
	if (!n->pprev)
		return;
	*n->pprev = n->next;
	if (n->next)
		n->next->pprev = n->pprev;
	n->next = NULL;
	n->pprev = NULL;
	d->count--;
	if (d->cur.n > MIN_BUCKETS && d->count < d->cur.n / 8)
		resize(d, d->cur.n / 2);
	step(d);
}

struct demux_node *demux_find(const struct demux *d, const struct flow_key *key)
{
	return find(d, flow_hash(d, key), key);
}

size_t demux_count(const struct demux *d)
{
	return d->count;
}

/* Nodes are anywhere in memory: asked for before they are needed. */
#define AHEAD 8

static void each_in(const struct table *t,
		    void (*fn)(struct demux_node *n, void *arg), void *arg)
{
	for (size_t i = 0; t->bucket && i < t->n; i++) {
		struct demux_node *n = t->bucket[i], *next;

		if (i + AHEAD < t->n)
			__builtin_prefetch(t->bucket[i + AHEAD]);
		for (; n; n = next) {
			next = n->next;
			fn(n, arg);
		}
	}
}

void demux_each(struct demux *d, void (*fn)(struct demux_node *n, void *arg),
		void *arg)
{
	d->walks++;
	if (d->old.bucket) {
		struct table rest = {d->old.bucket + d->moved,
				     d->old.n - d->moved};

		each_in(&rest, fn, arg);
	}
	each_in(&d->cur, fn, arg);
	d->walks--;
}

struct tally {
	const struct demux *d;
	size_t n;
	bool ok;
};

static void tally_node(struct demux_node *n, void *arg)
{
	struct tally *t = arg;

	t->n++;
	if (*n->pprev != n || n->hash != flow_hash(t->d, &n->key) ||
	    find(t->d, n->hash, &n->key) != n)
		t->ok = false;
}

bool demux_check(const struct demux *d)
{
	struct tally t = {d, 0, true};

	if (d->old.bucket)
		for (size_t i = 0; i < d->moved; i++)
			t.ok &= !d->old.bucket[i];
	if (d->old.bucket) {
		struct table rest = {d->old.bucket + d->moved,
				     d->old.n - d->moved};

		each_in(&rest, tally_node, &t);
	}
	each_in(&d->cur, tally_node, &t);
	return t.ok && t.n == d->count;
}
