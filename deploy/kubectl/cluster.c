// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/cluster.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"

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

/* The text at a path of keys that ends in NULL; NULL if there is none: what the API server says is believed, but not relied on. */
static const char *text_at(const cJSON *value, const char *const *path)
{
	for (; value && *path; path++)
		value = cJSON_GetObjectItemCaseSensitive(value, *path);
	return cJSON_IsString(value) ? value->valuestring : NULL;
}

#define TEXT_AT(value, ...) text_at(value, (const char *const[]){ __VA_ARGS__, NULL })

static bool is(const char *text, const char *wanted)
{
	return text && strcmp(text, wanted) == 0;
}

/* The element of an array whose member `key` is `wanted`. */
static const cJSON *find_by(const cJSON *array, const char *key, const char *wanted)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array) {
		if (is(TEXT_AT(item, key), wanted))
			return item;
	}
	return NULL;
}

static const cJSON *member(const cJSON *object, const char *key)
{
	return object ? cJSON_GetObjectItemCaseSensitive(object, key) : NULL;
}

static struct container read_status(const char *name, const cJSON *status)
{
	const cJSON *state = member(status, "state");
	const cJSON *waiting = member(state, "waiting");

	return (struct container){
		.name = name,
		.running = member(state, "running"),
		.reason = waiting ? TEXT_AT(waiting, "reason") : TEXT_AT(state, "terminated", "reason"),
		.message = waiting ? TEXT_AT(waiting, "message") : TEXT_AT(state, "terminated", "message"),
	};
}

static struct container read_container(const cJSON *pod, const char *name)
{
	const cJSON *spec = find_by(member(member(pod, "spec"), "containers"), "name", name);

	return read_status(TEXT_AT(spec, "name"), find_by(member(member(pod, "status"), "containerStatuses"), "name", name));
}

/* One that has ended well, that is at it, or that has not begun is no reason for anything. */
static struct container read_init(const cJSON *pod)
{
	const cJSON *status;

	cJSON_ArrayForEach(status, member(member(pod, "status"), "initContainerStatuses")) {
		struct container init = read_status(TEXT_AT(status, "name"), status);
		if (init.name && init.reason && !is(init.reason, "Completed") && !is(init.reason, "PodInitializing"))
			return init;
	}
	return (struct container){ 0 };
}

/* The value of an option in a container's command or arguments: "--root", "/host". */
static const char *read_option(const cJSON *container, const char *list, const char *option)
{
	const cJSON *word;

	cJSON_ArrayForEach(word, member(container, list)) {
		if (is(cJSON_GetStringValue(word), option) && word->next)
			return cJSON_GetStringValue(word->next);
	}
	return NULL;
}

static const char *read_watch_option(const cJSON *pod, const char *option)
{
	const cJSON *watch = find_by(member(member(pod, "spec"), "containers"), "name", part_names[PART_WATCH]);
	const char *value = read_option(watch, "command", option);

	return value ? value : read_option(watch, "args", option);
}

static const cJSON *condition(const cJSON *item, const char *type)
{
	return find_by(member(member(item, "status"), "conditions"), "type", type);
}

static void read_pod(const cJSON *item, struct holdfast_pod *ret)
{
	const char *name = TEXT_AT(item, "metadata", "name"), *phase = TEXT_AT(item, "status", "phase");

	*ret = (struct holdfast_pod){
		.name = name ? name : "",
		.node = TEXT_AT(item, "spec", "nodeName"),
		.created = TEXT_AT(item, "metadata", "creationTimestamp"),
		.leaving = member(member(item, "metadata"), "deletionTimestamp") || is(phase, "Failed") || is(phase, "Succeeded"),
		.ready = is(TEXT_AT(condition(item, "Ready"), "status"), "True"),
		.init = read_init(item),
		.node_root = read_watch_option(item, "--root"),
		.node_config = read_watch_option(item, "--settings"),
	};
	for (int i = 0; i < PARTS; i++)
		ret->parts[i] = read_container(item, part_names[i]);
}

static void read_node(const cJSON *item, struct node *ret)
{
	const char *name = TEXT_AT(item, "metadata", "name"), *os = TEXT_AT(item, "metadata", "labels", "kubernetes.io/os");
	const cJSON *ready = condition(item, "Ready"), *holdfast = condition(item, CONDITION);

	*ret = (struct node){
		.name = name ? name : "",
		.is_linux = !os || is(os, "linux"),
		.ready = is(TEXT_AT(ready, "status"), "True"),
		.lost = is(TEXT_AT(ready, "status"), "Unknown"),
		.why_not_ready = TEXT_AT(ready, "message"),
		.vm_label = is(TEXT_AT(item, "metadata", "labels", "holdfast/vm"), "ready"),
		.judged = holdfast,
		.well = is(TEXT_AT(holdfast, "status"), "True"),
		.verdict = TEXT_AT(holdfast, "message"),
	};
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
	*ret = member(tree, "items");
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
