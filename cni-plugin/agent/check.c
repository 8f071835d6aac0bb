// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "cni-plugin/agent/cni_result.h"
#include "cni-plugin/agent/link.h"
#include "cni-plugin/agent/verbs.h"

/* What the runtime remembers of ADD and what the journal says must be the same pod. */
static int check_addresses(const struct attachment *attachment, struct slice prev_result, struct error *err)
{
	char text[INET6_ADDRSTRLEN];
	struct cni_result result;

	if (prev_result.n == 0)
		return 0;
	int r = cni_result_read(prev_result, &result, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < result.n_addresses; i++) {
		if (attachment_has_address(attachment, &result.addresses[i], 1))
			continue;
		kube_address_format(&result.addresses[i], text);
		return error_set(err, ESTALE, "address %s of prevResult is not one that ADD was told of", text);
	}
	return 0;
}

/* A table that somebody else has changed is repaired, after it has been reported. */
static int check_kernel(struct agent *agent, const struct attachment *attachment, struct error *err)
{
	struct error repair;

	int r = enforcer_check(agent->enforcer, attachment, err);
	if (r == -ESTALE)
		(void)!enforcer_audit(agent->enforcer, &repair);
	return r;
}

int verb_check(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out, struct error *err)
{
	_cleanup_free_ char *id = attachment_id(request->environment.container_id, request->environment.ifname);

	if (!id)
		return error_nomem(err);
	const struct attachment *attachment = attachments_find(&agent->attachments, id);
	if (!attachment || attachment->leaving)
		return error_set(err, ENXIO, "no pod interface %s is known here: ADD has not been called for it, or DEL has", id);
	if (!link_host_exists(attachment->host_index, attachment->host_name))
		return error_set(err, ESTALE, "host interface %s of the pod is gone", attachment->host_name);
	int r = check_addresses(attachment, request->prev_result, err);
	return r < 0 ? r : check_kernel(agent, attachment, err);
}
