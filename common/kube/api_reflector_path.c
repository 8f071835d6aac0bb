// SPDX-License-Identifier: Apache-2.0
/* What one kind asks the API server for (kubernetes.io/docs/reference/using-api/api-concepts). */
#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/buf.h"
#include "common/kube/api_reflector.h"

static const struct {
	const char *path, *resource;
	const char *node_field; /* names the node that an object belongs to */
} resources[KUBE_KIND_COUNT] = {
	[KUBE_POD] = { "/api/v1/pods", "pods", "spec.nodeName" },
	[KUBE_NAMESPACE] = { "/api/v1/namespaces", "namespaces" },
	[KUBE_NETWORK_POLICY] = { "/apis/networking.k8s.io/v1/networkpolicies", "networkpolicies.networking.k8s.io" },
	[KUBE_NODE] = { "/api/v1/nodes", "nodes" },
	[KUBE_SERVICE] = { "/api/v1/services", "services" },
	[KUBE_TPM_SECRET] = { "/apis/tpm.holdfast/v1alpha1/tpmsecrets", "tpmsecrets.tpm.holdfast" },
	[KUBE_TPM_NODE] = { "/apis/tpm.holdfast/v1alpha1/tpmnodes", "tpmnodes.tpm.holdfast", "metadata.name" },
};

const char *api_resource_name(enum kube_kind kind)
{
	return resources[kind].resource;
}

uint64_t reflector_random(void)
{
	uint64_t number = 0;

	while (getrandom(&number, sizeof(number), 0) < 0 && errno == EINTR)
		continue;
	return number;
}

static int append_escaped(struct buf *path, const char *text, struct error *err)
{
	char *escaped = curl_easy_escape(NULL, text, 0);

	if (!escaped)
		return error_nomem(err);
	buf_string(path, escaped);
	curl_free(escaped);
	return 0;
}

static int write_list_path(const struct reflector *reflector, struct buf *path, struct error *err)
{
	if (reflector->unpaged)
		return 0;
	buf_printf(path, "?limit=%u", reflector->tuning->page_size);
	if (!reflector->token[0])
		return 0;
	buf_string(path, "&continue=");
	return append_escaped(path, reflector->token, err);
}

static int write_request(const struct reflector *reflector, struct buf *path, struct error *err)
{
	unsigned spread = reflector->tuning->watch_s_max - reflector->tuning->watch_s_min + 1;
	uint64_t seconds = reflector->tuning->watch_s_min + reflector_random() % spread;

	buf_string(path, resources[reflector->kind].path);
	if (reflector->state == REFLECTOR_LIST)
		return write_list_path(reflector, path, err);
	buf_printf(path, "?watch=1&allowWatchBookmarks=true&timeoutSeconds=%" PRIu64 "&resourceVersion=", seconds);
	if (reflector->state == REFLECTOR_WATCH)
		return append_escaped(path, reflector->version, err);
	buf_string(path, "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
	return 0;
}

int reflector_write_path(const struct reflector *reflector, struct buf *path, struct error *err)
{
	const char *field = resources[reflector->kind].node_field;
	int r = write_request(reflector, path, err);

	if (r < 0 || !reflector->node || !field)
		return r;
	buf_printf(path, "%cfieldSelector=%s%%3D", strchr(buf_text(path), '?') ? '&' : '?', field);
	return append_escaped(path, reflector->node, err);
}
