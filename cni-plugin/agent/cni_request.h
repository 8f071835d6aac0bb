// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_CNI_REQUEST_H
#define HOLDFAST_AGENT_CNI_REQUEST_H

#include "cni-plugin/plugin/cni.h"

/* One CNI request as the agent understands it: environment and stdin, checked. Pure. */

struct cni_attachment_name {
	char container_id[CNI_CONTAINER_ID_MAX + 1];
	char ifname[CNI_IFNAME_MAX + 1];
};

#define CNI_VALID_ATTACHMENTS_MAX 16384

struct cni_request {
	enum cni_verb verb;
	struct cni_environment environment; /* the caller's strings */
	struct cni_config config;           /* slices of the caller's input */
	struct slice prev_result;           /* of the caller's input, as it stands there; n = 0: absent or null */

	/* From CNI_ARGS; NULL if they are not there, which only ADD refuses. */
	char *pod_namespace, *pod_name;
	char *pod_uid; /* "" if the runtime gives none */

	/* GC: what still exists, by the runtime. Not `valid_known`: the runtime did not say (no key, or null). */
	bool valid_known;
	struct cni_attachment_name *valid;
	size_t n_valid;
};

/*
 * `environment` and `input` must outlive `ret`, which is the caller's (cni_request_clear, also after an error).
 * Errors are those of cni_environment_check and cni_config_read; a CNI_ARGS that says no Kubernetes pod is EDESTADDRREQ for ADD.
 */
int cni_request_read(const struct cni_environment *environment, struct slice input, struct cni_request *ret, struct error *err) must_check;
void cni_request_clear(struct cni_request *request);

/*
 * 1 and `*ret` the value of `key` in "KEY=VALUE;KEY=VALUE", 0 if it is not there; -EDESTADDRREQ if the list is malformed or has the
 * key twice.
 */
int cni_args_get(const char *args, const char *key, struct slice *ret, struct error *err) must_check;

#endif
