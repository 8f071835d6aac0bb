// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/check/chain.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cni-plugin/check/checks.h"
#include "cni-plugin/plugin/bridged.h"
#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/json/json.h"

#define FILE_MAX (1024 * 1024)

/* k3s and RKE2 have directories of their own; where those are, the usual ones mean nothing. */
static const struct {
	const char *configuration, *executables;
} places[] = {
	{ "/var/lib/rancher/k3s/agent/etc/cni/net.d", "/var/lib/rancher/k3s/data/cni" },
	{ "/var/lib/rancher/k3s/agent/etc/cni/net.d", "/var/lib/rancher/k3s/data/current/bin" },
	{ "/etc/cni/net.d", "/opt/cni/bin" },
};

static const char *configuration_directory(const struct checkup *checkup)
{
	const struct check_options *options = checkup->options;

	if (options->cni_configuration)
		return options->cni_configuration;
	return checkup_exists(checkup, places[0].configuration) ? places[0].configuration : "/etc/cni/net.d";
}

const char *chain_executables(const struct checkup *checkup)
{
	const struct check_options *options = checkup->options;

	if (options->cni_executables)
		return options->cni_executables;
	for (size_t i = 0; i < ELEMENTS_OF(places); i++) {
		if (checkup_exists(checkup, places[i].configuration) && checkup_exists(checkup, places[i].executables))
			return places[i].executables;
	}
	return "/opt/cni/bin";
}

/* Every node has that directory; in our image there is nothing but /opt (deploy/image). */
bool chain_is_seen(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;

	if (!checkup_is_live(checkup) || checkup_exists(checkup, "/usr") || options->cni_configuration || options->cni_executables)
		return true;
	checkup_say(checkup, CHECKUP_OK, "holdfast-node check --root /host in the container watch, or `kubectl holdfast status`",
		    "not looked at: the node's files are not in this container");
	return false;
}

static bool has_suffix(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n > m && strcmp(name + n - m, suffix) == 0;
}

struct search {
	const char *directory;
	struct chain *chain;
};

static bool take_first(void *context, const char *name)
{
	struct search *search = context;

	if (!has_suffix(name, ".conflist") && !has_suffix(name, ".conf") && !has_suffix(name, ".json"))
		return true;
	search->chain->is_list = has_suffix(name, ".conflist");
	if (asprintf(&search->chain->file, "%s/%s", search->directory, name) < 0)
		search->chain->file = NULL;
	return false;
}

static int copy_string(const struct json_view *object, const char *key, char *to, size_t size, struct error *err)
{
	struct json_view at;
	const char *text;

	int r = json_require(object, key, &at, err);
	if (r == 0)
		r = json_expect_string(&at, &text, err);
	if (r == 0)
		snprintf(to, size, "%s", text);
	return r;
}

static int read_plugins(const struct json_view *root, struct chain *chain, struct error *err)
{
	struct json_view plugins;
	size_t n;

	int r = json_require(root, "plugins", &plugins, err);
	if (r == 0)
		r = json_expect_array(&plugins, CHAIN_PLUGINS_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(plugin, &plugins) {
		r = copy_string(&plugin, "type", chain->plugins[chain->n_plugins], CHAIN_NAME_MAX, err);
		if (r < 0)
			return r;
		chain->n_plugins++;
	}
	return 0;
}

static int parse(struct slice text, struct chain *chain, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	int r = json_parse(text, &json_limits_object, &tree, err);
	struct json_view root = json_root(tree);
	if (r == 0)
		r = copy_string(&root, "cniVersion", chain->version, sizeof(chain->version), err);
	if (r < 0)
		return r;
	chain->is_bridged = cni_is_bridged(text);
	if (chain->is_list)
		return read_plugins(&root, chain, err);
	chain->n_plugins = 1;
	return copy_string(&root, "type", chain->plugins[0], CHAIN_NAME_MAX, err);
}

void chain_read(const struct checkup *checkup, struct chain *ret)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX);
	struct search search = { configuration_directory(checkup), ret };

	*ret = (struct chain){ 0 };
	checkup_each_entry(checkup, search.directory, take_first, &search);
	if (!ret->file)
		error_set(&ret->unreadable, ENOENT, "there is no CNI configuration in %s", search.directory);
	else if (!checkup_read(checkup, ret->file, &text))
		error_set(&ret->unreadable, EACCES, "%s cannot be read", ret->file);
	else if (parse(buf_view(&text), ret, &ret->unreadable) < 0)
		error_wrap(&ret->unreadable, "%s", ret->file);
	else
		ret->unreadable.code = 0;
}

void chain_clear(struct chain *chain)
{
	free(chain->file);
	*chain = (struct chain){ 0 };
}

size_t chain_find(const struct chain *chain, const char *type)
{
	size_t i = 0;

	while (i < chain->n_plugins && strcmp(chain->plugins[i], type) != 0)
		i++;
	return i;
}

bool chain_gives_ipv6(const struct checkup *checkup)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(FILE_MAX), subnets = BUF_MAX(FILE_MAX);
	_cleanup_(chain_clear) struct chain chain;

	chain_read(checkup, &chain);
	if (chain.file && checkup_read(checkup, chain.file, &text) && strstr(buf_text(&text), "::"))
		return true;
	return checkup_read(checkup, "/run/flannel/subnet.env", &subnets) && strstr(buf_text(&subnets), "FLANNEL_IPV6_SUBNET");
}
