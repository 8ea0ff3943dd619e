/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Commands of a script.  With the kernel, sh runs them in the network
 * namespace of this process.  Our own stack cannot be reached by commands,
 * so those that configure one are understood here: sysctl and its friends,
 * sleep, and those that can be true without doing anything on a stack that
 * is new.  Any other is an error that names it.
 */
#include "tests/pkt/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pkt/defaults.h"
#include "tests/pkt/host_view.h"
#include "tests/pkt/shell.h"

#ifdef PKT_HAVE_NETSTACK
#include "tools/packetdrill-adapter/adapter.h"
#endif

enum { MAX_FILE = 65536, PROC_SYS = sizeof("/proc/sys/") - 1 };

struct context {
	struct run *r;
	bool lenient; /* of a file of defaults: unknown settings are fine */
	int depth;
};

static const char *run_text(struct context *x, const char *text);

/*
 * LINUX: a namespace may not choose a congestion control that the host keeps
 * to itself, though a privileged socket may.  So the choice is noted, and
 * made again for each socket (call_socket.c).
 */
static void note_congestion(struct run *r, const char *text)
{
	static const char NAME[] = "tcp_congestion_control=";
	const char *at = strstr(text, NAME);
	size_t n;

	if (at == NULL)
		return;
	at += sizeof(NAME) - 1;
	at += *at == '"';
	n = strspn(at, "abcdefghijklmnopqrstuvwxyz0123456789_");
	if (n > 0 && n < sizeof(r->congestion))
		snprintf(r->congestion, n + 1, "%s", at);
}

static const char *run_sh(struct run *r, const char *text)
{
	char pid[16];
	int status;

	note_congestion(r, text);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("PACKETDRILL_PID", pid, 1);
	fflush(NULL);
	status = system(text);
	if (status == -1)
		return strerror(errno);
	if (WIFSIGNALED(status))
		return arena_printf(r->arena, "got signal %d (%s)",
				    WTERMSIG(status),
				    strsignal(WTERMSIG(status)));
	if (WEXITSTATUS(status) != 0)
		return arena_printf(r->arena, "non-zero status %d of: %s",
				    WEXITSTATUS(status), text);
	return NULL;
}

static const char *set_sysctl(struct context *x, const char *name,
			      const char *value)
{
#ifdef PKT_HAVE_NETSTACK
	char dotted[128];
	size_t n = strlen(name);

	if (strncmp(name, "/proc/sys/", PROC_SYS) == 0)
		name += PROC_SYS;
	n = strlen(name);
	if (n >= sizeof(dotted))
		return "sysctl name too long";
	for (size_t i = 0; i <= n; i++)
		dotted[i] = name[i] == '/' ? '.' : name[i];
	if (pkt_netstack_sysctl_set(x->r->ifc.userdata, dotted, value) == 0)
		return NULL;
	if (x->lenient && errno == ENOENT)
		return NULL;
	return arena_printf(x->r->arena, "sysctl %s=%s: %s", dotted, value,
			    strerror(errno));
#else
	(void)x;
	(void)value;
	return name;
#endif
}

/* "name=value" */
static const char *assign(struct context *x, const char *word)
{
	const char *eq = strchr(word, '=');

	if (eq == NULL)
		return NULL; /* only shows the value */
	return set_sysctl(
	    x, arena_strndup(x->r->arena, word, (size_t)(eq - word)), eq + 1);
}

static const char *do_sysctl(struct context *x, struct shell_command *c)
{
	bool lenient = x->lenient;
	const char *err = NULL;

	for (size_t i = 1; i < c->n && err == NULL; i++) {
		if (c->words[i][0] == '-') {
			if (strchr(c->words[i], 'e') != NULL)
				x->lenient = true;
			continue;
		}
		/* name = value, in three words */
		if (i + 2 < c->n && strcmp(c->words[i + 1], "=") == 0) {
			err = set_sysctl(x, c->words[i], c->words[i + 2]);
			i += 2;
			continue;
		}
		err = assign(x, c->words[i]);
	}
	x->lenient = lenient;
	return err;
}

