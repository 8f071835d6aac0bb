// SPDX-License-Identifier: Apache-2.0
/*
 * What stands in front of the first plugin is how this file's author separates plugins, so it stands in front of ours:
 *
 *	"plugins": [⏎⇥⇥{ "type": "bridge" }⏎⇥]  →  "plugins": [⏎⇥⇥{ "type": "bridge" },⏎⇥⇥{"type":"holdfast"}⏎⇥]
 *
 * Taking it out cuts from the end of the plugin before it to its own end: exactly what was put in, however the file looks.
 */
#include "deploy/install/cni/conflist.h"

#include <errno.h>

#include "cni-plugin/plugin/cni.h"
#include "common/base/show.h"
#include "common/json/json_text.h"

#define OUR_TYPE "\"holdfast\""
#define OUR_ENTRY "{\"type\":" OUR_TYPE "}"

static const struct json_limits limits = { .bytes = CONFLIST_BYTES_MAX, .depth = 64, .values = 10 * 1000 };

/* The array's raw text. False: the text, which is JSON, has none. */
static bool find_plugins(struct slice text, struct slice *ret)
{
	return json_raw_member(text, "plugins", ret) && ret->p[0] == '[';
}

static bool is_ours(struct slice plugin)
{
	struct slice type;

	return json_raw_member(plugin, "type", &type) && slice_equals_string(type, OUR_TYPE);
}

bool conflist_has_entry(struct slice text)
{
	struct slice rest, plugin;

	if (json_check(text, &limits, NULL) < 0 || !find_plugins(text, &rest))
		return false;
	while (json_raw_element(&rest, &plugin)) {
		if (is_ours(plugin))
			return true;
	}
	return false;
}

/* As libcni picks it: one of cniVersions (1.1) is enough. Those are left to the runtime, whose list is its own. */
static int check_version(struct slice text, struct error *err)
{
	struct slice version, versions;

	if (json_raw_member(text, "cniVersions", &versions))
		return 0;
	if (!json_raw_member(text, "cniVersion", &version))
		return error_set(err, ENOTSUP, "cniVersion is missing, which means 0.1.0; Holdfast's plugin needs 0.3.1 or later");
	for (enum cni_version i = 0; i < CNI_SUPPORTED_VERSION_COUNT; i++) {
		const char *name = cni_version_name(i);
		if (version.n == strlen(name) + 2 && memcmp(version.p + 1, name, strlen(name)) == 0)
			return 0;
	}
	return error_set(err, ENOTSUP, "cniVersion %s is none of those that Holdfast's plugin speaks: 0.3.1 to 1.1.0", SHOW(version));
}

/* `plugins` begins with '['. The first element, and where the last one ends. False: there is none, and the outputs are nothing. */
static bool find_ends(struct slice plugins, struct slice *ret_first, const uint8_t **ret_end)
{
	struct slice plugin;

	if (!json_raw_element(&plugins, ret_first))
		return false;
	*ret_end = ret_first->p + ret_first->n;
	while (json_raw_element(&plugins, &plugin))
		*ret_end = plugin.p + plugin.n;
	return true;
}

int conflist_add(struct slice text, struct buf *out, struct error *err)
{
	struct slice plugins, first;
	const uint8_t *end;

	int r = json_check(text, &limits, err);
	if (r < 0)
		return r;
	if (!find_plugins(text, &plugins))
		return error_set(err, EINVAL, "it is no list: \"plugins\" is missing");
	if (!find_ends(plugins, &first, &end))
		return error_set(err, EINVAL, "\"plugins\" is empty: there is no plugin to be chained to");
	if (conflist_has_entry(text))
		return 0;
	r = check_version(text, err);
	if (r < 0)
		return r;
	buf_append(out, text.p, (size_t)(end - text.p));
	buf_byte(out, ',');
	buf_append(out, plugins.p + 1, (size_t)(first.p - plugins.p) - 1);
	buf_string(out, OUR_ENTRY);
	buf_append(out, end, (size_t)(text.p + text.n - end));
	r = buf_check(out, "the list", err);
	return r < 0 ? r : 1;
}

/* Appends `text` without what is ours of `plugins`, which is a part of it. */
static void copy_others(struct slice text, struct slice plugins, struct buf *out)
{
	const uint8_t *copied = text.p, *before = NULL; /* the end of the plugin of another in front */
	struct slice plugin, next;

	bool more = json_raw_element(&plugins, &plugin);
	while (more) {
		more = json_raw_element(&plugins, &next);
		const uint8_t *end = plugin.p + plugin.n;
		if (is_ours(plugin)) {
			const uint8_t *from = before ? before : plugin.p;
			buf_append(out, copied, from > copied ? (size_t)(from - copied) : 0);
			copied = before || !more ? end : next.p;
		} else {
			before = end;
		}
		plugin = next;
	}
	buf_append(out, copied, (size_t)(text.p + text.n - copied));
}

int conflist_remove(struct slice text, struct buf *out, struct error *err)
{
	struct slice plugins;

	int r = json_check(text, &limits, err);
	if (r < 0)
		return r;
	if (!conflist_has_entry(text) || !find_plugins(text, &plugins))
		return 0;
	copy_others(text, plugins, out);
	r = buf_check(out, "the list", err);
	return r < 0 ? r : 1;
}
