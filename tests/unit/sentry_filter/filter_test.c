/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exported program against a model written from the rules in DESIGN 4, not
 * from the table: libseccomp 2.5 is known to merge 64-bit comparisons wrongly.
 * Every call of interest is tried with every pair of interesting values in the
 * arguments that it looks at, garbage in high words included.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <linux/audit.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sentry/filter/filter.h"

#define MAGIC 0x123456789abcdef0ull
#define ALLOW SECCOMP_RET_ALLOW
#define NOTIFY SECCOMP_RET_USER_NOTIF
#define FAIL(e) (SECCOMP_RET_ERRNO | (uint32_t)(e))
#define X32 0x40000000

static struct sock_fprog prog;

static void setup(void)
{
	cr_assert_eq(filter_build(MAGIC, &prog), 0);
}

static void teardown(void)
{
	free(prog.filter);
}

TestSuite(filter, .init = setup, .fini = teardown);

static uint32_t eval(int nr, const uint64_t a[6])
{
	return filter_eval(&prog, nr, AUDIT_ARCH_X86_64, a);
}

/* ---- the model ---- */

static uint32_t model_family(uint32_t domain, uint32_t inet)
{
	if (domain == AF_UNIX)
		return ALLOW;
	if (domain == AF_INET || domain == AF_INET6)
		return inet;
	return FAIL(EAFNOSUPPORT);
}

static uint32_t model_option(const uint64_t a[6])
{
	if (a[5] == MAGIC)
		return ALLOW;
	if (a[1] != SOL_SOCKET)
		return NOTIFY;
	if (a[2] == 20 || a[2] == 21 || a[2] == 66 || a[2] == 67)
		return ALLOW;
	return NOTIFY;
}

static uint32_t when(bool cond, uint32_t verdict)
{
	return cond ? verdict : ALLOW;
}

static uint32_t model(int nr, const uint64_t a[6])
{
	uint32_t low1 = (uint32_t)a[1], flags = (uint32_t)a[3];

	switch (nr) {
	case SYS_socket:
		return model_family((uint32_t)a[0], NOTIFY);
	case SYS_socketpair:
		return model_family((uint32_t)a[0], FAIL(EOPNOTSUPP));
	case SYS_connect:
	case SYS_bind:
	case SYS_listen:
	case SYS_shutdown:
		return NOTIFY;
	case SYS_getsockname:
	case SYS_getpeername:
	case SYS_sendmsg:
	case SYS_recvmsg:
	case SYS_sendmmsg:
	case SYS_recvmmsg:
		return when(a[5] != MAGIC, NOTIFY);
	case SYS_accept:
	case SYS_accept4:
		return when(a[5] != MAGIC && a[1], NOTIFY);
	case SYS_sendto:
		return when(a[4] || (flags & (MSG_OOB | 0x10 | MSG_MORE |
					      MSG_ZEROCOPY | MSG_FASTOPEN)),
			    NOTIFY);
	case SYS_recvfrom:
		return when(a[4] ||
				(flags & (MSG_OOB | MSG_TRUNC | MSG_ERRQUEUE)),
			    NOTIFY);
	case SYS_setsockopt:
	case SYS_getsockopt:
		return model_option(a);
	case SYS_ioctl:
		return when(low1 == 0x5411 || (low1 & ~0xffu) == 0x8900,
			    NOTIFY);
	case SYS_init_module:
		return when(!a[0], NOTIFY);
	case SYS_clone:
	case SYS_unshare:
		return when(a[0] & CLONE_NEWNET, FAIL(EPERM));
	case SYS_setns:
		return when(!low1 || (low1 & CLONE_NEWNET), FAIL(EPERM));
	case SYS_clone3:
	case SYS_io_uring_setup:
	case SYS_io_uring_enter:
	case SYS_io_uring_register:
		return FAIL(ENOSYS);
	}
	return ALLOW;
}

/* ---- native entry ---- */

