/* SPDX-License-Identifier: Apache-2.0 */
/* Every order of shutting down and closing the two ends of a connection, with
 * and without data under way: what each end reads, and its poll bits. */
#include "guest.h"

enum { NONE, SHUT_R, SHUT_W, SHUT_B, CLOSE, ACTIONS };
static const char *const names[] = {"none", "rd", "wr", "rdwr", "close"};

static void act(int *fd, int action)
{
	if (action == CLOSE) {
		close(*fd);
		*fd = -1;
	} else if (action != NONE) {
		shutdown(*fd, action - SHUT_R);
	}
}

static char current[48]; /* the case, so that every line has its own key */

static void look(const char *who, int fd)
{
	char key[128], buf[64];
	ssize_t n;

	if (fd < 0)
		return;
	snprintf(key, sizeof(key), "%s %s poll", current, who);
	show_poll(key, fd, POLLIN | POLLOUT, 0);
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	snprintf(key, sizeof(key), "%s %s recv", current, who);
	show(key, n);
	n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
	snprintf(key, sizeof(key), "%s %s recv again", current, who);
	show(key, n);
	snprintf(key, sizeof(key), "%s %s error", current, who);
	show_error(key, fd);
	n = send(fd, "z", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	snprintf(key, sizeof(key), "%s %s send", current, who);
	show(key, n);
}

static void one(int first, int second, int data)
{
	int p[2];

	tcp_pair(p);
	snprintf(current, sizeof(current), "%s-%s-%d", names[first],
		 names[second], data);
	if (data)
		(void)!write(p[1], "data", 4);
	if (data)
		await(p[0], POLLIN, 1000);
	act(&p[0], first);
	sleep_ms(25);
	act(&p[1], second);
	sleep_ms(25);
	look("first", p[0]);
	sleep_ms(40);
	look("second", p[1]);
	if (p[0] >= 0)
		close(p[0]);
	if (p[1] >= 0)
		close(p[1]);
}

int main(void)
{
	int i, j, data;

	signal(SIGPIPE, SIG_IGN);
	for (data = 0; data < 2; data++)
		for (i = 0; i < ACTIONS; i++)
			for (j = 0; j < ACTIONS; j++)
				one(i, j, data);
	return 0;
}
