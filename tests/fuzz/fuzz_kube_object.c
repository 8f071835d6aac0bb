// SPDX-License-Identifier: Apache-2.0
/*
 * Whatever JSON comes: an object that is accepted equals itself, its second reading and the reading of its print, is isolated if it is an
 * invalid policy, and has selectors that print; as a watch event, a list item and a manifest it may be refused but breaks nothing.
 */
#include <errno.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/kube/api_event.h"
#include "common/kube/manifest.h"
#include "tests/fuzz/fuzz.h"

static void check_policy(const struct kube_network_policy *policy)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4 << 20);

	ABORT_ON(policy->invalid && (policy->n_ingress || policy->n_egress));
	ABORT_ON(policy->invalid && !policy->isolates_ingress && !policy->isolates_egress);
	kube_selector_print(&policy->pod_selector, &text);
	ABORT_ON(buf_check(&text, "selector", NULL) < 0);
	for (size_t i = 0; i < policy->n_ingress; i++) {
		for (size_t j = 0; j < policy->ingress[i].n_ports; j++) {
			const struct kube_policy_port *port = &policy->ingress[i].ports[j];
			ABORT_ON(port->end < port->port || (port->name && port->port));
		}
	}
}

static void check_labels(const struct kube_labels *labels)
{
	for (size_t i = 0; i < labels->n; i++) {
		ABORT_ON(i > 0 && strcmp(labels->items[i - 1].key, labels->items[i].key) >= 0);
		ABORT_ON(kube_labels_get(labels, labels->items[i].key) != labels->items[i].value);
	}
}

static void read_once(const struct json_view *root, struct kube_object **ret)
{
	struct error err = {};
	int r = kube_object_read(root, ret, &err);

	ABORT_ON(r > 0 || (r < 0 && !err.message[0]));
}

static void read_printed(const struct kube_object *object, struct kube_object **ret)
{
	static const struct json_limits limits = { .bytes = 8 << 20, .depth = 64, .values = 400000 };
	const char *refused = object->kind == KUBE_NETWORK_POLICY ? object->policy.invalid : NULL;
	_cleanup_(buf_free) struct buf text = BUF_MAX(8 << 20);
	_cleanup_(json_freep) cJSON *tree = NULL;

	kube_object_print(object, &text);
	ABORT_ON(json_parse(buf_view(&text), &limits, &tree, NULL) < 0);
	struct json_view root = json_root(tree);
	ABORT_ON((refused ? kube_object_read_refused(&root, refused, ret, NULL) : kube_object_read(&root, ret, NULL)) < 0);
}

static void read_tree(const cJSON *tree)
{
	_cleanup_(kube_object_freep) struct kube_object *object = NULL;
	_cleanup_(kube_object_freep) struct kube_object *again = NULL, *printed = NULL;
	struct json_view root = json_root(tree);

	read_once(&root, &object);
	read_once(&root, &again);
	ABORT_ON(!object != !again);
	if (!object)
		return;
	ABORT_ON(!kube_object_equals(object, again));
	ABORT_ON(object->name != object->namespace + strlen(object->namespace) + 1);
	check_labels(&object->labels);
	if (object->kind == KUBE_NETWORK_POLICY)
		check_policy(&object->policy);
	if (kube_kind_is_optional(object->kind))
		return;
	read_printed(object, &printed);
	/* A reason that was cut inside a character is repaired. */
	ABORT_ON(!kube_object_equals(object, printed) && !(object->kind == KUBE_NETWORK_POLICY && object->policy.invalid));
}

static void read_pieces(struct slice text)
{
	struct api_object item;
	struct api_event event;

	for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++) {
		if (api_event_read((struct api_wanted){ kind, true }, text, &event, NULL) == 0)
			api_object_clear(&event.object);
		if (api_item_read((struct api_wanted){ kind, true }, text, &item, NULL) == 0)
			api_object_clear(&item);
	}
}

static void read_manifest(struct slice text, bool is_json)
{
	struct manifest manifest;

	if (manifest_read(text, is_json, &manifest, NULL) == 0)
		manifest_clear(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct slice text = slice_from(data, size);

	if (json_parse(text, &json_limits_object, &tree, NULL) == 0)
		read_tree(tree);
	read_pieces(text);
	read_manifest(text, true);
	read_manifest(text, false);
	return 0;
}
