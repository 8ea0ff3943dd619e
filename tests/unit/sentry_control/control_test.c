/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket's parts that need no sandbox: messages, ids, directories,
 * text. What a whole sandbox answers is in tests/e2e/test_control.py. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sentry/control/peer.h"
#include "sentry/control/place.h"
#include "sentry/control/text.h"
#include "sentry/control/wire.h"

/* ---- ids ---- */

Test(id, form)
{
	cr_assert(value_id_ok("a") && value_id_ok("A.b_c-9"));
	cr_assert(value_id_ok("0123456789abcdef0123456789abcdef"));
	cr_assert_not(value_id_ok("0123456789abcdef0123456789abcdefg"));
	cr_assert_not(value_id_ok(""));
	cr_assert_not(value_id_ok("."));
	cr_assert_not(value_id_ok(".."));
	cr_assert_not(value_id_ok("-a"));
	cr_assert_not(value_id_ok("a/b"));
	cr_assert_not(value_id_ok("a b"));
	cr_assert_not(value_id_ok("a\n"));
	cr_assert_not(value_id_ok("\xc3\xa4"));
}

/* ---- messages ---- */

/* Why a text is no request; NULL: it is one. */
static const char *refusal(const char *text, size_t len)
{
	const char *why, *name = NULL;
	struct json_object *o = control_parse(text, len, &why);

	cr_assert_eq(o == NULL, why != NULL);
	if (o)
		name = control_command_of(o, &why);
	cr_assert_eq(o && name == NULL, o && why != NULL);
	json_object_put(o);
	return why;
}

