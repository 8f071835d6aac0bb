// SPDX-License-Identifier: Apache-2.0
/* From the plan to the envelope: checks that only all of it together allows. */
#include "device-plugin/cli/seal_plan.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "common/json/yaml.h"
#include "common/kube/syntax.h"
#include "device-plugin/plugin/device.h"

void seal_plan_clear(struct seal_plan *plan)
{
	for (size_t i = 0; i < plan->n_files; i++)
		secret_free(&plan->files[i].content);
	for (size_t i = 0; i < plan->n_nodes; i++)
		node_key_clear(&plan->nodes[i]);
	free(plan->nodes);
	buf_free(&plan->conditions[0]);
	buf_free(&plan->conditions[1]);
}

static char *copy(struct envelope *envelope, struct slice text)
{
	_cleanup_free_ char *terminated = strndup((const char *)text.p, text.n);

	return terminated ? arena_string(&envelope->arena, terminated) : NULL;
}

/* Cuts at the first `separator`; the rest is empty if there is none. */
static struct slice cut(struct slice *text, char separator)
{
	const uint8_t *at = text->n ? memchr(text->p, separator, text->n) : NULL;
	struct slice first = slice_from(text->p, at ? (size_t)(at - text->p) : text->n);

	*text = at ? slice_from(at + 1, text->n - first.n - 1) : (struct slice){ 0 };
	return first;
}

static size_t count(struct slice text, char separator)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == (uint8_t)separator;
	return n;
}

static int fill_labels(struct envelope *envelope, struct slice labels, struct envelope_allow *allow, struct error *err)
{
	size_t n = count(labels, ',') + 1;

	if (labels.n == 0)
		return 0;
	if (n > ENVELOPE_LABELS_MAX)
		return error_set(err, EINVAL, "--allow with %zu labels: %d are possible", n, ENVELOPE_LABELS_MAX);
	allow->labels = ARENA_ARRAY(&envelope->arena, struct envelope_label, n);
	if (!allow->labels)
		return error_nomem(err);
	while (labels.n > 0) {
		struct slice value = cut(&labels, ','), key = cut(&value, '=');
		struct envelope_label *label = &allow->labels[allow->n_labels++];

		label->key = copy(envelope, key);
		label->value = copy(envelope, value);
		if (!label->key || !label->value)
			return error_nomem(err);
	}
	return 0;
}

static int fill_allow(struct envelope *envelope, const char *text, struct envelope_allow *allow, struct error *err)
{
	struct slice labels = slice_string(text), account = cut(&labels, ','), namespace = cut(&account, '/');

	if (namespace.n == 0 || account.n == 0)
		return error_set(
			err, EINVAL,
			"--allow \"%.120s\" does not say NAMESPACE/SERVICEACCOUNT; for example --allow shop/db, or shop/* for all of the "
			"namespace",
			text);
	allow->namespace = copy(envelope, namespace);
	allow->service_account = copy(envelope, account);
	if (!allow->namespace || !allow->service_account)
		return error_nomem(err);
	return fill_labels(envelope, labels, allow, err);
}

static const struct node_key *find_node(const struct seal_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->n_nodes; i++) {
		if (strcmp(plan->nodes[i].node, name) == 0)
			return &plan->nodes[i];
	}
	return NULL;
}

bool seal_plan_wants(const struct seal_plan *plan, const char *node)
{
	for (size_t i = 0; i < plan->n_wanted; i++) {
		if (strcmp(plan->wanted[i], node) == 0)
			return true;
	}
	return plan->n_wanted == 0;
}

static int add_condition(const struct buf *text, struct envelope_recipient *recipient, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	if (text->n == 0)
		return 0;
	int r = json_parse(buf_view(text), &json_limits_object, &tree, err);
	if (r < 0)
		return r;
	struct json_view root = json_root(tree);
	r = release_read(&root, &recipient->release[recipient->n_release], err);
	recipient->n_release += r == 0;
	return r;
}

static int fill_recipient(struct envelope *envelope, const struct seal_plan *plan, const struct node_key *node,
			  struct envelope_recipient *recipient, struct error *err)
{
	recipient->node = arena_string(&envelope->arena, node->node);
	recipient->release = ARENA_ARRAY(&envelope->arena, struct release, RELEASE_CONDITIONS_MAX);
	if (!recipient->node || !recipient->release)
		return error_nomem(err);
	for (size_t i = 0; i < 2; i++) {
		int r = add_condition(&plan->conditions[i], recipient, err);
		if (r < 0)
			return r;
	}
	recipient->release[recipient->n_release++] = node_key_hold(node);
	return 0;
}

