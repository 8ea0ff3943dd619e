/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Data in the SYN, RFC 7413: MSG_FASTOPEN, and the first write after a connect
 * that TCP_FASTOPEN_CONNECT held back. LINUX: tcp_sendmsg_fastopen().
 */
#include "tools/packetdrill-adapter/ad_priv.h"

#include <errno.h>
#include <limits.h>
#include <netinet/in.h>

#include "sentry/core/errmap.h"
#include "sentry/sock/sockaddr_words.h"

/* LINUX: bits of net.ipv4.tcp_fastopen */
#define CLIENT_ON 1

static bool client_allowed(const struct file *f)
{
	char text[16] = "0";

	if (nst_sysctl_get(f->w->st, "net.ipv4.tcp_fastopen", text,
			   sizeof(text)) != NST_OK)
		return false;
	return (text[0] - '0') & CLIENT_ON || text[1] != 0;
}

/* Begins an attempt whose SYN waits for data. 0 or -errno. */
static int hold_syn(struct file *f, const struct msghdr *m)
{
	struct nst_sockaddr to;
	enum nst_err e;
	int rc;

	if (!client_allowed(f))
		return -EOPNOTSUPP;
	if (f->conn == CONN_UP || f->listening)
		return -EISCONN;
	if (f->conn == CONN_PENDING)
		return -EALREADY;
	if (!m->msg_name)
		return -EINVAL;
	rc = sockaddr_parse(f->domain, m->msg_name, m->msg_namelen, &to);
	if (rc < 0)
		return rc;
	if (to.addr.family == 0)
		return -EOPNOTSUPP;
	f->so_error = 0;
	e = nst_tcp_connect_fast(f->tcp, &to, f->w->now);
	if (e != NST_OK && e != NST_E_INPROGRESS)
		return -errno_of(e);
	f->conn = CONN_PENDING;
	f->opened = true;
	return 0;
}

/* Sends the SYN with what it may carry; returns bytes. */
static size_t send_syn(struct file *f, const struct msghdr *m, size_t total)
{
	size_t room = nst_tcp_syn_room(f->tcp), n = 0, niov;
	struct nst_iov iov[2];

	if (total > room)
		total = room;
	(void)nst_tcp_snd_space(f->tcp, iov, &niov);
	for (size_t i = 0; i < niov && n < total; i++)
		n += iov_copy_in(m, n, iov[i].p,
				 iov[i].len < total - n ? iov[i].len
							: total - n);
	f->written += n;
	nst_tcp_snd_commit(f->tcp, n, false, f->w->now);
	return n;
}

ssize_t fastopen_send(struct file *f, const struct msghdr *m, size_t total,
		      int flags)
{
	size_t sent;
	int rc;

	if (!nst_tcp_deferred(f->tcp)) {
		rc = hold_syn(f, m);
		if (rc < 0)
			return rc;
	}
	sent = send_syn(f, m, total);
	/* LINUX: with a writer waiting, the SYN-ACK's ACK waits, too. */
	if (sent < total && !file_nonblock(f, flags))
		nst_tcp_snd_wait(f->tcp);
	/* The caller goes on with the rest when the connection is up. */
	rc = file_nonblock(f, flags) ? -EINPROGRESS
				     : open_connect_end(f, -EINPROGRESS);
	if (rc == 0 || (rc == -EINPROGRESS && sent > 0))
		return (ssize_t)sent;
	return rc; /* LINUX: what the SYN carried does not count then */
}
