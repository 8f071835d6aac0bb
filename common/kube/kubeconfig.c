// SPDX-License-Identifier: Apache-2.0
/*
 * kubeconfig (k8s.io/client-go/tools/clientcmd/api/v1): the current context names a cluster and a user. What would need to run
 * another program or a log-in flow is refused by name, since a daemon that silently drops credentials only meets a 401 later.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "common/json/json.h"
#include "common/json/yaml.h"
#include "common/kube/api_config.h"
#include "common/base/base64.h"

#define KUBECONFIG_BYTES_MAX (1024 * 1024)
#define ENTRIES_MAX 1024

static int take_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	cJSON **slot = context;

	if (*slot) {
		json_free(tree);
		return error_set(err, EINVAL, "line %u: a kubeconfig is one document", line);
	}
	*slot = tree;
	return 0;
}

static int parse_file(const char *path, cJSON **ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct yaml_limits limits = yaml_limits_manifests;
	struct buf text = BUF_MAX(KUBECONFIG_BYTES_MAX);

	int r = file_read(path, &text, err);
	if (r == 0) {
		r = yaml_parse(buf_view(&text), &limits, take_document, &tree, err);
		if (r == 0 && !tree)
			r = error_set(err, EINVAL, "is empty");
		if (r < 0)
			error_wrap(err, "%s", path);
	}
	secret_wipe(text.p, text.n);
	buf_free(&text);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(tree);
	return 0;
}

static int member_string(const struct json_view *at, const char *key, const char **ret, struct error *err)
{
	struct json_view member;

	*ret = NULL;
	return json_member(at, key, &member) ? json_expect_string(&member, ret, err) : 0;
}

/* In `lists`, the entry called `name`; `*ret` is what it says under `key`. The views must stay where they are: they form a chain. */
struct entry {
	struct json_view list, item, body;
};

static int find_entry(const struct json_view *root, const char *lists, const char *name, const char *key, struct entry *ret,
		      struct error *err)
{
	size_t n;
	int r = json_require(root, lists, &ret->list, err);

	if (r == 0)
		r = json_expect_array(&ret->list, ENTRIES_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &ret->list) {
		const char *found;
		r = member_string(&item, "name", &found, err);
		if (r < 0)
			return r;
		if (!found || strcmp(found, name) != 0)
			continue;
		ret->item = item;
		return json_require(&ret->item, key, &ret->body, err);
	}
	return json_error(&ret->list, err, "nothing in it is called \"%s\"", SHOW(slice_string(name)));
}

static int copy_string(const struct json_view *at, const char *key, char **ret, struct error *err)
{
	const char *text;
	int r = member_string(at, key, &text, err);

	if (r < 0 || !text || !*text)
		return r;
	*ret = strdup(text);
	return *ret ? 0 : error_nomem(err);
}

/* Paths in a kubeconfig are relative to its own folder. */
static int copy_path(const struct json_view *at, const char *key, const char *kubeconfig, char **ret, struct error *err)
{
	const char *slash = strrchr(kubeconfig, '/');
	const char *text;
	int r = member_string(at, key, &text, err);

	if (r < 0 || !text || !*text)
		return r;
	int n = text[0] == '/' || !slash ? 0 : (int)(slash - kubeconfig) + 1;
	return asprintf(ret, "%.*s%s", n, kubeconfig, text) < 0 ? error_nomem(err) : 0;
}

static int copy_data(const struct json_view *at, const char *key, struct secret *ret, struct error *err)
{
	struct error problem;
	struct json_view member;
	const char *text;

	if (!json_member(at, key, &member))
		return 0;
	int r = json_expect_string(&member, &text, err);
	if (r < 0 || !*text)
		return r;
	r = base64_decode(slice_string(text), ret, &problem);
	return r < 0 ? json_error(&member, err, "%s", problem.message) : 0;
}

static int refuse_keys(const struct json_view *at, const char *const *keys, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		struct json_view member;
		if (json_member(at, keys[i], &member))
			return json_error(&member, err,
					  "Holdfast does not support this; use a token, a token file or a client certificate");
	}
	return 0;
}

static int read_cluster(const struct json_view *at, const char *path, struct api_config *config, struct error *err)
{
	static const char *const unsupported[] = { "proxy-url" };
	struct json_view member;

	int r = refuse_keys(at, unsupported, ELEMENTS_OF(unsupported), err);
	if (r == 0)
		r = json_require(at, "server", &member, err);
	if (r == 0)
		r = copy_string(at, "server", &config->server, err);
	if (r == 0)
		r = copy_string(at, "tls-server-name", &config->server_name, err);
	if (r == 0 && json_member(at, "insecure-skip-tls-verify", &member))
		r = json_expect_bool(&member, &config->insecure, err);
	if (r == 0)
		r = copy_data(at, "certificate-authority-data", &config->ca, err);
	if (r == 0 && !config->ca.p)
		r = copy_path(at, "certificate-authority", path, &config->ca_file, err);
	return r;
}

static int read_user(const struct json_view *at, const char *path, struct api_config *config, struct error *err)
{
	static const char *const unsupported[] = { "exec", "auth-provider", "username", "password", "as" };
	const char *token;

	int r = refuse_keys(at, unsupported, ELEMENTS_OF(unsupported), err);
	if (r == 0)
		r = copy_path(at, "tokenFile", path, &config->token_file, err);
	if (r == 0)
		r = member_string(at, "token", &token, err);
	if (r == 0 && token && *token && !config->token_file) {
		config->token = (struct secret){ .p = (uint8_t *)strdup(token), .n = strlen(token) };
		r = config->token.p ? 0 : error_nomem(err);
	}
	if (r == 0)
		r = copy_data(at, "client-certificate-data", &config->certificate, err);
	if (r == 0 && !config->certificate.p)
		r = copy_path(at, "client-certificate", path, &config->certificate_file, err);
	if (r == 0)
		r = copy_data(at, "client-key-data", &config->key, err);
	if (r == 0 && !config->key.p)
		r = copy_path(at, "client-key", path, &config->key_file, err);
	return r;
}

static int read_context(const struct json_view *root, const char *path, struct api_config *config, struct error *err)
{
	struct entry context, cluster, user;
	struct json_view member;
	const char *name;

	int r = json_require(root, "current-context", &member, err);
	if (r == 0)
		r = json_expect_string(&member, &name, err);
	if (r == 0)
		r = find_entry(root, "contexts", name, "context", &context, err);
	if (r == 0)
		r = json_require(&context.body, "cluster", &member, err);
	if (r == 0)
		r = json_expect_string(&member, &name, err);
	if (r == 0)
		r = find_entry(root, "clusters", name, "cluster", &cluster, err);
	if (r == 0)
		r = read_cluster(&cluster.body, path, config, err);
	if (r == 0)
		r = member_string(&context.body, "user", &name, err);
	if (r < 0 || !name || !*name)
		return r;
	r = find_entry(root, "users", name, "user", &user, err);
	return r < 0 ? r : read_user(&user.body, path, config, err);
}

int api_config_from_kubeconfig(const char *path, struct api_config *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = parse_file(path, &tree, err);
	if (r < 0)
		return r;
	struct json_view root = json_root(tree);
	r = read_context(&root, path, ret, err);
	if (r < 0)
		error_wrap(err, "%s", path);
	return r;
}
