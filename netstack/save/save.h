/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving and loading: what every module's NAME_save.c is made of.
 *
 * An image is a sequence of records; a record is one protobuf message of a
 * schema beside the module (NAME.proto). A message whose name in snake case is
 * a struct's tag goes between struct and message by a table that
 * tools/lib/saved.py makes of both (NAME.fields.h): members marked S in the
 * header, by name. What no table can do (queues, pointers, references by id) is
 * "made" by hand in NAME_save.c.
 *
 * No timer and no deadline is in any schema: after loading, each timer's own
 * function computes it from saved facts.
 *
 * Loading is parsing hostile input: sizes are bounded by the record's length,
 * values by the members' types; what a value means is for the module to check.
 *
 * Ownership: messages live in the arena of their save_out or save_in, until the
 * next record. Locking: that of the stack.
 */
#ifndef NETSTACK_SAVE_SAVE_H
#define NETSTACK_SAVE_SAVE_H

#include <protobuf-c/protobuf-c.h>

#include "netstack/nst_env.h"
#include "netstack/nst_save.h"

/* ---- memory that is given back all at once ---- */
struct save_block;
struct save_arena {
	const struct nst_env *env;
	struct save_block *blocks; /* the newest first */
	size_t bytes, limit;       /* taken in all; 0: no limit */
	bool no_memory;            /* env had none */
};
void save_arena_init(struct save_arena *a, const struct nst_env *env);
/* Not zeroed; NULL: no memory, or the limit. Aligned to 16 bytes. */
void *save_arena_take(struct save_arena *a, size_t bytes);
/* Forgets everything, keeps one block for what comes. */
void save_arena_reset(struct save_arena *a);
void save_arena_fini(struct save_arena *a);

/* Bytes that grow; kept from record to record. */
struct save_buf {
	const struct nst_env *env;
	uint8_t *p;
	size_t n, cap;
};
void save_wire_fini(struct save_buf *w);

/* ---- tables: made by tools/lib/saved.py ---- */
enum save_member { /* type of the struct's member; others do not compile */
		   SAVE_C_BOOL,
		   SAVE_C_U8,
		   SAVE_C_U16,
		   SAVE_C_U32,
		   SAVE_C_U64,
		   SAVE_C_I16,
		   SAVE_C_I32,
		   SAVE_C_I64,
		   SAVE_C_CHAR,   /* elements of a string */
		   SAVE_C_ADDR,   /* struct nst_addr, without its scope */
		   SAVE_C_STRUCT, /* by `sub` */
};
enum save_wire { /* type of the message's field */
		 SAVE_M_BOOL,
		 SAVE_M_U32,
		 SAVE_M_U64,
		 SAVE_M_I32,
		 SAVE_M_I64,
		 SAVE_M_BYTES,
		 SAVE_M_STRING,
		 SAVE_M_MESSAGE,
};
enum save_code { /* how numbers are written */
		 SAVE_E_VARINT,
		 SAVE_E_ZIGZAG,
		 SAVE_E_FIXED32,
		 SAVE_E_FIXED64,
};
struct save_type;
struct save_get;
/* A field that stands for a member. */
struct save_field {
	const char *name;
	uint32_t key;   /* on the wire: tag and type */
	uint8_t code;   /* enum save_code */
	uint8_t member; /* enum save_member */
	uint8_t wire;   /* enum save_wire */
	bool repeated;
	uint32_t count;  /* elements of an array, or 1 */
	uint32_t stride; /* bytes of an element */
	size_t at;       /* of the member */
	const struct save_type *sub;
	/* Some of `sub` is made by hand: there is a message of it; its place in
	 * save_type.made, from 1. */
	uint32_t mixed;
};
/* A field made by hand, or one with such a field in it. */
struct save_made {
	uint32_t index;              /* in desc->fields */
	const struct save_type *sub; /* of its message, if it is one */
};
struct save_type {
	const char *name;
	const ProtobufCMessageDescriptor *desc;
	const struct save_field *fields; /* by tag; none: there is no struct */
	const struct save_made *made;
	const uint16_t *index; /* by tag: 0: no field; row + 1; or
				  SAVE_INDEX_MADE + place in `made` */
	uint32_t nfields, nmade, ntags;
	/* What the table has of *obj, to w, but for mixed fields. False: no
	 * memory. */
	bool (*put)(struct save_buf *w, const void *obj);
	void (*zero)(void *obj); /* all that the table has */
	/* Sets what is at [p, end) and in the table; all of it was zero. */
	bool (*get)(struct save_get *g, const uint8_t *p, const uint8_t *end,
		    void *obj);
};
#define SAVE_INDEX_MADE 0x8000u