static const uint64_t words[] = {
    0,
    1,
    2,
    3,
    4,
    5,
    7,
    8,
    9,
    10,
    11,
    12,
    15,
    16,
    17,
    18,
    19,
    20,
    21,
    22,
    23,
    24,
    31,
    32,
    33,
    40,
    45,
    46,
    63,
    64,
    65,
    66,
    67,
    68,
    69,
    71,
    72,
    127,
    128,
    255,
    256,
    0x800,
    0x2000,
    0x2001,
    0x4000,
    0x5411,
    0x541b,
    0x7fff,
    0x8000,
    0x88ff,
    0x8900,
    0x8905,
    0x89a0,
    0x89ff,
    0x8a00,
    0x10000,
    0x18900,
    0x1000000,
    0x4000000,
    0x20000000,
    CLONE_NEWNET,
    CLONE_NEWNET | 0x10000000,
    0x7e000000,
    0x80000000,
    0xffffffff,
    0xfffffffe,
    MAGIC,
    (uint32_t)MAGIC,
    MAGIC >> 32,
    MAGIC & 0xffffffff00000000ull,
    MAGIC ^ 1,
    MAGIC ^ (1ull << 63),
    UINT64_MAX,
};
#define WORDS (sizeof words / sizeof *words)
static const uint64_t highs[] = {0,          1,          0x7f,
				 0x40000000, 0x80000000, 0xffffffff};
#define HIGHS (sizeof highs / sizeof *highs)

/* The arguments that the rules of any call look at, two at a time. */
static void try_pair(int nr, unsigned i, unsigned j, uint64_t vi, uint64_t vj)
{
	uint64_t a[6] = {0};

	a[i] = vi;
	a[j] = vj;
	cr_assert_eq(eval(nr, a), model(nr, a),
		     "nr %d: arg%u %#lx arg%u %#lx: %#x, not %#x", nr, i, vi, j,
		     vj, eval(nr, a), model(nr, a));
	a[1] = i == 1 || j == 1 ? a[1] : SOL_SOCKET;
	a[5] = i == 5 || j == 5 ? a[5] : MAGIC;
	cr_assert_eq(eval(nr, a), model(nr, a),
		     "nr %d: arg%u %#lx arg%u %#lx (magic): %#x, not %#x", nr,
		     i, vi, j, vj, eval(nr, a), model(nr, a));
}

static void try_call(int nr)
{
	for (unsigned i = 0; i < 6; i++)
		for (unsigned j = i + 1; j < 6; j++)
			for (size_t x = 0; x < WORDS; x++)
				for (size_t y = 0; y < WORDS; y++)
					try_pair(nr, i, j, words[x], words[y]);
	for (unsigned i = 0; i < 6; i++)
		for (size_t x = 0; x < WORDS; x++)
			for (size_t h = 0; h < HIGHS; h++)
				try_pair(nr, i, (i + 1) % 6,
					 (words[x] & UINT32_MAX) | highs[h]
								       << 32,
					 highs[h]);
}

static const int calls[] = {
    SYS_socket,         SYS_socketpair,     SYS_init_module,
    SYS_connect,        SYS_bind,           SYS_listen,
    SYS_shutdown,       SYS_getsockname,    SYS_getpeername,
    SYS_sendmsg,        SYS_recvmsg,        SYS_sendmmsg,
    SYS_recvmmsg,       SYS_accept,         SYS_accept4,
    SYS_sendto,         SYS_recvfrom,       SYS_setsockopt,
    SYS_getsockopt,     SYS_ioctl,          SYS_clone,
    SYS_unshare,        SYS_setns,          SYS_clone3,
    SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
};

Test(filter, every_call_agrees_with_the_model)
{
	for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
		try_call(calls[i]);
}

Test(filter, options_agree_in_three_arguments)
{
	for (size_t x = 0; x < WORDS; x++)
		for (size_t y = 0; y < WORDS; y++)
			for (size_t z = 0; z < WORDS; z++) {
				uint64_t a[6] = {3, words[x], words[y],
						 0, 0,        words[z]};
				cr_assert_eq(eval(SYS_getsockopt, a),
					     model(SYS_getsockopt, a));
			}
}

