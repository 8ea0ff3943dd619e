/* SPDX-License-Identifier: Apache-2.0 */
/*
 * %{ code }%: what the stack says of the socket at that moment is kept, and
 * when the script is over one Python program is made of all of it: the
 * numbers as assignments, then the code, in turn.
 */
#include "tests/pkt/run.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SOL_TCP_LEVEL = 6, OPT_TCP_INFO = 11, OPT_TCP_CC_INFO = 26 };
enum { OPT_SO_MEMINFO = 55, MAX_INFO = 512, MEMINFO_VARS = 9 };

struct code_part {
	struct code_part *next;
	int line;
	const char *text;
	uint8_t info[MAX_INFO];
	socklen_t info_len;
	uint8_t cc[64];
	socklen_t cc_len;
	uint32_t mem[MEMINFO_VARS];
	socklen_t mem_len;
	char cc_name[16];
};

/* LINUX: struct tcp_info of include/uapi/linux/tcp.h, as of 6.18. */
struct info_field {
	const char *name;
	unsigned at, size;    /* bytes */
	unsigned shift, bits; /* of a bit field; 0: the whole */
};

static const struct info_field INFO[] = {
    {"state", 0, 1, 0, 0},
    {"ca_state", 1, 1, 0, 0},
    {"retransmits", 2, 1, 0, 0},
    {"probes", 3, 1, 0, 0},
    {"backoff", 4, 1, 0, 0},
    {"options", 5, 1, 0, 0},
    {"snd_wscale", 6, 1, 0, 4},
    {"rcv_wscale", 6, 1, 4, 4},
    {"delivery_rate_app_limited", 7, 1, 0, 1},
    {"fastopen_client_fail", 7, 1, 1, 2},
    {"rto", 8, 4, 0, 0},
    {"ato", 12, 4, 0, 0},
    {"snd_mss", 16, 4, 0, 0},
    {"rcv_mss", 20, 4, 0, 0},
    {"unacked", 24, 4, 0, 0},
    {"sacked", 28, 4, 0, 0},
    {"lost", 32, 4, 0, 0},
    {"retrans", 36, 4, 0, 0},
    {"fackets", 40, 4, 0, 0},
    {"last_data_sent", 44, 4, 0, 0},
    {"last_ack_sent", 48, 4, 0, 0},
    {"last_data_recv", 52, 4, 0, 0},
    {"last_ack_recv", 56, 4, 0, 0},
    {"pmtu", 60, 4, 0, 0},
    {"rcv_ssthresh", 64, 4, 0, 0},
    {"rtt", 68, 4, 0, 0},
    {"rttvar", 72, 4, 0, 0},
    {"snd_ssthresh", 76, 4, 0, 0},
    {"snd_cwnd", 80, 4, 0, 0},
    {"advmss", 84, 4, 0, 0},
    {"reordering", 88, 4, 0, 0},
    {"rcv_rtt", 92, 4, 0, 0},
    {"rcv_space", 96, 4, 0, 0},
    {"total_retrans", 100, 4, 0, 0},
    {"pacing_rate", 104, 8, 0, 0},
    {"max_pacing_rate", 112, 8, 0, 0},
    {"bytes_acked", 120, 8, 0, 0},
    {"bytes_received", 128, 8, 0, 0},
    {"segs_out", 136, 4, 0, 0},
    {"segs_in", 140, 4, 0, 0},
    {"notsent_bytes", 144, 4, 0, 0},
    {"min_rtt", 148, 4, 0, 0},
    {"data_segs_in", 152, 4, 0, 0},
    {"data_segs_out", 156, 4, 0, 0},
    {"delivery_rate", 160, 8, 0, 0},
    {"busy_time", 168, 8, 0, 0},
    {"rwnd_limited", 176, 8, 0, 0},
    {"sndbuf_limited", 184, 8, 0, 0},
    {"delivered", 192, 4, 0, 0},
    {"delivered_ce", 196, 4, 0, 0},
    {"bytes_sent", 200, 8, 0, 0},
    {"bytes_retrans", 208, 8, 0, 0},
    {"dsack_dups", 216, 4, 0, 0},
    {"reord_seen", 220, 4, 0, 0},
    {"rcv_ooopack", 224, 4, 0, 0},
    {"snd_wnd", 228, 4, 0, 0},
    {"rcv_wnd", 232, 4, 0, 0},
    {"rehash", 236, 4, 0, 0},
    {"total_rto", 240, 2, 0, 0},
    {"total_rto_recoveries", 242, 2, 0, 0},
    {"total_rto_time", 244, 4, 0, 0},
    {"received_ce", 248, 4, 0, 0},
    {"delivered_e1_bytes", 252, 4, 0, 0},
    {"delivered_e0_bytes", 256, 4, 0, 0},
    {"delivered_ce_bytes", 260, 4, 0, 0},
    {"received_e1_bytes", 264, 4, 0, 0},
    {"received_e0_bytes", 268, 4, 0, 0},
    {"received_ce_bytes", 272, 4, 0, 0},
    {"accecn_fail_mode", 276, 2, 0, 0},
    {"accecn_opt_seen", 278, 2, 0, 0},
};

