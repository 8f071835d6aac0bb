// SPDX-License-Identifier: Apache-2.0
/* `holdfast-net explain`: what the model says about one connection, or one to each pod behind a Service, and which policy says it. */
#include <errno.h>
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "cni-plugin/agent/explain.h"
#include "cni-plugin/agent/reach.h"
#include "cni-plugin/agent/show.h"
#include "common/base/array.h"

struct answer {
	const struct explain_questions *questions;
	struct policy_decision *decisions;
	size_t n_denied;
};

static void print_end(const struct explain_end *end, const struct kube_address *address, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	if (strcmp(end->name, text) == 0)
		buf_string(out, text);
	else
		buf_printf(out, "%s (%s)", end->name, text);
}

static void print_text(const struct explain_question *question, const struct policy_decision *decision, struct buf *out)
{
	print_end(&question->from, &question->flow.source, out);
	buf_string(out, " -> ");
	print_end(&question->to, &question->flow.destination, out);
	buf_printf(out, " %u/%s: %s\n  leaving:  ", question->flow.port, kube_protocol_name(question->flow.protocol),
		   decision->allowed ? "allowed" : "DENIED");
	policy_verdict_print(&decision->egress, out);
	buf_string(out, "\n  entering: ");
	policy_verdict_print(&decision->ingress, out);
	buf_byte(out, '\n');
}

static void print_service_text(const struct answer *answer, struct buf *out)
{
	const struct explain_questions *questions = answer->questions;
	size_t n = questions->n;

	buf_printf(out, "%s -> Service %s/%s %u/%s: ", questions->items[0].from.name, questions->service->namespace,
		   questions->service->name, questions->port.port, kube_protocol_name(questions->port.protocol));
	if (answer->n_denied)
		buf_printf(out, "DENIED to %zu of %zu pods\n", answer->n_denied, n);
	else
		buf_printf(out, "allowed to %zu of %zu pods\n", n, n);
	if (questions->n_left_out)
		buf_printf(out, "(%zu more pods have no address of this family, or are above the limit of %d)\n", questions->n_left_out,
			   EXPLAIN_BACKENDS_MAX);
}

static void json_name(const struct kube_object *policy, struct buf *out)
{
	buf_printf(out, "\"%s/%s\"", policy->namespace, policy->name);
}

static void json_isolating(const struct policy_verdict *verdict, struct buf *out)
{
	buf_printf(out, ",\"isolatedByCount\":%zu,\"isolatedBy\":[", verdict->n_policies);
	for (size_t i = 0; i < verdict->n_policies && i < POLICY_ISOLATING_MAX; i++) {
		if (i > 0)
			buf_byte(out, ',');
		json_name(verdict->isolating[i], out);
	}
	buf_byte(out, ']');
}

static void json_verdict(const char *key, const struct policy_verdict *verdict, struct buf *out)
{
	_cleanup_(buf_free) struct buf words = BUF_MAX(16 * 1024);

	policy_verdict_print(verdict, &words);
	buf_printf(out, ",\"%s\":{\"allowed\":%s,\"policy\":", key, verdict->allowed ? "true" : "false");
	if (verdict->policy)
		json_name(verdict->policy, out);
	else
		buf_string(out, "null");
	if (verdict->reason == POLICY_ALLOWED_BY)
		buf_printf(out, ",\"rule\":%zu", verdict->rule);
	json_isolating(verdict, out);
	buf_string(out, ",\"reason\":");
	buf_json_string(out, buf_view(&words));
	buf_byte(out, '}');
}

static void json_address(const char *key, const struct kube_address *address, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	buf_printf(out, ",\"%s\":\"%s\"", key, text);
}

