/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Start-up: the magic from the environment, and the libc functions behind the
 * wrappers. Both are looked up on first use, because constructors of other
 * libraries may run before ours.
 */
#include "shim/shim_priv.h"

#include <dlfcn.h>
#include <stdlib.h>

static const char *const real_names[REAL_COUNT] = {
    [REAL_CONNECT] = "connect",
    [REAL_RECV] = "recv",
    [REAL_SEND] = "send",
    [REAL_RECV_CHK] = "__recv_chk",
    [REAL_READ_CHK] = "__read_chk",
    [REAL_RECVFROM_CHK] = "__recvfrom_chk",
    [REAL_READ] = "read",
    [REAL_WRITE] = "write",
    [REAL_READV] = "readv",
    [REAL_WRITEV] = "writev",
    [REAL_ACCEPT] = "accept",
    [REAL_ACCEPT4] = "accept4",
    [REAL_SENDTO] = "sendto",
    [REAL_RECVFROM] = "recvfrom",
    [REAL_SENDMSG] = "sendmsg",
    [REAL_RECVMSG] = "recvmsg",
    [REAL_SENDMMSG] = "sendmmsg",
    [REAL_RECVMMSG] = "recvmmsg",
    [REAL_FCNTL] = "fcntl",
    [REAL_FCNTL64] = "fcntl64",
    [REAL_FORK] = "fork",
    [REAL_VFORK] = "vfork",
    [REAL_POSIX_SPAWN] = "posix_spawn",
    [REAL_POSIX_SPAWNP] = "posix_spawnp",
    [REAL_SYSTEM] = "system",
    [REAL_POPEN] = "popen",
    [REAL_EXECVE] = "execve",
    [REAL_EXECV] = "execv",
    [REAL_EXECVP] = "execvp",
    [REAL_EXECVPE] = "execvpe",
    [REAL_FEXECVE] = "fexecve",
};

static void *real_fns[REAL_COUNT];

void *shim_real(enum shim_real which)
{
	void *fn = __atomic_load_n(&real_fns[which], __ATOMIC_RELAXED);

	if (!fn) {
		fn = dlsym(RTLD_NEXT, real_names[which]);
		__atomic_store_n(&real_fns[which], fn, __ATOMIC_RELAXED);
	}
	return fn;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* "1:" and 16 hex digits; anything else means: stay out of the way. */
static uint64_t parse_magic(const char *s)
{
	uint64_t v = 0;
	int i;

	if (!s || s[0] != SHIM_ENV_VERSION || s[1] != ':')
		return 0;
	s += 2;
	for (i = 0; i < 16; i++) {
		int d = hex_digit(s[i]);

		if (d < 0)
			return 0;
		v = v << 4 | (uint64_t)d;
	}
	return s[16] == '\0' ? v : 0;
}

/*
 * Read once: a program may clear its environment later (env -i starts a new
 * program without LD_PRELOAD, so the two go together).
 */
uint64_t shim_magic(void)
{
	static uint64_t magic;
	static int state;

	if (__atomic_load_n(&state, __ATOMIC_ACQUIRE))
		return magic;
	magic = parse_magic(getenv(SHIM_ENV));
	__atomic_store_n(&state, 1, __ATOMIC_RELEASE);
	return magic;
}

/* Looks everything up while it is surely safe to do so. */
__attribute__((constructor)) static void shim_start(void)
{
	int i;

	(void)shim_magic();
	for (i = 0; i < REAL_COUNT; i++)
		(void)shim_real((enum shim_real)i);
}
