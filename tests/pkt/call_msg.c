/* SPDX-License-Identifier: Apache-2.0 */
/* sendmsg() and recvmsg(), with control messages. */
#include "tests/pkt/call_priv.h"

#include <linux/errqueue.h>
#include <linux/net_tstamp.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "tests/pkt/symbols.h"

enum { CONTROL_ROOM = 4096 };

/* Netlink attributes: a header and alignment of 4 bytes. */
#define ATTR_HEADER sizeof(struct nlattr)
#define ATTR_ALIGN(len) (((size_t)(len) + 3) & ~(size_t)3)

/* LINUX: the attributes of SCM_TIMESTAMPING_OPT_STATS and their sizes. */
static const struct {
	const char *name;
	size_t size;
	bool is_time; /* compared with the tolerance */
} STATS[] = {
    {"TCP_NLA_BUSY", 8, true},
    {"TCP_NLA_RWND_LIMITED", 8, true},
    {"TCP_NLA_SNDBUF_LIMITED", 8, true},
    {"TCP_NLA_DATA_SEGS_OUT", 8, false},
    {"TCP_NLA_TOTAL_RETRANS", 8, false},
    {"TCP_NLA_PACING_RATE", 8, false},
    {"TCP_NLA_DELIVERY_RATE", 8, false},
    {"TCP_NLA_SND_CWND", 4, false},
    {"TCP_NLA_REORDERING", 4, false},
    {"TCP_NLA_MIN_RTT", 4, false},
    {"TCP_NLA_RECUR_RETRANS", 1, false},
    {"TCP_NLA_DELIVERY_RATE_APP_LMT", 1, false},
    {"TCP_NLA_SNDQ_SIZE", 4, false},
    {"TCP_NLA_CA_STATE", 1, false},
    {"TCP_NLA_SND_SSTHRESH", 4, false},
    {"TCP_NLA_DELIVERED", 4, false},
    {"TCP_NLA_DELIVERED_CE", 4, false},
    {"TCP_NLA_BYTES_SENT", 8, false},
    {"TCP_NLA_BYTES_RETRANS", 8, false},
    {"TCP_NLA_DSACK_DUPS", 4, false},
    {"TCP_NLA_REORD_SEEN", 4, false},
    {"TCP_NLA_SRTT", 4, false},
};

static int find_stat(long long type)
{
	long long v;

	for (size_t i = 0; i < sizeof(STATS) / sizeof(STATS[0]); i++)
		if (symbol_value(STATS[i].name, &v) && v == type)
			return (int)i;
	return -1;
}

static void check_stat(struct call *c, const struct expr *want,
		       const struct nlattr *got)
{
	int i = find_stat(want->num);
	unsigned long long live = 0, script, off;

	if (want->kind != EXPR_PAIR || i < 0) {
		call_fail(c, "bad statistic in cmsg_data");
		return;
	}
	if (got->nla_type != want->num ||
	    got->nla_len != ATTR_HEADER + STATS[i].size) {
		call_fail(c, "expected %s but got attribute %u of %u bytes",
			  STATS[i].name, got->nla_type, got->nla_len);
		return;
	}
	if (want->items[0]->kind == EXPR_ELLIPSIS)
		return;
	memcpy(&live, (const char *)got + ATTR_HEADER, STATS[i].size);
	script = (unsigned long long)call_number(c, want->items[0]);
	off = live > script ? live - script : script - live;
	if (off != 0 &&
	    !(STATS[i].is_time && script != 0 &&
	      off <= (unsigned long long)c->r->conf->tolerance_usecs))
		call_fail(c, "Bad %s: expected=%llu actual=%llu", STATS[i].name,
			  script, live);
}

static void check_stats(struct call *c, const struct expr *want,
			const unsigned char *data, size_t len)
{
	size_t at = 0;

	for (size_t i = 0; i < want->n_items && c->err == NULL; i++) {
		const struct nlattr *a = (const struct nlattr *)(data + at);

		if (at + ATTR_HEADER > len || a->nla_len < ATTR_HEADER ||
		    at + a->nla_len > len) {
			call_fail(c, "only %zu statistics in cmsg", i);
			return;
		}
		check_stat(c, want->items[i], a);
		at += ATTR_ALIGN(a->nla_len);
	}
}

