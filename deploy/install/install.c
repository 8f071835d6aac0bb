// SPDX-License-Identifier: Apache-2.0
/*
 * The order is that of the danger: nothing looks at a version before it is whole, and no pod meets the CNI plugin before it is there. The
 * way back (uninstall.c) goes from the other end.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "deploy/install/bridge.h"
#include "deploy/install/host/host.h"
#include "deploy/install/keep.h"
#include "deploy/install/node.h"
#include "deploy/install/readiness/prove.h"

#define PLUGIN "holdfast"
#define MODE_PROGRAM 0755

static int note_directory(void *context, const char *path, struct error *err)
{
	return journal_add(context, (struct journal_item){ JOURNAL_DIRECTORY, (char *)path, NULL, false }, err);
}

/* The directory that has bin/holdfast-node, which is us. */
static int own_tree(char ret[static PATH_MAX], struct error *err)
{
	ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);

	if (n < 0)
		return error_errno(err, errno, "cannot read the link /proc/self/exe");
	ret[n] = 0;
	for (unsigned i = 0; i < 2; i++) {
		char *slash = strrchr(ret, '/');
		if (!slash)
			return error_set(err, EINVAL, "\"%.64s\" is in no tree of Holdfast: say --from DIRECTORY", ret);
		*slash = 0;
	}
	return 0;
}

static int put_version(struct node *node, struct node_outcome *outcome, struct error *err)
{
	_cleanup_(version_source_clear) struct version_source source = { 0 };
	const struct slice text = buf_view(&node->text);
	const char *from = node->options->from;
	char own[PATH_MAX];
	int r = 0;

	if (!from) {
		r = own_tree(own, err);
		from = own;
	}
	r = r < 0 ? r : version_source_read(from, &source, err);
	r = r < 0 ? r : version_put(node->prefix, &source, node->options->settings ? &text : NULL, err);
	if (r == 0)
		memcpy(outcome->id, source.id, sizeof(source.id));
	return r;
}

/* From the prefix's names into the current version. Those of what the version does not have lead nowhere, and harm nobody. */
static int put_links(struct node *node, struct error *err)
{
	static const char *const parts[] = { "bin", "lib", "share" };
	const char *root = node->options->root;
	char path[PATH_MAX], target[64];
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(parts) / sizeof(*parts); i++) {
		snprintf(path, sizeof(path), VERSION_PREFIX "/%s", parts[i]);
		snprintf(target, sizeof(target), "current/%s", parts[i]);
		r = keep_put_link(&node->journal, root, path, target, err);
	}
	if (r < 0 || !node->options->settings)
		return r;
	r = host_make_directory(root, VERSION_PREFIX "/etc", note_directory, &node->journal, path, err);
	return r < 0 ? r : keep_put_link(&node->journal, root, VERSION_PREFIX "/" VERSION_SETTINGS, VERSION_SETTINGS_LINK, err);
}

/* The current version's. */
static int put_plugin(struct node *node, struct error *err)
{
	const char *root = node->options->root;
	char path[PATH_MAX], from[PATH_MAX];

	int r = host_make_directory(root, node->settings.cni_plugins, note_directory, &node->journal, path, err);
	r = r < 0 ? r : host_find(root, VERSION_PREFIX "/current/bin/" PLUGIN, from, err);
	if (r < 0)
		return r;
	if (snprintf(path, sizeof(path), "%s/" PLUGIN, node->settings.cni_plugins) >= (int)sizeof(path))
		return error_set(err, ENAMETOOLONG, "the path of the CNI plugin is too long");
	return keep_put_copy(&node->journal, root, path, from, MODE_PROGRAM, err);
}

static int put_entry(struct node *node, struct node_outcome *outcome, struct error *err)
{
	const char *lists = node->settings.cni_lists;

	int r = journal_add(&node->journal, (struct journal_item){ JOURNAL_LISTS, (char *)lists, NULL, false }, err);
	r = r < 0 ? r : cni_entry_put(node->options->root, lists, &outcome->entry, outcome->list, err);
	r = r < 0 ? r : bridge_put(node->options->root, lists, err);
	outcome->bridge_set = r == 1;
	return r < 0 ? r : 0;
}

