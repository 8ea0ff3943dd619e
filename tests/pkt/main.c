/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkt: runs packetdrill scripts.  Each script runs in a process of its own,
 * with a stack of its own; the exit status is 0 if all of them passed.
 */
#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/pkt/run.h"

#ifdef PKT_HAVE_NETSTACK
#include "tools/packetdrill-adapter/adapter.h"
#endif
#ifdef PKT_HAVE_KERNEL
#include "tests/pkt/kernel_backend.h"
#endif

enum { MAX_SCRIPT = 1 << 22, MAX_OPTIONS = 256 };

/* The command line: options, laid over those of each script. */
struct command_line {
	const char *names[MAX_OPTIONS], *values[MAX_OPTIONS];
	size_t n;
	const char **files;
	struct code_server code_server;
	bool have_server;
	size_t n_files;
};

static void die(const char *fmt, ...)
    __attribute__((format(printf, 1, 2), noreturn));

static void die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fputs("pkt: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(2);
}

static void add_option(struct command_line *l, const char *name,
		       const char *value)
{
	if (l->n == MAX_OPTIONS)
		die("too many options");
	l->names[l->n] = name;
	l->values[l->n++] = value;
}

/* --name=value, --name value, --name; how many more words it took. */
static int long_option(struct command_line *l, char *word, char *next)
{
	char *eq = strchr(word, '=');
	int takes;

	if (eq != NULL)
		*eq = '\0';
	takes = config_takes_value(word);
	if (eq != NULL || takes <= 0) {
		add_option(l, word, eq != NULL ? eq + 1 : NULL);
		return 0;
	}
	add_option(l, word, next);
	return next != NULL;
}

static void parse_command_line(struct command_line *l, int argc, char **argv)
{
	l->files = calloc((size_t)argc, sizeof(l->files[0]));
	for (int i = 1; i < argc; i++) {
		char *w = argv[i], *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(w, "-v") == 0) {
			add_option(l, "verbose", NULL);
		} else if (strcmp(w, "-h") == 0 || strcmp(w, "--help") == 0) {
			config_usage();
			exit(0);
		} else if (strcmp(w, "-D") == 0) {
			add_option(l, "define", next);
			i++;
		} else if (strncmp(w, "-D", 2) == 0) {
			add_option(l, "define", w + 2);
		} else if (strncmp(w, "--", 2) == 0) {
			i += long_option(l, w + 2, next);
		} else {
			l->files[l->n_files++] = w;
		}
	}
}

static int apply_command_line(void *ctx, struct config *c)
{
	const struct command_line *l = ctx;
	char err[512];

	for (size_t i = 0; i < l->n; i++)
		if (config_set(c, l->names[i], l->values[i], err,
			       sizeof(err)) != 0)
			die("%s", err);
	return 0;
}

static char *read_file(const char *path, size_t *len)
{
	char *text = malloc(MAX_SCRIPT);
	FILE *f = fopen(path, "r");

	if (f == NULL || text == NULL)
		die("%s: %s", path, strerror(errno));
	*len = fread(text, 1, MAX_SCRIPT, f);
	if (*len == MAX_SCRIPT)
		die("%s: too large", path);
	fclose(f);
	return text;
}

/*
 * A namespace for the tun device and for what the script's commands do; they
 * must not reach the host's settings.
 */
static void own_network(void)
{
	if (unshare(CLONE_NEWNET) != 0)
		die("network namespace: %s (are you root?)", strerror(errno));
}

/* Timing is best when nobody gets in between; neither is a must. */
static void be_punctual(void)
{
	struct sched_param param = {.sched_priority = 1};

	(void)sched_setscheduler(0, SCHED_RR, &param);
	(void)mlockall(MCL_CURRENT | MCL_FUTURE);
}

static void open_so(struct run *r)
{
	packetdrill_interface_init_t init;
	void *lib = dlopen(r->conf->so_filename, RTLD_NOW | RTLD_LOCAL);
	const char *flags = r->conf->so_flags;

	own_network();
	if (lib == NULL)
		die("%s", dlerror());
	*(void **)&init = dlsym(lib, "packetdrill_interface_init");
	if (init == NULL)
		die("%s", dlerror());
	init(flags != NULL ? flags : "", &r->ifc);
}