static const char *do_echo(struct context *x, struct shell_command *c)
{
	char value[512] = "";
	size_t at = 0;

	if (c->out == NULL || strncmp(c->out, "/proc/sys/", PROC_SYS) != 0)
		return NULL;
	for (size_t i = 1; i < c->n && at < sizeof(value); i++)
		at += (size_t)snprintf(value + at, sizeof(value) - at, "%s%s",
				       i > 1 ? " " : "", c->words[i]);
	return set_sysctl(x, c->out, value);
}

static const char *do_set_sysctls(struct context *x, struct shell_command *c)
{
	const char *err = NULL;

	for (size_t i = 1; i < c->n && err == NULL; i++)
		err = assign(x, c->words[i]);
	return err;
}

static const char *do_sleep(struct context *x, struct shell_command *c)
{
	double secs = c->n > 1 ? atof(c->words[1]) : 0;
	struct run *r = x->r;

	r->ifc.usleep(r->ifc.userdata, (useconds_t)(secs * 1e6));
	return NULL;
}

static const char *do_nothing(struct context *x, struct shell_command *c)
{
	(void)x;
	(void)c;
	return NULL;
}

/* dd makes files for sendfile(): the host's. */
static const char *do_host(struct context *x, struct shell_command *c)
{
	char **words = arena_alloc(x->r->arena, (c->n + 1) * sizeof(*words));
	int status = -1;
	pid_t pid;

	memcpy(words, c->words, c->n * sizeof(*words));
	words[c->n] = NULL;
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		execvp(words[0], words);
		_exit(127);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		return arena_printf(x->r->arena, "failed: %s", words[0]);
	return NULL;
}

/* A stack that is new has cached nothing. */
static const char *do_flush(struct context *x, struct shell_command *c)
{
	(void)c;
	if (x->r->in_init || x->r->num_events == 0)
		return NULL;
	return "nothing can be flushed from this stack mid-script";
}

static const char *do_ip(struct context *x, struct shell_command *c)
{
	size_t i = 1;

	while (i < c->n && c->words[i][0] == '-')
		i++;
	if (i < c->n && strcmp(c->words[i], "tcp_metrics") == 0)
		return do_flush(x, c);
#ifdef PKT_HAVE_NETSTACK
	if (i < c->n && strcmp(c->words[i], "link") == 0 && c->n > 2 &&
	    strcmp(c->words[c->n - 2], "mtu") == 0)
		return pkt_netstack_set_mtu(
			   x->r->ifc.userdata,
			   (unsigned)atoi(c->words[c->n - 1])) == 0
			   ? NULL
			   : "mtu refused";
#endif
	return arena_printf(x->r->arena, "this stack cannot do: ip %s %s ...",
			    c->n > 1 ? c->words[1] : "",
			    c->n > 2 ? c->words[2] : "");
}

/*
 * Packets leave when they are sent: queueing is not of this stack.  But fq
 * paces what goes through it, and that TCP can do (call_socket.c).
 */
static const char *do_tc(struct context *x, struct shell_command *c)
{
	for (size_t i = 1; i < c->n; i++) {
		if (strcmp(c->words[i], "fq") == 0)
			x->r->paced = true;
		else if (strcmp(c->words[i], "netem") == 0)
			return "this stack cannot do: tc ... netem";
	}
	return NULL;
}

/* Segmentation is chosen when the stack is made: command_wants_tso(). */
static const char *do_ethtool(struct context *x, struct shell_command *c)
{
	if (x->r->in_init && c->n > 2 && strcmp(c->words[1], "-K") == 0)
		return NULL;
	return "this stack can do ethtool -K in the init command only";
}