static const struct {
	const char *name;
	int value;
} NAMES[] = {
    {"TCP_ESTABLISHED", 1},     {"TCP_SYN_SENT", 2},
    {"TCP_SYN_RECV", 3},        {"TCP_FIN_WAIT1", 4},
    {"TCP_FIN_WAIT2", 5},       {"TCP_TIME_WAIT", 6},
    {"TCP_CLOSE", 7},           {"TCP_CLOSE_WAIT", 8},
    {"TCP_LAST_ACK", 9},        {"TCP_LISTEN", 10},
    {"TCP_CLOSING", 11},        {"TCP_CA_Open", 0},
    {"TCP_CA_Disorder", 1},     {"TCP_CA_CWR", 2},
    {"TCP_CA_Recovery", 3},     {"TCP_CA_Loss", 4},
    {"TCPI_OPT_TIMESTAMPS", 1}, {"TCPI_OPT_SACK", 2},
    {"TCPI_OPT_WSCALE", 4},     {"TCPI_OPT_ECN", 8},
    {"TCPI_OPT_ECN_SEEN", 16},  {"TCPI_OPT_SYN_DATA", 32},
    {"TCPI_OPT_USEC_TS", 64},   {"TCPI_OPT_TFO_CHILD", 128},
};

static const char *const MEMINFO[MEMINFO_VARS] = {
    "RMEM_ALLOC",  "RCVBUF", "WMEM_ALLOC", "SNDBUF", "FWD_ALLOC",
    "WMEM_QUEUED", "OPTMEM", "BACKLOG",    "DROPS"};

/* An exception names the script's own file and line. */
static const char PREAMBLE[] =
    "import sys, traceback\n"
    "def _hook(kind, value, tb):\n"
    "    sys.stderr.write('%s:%d: error in Python code\\n'\n"
    "                     % (_file, _line))\n"
    "    traceback.print_exception(kind, value, tb)\n"
    "sys.excepthook = _hook\n";

static uint64_t little(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < size; i++)
		v |= (uint64_t)p[i] << (8 * i);
	return v;
}

static void write_info(FILE *f, const struct code_part *c)
{
	for (size_t i = 0; i < sizeof(INFO) / sizeof(INFO[0]); i++) {
		const struct info_field *d = &INFO[i];
		uint64_t v;

		if (d->at + d->size > c->info_len)
			continue;
		v = little(c->info + d->at, d->size);
		if (d->bits != 0)
			v = v >> d->shift & ((1U << d->bits) - 1);
		fprintf(f, "tcpi_%s = %llu\n", d->name, (unsigned long long)v);
	}
}

/* LINUX: union tcp_cc_info; which member it is goes by the control. */
static void write_cc(FILE *f, const struct code_part *c)
{
	const uint8_t *p = c->cc;

	if (c->cc_len >= 20 && strncmp(c->cc_name, "bbr", 3) == 0) {
		fprintf(f, "bbr_bw_lo = %llu\n",
			(unsigned long long)little(p, 4));
		fprintf(f, "bbr_bw_hi = %llu\n",
			(unsigned long long)little(p + 4, 4));
		fprintf(f, "bbr_bw = %llu\n", (unsigned long long)little(p, 8));
		fprintf(f, "bbr_min_rtt = %llu\n",
			(unsigned long long)little(p + 8, 4));
		fprintf(f, "bbr_pacing_gain = %llu\n",
			(unsigned long long)little(p + 12, 4));
		fprintf(f, "bbr_cwnd_gain = %llu\n",
			(unsigned long long)little(p + 16, 4));
	} else if (c->cc_len >= 16 && strcmp(c->cc_name, "dctcp") == 0) {
		static const char *const D[] = {"dctcp_alpha", "dctcp_ab_ecn",
						"dctcp_ab_tot"};

		fprintf(f, "dctcp_enabled = %llu\n",
			(unsigned long long)little(p, 2));
		fprintf(f, "dctcp_ce_state = %llu\n",
			(unsigned long long)little(p + 2, 2));
		for (int i = 0; i < 3; i++)
			fprintf(f, "%s = %llu\n", D[i],
				(unsigned long long)little(p + 4 + 4 * i, 4));
	} else if (c->cc_len >= 16) {
		static const char *const V[] = {"tcpv_enabled", "tcpv_rttcnt",
						"tcpv_rtt", "tcpv_minrtt"};

		for (int i = 0; i < 4; i++)
			fprintf(f, "%s = %llu\n", V[i],
				(unsigned long long)little(p + 4 * i, 4));
	}
}

