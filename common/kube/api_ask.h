// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_KUBE_API_ASK_H
#define HOLDFAST_KUBE_API_ASK_H

#include "common/base/buf.h"
#include "common/kube/api_client.h"

/* One question to an API server, for programs that have nothing else to do than to wait for the answer. */
#define API_ASK_IDLE_MS 20000 /* a server that says nothing for so long is given up */

/*
 * GET of `path`, with the credentials that `options` name. Runs `loop` until the answer is there. `*ret_status` is the HTTP status, 0 if no
 * answer came; the body of a good one is in `body`. What api_config_load and api_client_get give; EPROTO: the server refuses.
 */
int api_ask(uv_loop_t *loop, const struct kube_source_options *options, const char *path, struct buf *body, unsigned *ret_status,
	    struct error *err) must_check;

#endif
