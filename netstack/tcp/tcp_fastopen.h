/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fast Open, RFC 7413: data in the SYN. Passive side in tcp_fastopen.c (an
 * endpoint is made by the SYN itself and lives in SYN-RECEIVED), active side in
 * tcp_fo_client.c (a deferred connect, cookies remembered per destination),
 * options in tcp_fo_opt.c. Included through tcp_priv.h. Locking: as the stack.
 *
 * Each field is marked: S saved in an image, R rebuilt on load, D dropped.
 */
#ifndef NETSTACK_TCP_TCP_FASTOPEN_H
#define NETSTACK_TCP_TCP_FASTOPEN_H

#include "netstack/tcp/tcp_sysctl.h"
#include "netstack/tcp/tcp_wire.h"

struct nst_tcp;
struct nst_stack;
struct tcp_layer;

/* Bits of the tcp_fastopen setting; names are Linux's. */
enum tcp_fo_bits {
	TFO_CLIENT_ENABLE = 1,
	TFO_SERVER_ENABLE = 2,
	TFO_CLIENT_NO_COOKIE = 4,
	TFO_SERVER_COOKIE_NOT_REQD = 0x200,
	TFO_SERVER_WO_SOCKOPT1 = 0x400,
};

/* Why active Fast Open did not work: tcpi_fastopen_client_fail. */
enum tcp_fo_fail {
	TFO_STATUS_UNSPEC,
	TFO_COOKIE_UNAVAILABLE,
	TFO_DATA_NOT_ACKED,
	TFO_SYN_RETRANSMITTED,
};

struct tcp_fo_keys {
	uint8_t n;                          /* S 0: those of the stack */
	uint8_t key[TCP_FASTOPEN_KEYS][16]; /* R from `keys` */
};

/* What options set; outlives a connection. S */
struct tcp_fo_conf {
	bool connect;     /* TCP_FASTOPEN_CONNECT */
	bool no_cookie;   /* TCP_FASTOPEN_NO_COOKIE */
	uint32_t backlog; /* TCP_FASTOPEN: open handshakes at once; 0: off */
	struct tcp_fo_keys keys;
};

/* A peer that answered a Fast Open with RST counts on for a minute, so that
 * spoofed SYNs use the queue up instead of the machine (RFC 7413 5.1). */
struct tcp_fo_rst {
	struct tcp_fo_rst *next; /* R */
	nst_time at;             /* S */
};

struct tcp_fo {
	/* Active. S */
	bool deferred; /* connect was called, the SYN waits for data */
	bool asked;    /* our SYN had the option (syn_fastopen) */
	bool asked_exp;
	bool data;       /* our SYN had data (syn_data) */
	bool data_acked; /* data in a SYN was acknowledged, either side */
	bool probation;  /* success ends the blackhole pause */
	uint8_t fail;    /* enum tcp_fo_fail */
	struct tcp_fo_cookie cookie; /* S of the next SYN or SYN-ACK */
	/* Passive child: its SYN-ACK is not acknowledged yet. */
	bool pending;                  /* S */
	struct nst_tcp *owner;         /* R its listener */
	struct nst_tcp *next, **pprev; /* R in the listener's list */
	/* Listener. */
	uint32_t qlen;                      /* R children and resets */
	struct nst_tcp *children;           /* R */
	struct tcp_fo_rst *rsts, **rst_end; /* R oldest first */
};

#define LIMIT_TCP_FO_CACHE 256
#define TCP_FO_RST_TIME (60 * NST_SEC)

/* What is known of a destination. S */
struct tcp_fo_dst {
	struct nst_addr local, remote; /* family 0: unused */
	nst_time used;
	uint16_t mss; /* 0: unknown */
	uint8_t try_exp;
	struct tcp_fo_cookie cookie;
};

/* Of a stack. */
struct tcp_fo_layer {
	struct tcp_fo_dst *cache; /* S LIMIT_TCP_FO_CACHE, on need */
	nst_time paused_at;       /* S since then active Fast Open pauses */
	uint32_t pauses;          /* S in a row */
};

/* ---- passive (tcp_fastopen.c) ---- */

/* The cookie for a SYN from `remote` to `local` under a key. */
void tcp_fo_make_cookie(struct nst_stack *st, const struct nst_addr *remote,
			const struct nst_addr *local, const uint8_t key[16],
			struct tcp_fo_cookie *out);
/* Decides about a SYN: true, make the endpoint now. `reply` is the option for
 * the SYN-ACK either way. */
bool tcp_fo_wanted(struct nst_tcp *l, const struct tcp_seg *seg,
		   struct tcp_fo_cookie *reply);
/* The endpoint that a SYN made: takes its data, queues it at the listener. */
void tcp_fo_child_start(struct nst_tcp *l, struct nst_tcp *child,
			struct tcp_seg *seg);
/* The handshake is over: well, or by the peer's RST, or by our end. */
void tcp_fo_child_done(struct nst_tcp *tp, bool rst);
/* A segment for a child in the handshake, as for a request; true: go on. */
bool tcp_fo_child_in(struct nst_tcp *tp, struct tcp_seg *seg);
void tcp_fo_listen(struct nst_tcp *l);
void tcp_fo_listener_gone(struct nst_tcp *l);
const struct tcp_fo_keys *tcp_fo_keys(const struct nst_tcp *tp,
				      struct tcp_fo_keys *tmp);
void tcp_fo_need_key(struct nst_stack *st);

/* ---- active (tcp_fo_client.c) ---- */

/* Does connect wait for data? Otherwise the SYN may ask for a cookie. */
bool tcp_fo_defers(struct nst_tcp *tp);
/* The SYN of a deferred connect, with what is queued. */
void tcp_fo_send_syn(struct nst_tcp *tp);
/* Bytes that the SYN of a deferred connect will carry at most. */
uint32_t tcp_fo_syn_room(struct nst_tcp *tp);
/* The SYN-ACK: cookie into the cache, data acknowledged or sent again. True:
 * it worked. */
bool tcp_fo_synack(struct nst_tcp *tp, const struct tcp_seg *seg);
/* Signs of a middlebox that eats Fast Open: LINUX: blackhole. */
void tcp_fo_blackhole_timeout(struct nst_tcp *tp, uint32_t timeouts,
			      bool expired);
void tcp_fo_blackhole(struct nst_tcp *tp);
/* Out-of-order FIN alone, or data that came: sign of bad or of good. */
void tcp_fo_ofo_check(struct nst_tcp *tp);
void tcp_fo_layer_free(struct tcp_layer *l);

/* ---- options (tcp_fo_opt.c); NOPROTOOPT: none of ours ---- */
enum nst_err tcp_fo_opt_set(struct nst_tcp *tp, int opt, int64_t v);
enum nst_err tcp_fo_opt_get(const struct nst_tcp *tp, int opt, int64_t *v);
/* Setting tcp_fastopen_key: one or two of eight hex digits times four. */
enum nst_err tcp_fo_key_parse(struct tcp_sysctl *ctl, const char *value);
enum nst_err tcp_fo_key_print(const struct tcp_sysctl *ctl, char *out,
			      size_t cap);

#endif
