/* SPDX-License-Identifier: Apache-2.0 */
/*
 * From the table to a program, by way of libseccomp: one filter for native
 * entry, one for i386 entry, merged. Any other entry (x32 shares the native
 * audit architecture and is told by its number) is answered ENOSYS.
 */
#include "sentry/filter/filter_compile.h"

#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sentry/filter/filter_table.h"

#define MAGIC_ARG 5

static struct scmp_arg_cmp comparison(const struct filter_cond *c)
{
	struct scmp_arg_cmp cmp = {.arg = c->arg, .datum_a = c->value};

	switch ((enum filter_test)c->test) {
	case FILTER_NE:
		cmp.op = SCMP_CMP_NE;
		break;
	case FILTER_LT:
		cmp.op = SCMP_CMP_LT;
		break;
	case FILTER_GT:
		cmp.op = SCMP_CMP_GT;
		break;
	case FILTER_LOW_EQ:
	case FILTER_BITS_EQ:
		cmp.op = SCMP_CMP_MASKED_EQ;
		cmp.datum_a = c->mask;
		cmp.datum_b = c->value;
		break;
	}
	return cmp;
}

static int add_line(scmp_filter_ctx ctx, const struct filter_line *l,
		    uint64_t magic)
{
	struct scmp_arg_cmp cmp[FILTER_CONDS + 1];
	unsigned n = 0;
	uint32_t action = l->verdict == FILTER_NOTIFY
			      ? SCMP_ACT_NOTIFY
			      : SCMP_ACT_ERRNO((uint32_t)l->err);

	for (; n < l->nconds; n++)
		cmp[n] = comparison(&l->conds[n]);
	if (l->unless_magic)
		cmp[n++] = SCMP_CMP64(MAGIC_ARG, SCMP_CMP_NE, magic);
	return seccomp_rule_add_array(ctx, action, l->nr, n, cmp);
}

static int add_lines(scmp_filter_ctx ctx, const struct filter_line *l,
		     uint64_t magic)
{
	int rc = 0;

	for (; !rc && l->nr != FILTER_END; l++)
		rc = add_line(ctx, l, magic);
	return rc;
}

/* A filter for one architecture; NULL without memory. */
static scmp_filter_ctx new_filter(uint32_t arch)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);

	if (!ctx)
		return NULL;
	if (seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			     SCMP_ACT_ERRNO(ENOSYS)))
		goto fail;
	if (arch != seccomp_arch_native() &&
	    (seccomp_arch_add(ctx, arch) ||
	     seccomp_arch_remove(ctx, seccomp_arch_native())))
		goto fail;
	return ctx;
fail:
	seccomp_release(ctx);
	return NULL;
}

/* Adds i386 entry to `ctx`, where the processor has it. */
static int add_i386(scmp_filter_ctx ctx)
{
	scmp_filter_ctx i386;
	int rc;

	if (seccomp_arch_native() != SCMP_ARCH_X86_64)
		return 0;
	i386 = new_filter(SCMP_ARCH_X86);
	if (!i386)
		return -ENOMEM;
	rc = add_lines(i386, filter_i386, 0);
	/* On success `ctx` takes i386. */
	if (!rc)
		rc = seccomp_merge(ctx, i386);
	if (rc)
		seccomp_release(i386);
	return rc;
}

/* Reads the program that libseccomp wrote to fd. */
static int load(int fd, struct sock_fprog *out)
{
	off_t bytes = lseek(fd, 0, SEEK_END);
	size_t size = sizeof *out->filter;

	if (bytes <= 0 || (size_t)bytes / size > BPF_MAXINSNS)
		return -EINVAL;
	out->filter = malloc((size_t)bytes);
	if (!out->filter)
		return -ENOMEM;
	out->len = (unsigned short)((size_t)bytes / size);
	if (pread(fd, out->filter, (size_t)bytes, 0) == bytes)
		return 0;
	free(out->filter);
	out->filter = NULL;
	return -EIO;
}

static int export_program(scmp_filter_ctx ctx, struct sock_fprog *out)
{
	int fd = memfd_create("cordon-filter", MFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	int rc = seccomp_export_bpf(ctx, fd);
	if (!rc)
		rc = load(fd, out);
	close(fd);
	return rc;
}

int filter_compile(uint64_t magic, struct sock_fprog *out)
{
	scmp_filter_ctx ctx = new_filter(seccomp_arch_native());
	int rc;

	*out = (struct sock_fprog){0};
	if (!ctx)
		return -ENOMEM;
	rc = add_lines(ctx, filter_native, magic);
	if (!rc)
		rc = add_i386(ctx);
	if (!rc)
		rc = export_program(ctx, out);
	seccomp_release(ctx);
	return rc;
}
