// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_AGENT_CNI_RESULT_H
#define HOLDFAST_AGENT_CNI_RESULT_H

#include "cni-plugin/policy/engine.h"
#include "common/kube/objects.h"

/*
 * What Holdfast needs of the previous plugin's result: the pod's addresses. The formats 0.3.1 to 1.1.0 differ only in ips[].version,
 * which the older ones have. The result itself is printed as it came, so nothing that we do not know is lost.
 */
struct cni_result {
	struct kube_address addresses[POLICY_ENDPOINT_ADDRESSES_MAX];
	size_t n_addresses; /* at least 1 */
};

/*
 * EINVAL with the path: `prevResult: ips[0].address: …`. Addresses of interfaces outside a sandbox and link-local IPv6 ones are left
 * out; a result without any other address is an error, because its pod could not be judged.
 */
int cni_result_read(struct slice prev_result, struct cni_result *ret, struct error *err) must_check;

#endif
