// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "cni-plugin/agent/verbs.h"
#include "common/base/log.h"

/* Always succeeds: a runtime that gets an error here leaks what the other plugins hold. What could not be done now is retried. */
int verb_del(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out, struct error *err)
{
	_cleanup_free_ char *id = attachment_id(request->environment.container_id, request->environment.ifname);
	struct attachment *attachment = id ? attachments_find(&agent->attachments, id) : NULL;

	if (attachment && agent_leave(agent, attachment, err) < 0)
		log_error("cannot remove all of a pod's rules now", "attachment", id, "error", err->message);
	return 0;
}
