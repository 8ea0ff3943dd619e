/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls that open and close: socket, bind, listen, accept, connect, shutdown,
 * close. LINUX: af_inet.c is the model of the states (enum conn).
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "sentry/core/errmap.h"
#include "sentry/sock/sockaddr_words.h"

#define SOCK_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)
#define PROTO_MPTCP 262 /* IPPROTO_MPTCP */
#define SIN6_LEN_MIN 24

/* ---- socket ---- */

static bool is_icmp(int domain, int proto)
{
	return proto == (domain == AF_INET ? IPPROTO_ICMP : IPPROTO_ICMPV6);
}

/* LINUX: inet_create() looks for the type first, then for the protocol. */
static int check_proto(int domain, int type, int proto)
{
	if (proto < 0 || proto > PROTO_MPTCP)
		return -EINVAL;
	switch (type) {
	case SOCK_STREAM:
		return proto == 0 || proto == IPPROTO_TCP ? 0
							  : -EPROTONOSUPPORT;
	case SOCK_DGRAM:
		return proto == 0 || proto == IPPROTO_UDP ||
			       is_icmp(domain, proto)
			   ? 0
			   : -EPROTONOSUPPORT;
	case SOCK_RAW:
		return proto == 0 || proto > 255 ? -EPROTONOSUPPORT : 0;
	default:
		return -ESOCKTNOSUPPORT;
	}
}

static enum nst_err make_endpoint(struct file *f)
{
	uint8_t family = f->domain == AF_INET ? 4 : 6;
	enum nst_dgram_kind kind = NST_DGRAM_UDP;

	if (f->kind == FILE_TCP)
		return nst_tcp_new(f->w->st, family, f, f->w->now, &f->tcp);
	if (f->type == SOCK_RAW)
		kind = NST_DGRAM_RAW;
	else if (is_icmp(f->domain, f->proto))
		kind = NST_DGRAM_PING;
	return nst_dgram_new(f->w->st, kind, family, (uint8_t)f->proto, f,
			     &f->dgram);
}

static int finish_socket(struct file *f, int type)
{
	enum nst_err e = make_endpoint(f);
	int fd;

	if (e != NST_OK)
		return -errno_of(e);
	if (type & SOCK_NONBLOCK)
		f->status |= O_NONBLOCK;
	fd = file_install(f, 0);
	if (fd >= 0)
		return fd;
	if (f->tcp)
		nst_tcp_close(f->tcp, f->w->now);
	else
		nst_dgram_close(f->dgram, f->w->now);
	return fd;
}

int open_socket(struct world *w, int domain, int type, int proto)
{
	int plain = type & ~SOCK_FLAGS, rc;
	struct file *f;

	if (domain != AF_INET && domain != AF_INET6)
		return -EAFNOSUPPORT;
	if (plain < 0 || plain > SOCK_PACKET)
		return -EINVAL;
	rc = check_proto(domain, plain, proto);
	if (rc < 0)
		return rc;
	host_sysctl_read(w);
	f = file_new(w, plain == SOCK_STREAM ? FILE_TCP : FILE_DGRAM);
	if (!f)
		return -ENOMEM;
	f->domain = domain;
	f->type = plain;
	f->proto = proto;
	rc = finish_socket(f, type);
	file_put(f);
	return rc;
}

/* ---- addresses ---- */

static int addr_in(const struct file *f, const struct sockaddr *a,
		   socklen_t len, struct nst_sockaddr *out)
{
	if (!a && len > 0)
		return -EFAULT;
	if (len > sizeof(struct sockaddr_storage))
		return -EINVAL;
	return sockaddr_parse(f->domain, a, len, out);
}

void addr_out(int domain, const struct nst_sockaddr *a, void *name,
	      socklen_t *len)
{
	struct sockaddr_storage ss;
	socklen_t full = sockaddr_build(domain, a, &ss);

	if (!name || !len)
		return;
	memcpy(name, &ss, *len < full ? *len : full);
	*len = full;
}

/* LINUX: bind on AF_INET takes AF_UNSPEC with 0.0.0.0 for AF_INET. */
static int unspec_to_any(const struct file *f, const struct sockaddr *a,
			 socklen_t len, struct nst_sockaddr *out)
{
	struct sockaddr_in in;

	if (f->domain != AF_INET)
		return len < SIN6_LEN_MIN ? -EINVAL : -EAFNOSUPPORT;
	if (len < sizeof(in))
		return -EINVAL;
	memcpy(&in, a, sizeof(in));
	if (in.sin_addr.s_addr != INADDR_ANY)
		return -EAFNOSUPPORT;
	out->addr.family = 4;
	out->port = ntohs(in.sin_port);
	return 0;
}

