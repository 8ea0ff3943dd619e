/* SPDX-License-Identifier: Apache-2.0 */
#include "sentry/core/errmap.h"

#include <errno.h>

static const int errno_table[NST_E_COUNT] = {
    [NST_OK] = 0,
    [NST_E_NOMEM] = ENOMEM,
    [NST_E_NOBUFS] = ENOBUFS,
    [NST_E_INVAL] = EINVAL,
    [NST_E_AFNOSUPPORT] = EAFNOSUPPORT,
    [NST_E_ADDRINUSE] = EADDRINUSE,
    [NST_E_ADDRNOTAVAIL] = EADDRNOTAVAIL,
    [NST_E_NETUNREACH] = ENETUNREACH,
    [NST_E_HOSTUNREACH] = EHOSTUNREACH,
    [NST_E_NETDOWN] = ENETDOWN,
    [NST_E_CONNREFUSED] = ECONNREFUSED,
    [NST_E_CONNRESET] = ECONNRESET,
    [NST_E_CONNABORTED] = ECONNABORTED,
    [NST_E_TIMEDOUT] = ETIMEDOUT,
    [NST_E_INPROGRESS] = EINPROGRESS,
    [NST_E_ALREADY] = EALREADY,
    [NST_E_ISCONN] = EISCONN,
    [NST_E_NOTCONN] = ENOTCONN,
    [NST_E_DESTADDRREQ] = EDESTADDRREQ,
    [NST_E_MSGSIZE] = EMSGSIZE,
    [NST_E_AGAIN] = EAGAIN,
    [NST_E_PIPE] = EPIPE,
    [NST_E_ACCES] = EACCES,
    [NST_E_PERM] = EPERM,
    [NST_E_OPNOTSUPP] = EOPNOTSUPP,
    [NST_E_NOPROTOOPT] = ENOPROTOOPT,
    [NST_E_NODEV] = ENODEV,
    [NST_E_EXIST] = EEXIST,
    [NST_E_NOENT] = ENOENT,
    [NST_E_PROTO] = EPROTO,
    [NST_E_DOMAIN] = EDOM,
    [NST_E_HOSTDOWN] = EHOSTDOWN,
    [NST_E_NONET] = ENONET,
};

/* Errors that the host's network knows and netstack has no word of its own
 * for: the nearest one (what a caller can do about it is the same). */
static const struct {
	int err;
	enum nst_err e;
} nearest[] = {
    {ENETRESET, NST_E_CONNRESET},   {EINTR, NST_E_AGAIN},
    {EMFILE, NST_E_NOBUFS},         {ENFILE, NST_E_NOBUFS},
    {ESHUTDOWN, NST_E_PIPE},        {ENOPROTOOPT, NST_E_NOPROTOOPT},
    {EPROTOTYPE, NST_E_PROTO},      {EPROTONOSUPPORT, NST_E_PROTO},
    {ENOSPC, NST_E_NOBUFS},         {ENXIO, NST_E_NODEV},
    {ECANCELED, NST_E_CONNABORTED},
};

int errno_of(enum nst_err e)
{
	/* An enum read from a saved image may hold anything. */
	if ((unsigned)e >= NST_E_COUNT)
		return EINVAL;
	return errno_table[e];
}

enum nst_err err_of_errno(int e)
{
	if (e < 0)
		e = -e;
	for (int i = 0; i < NST_E_COUNT; i++)
		if (errno_table[i] == e)
			return (enum nst_err)i;
	for (size_t i = 0; i < sizeof nearest / sizeof *nearest; i++)
		if (nearest[i].err == e)
			return nearest[i].e;
	return NST_E_INVAL;
}
