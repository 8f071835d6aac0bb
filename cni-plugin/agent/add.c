// SPDX-License-Identifier: Apache-2.0
/*
 * ADD. The pod is in the kernel, as quarantined at least, before anything is waited for:
 *
 *	prevResult ─► addresses ┐
 *	netns ─► host veth      ┴► attach (model, kernel, journal) ─┬─ pod's object is known ──────────► answer
 *	                                                            └─ not yet: wait, at most podWait ─► answer, quarantined if still not
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/agent/bridge.h"
#include "cni-plugin/agent/cni_result.h"
#include "cni-plugin/agent/link.h"
#include "cni-plugin/agent/verbs.h"
#include "common/base/log.h"

struct waiting {
	struct waiting *next;
	struct agent *agent;
	struct server_call *call;
	char *id, *namespace, *pod;
	struct slice prev_result; /* the call's */
	uv_timer_t timer;
};

static void waiting_free(struct waiting *waiting)
{
	free(waiting->id);
	free(waiting->namespace);
	free(waiting->pod);
	free(waiting);
}

static void on_closed(uv_handle_t *handle)
{
	waiting_free(handle->data);
}

/* Out of the list; the memory goes when libuv has let go of the timer. */
static void waiting_end(struct waiting *waiting)
{
	struct waiting **at = &waiting->agent->waiting;

	while (*at != waiting)
		at = &(*at)->next;
	*at = waiting->next;
	uv_close((uv_handle_t *)&waiting->timer, on_closed);
}

static void waiting_refuse(struct waiting *waiting, const char *why)
{
	const struct cni_request request = {
		.verb = CNI_ADD,
		.environment.container_id = waiting->id,
		.pod_namespace = waiting->namespace,
		.pod_name = waiting->pod,
	};
	struct error err;

	error_set(&err, EAGAIN, "%s", why);
	request_refuse(waiting->agent, &request, waiting->call, &err);
	waiting_end(waiting);
}

static void print_result(struct slice prev_result, struct buf *out)
{
	buf_slice(out, prev_result);
	buf_byte(out, '\n');
}

static void waiting_succeed(struct waiting *waiting)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(CNI_INPUT_MAX + 1);

	print_result(waiting->prev_result, &out);
	server_answer(waiting->call, EXIT_SUCCESS, buf_view(&out));
	waiting_end(waiting);
}

static void report_quarantine(struct agent *agent, struct attachment *attachment)
{
	attachment->quarantined = true;
	log_warn("pod starts quarantined: its object has not come; it opens when it comes", "namespace", attachment->namespace, "pod",
		 attachment->pod, "attachment", attachment->id, "waited_ms", LOG_NUMBER(agent->settings.pod_wait_ms));
}

static void on_wait_is_over(uv_timer_t *timer)
{
	struct waiting *waiting = timer->data;
	struct agent *agent = waiting->agent;
	struct attachment *attachment = attachments_find(&agent->attachments, waiting->id);

	if (!enforcer_statistics(agent->enforcer)->in_force) {
		struct error ignored;
		waiting_refuse(waiting, enforcer_statistics(agent->enforcer)->last_error);
		(void)!agent_detach(agent, attachment, &ignored);
		return;
	}
	report_quarantine(agent, attachment);
	waiting_succeed(waiting);
}

static int wait_for_pod(struct agent *agent, const struct attachment *attachment, struct server_call *call, struct slice prev_result,
			struct error *err)
{
	struct waiting *waiting = calloc(1, sizeof(*waiting));

	if (!waiting)
		return error_nomem(err);
	waiting->id = strdup(attachment->id);
	waiting->namespace = strdup(attachment->namespace);
	waiting->pod = strdup(attachment->pod);
	if (!waiting->id || !waiting->namespace || !waiting->pod) {
		waiting_free(waiting);
		return error_nomem(err);
	}
	waiting->agent = agent;
	waiting->call = call;
	waiting->prev_result = prev_result;
	waiting->next = agent->waiting;
	agent->waiting = waiting;
	uv_timer_init(&agent->loop, &waiting->timer);
	waiting->timer.data = waiting;
	uv_timer_start(&waiting->timer, on_wait_is_over, agent->settings.pod_wait_ms, 0);
	return 1;
}

static void report_opened(struct agent *agent)
{
	for (struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (!at->quarantined || !enforcer_is_ready(agent->enforcer, at))
			continue;
		at->quarantined = false;
		log_info("pod is no longer quarantined: its object has come", "namespace", at->namespace, "pod", at->pod);
	}
}

void add_recheck(struct agent *agent)
{
	struct waiting *next;

	for (struct waiting *at = agent->waiting; at; at = next) {
		const struct attachment *attachment = attachments_find(&agent->attachments, at->id);
		next = at->next;
		if (attachment && enforcer_is_ready(agent->enforcer, attachment))
			waiting_succeed(at);
	}
	report_opened(agent);
}

static void refuse_waiting(struct agent *agent, const char *id, const char *why)
{
	struct waiting *next;

	for (struct waiting *at = agent->waiting; at; at = next) {
		next = at->next;
		if (!id || strcmp(at->id, id) == 0)
			waiting_refuse(at, why);
	}
}

void add_forget(struct agent *agent, const char *id)
{
	refuse_waiting(agent, id, "the pod's interface was deleted, or added again, while this ADD waited for the pod's object");
}

void add_stop(struct agent *agent)
{
	refuse_waiting(agent, NULL, "the Holdfast agent is being stopped");
}

static int make_attachment(const struct cni_request *request, const struct cni_result *result, const struct link_host *host,
			   struct attachment **ret, struct error *err)
{
	_cleanup_free_ char *network = strndup((const char *)request->config.name.p, request->config.name.n);
	const struct attachment_names names = {
		.container_id = request->environment.container_id,
		.ifname = request->environment.ifname,
		.netns = request->environment.netns,
		.network = network,
		.namespace = request->pod_namespace,
		.pod = request->pod_name,
		.uid = request->pod_uid,
	};
	struct attachment *attachment = network ? attachment_new(&names) : NULL;

	if (!attachment)
		return error_nomem(err);
	memcpy(attachment->addresses, result->addresses, sizeof(attachment->addresses));
	attachment->n_addresses = result->n_addresses;
	attachment_set_host(attachment, host);
	*ret = attachment;
	return 0;
}

int verb_add(struct agent *agent, const struct cni_request *request, struct server_call *call, struct buf *out, struct error *err)
{
	struct attachment *attachment = NULL;
	struct cni_result result;
	struct link_host host;

	int r = cni_result_read(request->prev_result, &result, err);
	if (r == 0)
		r = link_find_host(request->environment.netns, request->environment.ifname, &host, err);
	if (r == 0 && host.bridge_port)
		r = bridge_prepare(err);
	if (r >= 0)
		r = make_attachment(request, &result, &host, &attachment, err);
	if (r == 0)
		r = agent_attach(agent, attachment, err);
	if (r < 0)
		return r;
	if (enforcer_is_ready(agent->enforcer, attachment)) {
		print_result(request->prev_result, out);
		return 0;
	}
	r = wait_for_pod(agent, attachment, call, request->prev_result, err);
	if (r < 0)
		(void)!agent_detach(agent, attachment, err);
	return r;
}
