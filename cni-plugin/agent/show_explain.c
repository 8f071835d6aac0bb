// SPDX-License-Identifier: Apache-2.0
/* `holdfast-net explain`: what the model says about one connection, and which policy says it. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "cni-plugin/agent/show.h"
#include "cni-plugin/policy/decide.h"
#include "common/base/array.h"
#include "common/base/number.h"
#include "common/base/show.h"

#define NAME_MAX_BYTES 512

static_assert(POLICY_ENDPOINT_ADDRESSES_MAX <= KUBE_POD_ADDRESSES_MAX, "an attachment's addresses fit an end");

/* One end as it was asked for: a pod with its addresses, or a bare address. */
struct end {
	char name[NAME_MAX_BYTES];
	const struct kube_object *pod; /* NULL: an address */
	struct kube_address addresses[KUBE_POD_ADDRESSES_MAX];
	size_t n_addresses;
};

struct question {
	struct end from, to;
	uint8_t protocol;
	uint16_t port;
	struct policy_flow flow;
};

static int argument(const char *arguments, const char *key, const char *option, struct slice *ret, struct error *err)
{
	int r = cni_args_get(arguments, key, ret, err);

	if (r == 0 || (r > 0 && ret->n == 0))
		return error_set(err, EINVAL,
				 "%s is missing; for example: holdfast-net explain --from shop/web --to shop/db --port 5432/tcp", option);
	return r < 0 ? r : 0;
}

static void copy_addresses(const struct attachment *attachment, struct end *end)
{
	memcpy(end->addresses, attachment->addresses, attachment->n_addresses * sizeof(attachment->addresses[0]));
	end->n_addresses = attachment->n_addresses;
}

/* By its object; before the kubelet has reported the address there, by what CNI was told. */
static int find_pod(struct agent *agent, struct end *end, const char *slash, struct error *err)
{
	char namespace[NAME_MAX_BYTES];

	snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - end->name), end->name);
	end->pod = kube_store_get(agent->store, KUBE_POD, namespace, slash + 1);
	if (!end->pod)
		return error_set(err, ENOENT, "there is no pod \"%s\"", SHOW(slice_string(end->name)));
	for (; end->n_addresses < end->pod->pod.n_addresses; end->n_addresses++)
		end->addresses[end->n_addresses] = end->pod->pod.addresses[end->n_addresses];
	for (const struct attachment *at = agent->attachments.first; at && end->n_addresses == 0; at = at->next) {
		if (strcmp(at->pod, end->pod->name) == 0 && strcmp(at->namespace, end->pod->namespace) == 0)
			copy_addresses(at, end);
	}
	if (end->n_addresses == 0)
		return error_set(err, EAGAIN, "pod \"%s\" has no address yet", SHOW(slice_string(end->name)));
	return 0;
}

static int read_end(struct agent *agent, struct slice text, const char *option, struct end *ret, struct error *err)
{
	if (text.n >= sizeof(ret->name))
		return error_set(err, EINVAL, "%s: \"%s\" is too long", option, SHOW(text));
	snprintf(ret->name, sizeof(ret->name), SLICE_FORMAT, SLICE_ARGS(text));
	const char *slash = strchr(ret->name, '/');
	int r = slash ? find_pod(agent, ret, slash, err) : kube_address_parse(ret->name, &ret->addresses[0], err);
	if (r < 0) {
		error_wrap(err, "%s", option);
		return slash ? r : error_wrap(err, "give namespace/pod or an address");
	}
	if (!slash)
		ret->n_addresses = 1;
	return 0;
}

/* "5432/tcp"; "5432" means TCP. */
static int read_port(struct slice text, struct question *question, struct error *err)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} protocols[] = { { "tcp", KUBE_PROTOCOL_TCP }, { "udp", KUBE_PROTOCOL_UDP }, { "sctp", KUBE_PROTOCOL_SCTP } };
	const uint8_t *slash = memchr(text.p, '/', text.n);
	struct slice number = slice_from(text.p, slash ? (size_t)(slash - text.p) : text.n);
	size_t i = 0;

	int r = number_parse_u16(number, 1, UINT16_MAX, &question->port, err);
	if (r < 0)
		return error_wrap(err, "--port");
	while (slash && i < ELEMENTS_OF(protocols) &&
	       (text.n - number.n - 1 != strlen(protocols[i].name) ||
		strncasecmp((const char *)slash + 1, protocols[i].name, strlen(protocols[i].name)) != 0))
		i++;
	if (i == ELEMENTS_OF(protocols))
		return error_set(err, EINVAL, "--port: \"%s\" ends in none of /tcp, /udp, /sctp", SHOW(text));
	question->protocol = protocols[i].protocol;
	return 0;
}

/* A pair of addresses of one family. */
static int choose_addresses(struct question *question, struct error *err)
{
	for (size_t i = 0; i < question->from.n_addresses; i++) {
		for (size_t j = 0; j < question->to.n_addresses; j++) {
			if (question->from.addresses[i].family != question->to.addresses[j].family)
				continue;
			question->flow.source = question->from.addresses[i];
			question->flow.destination = question->to.addresses[j];
			return 0;
		}
	}
	return error_set(err, EINVAL, "%s and %s have no address of the same family", question->from.name, question->to.name);
}

