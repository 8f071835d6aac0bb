// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/cluster.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "deploy/kubectl/object.h"

#define LABEL "app.kubernetes.io/name=holdfast"
#define CONDITION "HoldfastReady"

const char *const part_names[PARTS] = { [PART_NET] = "net", [PART_TPM] = "tpm", [PART_WATCH] = "watch" };

static const struct json_limits limits = { .bytes = KUBECTL_OUTPUT_MAX, .depth = 64, .values = 4 * 1000 * 1000 };

void cluster_clear(struct cluster *cluster)
{
	free(cluster->nodes);
	free(cluster->pods);
	json_free(cluster->pod_tree);
	json_free(cluster->node_tree);
	*cluster = (struct cluster){ 0 };
}

static bool is(const char *text, const char *wanted)
{
	return text && strcmp(text, wanted) == 0;
}

static struct container read_status(const char *name, const cJSON *status)
{
	const cJSON *state = object_member(status, "state");
	const cJSON *waiting = object_member(state, "waiting");

	return (struct container){
		.name = name,
		.running = object_member(state, "running"),
		.reason = waiting ? OBJECT_TEXT(waiting, "reason") : OBJECT_TEXT(state, "terminated", "reason"),
		.message = waiting ? OBJECT_TEXT(waiting, "message") : OBJECT_TEXT(state, "terminated", "message"),
	};
}

static struct container read_container(const cJSON *pod, const char *name)
{
	const cJSON *spec = object_container(pod, name);

	struct container container =
		read_status(OBJECT_TEXT(spec, "name"), object_find(object_member(object_member(pod, "status"), "containerStatuses"), "name", name));

	container.config = object_option(spec, "--config");
	return container;
}

/* One that has ended well, that is at it, or that has not begun is no reason for anything. */
static struct container read_init(const cJSON *pod)
{
	const cJSON *status;

	cJSON_ArrayForEach(status, object_member(object_member(pod, "status"), "initContainerStatuses")) {
		struct container init = read_status(OBJECT_TEXT(status, "name"), status);
		if (init.name && init.reason && !is(init.reason, "Completed") && !is(init.reason, "PodInitializing"))
			return init;
	}
	return (struct container){ 0 };
}

static const cJSON *condition(const cJSON *item, const char *type)
{
	return object_find(object_member(object_member(item, "status"), "conditions"), "type", type);
}

static void read_pod(const cJSON *item, struct holdfast_pod *ret)
{
	const cJSON *watch = object_container(item, part_names[PART_WATCH]);
	const char *name = OBJECT_TEXT(item, "metadata", "name"), *phase = OBJECT_TEXT(item, "status", "phase");

	*ret = (struct holdfast_pod){
		.name = name ? name : "",
		.node = OBJECT_TEXT(item, "spec", "nodeName"),
		.created = OBJECT_TEXT(item, "metadata", "creationTimestamp"),
		.leaving = object_member(object_member(item, "metadata"), "deletionTimestamp") || is(phase, "Failed") || is(phase, "Succeeded"),
		.ready = is(OBJECT_TEXT(condition(item, "Ready"), "status"), "True"),
		.selector = object_member(object_member(item, "spec"), "nodeSelector"),
		.init = read_init(item),
		.node_root = object_option(watch, "--root"),
		.node_config = object_option(watch, "--settings"),
	};
	for (int i = 0; i < PARTS; i++)
		ret->parts[i] = read_container(item, part_names[i]);
}

static void read_node(const cJSON *item, struct node *ret)
{
	const char *name = OBJECT_TEXT(item, "metadata", "name"), *os = OBJECT_TEXT(item, "metadata", "labels", "kubernetes.io/os");
	const cJSON *ready = condition(item, "Ready"), *holdfast = condition(item, CONDITION);

	*ret = (struct node){
		.name = name ? name : "",
		.is_linux = !os || is(os, "linux"),
		.ready = is(OBJECT_TEXT(ready, "status"), "True"),
		.lost = is(OBJECT_TEXT(ready, "status"), "Unknown"),
		.why_not_ready = OBJECT_TEXT(ready, "message"),
		.vm_label = is(OBJECT_TEXT(item, "metadata", "labels", "holdfast/vm"), "ready"),
		.judged = holdfast,
		.well = is(OBJECT_TEXT(holdfast, "status"), "True"),
		.verdict = OBJECT_TEXT(holdfast, "message"),
	};
}

static bool has_labels(const cJSON *node, const cJSON *selector)
{
	const cJSON *labels = object_member(object_member(node, "metadata"), "labels"), *label;

	cJSON_ArrayForEach(label, selector) {
		if (!is(cJSON_GetStringValue(object_member(labels, label->string)), cJSON_GetStringValue(label)))
			return false;
	}
	return true;
}

