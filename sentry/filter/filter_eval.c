/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Classic BPF over struct seccomp_data, as far as seccomp filters use it. What
 * the kernel would not load, or what runs off the end, gives KILL_PROCESS.
 */
#include "sentry/filter/filter.h"

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

static bool load_word(const struct seccomp_data *d, uint32_t off, uint32_t *a)
{
	if (off % 4 || off > sizeof *d - 4)
		return false;
	memcpy(a, (const char *)d + off, 4);
	return true;
}

static bool jump_taken(const struct sock_filter *i, uint32_t a)
{
	switch (BPF_OP(i->code)) {
	case BPF_JEQ:
		return a == i->k;
	case BPF_JGT:
		return a > i->k;
	case BPF_JGE:
		return a >= i->k;
	case BPF_JSET:
		return (a & i->k) != 0;
	default:
		return false;
	}
}

uint32_t filter_eval(const struct sock_fprog *prog, int nr, uint32_t arch,
		     const uint64_t args[6])
{
	struct seccomp_data d = {.nr = nr, .arch = arch};
	uint32_t a = 0;

	memcpy(d.args, args, sizeof d.args);
	/* Jumps only go forward, so this ends. */
	for (size_t pc = 0; pc < prog->len; pc++) {
		const struct sock_filter *i = &prog->filter[pc];

		switch (i->code) {
		case BPF_LD | BPF_W | BPF_ABS:
			if (!load_word(&d, i->k, &a))
				return SECCOMP_RET_KILL_PROCESS;
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= i->k;
			break;
		case BPF_JMP | BPF_JA:
			pc += i->k;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
		case BPF_JMP | BPF_JGT | BPF_K:
		case BPF_JMP | BPF_JGE | BPF_K:
		case BPF_JMP | BPF_JSET | BPF_K:
			pc += jump_taken(i, a) ? i->jt : i->jf;
			break;
		case BPF_RET | BPF_K:
			return i->k;
		default:
			return SECCOMP_RET_KILL_PROCESS;
		}
	}
	return SECCOMP_RET_KILL_PROCESS;
}
