// SPDX-License-Identifier: Apache-2.0
#include "deploy/kubectl/net_where.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OBJECT_MAX (2 * 1024 * 1024)

static int read_node(const struct child *child, char ret[static NET_NODE_MAX], struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = json_parse(buf_view(&child->out), &json_limits_object, &tree, err);
	if (r < 0)
		return r;
	const cJSON *spec = cJSON_GetObjectItemCaseSensitive(tree, "spec");
	const char *node = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(spec, "nodeName"));
	if (!node)
		return error_set(err, EAGAIN, "is on no node yet: kubectl describe pod says why");
	snprintf(ret, NET_NODE_MAX, "%s", node);
	return 0;
}

int net_find_node_of_pod(const struct kubectl *kubectl, const char *pod, char ret[static NET_NODE_MAX], struct error *err)
{
	const int n = (int)strcspn(pod, "/");
	struct child child = CHILD(OBJECT_MAX);

	kubectl_begin_get(kubectl, &child.words, (const char *const[]){ "pod", pod + n + 1, NULL });
	words_addf(&child.words, "--namespace=%.*s", n, pod);
	int r = children_run(&child, 1, kubectl->timeout_ms, err);
	r = r < 0 ? r : kubectl_check(kubectl, &child, false, err);
	r = r < 0 ? r : read_node(&child, ret, err);
	child_clear(&child);
	return r < 0 ? error_wrap(err, "pod %.320s", pod) : 0;
}

int net_find_namespace(const struct kubectl *kubectl, char ret[static NET_NODE_MAX], struct error *err)
{
	static const char *const ask[] = { "config", "view", "--minify", "-o", "jsonpath={..namespace}", NULL };
	struct child child = CHILD(NET_NODE_MAX - 1);

	kubectl_begin(kubectl, &child.words, ask);
	int r = children_run(&child, 1, kubectl->timeout_ms, err);
	r = r < 0 ? r : kubectl_check(kubectl, &child, false, err);
	snprintf(ret, NET_NODE_MAX, "%s", r == 0 && child.out.n ? buf_text(&child.out) : "default");
	child_clear(&child);
	return r < 0 ? error_wrap(err, "cannot find the namespace of the context: give -n") : 0;
}

int net_find_any(const struct cluster *cluster, const struct holdfast_pod **ret, struct error *err)
{
	for (size_t i = 0; i < cluster->n_pods; i++) {
		const struct holdfast_pod *pod = &cluster->pods[i];
		if (pod->node && !pod->leaving && pod->parts[PART_NET].running) {
			*ret = pod;
			return 0;
		}
	}
	return error_set(err, ENOENT, "holdfast-net runs on no node: kubectl holdfast status says why");
}
