// SPDX-License-Identifier: Apache-2.0
/*
 * The keys of nodes from the API server. It is believed in what it says of a node's key no more than a file is: names are computed, and
 * what was sealed for is printed, to be compared with what the node says of itself.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/kube/api_ask.h"
#include "common/kube/syntax.h"
#include "device-plugin/cli/seal_plan.h"
#include "device-plugin/seal/value.h"

#define TPM_NODES "/apis/" ENVELOPE_API_VERSION "/tpmnodes/"
#define OTHERWISE "; or give its key by --node-key FILE (on the node: holdfast-tpm node-key)"

/* As kubectl finds it, but for a list of files, which it would merge. */
static int default_kubeconfig(char **ret, struct error *err)
{
	const char *variable = getenv("KUBECONFIG"), *home = getenv("HOME");

	if (variable && strchr(variable, ':'))
		return error_set(err, EINVAL, "KUBECONFIG names several files: give one by --kubeconfig");
	if (variable && *variable)
		*ret = strdup(variable);
	else if (!home || asprintf(ret, "%s/.kube/config", home) < 0)
		return error_set(err, ENOENT, "HOME is not set: give --kubeconfig" OTHERWISE);
	return *ret ? 0 : error_nomem(err);
}

/* A node that nobody speaks for (its key was applied by hand) is as good as its key. */
static int check_ready(const struct json_view *object, struct error *err)
{
	struct json_view status, state, conditions, message;
	const char *text, *why = "its TPMNode does not say why";

	if (!json_member(object, "status", &status) || !json_member(&status, "state", &state) ||
	    json_expect_string(&state, &text, NULL) < 0 || strcmp(text, "NotReady") != 0)
		return 0;
	if (json_member(&status, "conditions", &conditions)) {
		struct json_view first = json_element(&conditions, 0);
		if (first.value && json_member(&first, "message", &message))
			(void)!json_expect_string(&message, &why, NULL);
	}
	return error_set(err, EHOSTDOWN, "it is not ready: %.300s; when it is, seal again" OTHERWISE, why);
}

static int take_answer(struct seal_plan *plan, const char *node, const struct buf *body, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = json_parse(buf_view(body), &json_limits_object, &tree, err);
	if (r < 0)
		return r;
	struct json_view root = json_root(tree);
	r = seal_plan_add_node(plan, &root, err);
	if (r == 0 && strcmp(plan->nodes[plan->n_nodes - 1].node, node) != 0)
		r = error_set(err, EINVAL, "the server gave the key of \"%s\" for it", plan->nodes[plan->n_nodes - 1].node);
	return r < 0 ? r : check_ready(&root, err);
}

static int fetch(struct seal_plan *plan, uv_loop_t *loop, const struct kube_source_options *options, const char *node, struct error *err)
{
	_cleanup_(buf_free) struct buf path = BUF_MAX(512), body = BUF_MAX(2 * 1024 * 1024);
	unsigned status;

	if (!kube_syntax_name(node))
		return error_set(err, EINVAL, "is no name of a node: " KUBE_NAME_HINT);
	buf_printf(&path, TPM_NODES "%s", node);
	int r = api_ask(loop, options, buf_text(&path), &body, &status, err);
	if (status == 404)
		return error_wrap(err,
				  "the cluster has no TPMNode of that name; does holdfast-tpm run there? `kubectl get tpmnodes` shows all");
	return r < 0 ? error_wrap(err, "cannot ask the API server for its key") : take_answer(plan, node, &body, err);
}

int seal_plan_fetch_nodes(struct seal_plan *plan, uv_loop_t *loop, const char *kubeconfig, struct error *err)
{
	_cleanup_free_ char *usual = NULL;
	int r = kubeconfig ? 0 : default_kubeconfig(&usual, err);

	if (r < 0)
		return r;
	const struct kube_source_options options = { .kubeconfig = kubeconfig ? kubeconfig : usual };
	for (size_t i = 0; i < plan->n_wanted; i++) {
		r = fetch(plan, loop, &options, plan->wanted[i], err);
		if (r < 0)
			return error_wrap(err, "--node %.253s", plan->wanted[i]);
	}
	return 0;
}

void seal_plan_print_roots(const struct seal_plan *plan, struct buf *out)
{
	buf_string(out, "sealed for these root keys; each is its node's if `holdfast-tpm node-key` prints the same there:\n");
	for (size_t i = 0; i < plan->n_nodes; i++) {
		const struct node_key *node = &plan->nodes[i];
		if (!seal_plan_wants(plan, node->node))
			continue;
		buf_printf(out, "  %s  ", node->node);
		hex_print(slice_from(node->root.name.bytes, TPM2_NAME_SIZE), out);
		buf_byte(out, '\n');
	}
}
