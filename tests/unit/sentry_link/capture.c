/* SPDX-License-Identifier: Apache-2.0 */
/* Captures, parsed back with the rig's own reader and with tcpdump. */
#include "tests/unit/sentry_link/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* An IPv4 UDP packet with n bytes of payload and a PARTIAL checksum, the
 * payload in a fragment. */
static struct nst_pkt *udp_packet(const struct nst_env *env,
				  const uint8_t *payload, uint32_t n)
{
	static const uint8_t ip[20] = {0x45, 0, 0,  0, 0, 1,  0x40, 0, 64, 17,
				       0,    0, 10, 0, 2, 15, 10,   0, 2,  2};
	struct nst_pkt *pkt = nst_pkt_new(env, 128, 28);
	uint8_t *p = nst_pkt_put(pkt, 28);
	uint16_t sum;

	memcpy(p, ip, 20);
	p[2] = (uint8_t)((n + 28) >> 8);
	p[3] = (uint8_t)(n + 28);
	sum = (uint16_t)~nst_csum_add(0, p, 20);
	p[10] = (uint8_t)(sum >> 8);
	p[11] = (uint8_t)sum;
	memcpy(p + 20, (uint8_t[]){0x12, 0x34, 0x15, 0xb3}, 4);
	p[24] = (uint8_t)((n + 8) >> 8);
	p[25] = (uint8_t)(n + 8);
	/* Pseudo-header: addresses, protocol, length. */
	sum = nst_csum_add((uint16_t)(17 + n + 8), p + 12, 8);
	p[26] = (uint8_t)(sum >> 8);
	p[27] = (uint8_t)sum;
	cr_assert(nst_pkt_ref(pkt, payload, n));
	pkt->csum = NST_CSUM_PARTIAL;
	pkt->csum_start = (uint16_t)(pkt->off + 20);
	pkt->csum_off = 6;
	return pkt;
}

static void make_path(char path[32])
{
	strcpy(path, "/tmp/cordon-cap-XXXXXX");
	close(mkstemp(path));
}

static bool udp_csum_ok(const struct cap_pkt *p)
{
	uint32_t n = p->caplen - 20;
	uint16_t sum = nst_csum_add((uint16_t)(17 + n), p->data + 12, 8);

	return nst_csum_add(sum, p->data + 20, n) == 0xffff;
}

Test(link_capture, packets_come_back_whole)
{
	static uint8_t payload[65000];
	struct testenv te;
	struct capture *c;
	struct cap_file f;
	struct cap_pkt p;
	char path[32];
	unsigned n = 0;

	testenv_init(&te, 1);
	for (size_t i = 0; i < sizeof(payload); i++)
		payload[i] = pattern(i);
	make_path(path);
	cr_assert_eq(capture_new(path, &c), 0);
	cr_assert_eq(
	    capture_add_interface(c, "eth0", CAPTURE_RAW_IP, CAPTURE_SNAPLEN),
	    0);
	cr_assert_eq(capture_add_interface(c, "small", CAPTURE_RAW_IP, 100), 1);
	for (uint32_t i = 0; i < 400; i++) {
		struct nst_pkt *pkt =
		    udp_packet(&te.env, payload, i * 162 % 65000);

		capture_packet(c, i % 7 == 6, i & 1, pkt, i * NST_SEC + i);
		cr_assert_eq(pkt->csum, NST_CSUM_PARTIAL, "borrowed");
		nst_pkt_free(pkt);
	}
	capture_packet(c, 9, true, NULL, 0); /* no such interface */
	capture_free(c);
	cap_open(&f, path);
	for (; cap_next(&f, &p); n++) {
		uint32_t len = n * 162 % 65000 + 28;

		cr_assert_eq(p.interface, n % 7 == 6);
		cr_assert_eq(p.flags, n & 1 ? 2 : 1);
		cr_assert_eq(p.origlen, len);
		if (p.interface && len > 100) {
			cr_assert_eq(p.caplen, 100);
			continue;
		}
		cr_assert_eq(p.caplen, len);
		cr_assert_eq(memcmp(p.data + 28, payload, len - 28), 0);
		cr_assert(udp_csum_ok(&p));
	}
	cr_assert_eq(n, 400);
	cr_assert_eq(f.tsresol[0], 9);
	cr_assert_str_eq(f.name[1], "small");
	cr_assert(f.stats);
	cr_assert_eq(f.dropped, 0);
	cap_close(&f);
	unlink(path);
	cr_assert_eq(testenv_leaks(&te), 0);
}

