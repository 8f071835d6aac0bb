// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/explain.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/agent/cni_request.h"
#include "common/base/array.h"
#include "common/base/number.h"
#include "common/base/show.h"

static_assert(POLICY_ENDPOINT_ADDRESSES_MAX <= KUBE_POD_ADDRESSES_MAX, "an attachment's addresses fit an end");

void explain_clear(struct explain_questions *questions)
{
	free(questions->items);
	*questions = (struct explain_questions){ 0 };
}

static void copy_addresses(const struct attachment *attachment, struct explain_end *end)
{
	memcpy(end->addresses, attachment->addresses, attachment->n_addresses * sizeof(attachment->addresses[0]));
	end->n_addresses = attachment->n_addresses;
}

/* By its object; before the kubelet has reported the address there, by what CNI was told. */
static int take_pod(struct agent *agent, const struct kube_object *pod, struct explain_end *end, struct error *err)
{
	end->pod = pod;
	snprintf(end->name, sizeof(end->name), "%s/%s", pod->namespace, pod->name);
	for (; end->n_addresses < pod->pod.n_addresses; end->n_addresses++)
		end->addresses[end->n_addresses] = pod->pod.addresses[end->n_addresses];
	for (const struct attachment *at = agent->attachments.first; at && end->n_addresses == 0; at = at->next) {
		if (!at->leaving && strcmp(at->pod, pod->name) == 0 && strcmp(at->namespace, pod->namespace) == 0)
			copy_addresses(at, end);
	}
	if (end->n_addresses == 0)
		return error_set(err, EAGAIN, "pod \"%s\" has no address yet", SHOW(slice_string(end->name)));
	return 0;
}

static int find_pod(struct agent *agent, const char *name, const char *slash, struct explain_end *end, struct error *err)
{
	char namespace[EXPLAIN_NAME_MAX];

	snprintf(namespace, sizeof(namespace), "%.*s", (int)(slash - name), name);
	const struct kube_object *pod = kube_store_get(agent->store, KUBE_POD, namespace, slash + 1);
	return pod ? take_pod(agent, pod, end, err) : error_set(err, ENOENT, "there is no pod \"%s\"", SHOW(slice_string(name)));
}

static int read_end(struct agent *agent, const char *name, bool address_only, struct explain_end *ret, struct error *err)
{
	const char *slash = address_only ? NULL : strchr(name, '/');

	if (slash)
		return find_pod(agent, name, slash, ret, err);
	int r = kube_address_parse(name, &ret->addresses[0], err);
	if (r < 0)
		return address_only ? r : error_wrap(err, "give namespace/pod or an address");
	kube_address_format(&ret->addresses[0], ret->name);
	ret->n_addresses = 1;
	return 0;
}

int explain_read_port(struct slice text, struct policy_port *ret, struct error *err)
{
	static const struct {
		const char *name;
		uint8_t protocol;
	} protocols[] = { { "tcp", KUBE_PROTOCOL_TCP }, { "udp", KUBE_PROTOCOL_UDP }, { "sctp", KUBE_PROTOCOL_SCTP } };
	const uint8_t *slash = memchr(text.p, '/', text.n);
	struct slice number = slice_from(text.p, slash ? (size_t)(slash - text.p) : text.n);
	size_t i = 0;

	int r = number_parse_u16(number, 1, UINT16_MAX, &ret->port, err);
	if (r < 0)
		return error_wrap(err, "--port");
	while (slash && i < ELEMENTS_OF(protocols) &&
	       (text.n - number.n - 1 != strlen(protocols[i].name) ||
		strncasecmp((const char *)slash + 1, protocols[i].name, strlen(protocols[i].name)) != 0))
		i++;
	if (i == ELEMENTS_OF(protocols))
		return error_set(err, EINVAL, "--port: \"%s\" ends in none of /tcp, /udp, /sctp", SHOW(text));
	ret->protocol = protocols[i].protocol;
	return 0;
}

/* A pair of addresses of one family. */
static int choose_addresses(struct explain_question *question, struct error *err)
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
	struct explain_question *question = context;

	for (size_t i = 0; i < pod->pod.n_addresses && !pod->pod.host_network; i++) {
		if (kube_address_equals(&pod->pod.addresses[i], &question->flow.destination))
			question->to.pod = pod;
	}
	return question->to.pod != NULL;
}

/* A pod that CNI told of is here, also while its object has no address yet. NULL: unknown. */
static const char *node_of_destination(struct agent *agent, struct explain_question *question)
{
	for (const struct attachment *at = agent->attachments.first; at; at = at->next) {
		if (attachment_has_address(at, &question->flow.destination, 1))
			return agent->settings.node_name;
	}
	if (!question->to.pod)
		kube_store_each(agent->store, KUBE_POD, has_address, question);
	return question->to.pod ? question->to.pod->pod.node : NULL;
}

static bool source_is_node_of_destination(struct agent *agent, struct explain_question *question)
{
	const char *name = node_of_destination(agent, question);
	const struct kube_object *node = name ? kube_store_get(agent->store, KUBE_NODE, "", name) : NULL;

	for (size_t i = 0; node && i < node->node.n_addresses; i++) {
		if (kube_address_equals(&node->node.addresses[i], &question->flow.source))
			return true;
	}
	return false;
}