static void open_kernel(struct run *r)
{
#ifdef PKT_HAVE_KERNEL
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN];
	char gateway[INET6_ADDRSTRLEN];
	struct pkt_kernel_conf k = {
	    .local = local,
	    .remote = remote,
	    .gateway = gateway,
	    .local_plen = r->conf->local_plen,
	    .remote_plen = r->conf->remote_plen,
	    .mtu = r->conf->mtu,
	};

	ip_to_string(&r->conf->local_ip, local);
	ip_to_string(&r->conf->remote_ip, remote);
	ip_to_string(&r->conf->gateway_ip, gateway);
	own_network();
	be_punctual();
	if (pkt_kernel_backend(&k, &r->ifc) != 0)
		die("kernel backend: %s", strerror(errno));
#else
	(void)r;
	(void)be_punctual;
	die("built without the kernel backend");
#endif
}

static void open_netstack(struct run *r)
{
#ifdef PKT_HAVE_NETSTACK
	char local[INET6_ADDRSTRLEN], remote[INET6_ADDRSTRLEN], flags[512];

	ip_to_string(&r->conf->local_ip, local);
	ip_to_string(&r->conf->remote_ip, remote);
	snprintf(flags, sizeof(flags), "local=%s/%u,remote=%s,mtu=%u%s%s%s",
		 local, r->conf->local_plen, remote, r->conf->mtu,
		 command_wants_tso(r->script->init_command) ? "" : ",tso=0",
		 r->conf->so_flags != NULL ? "," : "",
		 r->conf->so_flags != NULL ? r->conf->so_flags : "");
	if (pkt_netstack_backend(flags, &r->ifc) != 0)
		die("netstack backend (%s): %s", flags, strerror(errno));
	if (r->conf->save != NULL &&
	    pkt_netstack_save_mode(r->ifc.userdata, r->conf->save) != 0)
		die("bad --save: %s", r->conf->save);
#else
	(void)r;
	die("built without the netstack backend");
#endif
}

static void open_backend(struct run *r)
{
	r->virtual_time = r->conf->backend != BACKEND_KERNEL;
	if (r->conf->backend == BACKEND_KERNEL)
		open_kernel(r);
	else if (r->conf->backend == BACKEND_SO)
		open_so(r);
	else
		open_netstack(r);
}

/* Paths in a script are from where the script is. */
static void enter_folder(const char *path)
{
	char *copy = strdup(path);

	if (copy == NULL || chdir(dirname(copy)) != 0)
		die("%s: %s", path, strerror(errno));
	free(copy);
}

/* In the child: runs one script; never returns. */
static void run_file(struct command_line *l, const char *path)
{
	struct arena arena = {NULL};
	struct config conf;
	struct script script;
	struct run run = {.conf = &conf, .script = &script, .arena = &arena};
	char err[1024];
	size_t len;
	char *text = read_file(path, &len);

	config_init(&conf, &arena);
	/* Defines of the command line are known to the lexer from the start. */
	apply_command_line(l, &conf);
	if (script_parse(&script, &conf, &arena, path, text, len,
			 apply_command_line, l, err, sizeof(err)) != 0) {
		fprintf(stderr, "%s\n", err);
		exit(1);
	}
	if (conf.dry_run)
		exit(0);
	if (l->have_server && strncmp(conf.code_command, "python3", 7) == 0)
		run.code_server = &l->code_server;
	open_backend(&run);
	enter_folder(path);
	run_script(&run);
	free(text);
	arena_fini(&arena);
	exit(0);
}

static bool run_child(struct command_line *l, const char *path)
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (pid == 0) {
		run_file(l, path);
		_exit(2);
	}
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			die("waitpid: %s", strerror(errno));
	if (WIFSIGNALED(status))
		fprintf(stderr, "%s: ended by signal %d (%s)\n", path,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv)
{
	struct command_line l = {.n = 0};
	size_t failed = 0;

	parse_command_line(&l, argc, argv);
	if (l.n_files == 0) {
		config_usage();
		return 2;
	}
	if (l.n_files > 1)
		l.have_server = code_server_start(&l.code_server) == 0;
	for (size_t i = 0; i < l.n_files; i++) {
		bool ok = run_child(&l, l.files[i]);

		failed += !ok;
		if (l.n_files > 1)
			printf("%s %s\n", ok ? "ok  " : "FAIL", l.files[i]);
	}
	return failed > 0;
}