static void check_scm(struct call *c, const struct expr *want,
		      const unsigned char *data, size_t len)
{
	struct timespec ts;
	long long script = call_number(c, want->items[0]) * 1000000 +
			   call_number(c, want->items[1]) / 1000;
	long long live;

	if (len < sizeof(struct scm_timestamping)) {
		call_fail(c, "Bad len of scm_timestamping: %zu", len);
		return;
	}
	if (script == 0)
		return;
	memcpy(&ts, data, sizeof(ts));
	live = (long long)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 -
	       c->r->live_start;
	if (llabs(live - script) > c->r->conf->tolerance_usecs)
		call_fail(c,
			  "Bad timestamp in scm_timestamping: expected=%lld "
			  "actual=%lld",
			  script, live);
}

static void check_ee(struct call *c, const struct expr *want,
		     const unsigned char *data, size_t len)
{
	static const char *const NAMES[] = {"errno", "origin", "type",
					    "code",  "info",   "data"};
	struct sock_extended_err ee;
	long long live[6];

	if (len < sizeof(ee)) {
		call_fail(c, "Bad len of extended error: %zu", len);
		return;
	}
	memcpy(&ee, data, sizeof(ee));
	live[0] = ee.ee_errno;
	live[1] = ee.ee_origin;
	live[2] = ee.ee_type;
	live[3] = ee.ee_code;
	live[4] = ee.ee_info;
	live[5] = ee.ee_data;
	for (size_t i = 0; i < 6; i++)
		if (call_number(c, want->items[i]) != live[i])
			call_fail(c,
				  "Bad %s in extended err: expected=%lld "
				  "actual=%lld",
				  NAMES[i], want->items[i]->num, live[i]);
}

static void check_number(struct call *c, const struct expr *want,
			 const unsigned char *data, size_t len)
{
	int live;

	if (len != sizeof(live)) {
		call_fail(c, "Bad len in cmsg: expected=4 actual=%zu", len);
		return;
	}
	memcpy(&live, data, sizeof(live));
	if (call_number(c, want) != live)
		call_fail(c, "Bad data in cmsg: expected=%lld actual=%d",
			  want->num, live);
}

static void check_cmsg(struct call *c, const struct expr *want,
		       struct cmsghdr *got)
{
	const unsigned char *data = CMSG_DATA(got);
	size_t len = got->cmsg_len - CMSG_LEN(0);
	const struct expr *value = want->items[2];

	if (call_number(c, want->items[0]) != got->cmsg_level)
		call_fail(c, "Bad level in cmsg: expected=%lld actual=%d",
			  want->items[0]->num, got->cmsg_level);
	if (call_number(c, want->items[1]) != got->cmsg_type)
		call_fail(c, "Bad type in cmsg: expected=%lld actual=%d",
			  want->items[1]->num, got->cmsg_type);
	if (c->err != NULL)
		return;
	if (value->kind == EXPR_LIST)
		check_stats(c, value, data, len);
	else if (value->kind == EXPR_STRUCT && value->shape == SHAPE_SCM)
		check_scm(c, value, data, len);
	else if (value->kind == EXPR_STRUCT && value->shape == SHAPE_EE)
		check_ee(c, value, data, len);
	else
		check_number(c, value, data, len);
}

static void check_control(struct call *c, const struct expr *want,
			  struct msghdr *msg)
{
	struct cmsghdr *got = CMSG_FIRSTHDR(msg);
	size_t i, n = want != NULL ? want->n_items : 0;

	for (i = 0; i < n && got != NULL && c->err == NULL; i++) {
		if (want->items[i]->kind != EXPR_STRUCT ||
		    want->items[i]->shape != SHAPE_CMSG) {
			call_fail(c, "msg_control wants cmsgs");
			return;
		}
		check_cmsg(c, want->items[i], got);
		got = CMSG_NXTHDR(msg, got);
	}
	if (i < n)
		call_fail(c, "received only %zu cmsgs", i);
	else if (got != NULL)
		call_fail(c, "received more than %zu cmsgs", n);
}

