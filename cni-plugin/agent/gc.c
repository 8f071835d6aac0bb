// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/verbs.h"
#include "common/base/log.h"

/* The list is that of one network: a second one that Holdfast is chained in says nothing about the pods of the first. */
static bool is_of_network(const struct cni_request *request, const struct attachment *attachment)
{
	return attachment_is_kept(attachment) && slice_equals_string(request->config.name, attachment->network);
}

static bool is_valid(const struct cni_request *request, const struct attachment *attachment)
{
	for (size_t i = 0; i < request->n_valid; i++) {
		if (strcmp(request->valid[i].container_id, attachment->container_id) == 0 &&
		    strcmp(request->valid[i].ifname, attachment->ifname) == 0)
			return true;
	}
	return false;
}

static int leave_unknown(struct agent *agent, const struct cni_request *request, struct error *err)
{
	struct attachment *next;
	int failure = 0;

	for (struct attachment *at = agent->attachments.first; at; at = next) {
		next = at->next;
		if (!is_of_network(request, at) || at->leaving || is_valid(request, at))
			continue;
		log_info("pod interface removed: the runtime no longer knows it", "namespace", at->namespace, "pod", at->pod, "attachment",
			 at->id);
		int r = agent_leave(agent, at, err);
		failure = r < 0 ? r : failure;
	}
	return failure;
}

/* Without a list (`cnitool gc` gives none) only what is gone from the kernel goes. */
int verb_gc(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out, struct error *err)
{
	reconcile_now(agent);
	int r = request->valid_known ? leave_unknown(agent, request, err) : 0;
	return r == 0 && agent->dirty ? agent_apply(agent, err) : r;
}