/* A generator of its own, so that a failure repeats. */
static uint64_t next_random(uint64_t *s)
{
	uint64_t z = (*s += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

Test(filter, random_arguments_agree)
{
	uint64_t s = 1;

	for (int n = 0; n < 1000000; n++) {
		uint64_t r = next_random(&s), a[6];
		int nr = calls[r % (sizeof calls / sizeof *calls)];

		for (int i = 0; i < 6; i++) {
			a[i] = words[next_random(&s) % WORDS];
			a[i] ^= highs[next_random(&s) % HIGHS] << 32;
			if (next_random(&s) % 8 == 0)
				a[i] = next_random(&s) >> next_random(&s) % 64;
		}
		cr_assert_eq(eval(nr, a), model(nr, a),
			     "nr %d (%lx %lx %lx %lx %lx %lx)", nr, a[0], a[1],
			     a[2], a[3], a[4], a[5]);
	}
}

/* Whatever is not named is allowed, whatever its arguments. */
Test(filter, other_calls_are_allowed)
{
	const uint64_t a[6] = {2, 0x8905, 2, UINT64_MAX, 2, 2};

	for (int nr = 0; nr < 600; nr++) {
		bool named = false;

		for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
			named |= calls[i] == nr;
		if (!named)
			cr_assert_eq(eval(nr, a), ALLOW, "nr %d", nr);
	}
}

/* ---- other entries ---- */

Test(filter, x32_does_not_exist)
{
	const uint64_t a[6] = {AF_UNIX};

	for (int nr = 0; nr < 600; nr++)
		cr_assert_eq(eval(nr | X32, a), FAIL(ENOSYS), "nr %d", nr);
	cr_assert_eq(eval(X32 | 0x3fffffff, a), FAIL(ENOSYS));
}

Test(filter, foreign_architectures_do_not_exist)
{
	const uint64_t a[6] = {0};

	cr_assert_eq(filter_eval(&prog, 39, AUDIT_ARCH_AARCH64, a),
		     FAIL(ENOSYS));
	cr_assert_eq(filter_eval(&prog, 39, 0, a), FAIL(ENOSYS));
}

static uint32_t model_i386(int nr, const uint64_t a[6])
{
	if (nr == 102 || (nr >= 359 && nr <= 373) || nr == 337 || nr == 345 ||
	    nr == 417 || nr == 435 || (nr >= 425 && nr <= 427))
		return FAIL(ENOSYS);
	if (nr == 54)
		return when(((uint32_t)a[1] & ~0xffu) == 0x8900, FAIL(ENOTTY));
	if (nr == 120 || nr == 310)
		return when(a[0] & CLONE_NEWNET, FAIL(EPERM));
	if (nr == 346)
		return when(!(uint32_t)a[1] || (a[1] & CLONE_NEWNET),
			    FAIL(EPERM));
	return ALLOW;
}

Test(filter, i386_has_no_sockets)
{
	for (int nr = 0; nr < 600; nr++)
		for (size_t x = 0; x < WORDS; x++)
			for (size_t y = 0; y < WORDS; y++) {
				/* Registers of i386 entry have 32 bits. */
				uint64_t a[6] = {(uint32_t)words[x],
						 (uint32_t)words[y],
						 2,
						 1,
						 2,
						 2};
				uint32_t v =
				    filter_eval(&prog, nr, AUDIT_ARCH_I386, a);
				cr_assert_eq(v, model_i386(nr, a),
					     "i386 %d (%lx %lx): %x", nr, a[0],
					     a[1], v);
			}
}

/* ---- the program itself ---- */

Test(filter, any_magic_works)
{
	static const uint64_t magics[] = {0, 1, UINT32_MAX, UINT64_MAX,
					  0xffffffff00000000ull};

	for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
		struct sock_fprog p;
		uint64_t a[6] = {0, 1, 0, 0, 0, magics[i]};

		cr_assert_eq(filter_build(magics[i], &p), 0);
		cr_assert_eq(filter_eval(&p, SYS_accept, AUDIT_ARCH_X86_64, a),
			     ALLOW);
		a[5] ^= 1ull << 40;
		cr_assert_eq(filter_eval(&p, SYS_accept, AUDIT_ARCH_X86_64, a),
			     NOTIFY);
		free(p.filter);
	}
}

Test(filter, eval_refuses_what_the_kernel_would)
{
	struct sock_filter beyond = {BPF_LD | BPF_W | BPF_ABS, 0, 0, 64};
	struct sock_filter odd = {BPF_LD | BPF_W | BPF_ABS, 0, 0, 2};
	struct sock_filter jump = {BPF_JMP | BPF_JA, 0, 0, 7};
	struct sock_filter store = {BPF_ST, 0, 0, 0};
	const uint64_t a[6] = {0};
	struct sock_filter *each[] = {&beyond, &odd, &jump, &store};

	for (size_t i = 0; i < 4; i++) {
		struct sock_fprog p = {.len = 1, .filter = each[i]};
		cr_assert_eq(filter_eval(&p, 0, 0, a),
			     SECCOMP_RET_KILL_PROCESS);
	}
}