int open_bind(struct file *f, const struct sockaddr *a, socklen_t len)
{
	struct nst_sockaddr to;
	int rc = addr_in(f, a, len, &to);

	if (rc == 0 && to.addr.family == 0)
		rc = unspec_to_any(f, a, len, &to);
	if (rc < 0)
		return rc;
	return -errno_of(nst_sock_bind(file_sock(f), &to));
}

/* ---- listen and accept ---- */

int open_listen(struct file *f, int backlog)
{
	enum nst_err e;

	if (f->kind != FILE_TCP)
		return -EOPNOTSUPP;
	if (f->conn != CONN_NONE)
		return -EINVAL;
	e = nst_tcp_listen(f->tcp, backlog, f->w->now);
	if (e == NST_OK)
		f->listening = true;
	return -errno_of(e);
}

static int adopt_child(struct file *l, struct nst_tcp *child)
{
	struct file *f = file_new(l->w, FILE_TCP);
	int fd = -ENOMEM;

	if (f) {
		f->domain = l->domain;
		f->type = SOCK_STREAM;
		f->proto = l->proto;
		f->tcp = child;
		f->conn = CONN_UP;
		f->opened = true;
		f->rcvtimeo = l->rcvtimeo;
		f->sndtimeo = l->sndtimeo;
		f->zerocopy = l->zerocopy;
		fd = file_install(f, 0);
	}
	if (fd < 0)
		nst_tcp_unaccept(l->tcp, child);
	else
		nst_sock_set_user(nst_tcp_sock(child), f);
	if (f)
		file_put(f);
	return fd;
}

int open_accept(struct file *f, struct sockaddr *a, socklen_t *len)
{
	nst_time deadline = file_deadline(f, f->rcvtimeo);
	struct nst_sockaddr peer = {0};
	struct nst_tcp *child;
	int fd;

	if (f->kind != FILE_TCP)
		return -EOPNOTSUPP;
	for (;;) {
		if (!f->tcp || !f->listening ||
		    nst_tcp_state(f->tcp) != NST_TCP_LISTEN)
			return -EINVAL;
		if (nst_tcp_accept(f->tcp, &child) == NST_OK)
			break;
		if (file_nonblock(f, 0) || world_wait(f->w, deadline) < 0)
			return -EAGAIN;
	}
	/* A child that was reset meanwhile has no peer any more. */
	if (nst_sock_remote(nst_tcp_sock(child), &peer) != NST_OK)
		memset(&peer, 0, sizeof(peer));
	fd = adopt_child(f, child);
	if (fd >= 0)
		addr_out(f->domain, &peer, a, len);
	return fd;
}

/* ---- connect ---- */

/* LINUX: what tcp_disconnect() cuts short leaves ECONNRESET behind. */
static bool is_cut_short(const struct file *f)
{
	switch (nst_tcp_state(f->tcp)) {
	case NST_TCP_SYN_SENT:
	case NST_TCP_SYN_RCVD:
	case NST_TCP_ESTABLISHED:
	case NST_TCP_FIN_WAIT1:
	case NST_TCP_FIN_WAIT2:
	case NST_TCP_CLOSE_WAIT:
		return true;
	default:
		return false;
	}
}

static void reset_socket(struct file *f)
{
	nst_tcp_disconnect(f->tcp, f->w->now);
	f->conn = CONN_NONE;
	f->listening = false;
	f->opened = false;
	f->shut_rd = false;
	f->shut_wr = false;
	f->w->events = true;
	zerocopy_scan(f->w);
	f->written = 0;
}

static int disconnect(struct file *f)
{
	int err = is_cut_short(f) ? ECONNRESET : file_error(f);

	reset_socket(f);
	f->so_error = err;
	return 0;
}

/* The attempt has failed: told once, and the socket is as new. */
static int tell_failure(struct file *f)
{
	int err = file_error(f);

	reset_socket(f);
	return err ? -err : -ECONNABORTED;
}