bool command_wants_tso(const char *text)
{
	const char *at = text != NULL ? strstr(text, "ethtool -K") : NULL;

	return at == NULL ||
	       (strstr(at, "tso off") == NULL && strstr(at, "gso off") == NULL);
}

/* The file itself, or what such a file says if there is none. */
static const char *do_defaults(struct context *x, const char *path)
{
	struct context inner = {x->r, true, x->depth + 1};
	char *text = arena_alloc(x->r->arena, MAX_FILE);
	FILE *f;

	if (inner.depth > 4)
		return "files of commands go too deep";
	f = fopen(path, "r");
	if (f != NULL) {
		size_t n = fread(text, 1, MAX_FILE - 1, f);

		text[n] = '\0';
		fclose(f);
	}
	return run_text(&inner, f != NULL ? text : DEFAULT_SETTINGS);
}

/* save [outage=SECONDS] [clone]: the stack, freed and loaded again. */
static const char *do_save(struct context *x, struct shell_command *c)
{
#ifdef PKT_HAVE_NETSTACK
	double outage = 0;
	bool clone = false;

	for (size_t i = 1; i < c->n; i++) {
		if (strcmp(c->words[i], "clone") == 0)
			clone = true;
		else if (sscanf(c->words[i], "outage=%lf", &outage) != 1)
			return "save [outage=SECONDS] [clone]";
	}
	pkt_netstack_reborn(x->r->ifc.userdata, (long long)(outage * 1e6),
			    clone);
#else
	(void)x;
	(void)c;
#endif
	return NULL;
}

static const struct {
	const char *name;
	const char *(*fn)(struct context *, struct shell_command *);
} COMMANDS[] = {
    {"sysctl", do_sysctl},   {"/sbin/sysctl", do_sysctl},
    {"echo", do_echo},       {"set_sysctls.py", do_set_sysctls},
    {"sleep", do_sleep},     {"ip", do_ip},
    {"ethtool", do_ethtool}, {"tc", do_tc},
    {"rm", do_nothing},      {"true", do_nothing},
    {":", do_nothing},       {"modprobe", do_nothing},
    {"set", do_nothing},     {"exit", do_nothing},
    {"dd", do_host},         {"save", do_save},
};

static bool ends_with(const char *s, const char *tail)
{
	size_t n = strlen(s), m = strlen(tail);

	return n >= m && strcmp(s + n - m, tail) == 0;
}

static const char *run_one(struct context *x, struct shell_command *c)
{
	const char *name = c->words[0], *base;

	if (c->error != NULL)
		return c->error;
	base = strrchr(name, '/');
	base = base != NULL ? base + 1 : name;
	if (ends_with(base, "defaults.sh"))
		return do_defaults(x, name);
	if (strncmp(base, "sysctl_restore_", 15) == 0)
		return NULL; /* the stack ends with the script */
	for (size_t i = 0; i < sizeof(COMMANDS) / sizeof(COMMANDS[0]); i++)
		if (strcmp(COMMANDS[i].name, base) == 0)
			return COMMANDS[i].fn(x, c);
	return arena_printf(x->r->arena, "this stack cannot do: %s", name);
}

static const char *run_text(struct context *x, const char *text)
{
	struct shell_command c;
	const char *err;

	while (shell_next(x->r->arena, &text, &c)) {
		err = run_one(x, &c);
		if (err != NULL)
			return err;
	}
	return NULL;
}

const char *command_run(struct run *r, const char *text)
{
	struct context x = {r, false, 0};

	if (r->conf->backend != BACKEND_NETSTACK)
		return run_sh(r, text);
	if (host_view_wanted(text))
		return host_view_run(r, text);
	return run_text(&x, text);
}

void command_event(struct run *r, struct event *e)
{
	const char *err;

	run_wait_for_event(r);
	err = command_run(r, e->text);
	if (err != NULL)
		run_fail(r, e->line, "error executing `%s` command: %s",
			 e->text, err);
}