/* Argument 1 as a message with buffers. */
static struct expr *msg_arg(struct call *c, struct msghdr *msg)
{
	struct expr *e = call_arg(c, 1, EXPR_STRUCT);
	size_t n = 0;

	memset(msg, 0, sizeof(*msg));
	if (e->kind != EXPR_STRUCT || e->shape != SHAPE_MSGHDR) {
		call_fail(c, "Expected a msghdr");
		return NULL;
	}
	msg->msg_iov = call_iovec(c, e->items[1], &n);
	msg->msg_iovlen = n;
	if ((size_t)e->msg_iovlen != n)
		call_fail(c,
			  "msg_iovlen %lld does not match %zu-element iovec "
			  "array",
			  e->msg_iovlen, n);
	msg->msg_name =
	    arena_alloc(c->r->arena, sizeof(struct sockaddr_storage));
	msg->msg_namelen = sizeof(struct sockaddr_storage);
	return e;
}

void call_recvmsg(struct call *c)
{
	struct msghdr msg;
	struct sock *s = call_fd(c, 0);
	struct expr *e = msg_arg(c, &msg);
	int flags = call_int(c, 2);
	ssize_t n;

	if (!call_args(c, 3, 3) || c->err != NULL)
		return;
	msg.msg_control = arena_alloc(c->r->arena, CONTROL_ROOM);
	msg.msg_controllen = CONTROL_ROOM;
	call_begin(c);
	n = c->r->ifc.recvmsg(c->ud, s->live_fd, &msg, flags);
	call_end(c, n, false);
	if (c->err != NULL || n < 0)
		return;
	if (call_number(c, e->items[2]) != msg.msg_flags)
		call_fail(c, "Expected msg_flags 0x%08llX but got 0x%08X",
			  e->items[2]->num, (unsigned)msg.msg_flags);
	check_control(c, e->n_items > 3 ? e->items[3] : NULL, &msg);
}

/* What a script sends along: numbers only. */
static void build_control(struct call *c, const struct expr *want,
			  struct msghdr *msg)
{
	struct cmsghdr *h;
	int value;

	if (want == NULL || want->n_items == 0)
		return;
	msg->msg_control = arena_alloc(c->r->arena, CONTROL_ROOM);
	msg->msg_controllen = want->n_items * CMSG_SPACE(sizeof(int));
	h = CMSG_FIRSTHDR(msg);
	for (size_t i = 0; i < want->n_items && h != NULL; i++) {
		const struct expr *e = want->items[i];

		if (e->kind != EXPR_STRUCT || e->shape != SHAPE_CMSG) {
			call_fail(c, "msg_control wants cmsgs");
			return;
		}
		h->cmsg_level = (int)call_number(c, e->items[0]);
		h->cmsg_type = (int)call_number(c, e->items[1]);
		h->cmsg_len = CMSG_LEN(sizeof(int));
		value = (int)call_number(c, e->items[2]);
		memcpy(CMSG_DATA(h), &value, sizeof(value));
		h = CMSG_NXTHDR(msg, h);
	}
}

void call_sendmsg(struct call *c)
{
	struct msghdr msg;
	struct sock *s = call_fd(c, 0);
	struct expr *e = msg_arg(c, &msg);
	int flags = call_int(c, 2);

	if (!call_args(c, 3, 3) || c->err != NULL)
		return;
	if (call_number(c, e->items[2]) != 0)
		call_fail(c, "sendmsg ignores msg_flags field in msghdr");
	build_control(c, e->n_items > 3 ? e->items[3] : NULL, &msg);
	if (c->err != NULL)
		return;
	msg.msg_namelen = call_connect_address(c, s, msg.msg_name, -1);
	call_begin(c);
	call_end(c, c->r->ifc.sendmsg(c->ud, s->live_fd, &msg, flags), false);
}
