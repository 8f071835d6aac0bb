// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_LISTEN_H
#define HOLDFAST_AGENT_LISTEN_H

#include <uv.h>

/*
 * To be called first by the callback of every netlink socket. One that has lost messages says so by POLLERR until the error (ENOBUFS) is
 * read; libuv takes that for the descriptor's end, stops the poll and hands over a status below 0.
 */
static inline void listen_on(uv_poll_t *poll, int status, uv_poll_cb callback)
{
	if (status < 0)
		uv_poll_start(poll, UV_READABLE, callback);
}

#endif