#define SAVE_MEMBER(T, f)                                                      \
	_Generic(((T *)0)->f, bool                                             \
		 : SAVE_C_BOOL, uint8_t                                        \
		 : SAVE_C_U8, uint16_t                                         \
		 : SAVE_C_U16, uint32_t                                        \
		 : SAVE_C_U32, uint64_t                                        \
		 : SAVE_C_U64, unsigned long long                              \
		 : SAVE_C_U64, int16_t                                         \
		 : SAVE_C_I16, int32_t                                         \
		 : SAVE_C_I32, int64_t                                         \
		 : SAVE_C_I64, char                                            \
		 : SAVE_C_CHAR, struct seq                                     \
		 : SAVE_C_U32, struct nst_addr                                 \
		 : SAVE_C_ADDR)

/* ---- saving ---- */
struct save_out {
	const struct nst_env *env;
	struct save_arena arena;
	struct save_buf wire;
	const struct nst_save_sink *sink;
	bool failed; /* memory ran out, or the sink refused */
};
void save_out_init(struct save_out *o, const struct nst_env *env,
		   const struct nst_save_sink *sink);
void save_out_fini(struct save_out *o);
/* An empty message; NULL (and o->failed) without memory. */
void *save_message(struct save_out *o, const ProtobufCMessageDescriptor *d);
/* The message of *obj, its made fields empty; what the table has is encoded
 * already and cannot be seen in it. NULL as above. */
void *save_object(struct save_out *o, const struct save_type *t,
		  const void *obj);
/* Memory for made fields, until the record is written. NULL as above. */
void *save_memory(struct save_out *o, size_t bytes);
/* For made fields: the message borrows what is only read until the record is
 * written (its structs know no const; nobody writes). */
ProtobufCBinaryData save_borrow(const void *p, size_t bytes);
char *save_text(const char *s);
/* Writes the message as one record and forgets all messages. Does nothing when
 * o has failed, or m is NULL. */
void save_record(struct save_out *o, enum nst_save_record type, const void *m);

/* ---- loading ---- */
struct save_in {
	const struct nst_env *env;
	struct save_arena arena;
	const uint8_t *p, *end; /* what was not read yet; borrowed */
	uint32_t type;          /* of the record at hand */
	const uint8_t *data;
	uint32_t bytes;
	uint64_t nrecords; /* read so far */
	enum nst_err err;  /* what failed first; NST_OK: nothing */
	char *why;         /* NST_SAVE_WHY bytes: the reason, for people */
};
void save_in_init(struct save_in *in, const struct nst_env *env,
		  const void *image, size_t bytes, char *why);
void save_in_fini(struct save_in *in);
/* Goes to the next record; false at the end, or when the image is broken
 * (in->err). The messages of the last record are gone. */
bool save_next(struct save_in *in);
/* The record as a message, whose bytes are those of the image; NULL: broken
 * (in->err). */
void *save_parse(struct save_in *in, const ProtobufCMessageDescriptor *d);
/* The same and save_restore() in one go, which is faster: the message has only
 * fields made by hand. NULL as above; *obj is as far as it came. */
void *save_parse_object(struct save_in *in, const struct save_type *t,
			void *obj);
/* Sets every S member of *obj that has a table from m, a message of the record
 * or one in it (all zero if m is NULL); false: a value does not fit (in->err).
 * The others are left alone. */
NST_MUST_CHECK bool save_restore(struct save_in *in, const struct save_type *t,
				 const void *m, void *obj);
/* Notes that the image is not as it must be: "NAME: WHAT". Returns false. */
bool save_bad(struct save_in *in, const char *name, const char *what);
/* The same for memory or another error of loading itself. Returns false. */
bool save_fail(struct save_in *in, enum nst_err err, const char *what);

#endif
