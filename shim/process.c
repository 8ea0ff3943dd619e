/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Before descriptors go where our table does not (another process, another
 * program, another number), the sentry adopts what is still pending.
 */
#include "shim/shim_priv.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

typedef pid_t (*fork_fn)(void);
typedef int (*spawn_fn)(pid_t *, const char *,
			const posix_spawn_file_actions_t *,
			const posix_spawnattr_t *, char *const[],
			char *const[]);
typedef int (*system_fn)(const char *);
typedef FILE *(*popen_fn)(const char *, const char *);
typedef int (*execve_fn)(const char *, char *const[], char *const[]);
typedef int (*execv_fn)(const char *, char *const[]);
typedef int (*fexecve_fn)(int, char *const[], char *const[]);
typedef int (*fcntl_fn)(int, int, ...);

SHIM_EXPORT pid_t fork(void)
{
	shim_adopt_all();
	return ((fork_fn)shim_real(REAL_FORK))();
}

/* vfork returns twice into its caller's frame: the wrapper must leave none.
 * It adopts, then jumps to the C library's. */
void *shim_vfork_target(void);

__attribute__((used, visibility("hidden"))) void *shim_vfork_target(void)
{
	shim_adopt_all();
	return shim_real(REAL_VFORK);
}

__asm__(".text\n"
	".globl vfork\n"
	".type vfork, @function\n"
	"vfork:\n"
	"	subq $8, %rsp\n"
	"	call shim_vfork_target\n"
	"	addq $8, %rsp\n"
	"	jmp *%rax\n"
	".size vfork, .-vfork\n");

SHIM_EXPORT int posix_spawn(pid_t *restrict pid, const char *restrict path,
			    const posix_spawn_file_actions_t *restrict fa,
			    const posix_spawnattr_t *restrict attr,
			    char *const argv[restrict],
			    char *const envp[restrict])
{
	shim_adopt_all();
	return ((spawn_fn)shim_real(REAL_POSIX_SPAWN))(pid, path, fa, attr,
						       argv, envp);
}

SHIM_EXPORT int posix_spawnp(pid_t *restrict pid, const char *restrict file,
			     const posix_spawn_file_actions_t *restrict fa,
			     const posix_spawnattr_t *restrict attr,
			     char *const argv[restrict],
			     char *const envp[restrict])
{
	shim_adopt_all();
	return ((spawn_fn)shim_real(REAL_POSIX_SPAWNP))(pid, file, fa, attr,
							argv, envp);
}

SHIM_EXPORT int system(const char *command)
{
	shim_adopt_all();
	return ((system_fn)shim_real(REAL_SYSTEM))(command);
}

SHIM_EXPORT FILE *popen(const char *command, const char *mode)
{
	shim_adopt_all();
	return ((popen_fn)shim_real(REAL_POPEN))(command, mode);
}

SHIM_EXPORT int execve(const char *path, char *const argv[], char *const envp[])
{
	shim_adopt_all();
	return ((execve_fn)shim_real(REAL_EXECVE))(path, argv, envp);
}

SHIM_EXPORT int execv(const char *path, char *const argv[])
{
	shim_adopt_all();
	return ((execv_fn)shim_real(REAL_EXECV))(path, argv);
}

SHIM_EXPORT int execvp(const char *file, char *const argv[])
{
	shim_adopt_all();
	return ((execv_fn)shim_real(REAL_EXECVP))(file, argv);
}

SHIM_EXPORT int execvpe(const char *file, char *const argv[],
			char *const envp[])
{
	shim_adopt_all();
	return ((execve_fn)shim_real(REAL_EXECVPE))(file, argv, envp);
}

SHIM_EXPORT int fexecve(int fd, char *const argv[], char *const envp[])
{
	shim_adopt_all();
	return ((fexecve_fn)shim_real(REAL_FEXECVE))(fd, argv, envp);
}

SHIM_EXPORT int dup(int fd)
{
	shim_adopt_fd(fd);
	return (int)shim_ret(shim_call(SYS_dup, shim_int(fd), 0, 0, 0, 0, 0));
}

SHIM_EXPORT int dup2(int from, int to)
{
	shim_adopt_fd(from);
	if (from != to)
		shim_pending_clear(to);
	return (int)shim_ret(
	    shim_call(SYS_dup2, shim_int(from), shim_int(to), 0, 0, 0, 0));
}

SHIM_EXPORT int dup3(int from, int to, int flags)
{
	shim_adopt_fd(from);
	if (from != to)
		shim_pending_clear(to);
	return (int)shim_ret(shim_call(SYS_dup3, shim_int(from), shim_int(to),
				       shim_int(flags), 0, 0, 0));
}

static bool duplicates(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
}

static int fcntl_by(enum shim_real which, int fd, int cmd, va_list ap)
{
	void *arg = va_arg(ap, void *);

	if (duplicates(cmd))
		shim_adopt_fd(fd);
	return ((fcntl_fn)shim_real(which))(fd, cmd, arg);
}

SHIM_EXPORT int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	int r;

	va_start(ap, cmd);
	r = fcntl_by(REAL_FCNTL, fd, cmd, ap);
	va_end(ap);
	return r;
}

SHIM_EXPORT int fcntl64(int fd, int cmd, ...)
{
	va_list ap;
	int r;

	va_start(ap, cmd);
	r = fcntl_by(REAL_FCNTL64, fd, cmd, ap);
	va_end(ap);
	return r;
}
