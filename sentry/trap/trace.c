/* SPDX-License-Identifier: Apache-2.0 */
/*
 * -v: a line per trap, as strace prints it. Addresses are read again from the
 * guest before the answer is sent; they are shown, never acted on.
 */
#include "sentry/trap/trap_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "sentry/core/log.h"

/* How a call's arguments look: d int, x hex, p pointer, a sockaddr and its
 * length, A sockaddr and pointer to its length (shown as a pointer). */
static const char *shape_of(int nr)
{
	switch (nr) {
	case SYS_bind:
	case SYS_connect:
		return "da";
	case SYS_listen:
	case SYS_shutdown:
		return "dd";
	case SYS_socket:
		return "ddd";
	case SYS_accept4:
		return "dppx";
	case SYS_getsockopt:
		return "dddpp";
	case SYS_setsockopt:
		return "dddpd";
	case SYS_ioctl:
		return "dxp";
	case SYS_sendto:
	case SYS_recvfrom:
		return "dpdxp";
	case SYS_sendmsg:
	case SYS_recvmsg:
		return "dpx";
	case SYS_sendmmsg:
	case SYS_recvmmsg:
		return "dpdx";
	default:
		return "dpp";
	}
}

static void show_addr(const struct trap *t, int i, char *out, size_t cap)
{
	struct sockaddr_storage sa = {0};
	uint32_t len = (uint32_t)trap_int(t, i + 1);
	char text[INET6_ADDRSTRLEN] = "?";
	const struct sockaddr_in *in = (const void *)&sa;
	const struct sockaddr_in6 *in6 = (const void *)&sa;

	if (len > sizeof sa || trap_read(t, trap_arg(t, i), &sa, len) < 0) {
		snprintf(out, cap, "%#llx, %u",
			 (unsigned long long)trap_arg(t, i), len);
		return;
	}
	if (sa.ss_family == AF_INET && len >= sizeof *in) {
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof text);
		snprintf(out, cap, "{AF_INET, %s:%u}, %u", text,
			 ntohs(in->sin_port), len);
	} else if (sa.ss_family == AF_INET6 && len >= 24) {
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof text);
		snprintf(out, cap, "{AF_INET6, [%s]:%u}, %u", text,
			 ntohs(in6->sin6_port), len);
	} else {
		snprintf(out, cap, "{family %u}, %u", sa.ss_family, len);
	}
}

static void show_arg(const struct trap *t, char kind, int i, char *out,
		     size_t cap)
{
	switch (kind) {
	case 'd':
		snprintf(out, cap, "%d", trap_int(t, i));
		break;
	case 'a':
		show_addr(t, i, out, cap);
		break;
	default:
		if (kind == 'p' && trap_arg(t, i) == 0)
			snprintf(out, cap, "NULL");
		else
			snprintf(out, cap, "%#llx",
				 (unsigned long long)trap_arg(t, i));
	}
}

void trace_call(const struct trap *t, char buf[TRACE_BYTES])
{
	const char *name = dispatch_name(t->n.data.nr);
	const char *shape = shape_of(t->n.data.nr);
	size_t at;

	at = (size_t)snprintf(buf, TRACE_BYTES, "[pid %u] %s(", t->n.pid,
			      name ? name : "?");
	for (int i = 0; shape[i]; i++) {
		char arg[96];

		show_arg(t, shape[i], i, arg, sizeof arg);
		at += (size_t)snprintf(buf + at, TRACE_BYTES - at, "%s%s",
				       i ? ", " : "", arg);
		if (at >= TRACE_BYTES - 2)
			return;
	}
	snprintf(buf + at, TRACE_BYTES - at, ")");
}

void trace_value(const struct trap *t, const char *call, int64_t value)
{
	(void)t;
	log_trace("%s = %lld", call, (long long)value);
}

void trace_error(const struct trap *t, const char *call, int err)
{
	const char *name = strerrorname_np(err);

	(void)t;
	if (err == TRAP_ERESTARTSYS)
		log_trace("%s = ? ERESTARTSYS", call);
	else
		log_trace("%s = -1 %s", call, name ? name : "E?");
}

void trace_native(const struct trap *t, const char *call)
{
	(void)t;
	log_trace("%s = (host)", call);
}
