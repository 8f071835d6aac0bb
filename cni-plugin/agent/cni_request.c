// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/cni_request.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/show.h"
#include "common/json/json.h"

#define POD_NAME_MAX 253 /* DNS subdomain, RFC 1123 */
#define POD_UID_MAX 128  /* a UUID, or for static pods a hash */

static struct slice next_pair(const char **args)
{
	size_t n = strcspn(*args, ";");
	struct slice pair = slice_from(*args, n);

	*args += n + ((*args)[n] == ';');
	return pair;
}

int cni_args_get(const char *args, const char *key, struct slice *ret, struct error *err)
{
	size_t key_n = strlen(key);
	int found = 0;

	while (*args) {
		struct slice pair = next_pair(&args);
		const uint8_t *equals = pair.n ? memchr(pair.p, '=', pair.n) : NULL;
		if (!equals)
			return error_set(err, EDESTADDRREQ, "CNI_ARGS: \"%s\" is no KEY=VALUE", SHOW(pair));
		if ((size_t)(equals - pair.p) != key_n || memcmp(pair.p, key, key_n) != 0)
			continue;
		if (found)
			return error_set(err, EDESTADDRREQ, "CNI_ARGS: %s is there twice", key);
		*ret = slice_from(equals + 1, pair.n - key_n - 1);
		found = 1;
	}
	return found;
}

static bool is_name(struct slice text, size_t maximum)
{
	if (text.n == 0 || text.n > maximum)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		uint8_t c = text.p[i];
		if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '.')
			return false;
	}
	return true;
}

static int copy_name(const char *args, const char *key, size_t maximum, char **ret, struct error *err)
{
	struct slice value;

	int r = cni_args_get(args, key, &value, err);
	if (r <= 0)
		return r;
	if (!is_name(value, maximum))
		return error_set(err, EDESTADDRREQ, "CNI_ARGS: %s \"%s\" is no name of a Kubernetes object", key, SHOW(value));
	*ret = strndup((const char *)value.p, value.n);
	return *ret ? 0 : error_nomem(err);
}

static int need_pod_name(enum cni_verb verb, const char *value, const char *key, struct error *err)
{
	if (verb != CNI_ADD || value)
		return 0;
	return error_set(err, EDESTADDRREQ,
			 "CNI_ARGS has no %s: this is not a Kubernetes pod, and Holdfast can judge only those; take it out of this "
			 "network's plugins",
			 key);
}

static int read_pod(struct cni_request *request, struct error *err)
{
	const char *args = request->environment.args;

	int r = copy_name(args, "K8S_POD_NAMESPACE", POD_NAME_MAX, &request->pod_namespace, err);
	if (r == 0)
		r = copy_name(args, "K8S_POD_NAME", POD_NAME_MAX, &request->pod_name, err);
	if (r == 0)
		r = copy_name(args, "K8S_POD_UID", POD_UID_MAX, &request->pod_uid, err);
	if (r == 0)
		r = need_pod_name(request->verb, request->pod_namespace, "K8S_POD_NAMESPACE", err);
	if (r == 0)
		r = need_pod_name(request->verb, request->pod_name, "K8S_POD_NAME", err);
	if (r == 0 && !request->pod_uid) {
		request->pod_uid = strdup("");
		r = request->pod_uid ? 0 : error_nomem(err);
	}
	return r;
}

static int read_prev_result(struct slice input, struct cni_request *request, struct error *err)
{
	struct slice raw = { 0 };

	if (json_raw_member(input, "prevResult", &raw) && !slice_equals_string(raw, "null"))
		request->prev_result = raw;
	if (request->verb != CNI_ADD)
		return 0;
	if (request->prev_result.n == 0)
		return error_set(err, EINVAL, "prevResult is missing: holdfast must come after the plugin that makes the pod's interface");
	if (request->prev_result.p[0] != '{')
		return error_set(err, EINVAL, "prevResult: expected an object");
	return 0;
}

static int read_attachment(const struct json_view *item, struct cni_attachment_name *ret, struct error *err)
{
	const char *container_id, *ifname;
	struct json_view at;

	int r = json_require(item, "containerID", &at, err);
	if (r == 0)
		r = json_expect_string(&at, &container_id, err);
	if (r == 0)
		r = cni_container_id_check(container_id, err);
	if (r == 0)
		r = json_require(item, "ifname", &at, err);
	if (r == 0)
		r = json_expect_string(&at, &ifname, err);
	if (r == 0)
		r = cni_ifname_check(ifname, err);
	if (r < 0)
		return r;
	memcpy(ret->container_id, container_id, strlen(container_id) + 1);
	memcpy(ret->ifname, ifname, strlen(ifname) + 1);
	return 0;
}

static int read_attachments(struct slice raw, struct cni_request *request, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	size_t n;

	int r = json_parse(raw, &json_limits_object, &tree, err);
	struct json_view root = json_root(tree);
	if (r == 0)
		r = json_expect_array(&root, CNI_VALID_ATTACHMENTS_MAX, &n, err);
	if (r < 0)
		return r;
	request->valid = calloc(n ? n : 1, sizeof(*request->valid));
	if (!request->valid)
		return error_nomem(err);
	JSON_FOR_EACH(item, &root) {
		r = read_attachment(&item, &request->valid[request->n_valid], err);
		if (r < 0)
			return r;
		request->n_valid++;
	}
	request->valid_known = true;
	return 0;
}

/* libcni writes the list twice: under its name, and under an older one that other plugins know. */
static int read_valid_attachments(struct slice input, struct cni_request *request, struct error *err)
{
	static const char *const keys[] = { "cni.dev/valid-attachments", "cni.dev/attachments" };
	struct slice raw;

	if (request->verb != CNI_GC)
		return 0;
	for (size_t i = 0; i < ELEMENTS_OF(keys); i++) {
		if (!json_raw_member(input, keys[i], &raw) || slice_equals_string(raw, "null"))
			continue;
		int r = read_attachments(raw, request, err);
		if (r == 0 || r == -ENOMEM)
			return r;
		err->code = EINVAL;
		return error_wrap(err, "%s", keys[i]);
	}
	return 0;
}

int cni_request_read(const struct cni_environment *environment, struct slice input, struct cni_request *ret, struct error *err)
{
	*ret = (struct cni_request){ .environment = *environment };
	int r = cni_environment_check(environment, &ret->verb, err);
	if (r == 0)
		r = cni_config_read(input, ret->verb, &ret->config, err);
	if (r == 0)
		r = read_pod(ret, err);
	if (r == 0)
		r = read_prev_result(input, ret, err);
	if (r == 0)
		r = read_valid_attachments(input, ret, err);
	return r;
}

void cni_request_clear(struct cni_request *request)
{
	free(request->pod_namespace);
	free(request->pod_name);
	free(request->pod_uid);
	free(request->valid);
	*request = (struct cni_request){ 0 };
}