bool node_waits(const struct node_outcome *outcome)
{
	return outcome->entry == CNI_ENTRY_NO_LIST || outcome->containerd.state == CONTAINERD_UNREAD ||
	       outcome->containerd.state == CONTAINERD_UNWRITTEN;
}

/* One does not keep the other from being done. */
static int put_outside(struct node *node, struct node_outcome *outcome, struct error *err)
{
	struct error second;

	int first = put_entry(node, outcome, err);
	int r = node_runtime_install(node, &outcome->containerd, first < 0 ? &second : err);
	if (first < 0 && r < 0)
		fprintf(stderr, "holdfast-node: %s\n", second.message);
	return first < 0 ? first : r;
}

/* Files of a version that is refused do not stay, unless they are those of the one before. */
static int prove(struct node *node, struct node_outcome *outcome, struct error *err)
{
	const struct prove_options options = { .root = node->options->root, .prefix = node->prefix };
	struct error ignored;

	if (!node->options->prove || !*outcome->before || strcmp(outcome->before, outcome->id) == 0)
		return 0;
	int r = prove_version(&options, outcome->id, err);
	if (r == -ENOTSUP)
		fprintf(stderr, "holdfast-node: version %s is installed untried: %s\n", outcome->id, err->message);
	if (r != -ENOEXEC)
		return r == -ENOTSUP ? 0 : r;
	outcome->refused = true;
	if (version_drop_others(node->prefix, &ignored) < 0)
		fprintf(stderr, "holdfast-node: %s\n", ignored.message);
	return error_wrap(err, "version %s is refused and %s stays", outcome->id, outcome->before);
}

int node_install(struct node *node, struct node_outcome *ret, struct error *err)
{
	*ret = (struct node_outcome){ .entry = CNI_ENTRY_NO_LIST };
	version_read(node->prefix, "current", ret->before);
	int r = put_version(node, ret, err);
	r = r < 0 ? r : prove(node, ret, err);
	r = r < 0 ? r : version_switch(node->prefix, ret->id, err);
	r = r < 0 ? r : put_links(node, err);
	r = r < 0 ? r : put_plugin(node, err);
	ret->placed = r == 0;
	r = r < 0 ? r : version_drop_others(node->prefix, err);
	return r < 0 ? r : put_outside(node, ret, err);
}

int node_keep(struct node *node, const char *own, struct node_outcome *ret, struct error *err)
{
	const struct slice text = buf_view(&node->text);
	char now[LISTING_ID_MAX];
	int r = 0;

	version_read(node->prefix, "current", now);
	if (!*now || version_check(node->prefix, now, false, NULL) < 0)
		return node_install(node, ret, err);
	*ret = (struct node_outcome){ .entry = CNI_ENTRY_NO_LIST };
	memcpy(ret->id, now, sizeof(now));
	memcpy(ret->before, now, sizeof(now));
	if (strcmp(now, own) == 0 && node->options->settings)
		r = version_put_settings(node->prefix, now, &text, err);
	r = r < 0 ? r : put_links(node, err);
	r = r < 0 ? r : put_plugin(node, err);
	ret->placed = r == 0;
	return r < 0 ? r : put_outside(node, ret, err);
}

int node_keep_entry(struct node *node, struct node_outcome *ret, struct error *err)
{
	*ret = (struct node_outcome){ .entry = CNI_ENTRY_NO_LIST };
	version_read(node->prefix, "current", ret->id);
	memcpy(ret->before, ret->id, sizeof(ret->id));
	return put_entry(node, ret, err);
}

int node_rollback(struct node *node, struct node_outcome *ret, struct error *err)
{
	*ret = (struct node_outcome){ .entry = CNI_ENTRY_NO_LIST };
	if (!*node->prefix)
		return error_set(err, ENOENT, "Holdfast is not installed");
	version_read(node->prefix, "current", ret->before);
	int r = version_switch_back(node->prefix, err);
	version_read(node->prefix, "current", ret->id);
	return r < 0 ? r : put_plugin(node, err);
}