Test(link_capture, tcpdump_reads_it)
{
	static const uint8_t payload[50] = "hello";
	struct testenv te;
	struct capture *c;
	struct nst_pkt *pkt;
	char path[32], cmd[128], line[256], all[1024] = "";
	FILE *out;

	if (system("tcpdump --version >/dev/null 2>&1"))
		cr_skip_test("no tcpdump");
	testenv_init(&te, 1);
	make_path(path);
	cr_assert_eq(capture_new(path, &c), 0);
	cr_assert_eq(
	    capture_add_interface(c, "eth0", CAPTURE_RAW_IP, CAPTURE_SNAPLEN),
	    0);
	pkt = udp_packet(&te.env, payload, 50);
	capture_packet(c, 0, true, pkt, NST_SEC);
	nst_pkt_free(pkt);
	capture_free(c);
	snprintf(cmd, sizeof(cmd), "tcpdump -n -vv -r %s 2>&1", path);
	out = popen(cmd, "r");
	while (fgets(line, sizeof(line), out))
		strncat(all, line, sizeof(all) - strlen(all) - 1);
	cr_assert_eq(pclose(out), 0);
	cr_assert_not_null(strstr(all, "10.0.2.15.4660 > 10.0.2.2.5555"));
	cr_assert_not_null(strstr(all, "[udp sum ok]"), "%s", all);
	unlink(path);
}

/* kill -9 in the middle, even of a write: everything before is readable. */
Test(link_capture, a_killed_writer_leaves_a_readable_file)
{
	static const uint8_t payload[3000];
	struct testenv te;
	struct cap_file f;
	struct cap_pkt p;
	char path[32];
	unsigned n = 0;
	pid_t pid;

	testenv_init(&te, 1);
	make_path(path);
	pid = fork();
	if (!pid) {
		struct capture *c;
		struct nst_pkt *pkt = udp_packet(&te.env, payload, 3000);

		if (capture_new(path, &c) ||
		    capture_add_interface(c, "eth0", CAPTURE_RAW_IP, 65600))
			_exit(1);
		for (;;)
			capture_packet(c, 0, true, pkt, 1);
	}
	/* Until something is there; a megabyte is. */
	for (struct stat st = {0}; st.st_size < 1 << 20;)
		cr_assert_eq(stat(path, &st), 0);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cap_open(&f, path);
	f.torn_ok = true;
	while (cap_next(&f, &p))
		n++;
	cr_assert_gt(n, 100);
	cap_close(&f);
	unlink(path);
}

Test(link_capture, errors_are_told)
{
	struct capture *c;

	cr_assert_eq(capture_new("/dev/full", &c), -ENOSPC);
	cr_assert_eq(capture_new("/nonexistent/x", &c), -ENOENT);
	cr_assert_eq(capture_new("/", &c), -EISDIR);
	capture_free(NULL);
}

/* A reader that never reads: packets are left out, nobody hangs. */
Test(link_capture, a_stuck_file_does_not_block_for_ever)
{
	static const uint8_t payload[60000];
	struct testenv te;
	struct capture *c;
	struct nst_pkt *pkt;
	char path[32], buf[4096];
	int fd;

	testenv_init(&te, 1);
	make_path(path);
	unlink(path);
	cr_assert_eq(mkfifo(path, 0600), 0);
	fd = open(path, O_RDONLY | O_NONBLOCK);
	cr_assert_geq(fd, 0);
	cr_assert_eq(capture_new(path, &c), 0);
	cr_assert_eq(capture_add_interface(c, "eth0", CAPTURE_RAW_IP, 65600),
		     0);
	pkt = udp_packet(&te.env, payload, 60000);
	for (int i = 0; i < 500; i++)
		capture_packet(c, 0, true, pkt, 1);
	nst_pkt_free(pkt);
	signal(SIGPIPE, SIG_IGN);
	cr_assert_gt(read(fd, buf, sizeof(buf)), 0);
	close(fd); /* EPIPE: the capture ends */
	capture_free(c);
	unlink(path);
}
