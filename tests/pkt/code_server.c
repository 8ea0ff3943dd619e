/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/pkt/code_server.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char SERVER[] =
    "import os, sys, traceback\n"
    "for line in sys.stdin:\n"
    "    pid = os.fork()\n"
    "    if pid == 0:\n"
    "        path, status = line.strip(), 0\n"
    "        try:\n"
    "            code = compile(open(path).read(), path, 'exec')\n"
    "            exec(code, {'__name__': '__main__'})\n"
    "        except SystemExit as e:\n"
    "            status = 1 if e.code else 0\n"
    "        except BaseException:\n"
    "            sys.excepthook(*sys.exc_info())\n"
    "            status = 1\n"
    "        sys.stderr.flush()\n"
    "        os._exit(status)\n"
    "    ok = os.waitpid(pid, 0)[1] == 0\n"
    "    os.write(int(sys.argv[1]), b'0' if ok else b'1')\n";

static void become_server(int in, int out)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", out);
	/* What the programs print is for the reader of the failures. */
	if (dup2(in, 0) < 0 || dup2(2, 1) < 0 || fcntl(out, F_SETFD, 0) != 0)
		_exit(127);
	execlp("python3", "python3", "-u", "-S", "-E", "-c", SERVER, number,
	       (char *)NULL);
	_exit(127);
}

int code_server_start(struct code_server *s)
{
	int to[2], from[2];
	pid_t pid;

	s->to = s->from = -1;
	if (pipe2(to, O_CLOEXEC) != 0)
		return -1;
	if (pipe2(from, O_CLOEXEC) != 0) {
		close(to[0]);
		close(to[1]);
		return -1;
	}
	pid = fork();
	if (pid == 0)
		become_server(to[0], from[1]);
	close(to[0]);
	close(from[1]);
	if (pid < 0) {
		close(to[1]);
		close(from[0]);
		return -1;
	}
	s->to = to[1];
	s->from = from[0];
	return 0;
}

int code_server_run(const struct code_server *s, const char *path)
{
	char line[256], status;
	int n = snprintf(line, sizeof(line), "%s\n", path);
	ssize_t got;

	if (write(s->to, line, (size_t)n) != n)
		return -1;
	do
		got = read(s->from, &status, 1);
	while (got < 0 && errno == EINTR);
	return got == 1 ? status - '0' : -1;
}