/* All pods of a DaemonSet have one selector, but while it is changed. */
static bool is_wanted(const struct cluster *cluster, const cJSON *node)
{
	for (size_t i = 0; i < cluster->n_pods; i++) {
		if (has_labels(node, cluster->pods[i].selector))
			return true;
	}
	return cluster->n_pods == 0;
}

/* One that stays is the node's before one that leaves. */
static const struct holdfast_pod *pod_on(const struct cluster *cluster, const char *node)
{
	const struct holdfast_pod *found = NULL;

	for (size_t i = 0; i < cluster->n_pods; i++) {
		const struct holdfast_pod *pod = &cluster->pods[i];
		if (is(pod->node, node) && (!found || found->leaving))
			found = pod;
	}
	return found;
}

static int items_of(const cJSON *tree, const cJSON **ret, size_t *ret_n, struct error *err)
{
	*ret = object_member(tree, "items");
	if (!cJSON_IsArray(*ret))
		return error_set(err, EPROTO, "is no list of objects");
	*ret_n = (size_t)cJSON_GetArraySize(*ret);
	return 0;
}

static int take_pods(struct cluster *cluster, struct error *err)
{
	const cJSON *items, *item;
	size_t n = 0;

	int r = items_of(cluster->pod_tree, &items, &n, err);
	if (r < 0)
		return r;
	cluster->pods = calloc(n ? n : 1, sizeof(*cluster->pods));
	if (!cluster->pods)
		return error_nomem(err);
	cJSON_ArrayForEach(item, items)
		read_pod(item, &cluster->pods[cluster->n_pods++]);
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct node *)a)->name, ((const struct node *)b)->name);
}

static int take_nodes(struct cluster *cluster, struct error *err)
{
	const cJSON *items, *item;
	size_t n = 0;

	int r = items_of(cluster->node_tree, &items, &n, err);
	if (r < 0)
		return r;
	cluster->nodes = calloc(n ? n : 1, sizeof(*cluster->nodes));
	if (!cluster->nodes)
		return error_nomem(err);
	cJSON_ArrayForEach(item, items) {
		struct node *node = &cluster->nodes[cluster->n_nodes++];
		read_node(item, node);
		node->wanted = is_wanted(cluster, item);
		node->pod = pod_on(cluster, node->name);
	}
	qsort(cluster->nodes, cluster->n_nodes, sizeof(*cluster->nodes), by_name);
	return 0;
}

struct question {
	const char *noun;
	const char *words[6];
	cJSON **tree;
	int (*take)(struct cluster *cluster, struct error *err);
};

static int take_answer(const struct kubectl *kubectl, const struct question *question, const struct child *child, struct cluster *cluster,
		       struct error *err)
{
	int r = kubectl_check(kubectl, child, false, err);

	r = r < 0 ? r : json_parse(buf_view(&child->out), &limits, question->tree, err);
	r = r < 0 ? r : question->take(cluster, err);
	return r < 0 ? error_wrap(err, "cannot read the cluster's %s", question->noun) : 0;
}

static int ask(const struct kubectl *kubectl, const struct question *questions, size_t n, struct cluster *cluster, struct error *err)
{
	struct child children[2] = { CHILD(KUBECTL_OUTPUT_MAX), CHILD(KUBECTL_OUTPUT_MAX) };

	for (size_t i = 0; i < n; i++)
		kubectl_begin_get(kubectl, &children[i].words, questions[i].words);
	int r = children_run(children, n, kubectl->timeout_ms, err);
	for (size_t i = 0; i < n; i++) {
		r = r < 0 ? r : take_answer(kubectl, &questions[i], &children[i], cluster, err);
		child_clear(&children[i]);
	}
	return r;
}

int cluster_read(const struct kubectl *kubectl, bool with_nodes, struct cluster *ret, struct error *err)
{
	struct cluster cluster = { 0 };
	const struct question questions[] = {
		{ "pods of Holdfast", { "pods", "-n", kubectl->holdfast, "-l", LABEL }, &cluster.pod_tree, take_pods },
		{ "nodes", { "nodes" }, &cluster.node_tree, take_nodes },
	};

	int r = ask(kubectl, questions, with_nodes ? 2 : 1, &cluster, err);
	if (r < 0)
		cluster_clear(&cluster);
	else
		*ret = cluster;
	return r;
}

int cluster_find_pod(const struct cluster *cluster, const struct kubectl *kubectl, const char *node, const struct holdfast_pod **ret,
		     struct error *err)
{
	*ret = pod_on(cluster, node);
	if (!*ret)
		return error_set(err, ENOENT,
				 "node %.253s: no pod of Holdfast is on it in namespace %.63s: kubectl holdfast status, or give --holdfast-namespace",
				 node, kubectl->holdfast);
	return 0;
}
