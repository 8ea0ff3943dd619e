/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One system call of a script while it is made.  Only call*.c include this.
 *
 * The helpers that read arguments note the first thing that is wrong in
 * `err` and give zeroes from then on, so that a call reads all it needs and
 * looks at `err` once.
 */
#ifndef CORDON_TESTS_PKT_CALL_PRIV_H
#define CORDON_TESTS_PKT_CALL_PRIV_H

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "tests/pkt/run.h"

struct call {
	struct run *r;
	struct syscall_spec *s;
	struct expr *args;
	const char *err;
	void *ud; /* of the stack's interface */
};

void call_fail(struct call *c, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
/* Between `min` and `max` arguments? */
bool call_args(struct call *c, size_t min, size_t max);
struct expr *call_arg(struct call *c, size_t i, enum expr_kind kind);
/* A 32-bit number, signed or not. */
int call_int(struct call *c, size_t i);
long long call_long(struct call *c, size_t i);
/* [N] */
int call_bracketed(struct call *c, size_t i);
bool call_is(const struct call *c, size_t i, enum expr_kind kind);
void call_ellipsis(struct call *c, size_t i);
/* The number of an expression. */
long long call_number(struct call *c, const struct expr *e);
/* The descriptor named by argument `i`. */
struct sock *call_fd(struct call *c, size_t i);
struct sock *call_find_fd(struct call *c, long long script_fd);
/* A buffer of `n` zeroes for "...", NULL for 0. */
void *call_buffer(struct call *c, size_t i, size_t n);
/* [{..., N}, ...] */
struct iovec *call_iovec(struct call *c, const struct expr *e, size_t *n);

/* Right before and right after the stack is called. */
void call_begin(struct call *c);
/* Compares the result (any number >= 0 for a new descriptor) and errno. */
void call_end(struct call *c, long long result, bool is_fd);

/* The address of a connect() or sendto(); moves the socket on. */
socklen_t call_connect_address(struct call *c, struct sock *s,
			       struct sockaddr_storage *out, int family);

typedef void (*call_fn)(struct call *c);

/* call_socket.c */
void call_socket(struct call *c);
void call_bind(struct call *c);
void call_listen(struct call *c);
void call_accept(struct call *c);
void call_connect(struct call *c);
void call_close(struct call *c);
void call_shutdown(struct call *c);
void call_open(struct call *c);
void call_pipe(struct call *c);
void call_fcntl(struct call *c);
void call_ioctl(struct call *c);
/* call_io.c */
void call_read(struct call *c);
void call_write(struct call *c);
void call_readv(struct call *c);
void call_writev(struct call *c);
void call_recv(struct call *c);
void call_recvfrom(struct call *c);
void call_send(struct call *c);
void call_sendto(struct call *c);
void call_splice(struct call *c);
void call_sendfile(struct call *c);
/* call_msg.c */
void call_recvmsg(struct call *c);
void call_sendmsg(struct call *c);
/* call_opt.c */
void call_getsockopt(struct call *c);
void call_setsockopt(struct call *c);
/* call_poll.c */
void call_poll(struct call *c);
void call_epoll_create(struct call *c);
void call_epoll_ctl(struct call *c);
void call_epoll_wait(struct call *c);

#endif /* CORDON_TESTS_PKT_CALL_PRIV_H */