static int has_address(void *context, const struct kube_object *pod)
{
	struct question *question = context;

	for (size_t i = 0; i < pod->pod.n_addresses && !pod->pod.host_network; i++) {
		if (kube_address_equals(&pod->pod.addresses[i], &question->flow.destination))
			question->to.pod = pod;
	}
	return question->to.pod != NULL;
}

/* A pod that CNI told of is here, also while its object has no address yet. NULL: unknown. */
static const char *node_of_destination(struct agent *agent, struct question *question)
{
	for (const struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (attachment_has_address(at, &question->flow.destination, 1))
			return agent->settings.node_name;
	}
	if (!question->to.pod)
		kube_store_each(agent->store, KUBE_POD, has_address, question);
	return question->to.pod ? question->to.pod->pod.node : NULL;
}

static bool source_is_node_of_destination(struct agent *agent, struct question *question)
{
	const char *name = node_of_destination(agent, question);
	const struct kube_object *node = name ? kube_store_get(agent->store, KUBE_NODE, "", name) : NULL;

	for (size_t i = 0; node && i < node->node.n_addresses; i++) {
		if (kube_address_equals(&node->node.addresses[i], &question->flow.source))
			return true;
	}
	return false;
}

static int read_question(struct agent *agent, const char *arguments, struct question *ret, struct error *err)
{
	struct slice from, to, port;

	int r = argument(arguments, "FROM", "--from", &from, err);
	if (r == 0)
		r = argument(arguments, "TO", "--to", &to, err);
	if (r == 0)
		r = argument(arguments, "PORT", "--port", &port, err);
	if (r == 0)
		r = read_port(port, ret, err);
	if (r == 0)
		r = read_end(agent, from, "--from", &ret->from, err);
	if (r == 0)
		r = read_end(agent, to, "--to", &ret->to, err);
	if (r == 0)
		r = choose_addresses(ret, err);
	if (r < 0)
		return r;
	ret->flow.protocol = ret->protocol;
	ret->flow.port = ret->port;
	ret->flow.source_is_own_node = source_is_node_of_destination(agent, ret);
	return 0;
}

static void print_end(const struct end *end, const struct kube_address *address, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	kube_address_format(address, text);
	if (strcmp(end->name, text) == 0)
		buf_string(out, text);
	else
		buf_printf(out, "%s (%s)", end->name, text);
}

static void print_text(const struct question *question, const struct policy_decision *decision, struct buf *out)
{
	print_end(&question->from, &question->flow.source, out);
	buf_string(out, " -> ");
	print_end(&question->to, &question->flow.destination, out);
	buf_printf(out, " %u/%s: %s\n  leaving:  ", question->port, kube_protocol_name(question->protocol),
		   decision->allowed ? "allowed" : "DENIED");
	policy_verdict_print(&decision->egress, out);
	buf_string(out, "\n  entering: ");
	policy_verdict_print(&decision->ingress, out);
	buf_byte(out, '\n');
}

static void json_verdict(const char *key, const struct policy_verdict *verdict, struct buf *out)
{
	_cleanup_(buf_free) struct buf words = BUF_MAX(4096);

	policy_verdict_print(verdict, &words);
	buf_printf(out, ",\"%s\":{\"allowed\":%s,\"policy\":", key, verdict->allowed ? "true" : "false");
	if (verdict->policy)
		buf_printf(out, "\"%s/%s\"", verdict->policy->namespace, verdict->policy->name);
	else
		buf_string(out, "null");
	if (verdict->reason == POLICY_ALLOWED_BY)
		buf_printf(out, ",\"rule\":%zu", verdict->rule);
	buf_string(out, ",\"reason\":");
	buf_json_string(out, buf_view(&words));
	buf_byte(out, '}');
}

static void print_json(const struct question *question, const struct policy_decision *decision, struct buf *out)
{
	buf_string(out, "{\"from\":");
	buf_json_string(out, slice_string(question->from.name));
	buf_string(out, ",\"to\":");
	buf_json_string(out, slice_string(question->to.name));
	buf_printf(out, ",\"port\":%u,\"protocol\":\"%s\",\"allowed\":%s", question->port, kube_protocol_name(question->protocol),
		   decision->allowed ? "true" : "false");
	json_verdict("egress", &decision->egress, out);
	json_verdict("ingress", &decision->ingress, out);
	buf_string(out, "}\n");
}

int show_explain(struct agent *agent, const char *arguments, struct buf *out, struct error *err)
{
	struct question question = { 0 };
	struct policy_decision decision;

	if (!enforcer_is_live(agent->enforcer))
		return error_set(err, EAGAIN, "there is no model yet: the source has not told of all objects (holdfast-net status)");
	int r = read_question(agent, arguments, &question, err);
	if (r < 0)
		return r;
	policy_decide(enforcer_engine(agent->enforcer), &question.flow, &decision);
	if (show_wants_json(arguments))
		print_json(&question, &decision, out);
	else
		print_text(&question, &decision, out);
	return decision.allowed ? 0 : 1;
}
