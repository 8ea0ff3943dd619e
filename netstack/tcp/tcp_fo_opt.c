/* SPDX-License-Identifier: Apache-2.0 */
/* Options and settings of Fast Open, tcp(7), with Linux's limits. */
#include "netstack/base/mem.h"
#include "netstack/tcp/tcp_priv.h"

static enum nst_err set_backlog(struct nst_tcp *tp, int64_t v)
{
	int64_t max =
	    TCP_CTL(tp, fastopen) >= 0 ? tp->sk.st->tcp->ctl.somaxconn : 0;

	if (v < 0 || !tcp_in_states(tp, TCPF(CLOSE) | TCPF(LISTEN)))
		return NST_E_INVAL;
	tcp_fo_need_key(tp->sk.st);
	tp->conf.fo.backlog = (uint32_t)(v < max ? v : max);
	return NST_OK;
}

static enum nst_err set_connect(struct nst_tcp *tp, int64_t v)
{
	if (v < 0 || v > 1)
		return NST_E_INVAL;
	if (!(TCP_CTL(tp, fastopen) & TFO_CLIENT_ENABLE))
		return NST_E_OPNOTSUPP;
	if (tp->state != NST_TCP_CLOSE)
		return NST_E_INVAL;
	tp->conf.fo.connect = v != 0;
	return NST_OK;
}

static enum nst_err set_no_cookie(struct nst_tcp *tp, int64_t v)
{
	if (v < 0 || v > 1 || !tcp_in_states(tp, TCPF(CLOSE) | TCPF(LISTEN)))
		return NST_E_INVAL;
	tp->conf.fo.no_cookie = v != 0;
	return NST_OK;
}

enum nst_err tcp_fo_opt_set(struct nst_tcp *tp, int opt, int64_t v)
{
	switch (opt) {
	case NST_TCP_FASTOPEN:
		return set_backlog(tp, v);
	case NST_TCP_FASTOPEN_CONNECT:
		return set_connect(tp, v);
	case NST_TCP_FASTOPEN_NO_COOKIE:
		return set_no_cookie(tp, v);
	default:
		return NST_E_NOPROTOOPT;
	}
}

enum nst_err tcp_fo_opt_get(const struct nst_tcp *tp, int opt, int64_t *v)
{
	switch (opt) {
	case NST_TCP_FASTOPEN:
		*v = tp->conf.fo.backlog;
		return NST_OK;
	case NST_TCP_FASTOPEN_CONNECT:
		*v = tp->conf.fo.connect;
		return NST_OK;
	case NST_TCP_FASTOPEN_NO_COOKIE:
		*v = tp->conf.fo.no_cookie;
		return NST_OK;
	default:
		return NST_E_NOPROTOOPT;
	}
}

enum nst_err nst_tcp_set_fastopen_keys(struct nst_tcp *tp, const uint8_t *keys,
				       size_t n)
{
	struct tcp_fo_keys *k = &tp->conf.fo.keys;

	if (n != 1 && n != TCP_FASTOPEN_KEYS)
		return NST_E_INVAL;
	memcpy(k->key, keys, n * sizeof(k->key[0]));
	k->n = (uint8_t)n;
	return NST_OK;
}

size_t nst_tcp_fastopen_keys(const struct nst_tcp *tp, uint8_t *keys)
{
	struct tcp_fo_keys tmp;
	const struct tcp_fo_keys *k = tcp_fo_keys(tp, &tmp);

	memcpy(keys, k->key, k->n * sizeof(k->key[0]));
	return k->n;
}

/* ---- the setting ---- */

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One word: up to eight digits; LINUX: stored with the low byte first. */
static bool parse_word(const char **p, uint8_t out[4])
{
	const char *s = *p;
	uint32_t v = 0;
	int n = 0;

	for (; hex(*s) >= 0 && n < 8; s++, n++)
		v = v << 4 | (uint32_t)hex(*s);
	if (!n || hex(*s) >= 0)
		return false;
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t)(v >> (8 * i));
	*p = s;
	return true;
}

static bool parse_key(const char **p, uint8_t key[16])
{
	for (int i = 0; i < 4; i++) {
		if (i && *(*p)++ != '-')
			return false;
		if (!parse_word(p, key + 4 * i))
			return false;
	}
	return true;
}

enum nst_err tcp_fo_key_parse(struct tcp_sysctl *ctl, const char *value)
{
	uint8_t keys[TCP_FASTOPEN_KEYS][16];
	uint8_t n = 1;

	if (!parse_key(&value, keys[0]))
		return NST_E_INVAL;
	if (*value == ',') {
		value++;
		n = 2;
		if (!parse_key(&value, keys[1]))
			return NST_E_INVAL;
	}
	if (*value == '\n')
		value++;
	if (*value)
		return NST_E_INVAL;
	memcpy(ctl->fastopen_key, keys, n * sizeof(keys[0]));
	ctl->nfastopen_keys = n;
	return NST_OK;
}

static size_t print_key(const uint8_t key[16], char *out)
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (int i = 0; i < 16; i++) {
		uint8_t b = key[(i & ~3) + 3 - (i & 3)];

		if (i && !(i & 3))
			out[n++] = '-';
		out[n++] = digits[b >> 4];
		out[n++] = digits[b & 15];
	}
	return n;
}

#define KEY_TEXT 35 /* four words of eight digits, three dashes */

/* LINUX: zeros while there is none. */
enum nst_err tcp_fo_key_print(const struct tcp_sysctl *ctl, char *out,
			      size_t cap)
{
	uint8_t n = ctl->nfastopen_keys ? ctl->nfastopen_keys : 1;
	size_t at = 0;

	if (cap < n * (KEY_TEXT + 1u))
		return NST_E_INVAL;
	for (uint8_t i = 0; i < n; i++) {
		if (i)
			out[at++] = ',';
		at += print_key(ctl->fastopen_key[i], out + at);
	}
	out[at] = '\0';
	return NST_OK;
}
