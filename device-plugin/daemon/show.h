// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_SHOW_H
#define HOLDFAST_TPM_SHOW_H

#include "common/kube/report.h"
#include "device-plugin/control/control.h"
#include "device-plugin/daemon/daemon.h"

/*
 * What the command line shows of the daemon, for a person or as JSON, whose keys stay as they are. Each returns the exit code of the
 * command or a negative errno; `context` is the daemon.
 */

/* status: always 0. */
int show_status(void *context, const struct control_request *request, struct buf *out, struct error *err) must_check;
void show_status_json(const struct daemon *daemon, struct buf *out); /* show_status_json.c */

/* list [SECRET]...: 1 if one of them cannot be handed out here. ENOENT: there is no such secret. */
int show_list(void *context, const struct control_request *request, struct buf *out, struct error *err) must_check;

/* Where the objects come from. */
struct kube_report show_report(const struct daemon *daemon);

/* How many of this node's secrets are in which state. */
struct secret_counts {
	size_t of[SECRET_STATES];
};
struct secret_counts show_count_secrets(const struct daemon *daemon);

/* Resources that are offered to kubelet. */
struct kubelet_counts {
	size_t resources, registered;
};
struct kubelet_counts show_count_resources(const struct daemon *daemon);

#endif
