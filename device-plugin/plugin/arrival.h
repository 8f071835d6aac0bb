// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_PLUGIN_ARRIVAL_H
#define HOLDFAST_PLUGIN_ARRIVAL_H

#include <uv.h>

#include "common/base/error.h"

/* Tells when kubelet's socket is made in its directory: when a kubelet has started. By inotify, in the thread of the loop. */
struct arrival;

#define ARRIVAL_SOCKET "kubelet.sock"

/* The directory is made (0750, as kubelet does), if it is not there. `directory` is copied. */
int arrival_start(uv_loop_t *loop, const char *directory, void (*arrived)(void *context), void *context, struct arrival **ret,
		  struct error *err) must_check;

/* Follows whatever directory has the path now, since somebody may have moved it away or deleted it; it is made, if it is not there. */
int arrival_follow(struct arrival *arrival, struct error *err) must_check;

/* `closed` gets the same context as `arrived`, once, from the loop; the arrival is then freed. */
void arrival_stop(struct arrival *arrival, void (*closed)(void *context));

#endif