Test(wire, requests)
{
	static const char nul[] = "{\"version\":1,\"command\":\"ps\"}\0x";
	static const struct {
		const char *text;
		bool ok;
	} cases[] = {
	    {"{\"version\":1,\"command\":\"ps\"}", true},
	    {"{\"version\":1,\"command\":\"ps\",\"more\":[1]} \r\n", true},
	    {"", false},
	    {" ", false},
	    {"null", false},
	    {"{", false},
	    {"{\"version\":1,\"command\":\"ps\"", false},
	    {"{\"version\":1,\"command\":\"ps\"}}", false},
	    {"{\"version\":1,\"command\":\"ps\"}{}", false},
	    {"{'version':1,'command':'ps'}", false},
	    {"{\"version\":1,\"command\":\"ps\",}", false},
	    {"{\"version\":1,\"command\":\"p\xff\"}", false},
	    {"{\"version\":1.0,\"command\":\"ps\"}", false},
	    {"{\"version\":0,\"command\":\"ps\"}", false},
	    {"{\"version\":true,\"command\":\"ps\"}", false},
	    {"{\"command\":\"ps\"}", false},
	    {"{\"version\":1,\"command\":null}", false},
	    {"{\"version\":1,\"command\":\"p\\u0000s\"}", false},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_expect_eq(refusal(cases[i].text, strlen(cases[i].text)) ==
				 NULL,
			     cases[i].ok, "%s", cases[i].text);
	cr_assert(refusal(nul, sizeof nul - 1));
	/* Every beginning of a request is none. */
	for (size_t n = 0; n < strlen(cases[0].text); n++)
		cr_assert(refusal(cases[0].text, n), "%zu bytes", n);
}

Test(wire, depth)
{
	char text[4096];

	memset(text, '[', sizeof text);
	cr_assert_str_eq(refusal(text, sizeof text), "nested too deeply");
}

static void pair(int s[2])
{
	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
}

Test(wire, ends_and_lengths)
{
	static char buf[CONTROL_MSG_BYTES], big[CONTROL_MSG_BYTES + 1];
	struct control_fds fds;
	size_t len = 9;
	int s[2], room = 1 << 20;

	pair(s);
	setsockopt(s[1], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	cr_assert_eq(control_recv(s[0], buf, &len, &fds), -EAGAIN);
	cr_assert_eq(send(s[1], "", 0, 0), 0);
	cr_assert_eq(control_recv(s[0], buf, &len, &fds), 1);
	cr_assert_eq(len, 0);
	cr_assert_eq(send(s[1], big, sizeof buf, 0), (ssize_t)sizeof buf);
	cr_assert_eq(control_recv(s[0], buf, &len, &fds), 1);
	cr_assert_eq(len, sizeof buf);
	cr_assert_eq(send(s[1], big, sizeof big, 0), (ssize_t)sizeof big);
	cr_assert_eq(control_recv(s[0], buf, &len, &fds), -EMSGSIZE);
	close(s[1]);
	cr_assert_eq(control_recv(s[0], buf, &len, &fds), 0);
}

static struct control_fds zeros(size_t n)
{
	struct control_fds fds = {.n = n};

	return fds;
}

static int next_fd(void)
{
	int fd = dup(0);

	close(fd);
	return fd;
}

Test(wire, descriptors)
{
	static char buf[CONTROL_MSG_BYTES];
	_Alignas(struct cmsghdr) char ctl[CMSG_SPACE(36)] = {0};
	struct iovec iov = {buf, 2};
	struct msghdr h = {&(int){0}, 0, &iov, 1, ctl, sizeof ctl, 0};
	struct cmsghdr *c = CMSG_FIRSTHDR(&h);
	struct control_fds some = zeros(CONTROL_FDS), got;
	struct json_object *o = control_request("x");
	size_t len;
	int s[2], free_fd;

	pair(s);
	free_fd = next_fd();
	cr_assert_eq(control_send(s[1], o, &some, false), 0);
	cr_assert_eq(control_recv(s[0], buf, &len, &got), 1);
	cr_assert_eq(got.n, CONTROL_FDS);
	for (size_t i = 0; i < got.n; i++)
		cr_assert_eq(fcntl(got.fd[i], F_GETFD), FD_CLOEXEC);
	control_fds_close(&got);
	/* One more: thrown away, and nothing stays open. */
	h.msg_name = NULL;
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(36);
	cr_assert_eq(sendmsg(s[1], &h, 0), 2);
	cr_assert_eq(control_recv(s[0], buf, &len, &got), -E2BIG);
	cr_assert_eq(got.n, 0);
	cr_assert_eq(next_fd(), free_fd);
	json_object_put(o);
}

/* A reply of n bytes and a few, there and back. */
static void round_trip(size_t n, size_t nfds)
{
	static char buf[CONTROL_MSG_BYTES];
	struct json_object *o = control_request("x"), *back, *text;
	struct control_fds fds = zeros(nfds), got;
	char *big = calloc(1, n + 1);
	const char *why;
	size_t len;
	int s[2];

	pair(s);
	memset(big, 'y', n);
	json_object_object_add(o, "big", json_object_new_string(big));
	cr_assert_eq(control_send(s[1], o, &fds, true), 0);
	cr_assert_eq(control_recv(s[0], buf, &len, &got), 1);
	back = control_parse(buf, len, &why);
	cr_assert_eq(control_unwrap(&back, &got), 0);
	cr_assert_eq(got.n, nfds);
	cr_assert(json_object_object_get_ex(back, "big", &text));
	cr_assert_str_eq(json_object_get_string(text), big);
	control_fds_close(&got);
	json_object_put(back);
	json_object_put(o);
	free(big);
}

Test(wire, long_replies)
{
	round_trip(10, 0);
	round_trip(10, CONTROL_FDS);
	round_trip(CONTROL_MSG_BYTES, 0);
	round_trip(3 << 20, CONTROL_FDS - 1);
}

Test(wire, long_replies_that_lie)
{
	static const char *const lies[] = {"{\"long\":0}", "{\"long\":-1}",
					   "{\"long\":99999999999}",
					   "{\"long\":5}", "{\"long\":4096}"};

	for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
		const char *why;
		struct json_object *o =
		    control_parse(lies[i], strlen(lies[i]), &why);
		struct control_fds fds = {.n = 0};

		cr_assert_eq(control_unwrap(&o, &fds), -EPROTO);
		fds = (struct control_fds){{open("/dev/null", O_RDONLY)}, 1};
		cr_assert_eq(control_unwrap(&o, &fds), -EPROTO, "%s", lies[i]);
		control_fds_close(&fds);
		json_object_put(o);
	}
}

Test(wire, replies)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
	    {"{\"ok\":true}", NULL},
	    {"{\"ok\":false,\"error\":\"why\"}", "why"},
	    {"{\"ok\":1}", "it made no sense"},
	    {"{\"error\":7}", "it made no sense"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const char *why;
		struct json_object *o =
		    control_parse(cases[i].text, strlen(cases[i].text), &why);
		const char *error = control_error_of(o);

		cr_assert(error == cases[i].error ||
			  !strcmp(error, cases[i].error));
		json_object_put(o);
	}
}

/* ---- the directory ---- */

static char base[] = "/tmp/cordon-unit.XXXXXX";

static void use_base(void)
{
	cr_assert(mkdtemp(base));
	setenv("XDG_RUNTIME_DIR", base, 1);
}