static void write_mem(FILE *f, const struct code_part *c)
{
	for (size_t i = 0; (i + 1) * sizeof(uint32_t) <= c->mem_len; i++)
		fprintf(f, "SK_MEMINFO_%s = %u\n", MEMINFO[i], c->mem[i]);
}

static void write_part(FILE *f, const struct run *r, const struct code_part *c)
{
	write_info(f, c);
	write_cc(f, c);
	write_mem(f, c);
	fprintf(f, "_file = '%s'\n_line = %d\n%s\n\n", r->script->path, c->line,
		c->text);
}

void code_event(struct run *r, struct event *e)
{
	struct code_part *c = arena_alloc(r->arena, sizeof(*c));
	struct packetdrill_interface *i = &r->ifc;
	socklen_t name_len = sizeof(c->cc_name) - 1;
	int fd;

	run_wait_for_event(r);
	if (r->under_test == NULL)
		run_fail(r, e->line,
			 "runtime error in code: no socket to use for code");
	fd = r->under_test->live_fd;
	c->line = e->line;
	c->text = e->text;
	c->info_len = sizeof(c->info);
	if (i->getsockopt(i->userdata, fd, SOL_TCP_LEVEL, OPT_TCP_INFO, c->info,
			  &c->info_len) != 0)
		run_fail(r, e->line,
			 "runtime error in code: can't get TCP_INFO: %s",
			 strerror(errno));
	/* What a stack does not have is simply not named. */
	c->cc_len = 20;
	if (i->getsockopt(i->userdata, fd, SOL_TCP_LEVEL, OPT_TCP_CC_INFO,
			  c->cc, &c->cc_len) != 0)
		c->cc_len = 0;
	if (i->getsockopt(i->userdata, fd, SOL_TCP_LEVEL, 13 /* CONGESTION */,
			  c->cc_name, &name_len) != 0)
		c->cc_name[0] = '\0';
	c->mem_len = sizeof(c->mem);
	if (i->getsockopt(i->userdata, fd, SOL_SOCKET, OPT_SO_MEMINFO, c->mem,
			  &c->mem_len) != 0)
		c->mem_len = 0;
	*r->code_tail = c;
	r->code_tail = &c->next;
}

static void write_program(struct run *r, FILE *f)
{
	fputs(PREAMBLE, f);
	for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++)
		fprintf(f, "%s = %d\n", NAMES[i].name, NAMES[i].value);
	for (const struct code_part *c = r->code; c != NULL; c = c->next)
		write_part(f, r, c);
}

/* The status of the program; its path is ours to delete. */
static int run_program(struct run *r, const char *path)
{
	char command[512];
	int status;

	if (r->code_server != NULL)
		return code_server_run(r->code_server, path);
	snprintf(command, sizeof(command), "%s %s", r->conf->code_command,
		 path);
	status = system(command);
	if (status != -1 && WIFEXITED(status))
		return WEXITSTATUS(status);
	return -1;
}

void code_execute(struct run *r)
{
	char path[] = "/tmp/pkt_code_XXXXXX";
	int fd, status;
	FILE *f;

	if (r->code == NULL)
		return;
	fd = mkstemp(path);
	f = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f == NULL)
		run_fail(r, r->code->line, "no file for code: %s",
			 strerror(errno));
	write_program(r, f);
	fclose(f);
	fflush(stdout);
	status = run_program(r, path);
	unlink(path);
	if (status != 0)
		run_fail(r, r->code->line,
			 "error executing code: '%s' returned non-zero status "
			 "%d",
			 r->conf->code_command, status);
}