/* Both ends are there. */
static int complete(struct agent *agent, struct explain_question *question, const struct policy_port *port, struct error *err)
{
	int r = choose_addresses(question, err);

	if (r < 0)
		return r;
	question->flow.protocol = port->protocol;
	question->flow.port = port->port;
	question->flow.source_is_own_node = source_is_node_of_destination(agent, question);
	return 0;
}

struct asked {
	char from[EXPLAIN_NAME_MAX], from_ip[EXPLAIN_NAME_MAX];
	char to[EXPLAIN_NAME_MAX], to_ip[EXPLAIN_NAME_MAX], to_service[EXPLAIN_NAME_MAX];
	char port[EXPLAIN_NAME_MAX];
};

static int read_arguments(const char *arguments, struct asked *ret, struct error *err)
{
	const struct {
		const char *key, *option;
		char *text;
	} rows[] = {
		{ "FROM", "--from", ret->from },    { "FROM_IP", "--from-ip", ret->from_ip },          { "TO", "--to", ret->to },
		{ "TO_IP", "--to-ip", ret->to_ip }, { "TO_SERVICE", "--to-service", ret->to_service }, { "PORT", "--port", ret->port },
	};
	struct slice value;

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		int r = cni_args_get(arguments, rows[i].key, &value, err);

		if (r < 0)
			return r;
		if (r > 0 && value.n >= EXPLAIN_NAME_MAX)
			return error_set(err, EINVAL, "%s: \"%s\" is too long", rows[i].option, SHOW(value));
		snprintf(rows[i].text, EXPLAIN_NAME_MAX, SLICE_FORMAT, SLICE_ARGS(r > 0 ? value : slice_string("")));
	}
	return 0;
}

static int check_arguments(const struct asked *asked, struct error *err)
{
	static const char example[] = "for example: holdfast-net explain --from shop/web --to shop/db --port 5432/tcp";
	int from = (*asked->from != 0) + (*asked->from_ip != 0);
	int to = (*asked->to != 0) + (*asked->to_ip != 0) + (*asked->to_service != 0);

	if (from != 1)
		return error_set(err, EINVAL, "give one of --from and --from-ip; %s", example);
	if (to != 1)
		return error_set(err, EINVAL, "give one of --to, --to-ip and --to-service; %s", example);
	if (!*asked->port)
		return error_set(err, EINVAL, "--port is missing; %s", example);
	return 0;
}

static int ask_one(struct agent *agent, const struct asked *asked, const struct explain_end *from, struct explain_questions *questions,
		   struct error *err)
{
	const char *to = *asked->to ? asked->to : asked->to_ip;

	questions->items = calloc(1, sizeof(*questions->items));
	if (!questions->items)
		return error_nomem(err);
	questions->n = 1;
	questions->items[0].from = *from;
	int r = read_end(agent, to, *asked->to_ip, &questions->items[0].to, err);
	if (r < 0)
		return error_wrap(err, *asked->to_ip ? "--to-ip" : "--to");
	return complete(agent, &questions->items[0], &questions->port, err);
}

/* A backend that has no address yet, or none of the source's family, is none. */
static void ask_backend(struct agent *agent, const struct explain_backend *backend, const struct explain_end *from,
			struct explain_questions *questions)
{
	struct explain_question *question = &questions->items[questions->n];
	const struct policy_port port = { questions->port.protocol, backend->port };

	*question = (struct explain_question){ .from = *from };
	if (take_pod(agent, backend->pod, &question->to, NULL) == 0 && complete(agent, question, &port, NULL) == 0)
		questions->n++;
	else
		questions->n_left_out++;
}

static int ask_service(struct agent *agent, const struct asked *asked, const struct explain_end *from, struct explain_questions *questions,
		       struct error *err)
{
	struct explain_backends backends = { 0 };

	int r = explain_find_service(agent, asked->to_service, &questions->service, err);
	if (r == 0)
		r = explain_find_backends(agent, questions->service, &questions->port, &backends, err);
	if (r < 0)
		return r;
	questions->n_left_out = backends.n_left_out;
	questions->items = calloc(backends.n, sizeof(*questions->items));
	for (size_t i = 0; questions->items && i < backends.n; i++)
		ask_backend(agent, &backends.items[i], from, questions);
	free(backends.items);
	if (!questions->items)
		return error_nomem(err);
	return questions->n ? 0 : error_set(err, EAGAIN, "no pod behind Service %s has an address yet", asked->to_service);
}

int explain_read(struct agent *agent, const char *arguments, struct explain_questions *ret, struct error *err)
{
	_cleanup_(explain_clear) struct explain_questions questions = { 0 };
	struct explain_end from = { 0 };
	struct asked asked;

	int r = read_arguments(arguments, &asked, err);
	if (r == 0)
		r = check_arguments(&asked, err);
	if (r == 0)
		r = explain_read_port(slice_string(asked.port), &questions.port, err);
	if (r < 0)
		return r;
	r = read_end(agent, *asked.from ? asked.from : asked.from_ip, *asked.from_ip, &from, err);
	if (r < 0)
		return error_wrap(err, *asked.from ? "--from" : "--from-ip");
	r = *asked.to_service ? ask_service(agent, &asked, &from, &questions, err) : ask_one(agent, &asked, &from, &questions, err);
	if (r < 0)
		return r;
	*ret = questions;
	questions = (struct explain_questions){ 0 };
	return 0;
}
