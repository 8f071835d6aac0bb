// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/verbs.h"

/*
 * Not available until the first sync after a start, even if the kernel has rules: a pod that starts then is quarantined, and
 * a node that says "ready" while its new pods reach nobody helps no one. Later a lost source is no reason: the last objects stay valid.
 */
int verb_status(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out, struct error *err)
{
	return agent_check_ready(agent, err);
}
