/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A guest's message: one struct msghdr, or the arguments of sendto and
 * recvfrom in the same words. Read once from guest memory, without the lock.
 */
#ifndef SENTRY_SOCK_MSG_H
#define SENTRY_SOCK_MSG_H

#include "sentry/sock/scratch.h"
#include "sentry/sock/sock.h"

struct msg {
	uint64_t addr;     /* of the guest's msghdr; 0: none */
	uint64_t name;     /* guest address, or 0 */
	uint32_t namelen;  /* as passed; may be "negative" */
	uint64_t namelenp; /* where to write the length, or 0 */
	uint64_t control;
	uint64_t controllen;
	struct iovec *iov; /* guest addresses; in the thread's scratch */
	size_t niov;
	size_t total; /* bytes in all */
};

/* The guest's struct msghdr (64-bit). */
struct guest_msghdr {
	uint64_t name;
	uint32_t namelen;
	uint32_t pad0;
	uint64_t iov;
	uint64_t iovlen;
	uint64_t control;
	uint64_t controllen;
	uint32_t flags;
	uint32_t pad1;
};
struct guest_mmsghdr {
	struct guest_msghdr hdr;
	uint32_t len;
	uint32_t pad;
};

/* Reads a msghdr. -EFAULT, -EINVAL, -EMSGSIZE, -ENOBUFS as Linux. */
int msg_read(const struct trap *t, uint64_t addr, struct scratch *sc,
	     struct msg *m);
/* From (buf, len, name, namelen) of sendto/recvfrom. */
void msg_of_buffer(uint64_t buf, uint64_t len, uint64_t name, uint32_t namelen,
		   struct scratch *sc, struct msg *m);
/* Skips the first `bytes` of the vectors. */
void msg_advance(struct msg *m, size_t bytes);

/* Control messages on the way to the guest. */
struct cmsg_out {
	uint8_t buf[512];
	size_t used;
	size_t room;    /* what the guest has room for */
	unsigned flags; /* MSG_CTRUNC */
};
void cmsg_out_init(struct cmsg_out *c, const struct msg *m);
/* As the kernel's put_cmsg: what does not fit is cut, MSG_CTRUNC. */
void cmsg_put(struct cmsg_out *c, int level, int type, const void *data,
	      size_t bytes);

/* Metadata of a datagram that the socket's options ask for. Under the lock. */
void cmsg_of_datagram(const struct sock *s, const struct nst_dgram_in *in,
		      struct cmsg_out *c);
/* IP_RECVERR or IPV6_RECVERR. */
void cmsg_of_error(const struct sock *s, const struct nst_dgram_err *e,
		   struct cmsg_out *c);
/* Parses what a guest sends along with a datagram; -EINVAL, -EPERM. */
int cmsg_parse(const struct sock *s, const uint8_t *ctl, size_t bytes,
	       struct nst_dgram_opts *o);
/* The same on a stream, where only SOL_SOCKET counts. *fds: descriptors or
 * credentials are among them. */
int cmsg_parse_stream(const uint8_t *ctl, size_t bytes, bool *fds);

/* ---- waiting ---- */
/* Whether a call on t->gfd may wait: no MSG_DONTWAIT, no O_NONBLOCK, and not
 * expired. Arms t->deadline from SO_RCVTIMEO or SO_SNDTIMEO the first time. */
bool trap_may_wait(struct trap *t, unsigned flags, int timeo_opt);

#endif