int open_connect_end(struct file *f, int pending)
{
	nst_time deadline = file_deadline(f, f->sndtimeo);

	while (f->tcp) {
		switch (nst_tcp_state(f->tcp)) {
		case NST_TCP_SYN_SENT:
		case NST_TCP_SYN_RCVD:
			break;
		case NST_TCP_CLOSE:
			return tell_failure(f);
		default:
			f->conn = CONN_UP;
			return 0;
		}
		if (file_nonblock(f, 0) || world_wait(f->w, deadline) < 0)
			return pending;
	}
	return -EBADF;
}

static int connect_stream(struct file *f, const struct nst_sockaddr *to)
{
	enum nst_err e;

	if (f->conn == CONN_UP || f->listening)
		return -EISCONN;
	/* LINUX: a SYN that waits for data counts as a connection. */
	if (f->conn == CONN_PENDING && nst_tcp_deferred(f->tcp))
		return -EISCONN;
	if (f->conn == CONN_PENDING)
		return open_connect_end(f, -EALREADY);
	f->so_error = 0;
	e = nst_tcp_connect(f->tcp, to, f->w->now);
	if (e != NST_OK && e != NST_E_INPROGRESS)
		return -errno_of(e);
	f->conn = CONN_PENDING;
	f->opened = true;
	if (nst_tcp_deferred(f->tcp))
		return 0;
	/* LINUX: on loopback, too, the first answer is EINPROGRESS. */
	if (file_nonblock(f, 0))
		return -EINPROGRESS;
	return open_connect_end(f, -EINPROGRESS);
}

int open_connect(struct file *f, const struct sockaddr *a, socklen_t len)
{
	struct nst_sockaddr to;
	int rc = addr_in(f, a, len, &to);
	enum nst_err e;

	if (rc < 0)
		return rc;
	if (f->tcp)
		return to.addr.family ? connect_stream(f, &to) : disconnect(f);
	e = nst_dgram_connect(f->dgram, to.addr.family ? &to : NULL, f->w->now);
	return -errno_of(e);
}

/* ---- shutdown ---- */

static int shut_stream(struct file *f, bool rd, bool wr)
{
	bool syn_sent = nst_tcp_state(f->tcp) == NST_TCP_SYN_SENT;
	enum nst_err e = nst_tcp_shutdown(f->tcp, rd, wr, f->w->now);

	/* LINUX: the bits are kept without a connection too. */
	if (!f->listening) {
		f->shut_rd = f->shut_rd || rd;
		f->shut_wr = f->shut_wr || wr;
	} else if (rd) {
		f->listening = false;
	}
	if (syn_sent)
		f->conn = CONN_NONE;
	f->w->events = true;
	return -errno_of(e);
}

int open_shutdown(struct file *f, int how)
{
	bool rd = how == SHUT_RD || how == SHUT_RDWR;
	bool wr = how == SHUT_WR || how == SHUT_RDWR;

	if (how < SHUT_RD || how > SHUT_RDWR)
		return -EINVAL;
	if (f->tcp)
		return shut_stream(f, rd, wr);
	f->shut_rd = f->shut_rd || rd;
	f->shut_wr = f->shut_wr || wr;
	f->w->events = true;
	return -errno_of(nst_dgram_shutdown(f->dgram, rd, wr));
}

/* ---- close ---- */

static bool fin_unacked(const struct file *f)
{
	switch (nst_tcp_state(f->tcp)) {
	case NST_TCP_FIN_WAIT1:
	case NST_TCP_CLOSING:
	case NST_TCP_LAST_ACK:
		return true;
	default:
		return false;
	}
}

/* LINUX: with SO_LINGER a close waits until everything was acknowledged; the
 * wait ends with the time, and the rest goes on by itself. */
static void linger(struct file *f)
{
	struct nst_iov iov[2];
	size_t niov;
	int64_t s = -1;
	nst_time deadline;

	if (nst_sock_get(file_sock(f), NST_SO_LINGER, &s) != NST_OK || s <= 0)
		return;
	if (f->listening || nst_tcp_rcv_data(f->tcp, iov, &niov) > 0)
		return;
	if (nst_tcp_shutdown(f->tcp, false, true, f->w->now) != NST_OK)
		return;
	deadline = file_deadline(f, s * NST_SEC);
	while (fin_unacked(f))
		if (world_wait(f->w, deadline) < 0)
			return;
}

void open_close(struct file *f)
{
	if (f->dgram) {
		nst_dgram_close(f->dgram, f->w->now);
		f->dgram = NULL;
	} else if (f->tcp) {
		linger(f);
		nst_tcp_close(f->tcp, f->w->now);
		f->tcp = NULL;
	}
	f->w->events = true;
}