static int fill_recipients(struct envelope *envelope, const struct seal_plan *plan, struct tpm2_root_key *roots, struct error *err)
{
	int r = 0;

	for (size_t i = 0; i < envelope->n_recipients && r == 0; i++) {
		const struct node_key *node = plan->n_wanted ? find_node(plan, plan->wanted[i]) : &plan->nodes[i];

		if (!node)
			return error_set(err, EINVAL, "--node %s: none of the node keys is that node's; give its key with --node-key FILE",
					 plan->wanted[i]);
		roots[i] = node->root;
		r = fill_recipient(envelope, plan, node, &envelope->recipients[i], err);
	}
	return r;
}

static int fill(struct envelope *envelope, const struct seal_plan *plan, struct tpm2_root_key *roots, struct error *err)
{
	int r = 0;

	envelope->name = plan->name;
	envelope->version = plan->version ? plan->version : (uint64_t)time(NULL);
	envelope->sandbox = plan->sandbox;
	for (size_t i = 0; i < plan->n_files; i++)
		envelope->files[i] =
			(struct envelope_file){ plan->files[i].name, plan->mode, plan->uid, plan->gid, (uint32_t)plan->files[i].content.n };
	for (size_t i = 0; i < plan->n_allow && r == 0; i++)
		r = fill_allow(envelope, plan->allow[i], &envelope->allow[i], err);
	return r < 0 ? r : fill_recipients(envelope, plan, roots, err);
}

int seal_plan_check(const struct seal_plan *plan, struct error *err)
{
	size_t sum = 0;

	for (size_t i = 0; i < plan->n_files; i++) {
		sum += plan->files[i].content.n;
		for (size_t j = 0; j < i; j++) {
			if (strcmp(plan->files[i].name, plan->files[j].name) == 0)
				return error_set(err, EINVAL, "file \"%s\" is given twice", plan->files[i].name);
		}
	}
	if (plan->n_files == 0)
		return error_set(err, EINVAL, "there is nothing to seal: give --from-file or --from-secret");
	if (sum > ENVELOPE_CONTENT_MAX)
		return error_set(err, EINVAL, "the files have %zu bytes; a sealed secret holds %d", sum, ENVELOPE_CONTENT_MAX);
	if (plan->n_allow == 0)
		return error_set(err, EINVAL, "nobody could have it: give --allow NAMESPACE/SERVICEACCOUNT");
	return device_check_secret(plan->name, err);
}

static int join(const struct seal_plan *plan, struct secret *ret, struct error *err)
{
	for (size_t i = 0; i < plan->n_files; i++)
		ret->n += plan->files[i].content.n;
	ret->p = calloc(1, ret->n + 1);
	if (!ret->p) {
		ret->n = 0;
		return error_nomem(err);
	}
	for (size_t i = 0, at = 0; i < plan->n_files; at += plan->files[i++].content.n) {
		if (plan->files[i].content.n > 0)
			memcpy(ret->p + at, plan->files[i].content.p, plan->files[i].content.n);
	}
	return 0;
}

static int read_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(envelope_freep) struct envelope *envelope = NULL;
	_cleanup_(json_freep) cJSON *owned = tree;
	struct json_view root = json_root(owned);

	return envelope_read(&root, &envelope, err);
}

/* Read again as a node will: what a node would refuse must not leave this machine. */
static int verify(const struct buf *manifest, struct error *err)
{
	return yaml_parse(buf_view(manifest), &yaml_limits_manifests, read_document, NULL, err);
}

int seal_plan_carry_out(struct seal_plan *plan, struct buf *ret_manifest, struct error *err)
{
	_cleanup_(secret_free) struct secret content = {};

	int r = seal_plan_check(plan, err);
	if (r < 0)
		return r;
	if (plan->n_nodes == 0)
		return error_set(err, EINVAL,
				 "no node could open it: give --node NODE, whose key the API server has, or --node-key FILE (on the node: "
				 "holdfast-tpm node-key; or: kubectl get tpmnodes -o yaml)");
	size_t n = plan->n_wanted ? plan->n_wanted : plan->n_nodes;
	_cleanup_(envelope_freep) struct envelope *envelope = envelope_new(plan->n_files, plan->n_allow, n);
	_cleanup_free_ struct tpm2_root_key *roots = calloc(n, sizeof(*roots));
	if (!envelope || !roots)
		return error_nomem(err);
	r = fill(envelope, plan, roots, err);
	if (r == 0)
		r = join(plan, &content, err);
	if (r == 0)
		r = envelope_seal(envelope, roots, slice_from(content.p, content.n), err);
	if (r < 0)
		return r;
	envelope_print_manifest(envelope, ret_manifest);
	r = buf_check(ret_manifest, "sealed secret", err);
	return r < 0 ? r : verify(ret_manifest, err);
}
