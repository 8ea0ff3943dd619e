/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A script as the parser leaves it: events in order, each with its time.
 * Everything lives in the script's arena.
 */
#ifndef CORDON_TESTS_PKT_SCRIPT_H
#define CORDON_TESTS_PKT_SCRIPT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/pkt/arena.h"
#include "tests/pkt/config.h"
#include "tests/pkt/wire.h"

enum expr_kind {
	EXPR_ELLIPSIS,
	EXPR_INT,    /* num; symbols are numbers already */
	EXPR_STRING, /* text, len; escapes undone */
	EXPR_LIST,   /* [a, b] or {a, b}: items */
	EXPR_PAIR,   /* KEY = value in a list: num, items[0] */
	EXPR_IOVEC,  /* {..., len}: num */
	EXPR_IN6,    /* inet6_addr("..."): in6 */
	EXPR_STRUCT, /* {name=value, ...}: shape, items in its order */
};

/* The structs that a script can write; expr->items are in this order. */
enum expr_shape {
	SHAPE_POLLFD,   /* fd, events [, revents] */
	SHAPE_EPOLL_FD, /* events, fd */
	SHAPE_EPOLL_PTR,
	SHAPE_EPOLL_U32,
	SHAPE_EPOLL_U64,
	SHAPE_LINGER,   /* onoff, linger */
	SHAPE_MSGHDR,   /* msg_name, msg_iov, msg_flags [, msg_control] */
	SHAPE_CMSG,     /* cmsg_level, cmsg_type, cmsg_data */
	SHAPE_SCM,      /* scm_sec, scm_nsec */
	SHAPE_EE,       /* ee_errno, origin, type, code, info, data */
	SHAPE_SOCKADDR, /* sa_family, sin_port, sin_addr */
	SHAPE_COUNT,
};

struct expr {
	enum expr_kind kind;
	enum expr_shape shape;
	int line;
	long long num;
	const char *text;
	size_t len;
	struct in6_addr in6;
	struct expr **items; /* in the arena */
	size_t n_items;
	long long msg_iovlen; /* of SHAPE_MSGHDR */
};

struct syscall_spec {
	const char *name;
	struct expr *args; /* EXPR_LIST */
	struct expr *result;
	const char *err_name; /* NULL: not checked */
	int err_num;
	bool blocking;
	long long end_usecs; /* of a blocking call */
};

enum event_kind { EVENT_PACKET, EVENT_SYSCALL, EVENT_COMMAND, EVENT_CODE };

enum event_time {
	TIME_ABSOLUTE,
	TIME_RELATIVE,
	TIME_ANY,
	TIME_ABSOLUTE_RANGE,
	TIME_RELATIVE_RANGE,
};

struct event {
	struct event *next;
	int line;
	enum event_kind kind;
	enum event_time time;
	long long usecs, usecs_end; /* made absolute when it is its turn */
	long long offset_usecs;     /* what a relative time was added to */
	struct packet *packet;
	struct syscall_spec *call;
	const char *text; /* of a command or of code */
};

struct script {
	const char *path;
	const char *init_command, *cleanup_command; /* or NULL */
	int init_line, cleanup_line;
	struct event *events;
};

/*
 * Parses `len` bytes.  Options in the script are given to `conf`, which is
 * finished before the first packet is made; `again` (may be NULL) is called
 * to lay the command line over them.  0, or -1 with "file:line: what".
 */
int script_parse(struct script *s, struct config *conf, struct arena *arena,
		 const char *path, const char *text, size_t len,
		 int (*again)(void *ctx, struct config *conf), void *ctx,
		 char *err, size_t err_size);

#endif /* CORDON_TESTS_PKT_SCRIPT_H */