static void print_json(const struct explain_question *question, const struct policy_decision *decision, struct buf *out)
{
	buf_string(out, "{\"from\":");
	buf_json_string(out, slice_string(question->from.name));
	json_address("fromAddress", &question->flow.source, out);
	buf_string(out, ",\"to\":");
	buf_json_string(out, slice_string(question->to.name));
	json_address("toAddress", &question->flow.destination, out);
	buf_printf(out, ",\"port\":%u,\"protocol\":\"%s\",\"allowed\":%s", question->flow.port, kube_protocol_name(question->flow.protocol),
		   decision->allowed ? "true" : "false");
	json_verdict("egress", &decision->egress, out);
	json_verdict("ingress", &decision->ingress, out);
	buf_byte(out, '}');
}

static void print_service_json(const struct answer *answer, struct buf *out)
{
	const struct explain_questions *questions = answer->questions;

	buf_string(out, "{\"from\":");
	buf_json_string(out, slice_string(questions->items[0].from.name));
	buf_string(out, ",\"toService\":");
	json_name(questions->service, out);
	buf_printf(out, ",\"port\":%u,\"protocol\":\"%s\",\"allowed\":%s,\"leftOut\":%zu,\"backends\":[", questions->port.port,
		   kube_protocol_name(questions->port.protocol), answer->n_denied ? "false" : "true", questions->n_left_out);
	for (size_t i = 0; i < questions->n; i++) {
		if (i > 0)
			buf_byte(out, ',');
		print_json(&questions->items[i], &answer->decisions[i], out);
	}
	buf_string(out, "]}");
}

static void print_answer(const struct answer *answer, bool json, struct buf *out)
{
	const struct explain_questions *questions = answer->questions;

	if (json) {
		if (questions->service)
			print_service_json(answer, out);
		else
			print_json(&questions->items[0], &answer->decisions[0], out);
		buf_byte(out, '\n');
		return;
	}
	if (questions->service)
		print_service_text(answer, out);
	for (size_t i = 0; i < questions->n; i++)
		print_text(&questions->items[i], &answer->decisions[i], out);
}

static bool is_given(const char *arguments, const char *key)
{
	struct slice value;

	return cni_args_get(arguments, key, &value, NULL) == 1;
}

/* One question at a time: what is not looked at is not passed over in silence. */
static int check_question(const char *arguments, bool all, struct error *err)
{
	static const char *const of_one[] = { "FROM", "FROM_IP", "TO", "TO_IP", "TO_SERVICE", "PORT" };

	if (!all && is_given(arguments, "NAMESPACE"))
		return error_set(err, EINVAL, "--namespace goes with --all; a pod's is in its name: --from shop/web");
	for (size_t i = 0; all && i < ELEMENTS_OF(of_one); i++) {
		if (is_given(arguments, of_one[i]))
			return error_set(err, EINVAL, "--all is of all pods: of other options it takes only --namespace");
	}
	return 0;
}

int show_explain(struct agent *agent, const char *arguments, struct buf *out, struct error *err)
{
	_cleanup_(explain_clear) struct explain_questions questions = { 0 };
	_cleanup_free_ struct policy_decision *decisions = NULL;
	bool all = is_given(arguments, "ALL");

	if (!enforcer_is_live(agent->enforcer))
		return error_set(err, EAGAIN, "there is no model yet: the source has not told of all objects (holdfast-net status)");
	int r = check_question(arguments, all, err);
	if (r < 0)
		return r;
	if (all)
		return show_reach(agent, arguments, out, err);
	r = explain_read(agent, arguments, &questions, err);
	if (r < 0)
		return r;
	decisions = calloc(questions.n, sizeof(*decisions));
	if (!decisions)
		return error_nomem(err);
	struct answer answer = { &questions, decisions, 0 };
	for (size_t i = 0; i < questions.n; i++) {
		policy_decide(enforcer_engine(agent->enforcer), &questions.items[i].flow, &decisions[i]);
		answer.n_denied += !decisions[i].allowed;
	}
	print_answer(&answer, show_wants_json(arguments), out);
	return answer.n_denied ? 1 : 0;
}
