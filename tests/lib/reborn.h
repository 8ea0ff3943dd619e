/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A netstack that is saved, freed and made anew of its image, at any moment
 * between two calls into it. What a test holds of the old one is void
 * afterwards: sockets are found again by their ids (nst_sock_id), `user`
 * pointers are as they were. Memory of the old stack is the caller's
 * allocator's to poison. Anything that goes wrong ends the process with the
 * reason.
 */
#ifndef TESTS_LIB_REBORN_H
#define TESTS_LIB_REBORN_H

#include "netstack/nst_save.h"

struct reborn_image {
	uint8_t *p; /* malloc() */
	size_t bytes, cap;
};

struct reborn_nic {
	const char *name;
	const struct nst_link_ops *ops;
	void *link;
};

struct reborn {
	const struct nst_env *env;
	const struct reborn_nic *nics;
	size_t nnics;
	const struct nst_forwarder *forwarder; /* NULL: there was none */
	/* A SYN that waited, with the id it had. NULL: dropped. */
	void (*fwd)(void *ctx, struct nst_fwd_req *req, uint64_t id);
	void *ctx;
	nst_time outage;
	bool clone;
	bool twice;   /* the new stack must save to the same image */
	size_t bytes; /* out: of the image */
};

void stack_reborn(struct nst_stack **st, struct reborn *how);

/* Its parts. `image` is empty at first, free()d with reborn_image_free. */
void reborn_save(const struct nst_stack *st, struct reborn_image *image);
void reborn_image_free(struct reborn_image *image);
/* `old` (may be NULL) is whose `user` pointers are kept. */
enum nst_err reborn_load(const struct nst_stack *old, struct reborn *how,
			 const void *image, size_t bytes,
			 struct nst_stack **out, char *why);
/* The socket of that id; NULL: there is none. */
struct nst_sock *reborn_sock(const struct nst_stack *st, uint64_t id);

#endif