Test(place, claims)
{
	struct control_place a, b, c;
	struct stat st;
	char path[160];

	use_base();
	int fa = control_place_claim("one", &a);
	cr_assert_geq(fa, 0);
	snprintf(path, sizeof path, "%s/cordon/one.sock", base);
	cr_assert_eq(lstat(path, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(control_place_claim("one", &b), -EEXIST);
	/* A random one beside it. */
	int fc = control_place_claim(NULL, &c);
	cr_assert_geq(fc, 0);
	cr_assert_eq(strlen(c.id), 8);
	/* Dead: it can be had again; and is not removed while it lives. */
	close(fa);
	fa = control_place_claim("one", &b);
	cr_assert_geq(fa, 0);
	control_place_remove(&a);
	cr_assert_eq(lstat(path, &st), 0);
	close(fa);
	close(fc);
	control_place_remove(&b);
	control_place_remove(&c);
	cr_assert_eq(rmdir(base), 0);
}

/* The kernel may close what a killed sentry had in an order of its own: whoever
 * removes its name may still meet its socket. */
Test(place, its_own_name_is_removed_while_its_socket_lives)
{
	struct control_place a, b;
	struct stat st;
	char path[160];

	use_base();
	snprintf(path, sizeof path, "%s/cordon/one.sock", base);
	int fa = control_place_claim("one", &a);
	control_place_remove(&a);
	cr_assert_neq(lstat(path, &st), 0);
	/* Another one's, of the same name, is not. */
	int fb = control_place_claim("one", &b);
	control_place_remove(&a);
	cr_assert_eq(lstat(path, &st), 0);
	/* Nor is it known to who has come later (an upgrade). */
	b.made = (struct control_made){0};
	control_place_remove(&b);
	cr_assert_eq(lstat(path, &st), 0);
	close(fa);
	close(fb);
	control_place_remove(&b);
	cr_assert_eq(rmdir(base), 0);
}

Test(place, dead_names_are_swept)
{
	struct control_place p;
	struct control_dir d;

	use_base();
	close(control_place_claim("dead", &p));
	cr_assert_eq(control_dir_open(0, false, &d), 0);
	control_dir_sweep(&d);
	cr_assert_eq(control_dir_connect(&d, "dead"), -ENOENT);
	control_dir_close(&d);
	cr_assert_eq(rmdir(base), 0);
}

Test(place, only_directories_of_our_own)
{
	struct control_dir d;
	char path[160], other[160];

	use_base();
	snprintf(path, sizeof path, "%s/cordon", base);
	snprintf(other, sizeof other, "%s/other", base);
	cr_assert_eq(control_dir_open(0, false, &d), -ENOENT);
	cr_assert_eq(mkdir(other, 0700), 0);
	cr_assert_eq(symlink(other, path), 0);
	cr_assert_eq(control_dir_open(0, true, &d), -EPERM);
	unlink(path);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(chmod(path, 0750), 0);
	cr_assert_eq(control_dir_open(0, true, &d), -EPERM);
	cr_assert_eq(chmod(path, 0700), 0);
	cr_assert_eq(control_dir_open(0, true, &d), 0);
	control_dir_close(&d);
	cr_assert_eq(chmod(base, 0777), 0);
	cr_assert_eq(control_dir_open(0, true, &d), -EPERM);
	rmdir(path);
	rmdir(other);
	rmdir(base);
}

static int collect_id(void *arg, const char *id)
{
	strcat(arg, id);
	return 0;
}

Test(place, only_names_that_are_ids)
{
	static const char *const names[] = {
	    "b.sock", "a.sock", ".sock", "..sock", "x", "-c.sock", "a b.sock"};
	char path[200], all[64] = "";
	struct control_dir d;

	use_base();
	cr_assert_eq(control_dir_open(0, true, &d), 0);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		close(openat(d.fd, names[i], O_CREAT | O_WRONLY, 0600));
	control_dir_each(&d, collect_id, all);
	cr_assert_str_eq(all, "ab");
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlinkat(d.fd, names[i], 0);
	control_dir_close(&d);
	snprintf(path, sizeof path, "%s/cordon", base);
	rmdir(path);
	rmdir(base);
}

Test(peer, ourselves)
{
	int s[2];

	pair(s);
	cr_assert_null(control_peer_refused(s[0], true));
}

/* ---- text ---- */

Test(text, not_utf8)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
	    {"plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80",
	     "plain \xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80"},
	    {"\xff", "\xef\xbf\xbd"},
	    {"a\xc3", "a\xef\xbf\xbd"},
	    {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	    {"\xf4\x90\x80\x80",
	     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct json_object *o = text_to_json(cases[i].in);

		cr_expect_str_eq(json_object_get_string(o), cases[i].out);
		json_object_put(o);
	}
}

Test(text, on_a_terminal)
{
	char out[64] = "";

	text_for_terminal(out, sizeof out, "a\x1b[31m\x7f\xc2\x9b\xc3\xa4", 9);
	cr_assert_str_eq(out, "a?[31m??\xc3\xa4");
	out[0] = '\0';
	text_for_terminal(out, sizeof out, "abcdef", 3);
	cr_assert_str_eq(out, "abc...");
}

Test(text, durations)
{
	char out[24];

	text_of_seconds(out, 119);
	cr_assert_str_eq(out, "119s");
	text_of_seconds(out, 3600);
	cr_assert_str_eq(out, "60m");
	text_of_seconds(out, 86400 * 3);
	cr_assert_str_eq(out, "3d");
}
