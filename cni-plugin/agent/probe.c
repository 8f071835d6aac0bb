// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/probe.h"

#include <errno.h>
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "cni-plugin/agent/verbs.h"

/* No namespace or pod of Kubernetes can have these names, so no object will ever open it. */
#define NAMESPACE "(node)"
#define POD "(self-test)"
#define CONTAINER_ID "self-test"

static const struct attachment_names names = {
	.container_id = CONTAINER_ID,
	.ifname = PROBE_INTERFACE,
	.netns = "",
	.network = "",
	.namespace = NAMESPACE,
	.pod = POD,
	.uid = "",
};

static int find_host(const struct kube_address *address, struct link_host *ret, struct error *err)
{
	int r = link_find_by_address(address, ret, err);

	if (r < 0)
		return error_wrap(err, "probe");
	if (strcmp(ret->name, PROBE_INTERFACE) != 0)
		return error_set(err, EINVAL, PROBE_POD4 " is behind interface %s, not " PROBE_INTERFACE, ret->name);
	return 0;
}

static int make(struct attachment **ret, struct error *err)
{
	static const char *const addresses[] = { PROBE_POD4, PROBE_POD6 };
	_cleanup_(attachment_freep) struct attachment *attachment = attachment_new(&names);
	struct link_host host;
	int r = 0;

	if (!attachment)
		return error_nomem(err);
	attachment->probe = true;
	for (size_t i = 0; i < 2 && r == 0; i++)
		r = kube_address_parse(addresses[i], &attachment->addresses[attachment->n_addresses++], err);
	if (r == 0)
		r = find_host(&attachment->addresses[0], &host, err);
	if (r < 0)
		return r;
	attachment_set_host(attachment, &host);
	*ret = TAKE_PTR(attachment);
	return 0;
}

/* Of two with one address the later is judged, which would be ours and not the pod. */
static int check_nobodys(const struct agent *agent, const struct attachment *probe, struct error *err)
{
	for (const struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (!at->probe && attachment_has_address(at, probe->addresses, probe->n_addresses))
			return error_set(err, EADDRINUSE, "pod %s/%s has " PROBE_POD4 " or " PROBE_POD6 ", which is the probe's",
					 at->namespace, at->pod);
	}
	return 0;
}

static int begin(struct agent *agent, struct error *err)
{
	_cleanup_(attachment_freep) struct attachment *attachment = NULL;

	int r = agent_check_ready(agent, err);
	if (r == 0)
		r = make(&attachment, err);
	if (r == 0)
		r = check_nobodys(agent, attachment, err);
	return r < 0 ? r : agent_attach(agent, TAKE_PTR(attachment), err);
}

static int end(struct agent *agent, struct error *err)
{
	struct attachment *attachment = attachments_find(&agent->attachments, CONTAINER_ID "/" PROBE_INTERFACE);

	return attachment ? agent_detach(agent, attachment, err) : 0;
}

int probe_handle(struct agent *agent, const char *arguments, struct buf *out, struct error *err)
{
	return strcmp(arguments, PROBE_END) == 0 ? end(agent, err) : begin(agent, err);
}
