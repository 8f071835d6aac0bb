// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_CHECKS_H
#define HOLDFAST_TPM_CHECKS_H

#include "common/checkup/checkup.h"
#include "common/json/json.h"
#include "device-plugin/daemon/settings.h"

/* `holdfast-tpm check`: what this node must have so that the daemon can hand out secrets. */

/* checkup->options */
struct check_options {
	struct settings settings;   /* of the daemon; all defaults, if they cannot be read */
	struct error misconfigured; /* why the daemon would not start with them; code 0: it would */
	cJSON *status;              /* of the daemon, as `status -o json` gives it; NULL: it does not answer */
	struct error away;          /* why not */
};

extern const struct checkup_row checks[];
extern const size_t n_checks;

/* ── tpm.c ── */
void check_tpm_device(struct checkup *checkup);
void check_tpm(struct checkup *checkup); /* who made it, lockout, the pinned root key, the hold counter */

/* ── kubelet.c ── */
void check_kubelet(struct checkup *checkup);
void check_pod_resources(struct checkup *checkup);
void check_sandbox_records(struct checkup *checkup);

/* ── memory.c: where plaintext is ── */
void check_volumes(struct checkup *checkup);
void check_swap(struct checkup *checkup);
void check_locked_memory(struct checkup *checkup);

/* ── daemon.c ── */
void check_configuration(struct checkup *checkup);
void check_directories(struct checkup *checkup);
void check_daemon(struct checkup *checkup);

#endif
