/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One Python for many scripts: an interpreter that forks for each program,
 * because starting one costs more than the whole script.
 *
 * Started once by the parent of the scripts' processes; they use it one
 * after the other.
 */
#ifndef CORDON_TESTS_PKT_CODE_SERVER_H
#define CORDON_TESTS_PKT_CODE_SERVER_H

struct code_server {
	int to, from; /* pipes; -1: none, each program gets a Python */
};

/* -1 with errno if it cannot be started. */
int code_server_start(struct code_server *s);
/* The exit status of the program at `path`, or -1 if the server is gone. */
int code_server_run(const struct code_server *s, const char *path);

#endif /* CORDON_TESTS_PKT_CODE_SERVER_H */
