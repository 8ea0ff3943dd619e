/* SPDX-License-Identifier: Apache-2.0 */
/* Commands as our stack understands them. */
#include <criterion/criterion.h>

#include "tests/pkt/shell.h"

static struct arena arena;
static struct shell_command cmd;

static void end(void)
{
	arena_fini(&arena);
}

TestSuite(shell, .fini = end);

Test(shell, words_and_quotes)
{
	const char *t = "# comment\n\nsysctl -q a=\"1 2\" b='x y'\\ z\n";

	cr_assert(shell_next(&arena, &t, &cmd));
	cr_assert_eq(cmd.n, 4);
	cr_expect_str_eq(cmd.words[2], "a=1 2");
	cr_expect_str_eq(cmd.words[3], "b=x y z");
	cr_expect_null(cmd.error);
	cr_expect_not(shell_next(&arena, &t, &cmd));
}

Test(shell, several_commands)
{
	const char *t = "one; two && three || true\nfour \\\nfive";

	cr_assert(shell_next(&arena, &t, &cmd));
	cr_expect_str_eq(cmd.words[0], "one");
	cr_assert(shell_next(&arena, &t, &cmd));
	cr_expect_str_eq(cmd.words[0], "two");
	cr_assert(shell_next(&arena, &t, &cmd));
	cr_expect_str_eq(cmd.words[0], "three");
	cr_assert(shell_next(&arena, &t, &cmd));
	cr_assert_eq(cmd.n, 2);
	cr_expect_str_eq(cmd.words[1], "five");
	cr_expect_not(shell_next(&arena, &t, &cmd));
}

Test(shell, arithmetic)
{
	const char *t = "a=\"1 $((15*1024*1024))\" $((2 + 3 * 4 - 1))";

	cr_assert(shell_next(&arena, &t, &cmd));
	cr_expect_str_eq(cmd.words[0], "a=1 15728640");
	cr_expect_str_eq(cmd.words[1], "13");
}

Test(shell, redirections)
{
	const char *t = "echo 1 > /proc/sys/a/b 2>/dev/null; x >/dev/null 2>&1";

	cr_assert(shell_next(&arena, &t, &cmd));
	cr_assert_eq(cmd.n, 2);
	cr_expect_str_eq(cmd.out, "/proc/sys/a/b");
	cr_assert(shell_next(&arena, &t, &cmd));
	cr_assert_eq(cmd.n, 1);
	cr_expect_str_eq(cmd.out, "/dev/null");
}

Test(shell, what_is_not_understood_says_so)
{
	static const char *const BAD[] = {"a | b", "a &", "a 'b", "$((x))"};

	for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
		const char *t = BAD[i];

		cr_assert(shell_next(&arena, &t, &cmd), "%s", BAD[i]);
		cr_expect_not_null(cmd.error, "%s", BAD[i]);
	}
}
