// SPDX-License-Identifier: Apache-2.0
/* From a call on the socket to its handler, and the one edge where an error becomes what the peer prints. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/agent/diff.h"
#include "cni-plugin/agent/probe.h"
#include "cni-plugin/agent/show.h"
#include "cni-plugin/agent/verbs.h"
#include "common/base/array.h"
#include "common/base/log.h"

#define ANSWER_MAX (2 * CNI_INPUT_MAX)

typedef int verb_handler(struct agent *, const struct cni_request *, struct server_call *, struct buf *, struct error *);

static verb_handler *const verbs[CNI_VERB_COUNT] = {
	[CNI_ADD] = verb_add, [CNI_DEL] = verb_del,       [CNI_CHECK] = verb_check,
	[CNI_GC] = verb_gc,   [CNI_STATUS] = verb_status, [CNI_VERSION] = NULL, /* the executable answers it */
};

struct command {
	const char *name;
	int (*show)(struct agent *agent, const char *arguments, struct buf *out, struct error *err);
	void (*start)(struct agent *agent, struct server_call *call); /* instead of show: answers when it can */
};

static const struct command commands[] = {
	{ "status", show_status },       { "dump", show_dump },   { "explain", show_explain },
	{ "diff", .start = diff_start }, { "drops", show_drops }, { "graph", show_graph },
	{ PROBE_VERB, probe_handle },
};

static void remember_refusal(struct agent *agent, const struct cni_request *request, const struct error *err)
{
	struct agent_counters *counters = &agent->counters;

	counters->refused[request->verb]++;
	counters->last_refusal_time = time(NULL);
	snprintf(counters->last_refusal, sizeof(counters->last_refusal), "%s %.40s/%.60s: %s", cni_verb_name(request->verb),
		 request->pod_namespace ? request->pod_namespace : "", request->pod_name ? request->pod_name : "", err->message);
	log_warn("CNI request refused", "verb", cni_verb_name(request->verb), "namespace", request->pod_namespace, "pod", request->pod_name,
		 "container", request->environment.container_id, "error", err->message);
}

void request_refuse(struct agent *agent, const struct cni_request *request, struct server_call *call, const struct error *err)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(ANSWER_MAX);
	enum cni_code code = request->verb == CNI_STATUS ? CNI_UNAVAILABLE : cni_code_of(err);

	remember_refusal(agent, request, err);
	cni_print_error(&out, cni_config_version_text(wire_request_input(server_request(call))), code, err->message);
	server_answer(call, EXIT_FAILURE, buf_view(&out));
}

static void handle_cni(struct agent *agent, struct server_call *call)
{
	_cleanup_(cni_request_clear) struct cni_request request = { 0 };
	_cleanup_(buf_free) struct buf out = BUF_MAX(ANSWER_MAX);
	const struct wire_request *wire = server_request(call);
	const struct cni_environment environment = {
		.command = wire_request_text(wire, WIRE_VERB),
		.container_id = wire_request_text(wire, WIRE_CONTAINER_ID),
		.netns = wire_request_text(wire, WIRE_NETNS),
		.ifname = wire_request_text(wire, WIRE_IFNAME),
		.args = wire_request_text(wire, WIRE_ARGS),
		.path = wire_request_text(wire, WIRE_PATH),
	};
	struct error err;

	int r = cni_request_read(&environment, wire_request_input(wire), &request, &err);
	agent->counters.requests[request.verb]++;
	if (r == 0)
		r = verbs[request.verb] ? verbs[request.verb](agent, &request, call, &out, &err)
					: error_set(&err, EINVAL, "not for the agent");
	if (r == 0)
		r = buf_check(&out, "answer", &err);
	if (r < 0)
		request_refuse(agent, &request, call, &err);
	else if (r == 0)
		server_answer(call, EXIT_SUCCESS, buf_view(&out));
}

static void handle_command(struct agent *agent, const struct command *command, struct server_call *call)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(WIRE_OUTPUT_MAX);
	struct error err;

	if (command->start) {
		command->start(agent, call);
		return;
	}
	int r = command->show(agent, wire_request_text(server_request(call), WIRE_ARGS), &out, &err);
	if (r >= 0 && buf_check(&out, "answer", &err) < 0)
		r = -err.code;
	if (r < 0) {
		buf_clear(&out);
		buf_printf(&out, "holdfast-net: %s\n", err.message);
	}
	server_answer(call, r < 0 ? SHOW_FAILED : (uint32_t)r, buf_view(&out));
}

void requests_handle(void *context, struct server_call *call)
{
	const char *verb = wire_request_text(server_request(call), WIRE_VERB);
	struct agent *agent = context;

	for (size_t i = 0; i < ELEMENTS_OF(commands); i++) {
		if (strcmp(verb, commands[i].name) == 0) {
			handle_command(agent, &commands[i], call);
			return;
		}
	}
	handle_cni(agent, call);
}

void requests_refused(void *context, const struct error *why)
{
	log_warn("request refused", "error", why->message);
}

int agent_check_ready(const struct agent *agent, struct error *err)
{
	const struct enforcer_stats *stats = enforcer_statistics(agent->enforcer);
	struct kube_source_status status = { .name = "", .last_error = "" };

	if (enforcer_is_lost(agent->enforcer))
		return error_set(err, ENOMEM,
				 "the model is incomplete for want of memory: the agent ends, the kernel keeps the last rules");
	if (!enforcer_is_live(agent->enforcer)) {
		kube_source_status(agent->source, &status);
		return error_set(err, EAGAIN,
				 "%s has not told of all objects yet%s%s: the kernel keeps the rules it had, new pods are quarantined",
				 status.name, *status.last_error ? ": " : "", status.last_error);
	}
	if (!stats->in_force)
		return error_set(err, EAGAIN, "the rules are not in force: %s",
				 *stats->last_error ? stats->last_error : "they are being applied");
	return 0;
}
