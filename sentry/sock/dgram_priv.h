/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The datagram channel, as the files of this folder use it. Everything here
 * runs under the stack lock; gfd is a dup of the guest end (t->gfd).
 *
 * What is visible: an unconnected socket has at most one datagram in its guest
 * end, and dg.head says where it came from. A connected one that wants no
 * metadata streams its peer's datagrams ("plain" ones). A datagram that is not
 * plain waits until the guest end is empty, and nothing follows it until it
 * was taken: so metadata is always known, also across connect and disconnect.
 *
 * Errors: the endpoint's pending error is moved to so_error as soon as it is
 * raised and shown on a connected guest end (dg.injected): poll says ERR and
 * one native call fails with ECONNRESET. Whoever consumes first, consumes it.
 */
#ifndef SENTRY_SOCK_DGRAM_PRIV_H
#define SENTRY_SOCK_DGRAM_PRIV_H

#include "sentry/sock/sock.h"

/* A datagram outside the endpoint's queue; in.data is `bytes`. malloc'ed. */
struct dgram_kept {
	struct dgram_kept *next;
	struct nst_dgram_in in;
	uint8_t bytes[];
};

/* Copies; NULL without memory. */
struct dgram_kept *dgram_keep(const struct nst_dgram_in *in, const void *data,
			      size_t bytes);
/* Starts polling the sentry end; -ENOMEM. */
int datagram_start(struct sock *s);
/*
 * Takes the next datagram out of the guest end (peek: leaves it), with what is
 * known about it. Returns its length, of which at most cap bytes are in buf;
 * -EAGAIN: none. After an error the datagram is still where it was.
 */
ssize_t datagram_take(struct sock *s, int gfd, bool peek, void *buf, size_t cap,
		      struct nst_dgram_in *in);
/* Puts a taken datagram back in front of everything else; takes k. */
void datagram_untake(struct sock *s, int gfd, struct dgram_kept *k);
/* Nothing is in the guest end that the guest has not taken. */
bool datagram_end_empty(const struct sock *s);
/* Empties the guest end into `kept`: before the peer changes. */
void datagram_reclaim(struct sock *s, int gfd);
/* The pending error as a positive errno, or 0; one that the guest has already
 * consumed natively is gone. It stays pending until datagram_error_clear. */
int datagram_error(struct sock *s, int gfd);
void datagram_error_clear(struct sock *s);
/* Sets a pending error and shows it. */
void datagram_error_set(struct sock *s, int err);
/* An option that asks for metadata may have changed. */
void datagram_options_changed(struct sock *s);

/* The guest's close of a datagram socket gives no event: before something is
 * sent to a port of our own, whoever would get it but is dead is closed, so
 * that another gets it or the sender is answered "port unreachable". Who else
 * holds the port, maybe thousands, does not matter. to NULL: the peer. */
void datagram_reap_target(struct sock *s, const struct nst_sockaddr *to,
			  const struct nst_dgram_opts *o);

/* The address of the sentry end, which is named when first needed; without a
 * name (no memory, no fds) connecting to it fails. */
socklen_t backing_back_addr(struct sock *s, struct sockaddr_un *un);

/* IP protocol number of a socket. */
static inline int sock_protocol(const struct sock *s)
{
	if (s->proto)
		return s->proto;
	return s->type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP;
}
/* Raw and ping sockets show no port. */
static inline bool sock_has_ports(const struct sock *s)
{
	return sock_protocol(s) == IPPROTO_UDP && s->type != SOCK_RAW;
}

#endif
