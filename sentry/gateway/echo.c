/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's pings to the world, through ping sockets of the host or, where
 * net.ipv4.ping_group_range forbids those, raw sockets if we may have them.
 *
 * Theory of operation. A flow (dflow.h) is {guest's address and id,
 * destination}. A ping socket lets the kernel choose the id and gives us only
 * our replies, so the sequence number goes through as it is and the id is put
 * back. A raw socket sees every ICMP message from the destination: it has a
 * random id of ours, and whatever does not fit is ignored. Echo to the
 * gateway's own addresses is answered by its netstack and never comes here.
 */
#include "sentry/gateway/dflow.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <unistd.h>

#define ECHO_HEADER 8

static bool is_v6(const struct dflow *f)
{
	return f->dst.addr.family == 6;
}

static uint8_t request_type(const struct dflow *f)
{
	return is_v6(f) ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
}

static uint8_t reply_type(const struct dflow *f)
{
	return is_v6(f) ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY;
}

/* Skips the IPv4 header that raw sockets deliver. False: malformed. */
static bool skip_ip(uint8_t **data, size_t *bytes)
{
	size_t header;

	if (*bytes < 20)
		return false;
	header = (size_t)(**data & 15) * 4;
	if (header < 20 || header > *bytes)
		return false;
	*data += header;
	*bytes -= header;
	return true;
}

static void echo_reply(struct dflow *f, uint8_t *data, size_t bytes,
		       nst_time now)
{
	struct gateway *gw = f->gw;
	uint16_t seq;

	if (f->raw && !is_v6(f) && !skip_ip(&data, &bytes)) {
		gw->count.EchoMalformed++;
		return;
	}
	if (bytes < ECHO_HEADER) {
		gw->count.EchoMalformed++;
		return;
	}
	if (data[0] != reply_type(f) || data[1] != 0)
		return; /* raw: something else from the same host */
	if (f->raw && ((data[4] << 8) | data[5]) != f->host_id)
		return; /* another program's */
	seq = (uint16_t)((data[6] << 8) | data[7]);
	if (nst_fwd_echo_reply(gw->stack, &f->dst.addr, &f->src.addr,
			       f->src.port, seq, data + ECHO_HEADER,
			       bytes - ECHO_HEADER, now) != NST_OK)
		gw->count.UdpToGuestDrops++;
}

/* Who pings and gets no answer waits in vain anyway: counted, no more. */
static void echo_error(struct dflow *f, int err, nst_time now)
{
	(void)err;
	(void)now;
	f->gw->count.EchoHostErrors++;
}

const struct dflow_ops flow_echo_ops = {.in = echo_reply, .error = echo_error};

/* A connected socket for echoes to `to`, or -errno. */
static int echo_socket(struct gateway *gw, const struct host_addr *to,
		       bool *raw)
{
	int family = to->u.sa.sa_family, err;
	int proto = family == AF_INET6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	int fd = host_socket(gw, family, SOCK_DGRAM, proto);

	*raw = false;
	if (fd == -EACCES || fd == -EPERM || fd == -EPROTONOSUPPORT) {
		*raw = true;
		fd = host_socket(gw, family, SOCK_RAW, proto);
	}
	if (fd < 0)
		return fd;
	if (connect(fd, &to->u.sa, to->len) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static struct dflow *open_flow(struct gateway *gw,
			       const struct nst_sockaddr *src,
			       const struct nst_sockaddr *dst, nst_time now)
{
	struct host_addr to;
	enum nst_err why = host_map(gw, IPPROTO_ICMP, dst, &to);
	struct dflow *f;
	bool raw;
	int fd;

	if (why != NST_OK) {
		if (why == NST_E_ACCES)
			gw->count.EchoPolicyDenied++;
		else
			gw->count.EchoBadDest++;
		return NULL;
	}
	fd = echo_socket(gw, &to, &raw);
	if (fd < 0) {
		if (fd == -EACCES || fd == -EPERM)
			gw->count.EchoForbidden++;
		else
			gw->count.EchoHostErrors++;
		return NULL;
	}
	gw->count.EchoFlows++;
	f = dflow_new(gw, DFLOW_ECHO, &flow_echo_ops, src, dst, fd, now);
	if (!f)
		return NULL;
	f->raw = raw;
	gw->sb->env.random(gw->sb->env.ctx, &f->host_id, sizeof(f->host_id));
	return f;
}

/* RFC 1071. The kernel completes the checksum of all but raw IPv4 sockets. */
static void checksum(uint8_t header[ECHO_HEADER], const void *data,
		     size_t bytes)
{
	uint16_t sum = nst_csum_add(0, header, ECHO_HEADER);

	sum = (uint16_t)~nst_csum_add(sum, data, bytes);
	header[2] = (uint8_t)(sum >> 8);
	header[3] = (uint8_t)sum;
}

void echo_in(void *ctx, const struct nst_addr *src, const struct nst_addr *dst,
	     uint16_t id, uint16_t seq, const void *data, size_t bytes)
{
	struct gateway *gw = ctx;
	struct nst_sockaddr from = {.addr = *src, .port = id};
	struct nst_sockaddr to = {.addr = *dst};
	nst_time now = gw_now(gw);
	uint8_t h[ECHO_HEADER] = {0};
	struct iovec iov[2] = {{h, sizeof(h)}, {(void *)data, bytes}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	struct dflow *f;

	if (gw_forged_source(gw, src))
		return;
	f = dflow_find(gw, DFLOW_ECHO, &from, &to);
	if (f)
		dflow_touch(f, now);
	else
		f = open_flow(gw, &from, &to, now);
	if (!f)
		return;
	h[0] = request_type(f);
	h[4] = (uint8_t)(f->host_id >> 8);
	h[5] = (uint8_t)f->host_id;
	h[6] = (uint8_t)(seq >> 8);
	h[7] = (uint8_t)seq;
	checksum(h, data, bytes);
	if (sendmsg(f->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		gw->count.EchoHostErrors++;
}
