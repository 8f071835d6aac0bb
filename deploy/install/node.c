// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/node.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "deploy/install/host/host.h"
#include "deploy/install/lock.h"

static int below(const struct node *node, const char *name, char ret[static PATH_MAX], struct error *err)
{
	if (snprintf(ret, PATH_MAX, "%s/%s", node->prefix, name) < PATH_MAX)
		return 0;
	return error_set(err, ENAMETOOLONG, "the path %.64s is too long", node->prefix);
}

static int read_settings(struct node *node, struct error *err)
{
	const char *path = node->options->settings;
	char shown[PATH_MAX];
	int r = 0;

	if (!path) {
		r = host_find(node->options->root, VERSION_PREFIX "/" VERSION_SETTINGS, shown, err);
		path = shown;
		if (r == -ENOENT)
			return node_settings_parse(slice_from(NULL, 0), node->options->root, &node->settings, err);
	}
	r = r < 0 ? r : file_read(path, &node->text, err);
	if (r < 0)
		return r;
	r = node_settings_parse(buf_view(&node->text), node->options->root, &node->settings, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

static int find_prefix(struct node *node, struct error *err)
{
	int r = host_find(node->options->root, VERSION_PREFIX, node->prefix, err);

	if (r < 0)
		node->prefix[0] = 0;
	return r == -ENOENT ? 0 : r;
}

static void begin(const struct node_options *options, struct node *ret)
{
	*ret = (struct node){ .options = options, .text = BUF_MAX(VERSION_SETTINGS_MAX), .lock = -1 };
}

static int load_journal(struct node *node, bool *ret_broken, struct error *err)
{
	char path[PATH_MAX];

	*ret_broken = false;
	if (!*node->prefix)
		return 0;
	int r = below(node, NODE_JOURNAL, path, err);
	r = r < 0 ? r : journal_load(path, &node->journal, err);
	*ret_broken = r == -EBADMSG;
	return *ret_broken ? 0 : r;
}

int node_open(const struct node_options *options, struct node *ret, bool *ret_broken, struct error *err)
{
	begin(options, ret);
	*ret_broken = false;
	int r = find_prefix(ret, err);
	r = r < 0 ? r : read_settings(ret, err);
	return r < 0 ? r : load_journal(ret, ret_broken, err);
}

int node_read_api_server(const struct node_options *options, char room[static NODE_API_SERVER_SIZE], struct error *err)
{
	struct node node;
	bool broken;

	int r = node_open(options, &node, &broken, err);
	if (r == 0 && snprintf(room, NODE_API_SERVER_SIZE, "%s", node.settings.api_server ? node.settings.api_server : "") >= NODE_API_SERVER_SIZE)
		r = error_set(err, EINVAL, "install.apiServer: longer than %d bytes", NODE_API_SERVER_SIZE - 1);
	node_close(&node);
	return r;
}

void node_close(struct node *node)
{
	cleanup_close(&node->lock);
	node->lock = -1;
	journal_clear(&node->journal);
	node_settings_clear(&node->settings);
	buf_free(&node->text);
}

static int make_directories(struct node *node, struct error *err)
{
	char path[PATH_MAX];

	int r = host_make_directory(node->options->root, VERSION_PREFIX "/install", NULL, NULL, path, err);
	return r < 0 ? r : find_prefix(node, err);
}

static int lock(struct node *node, const char *who, struct error *err)
{
	char path[PATH_MAX];

	int r = below(node, NODE_LOCK, path, err);
	if (r < 0)
		return r;
	r = install_lock(path, who, node->options->wait_s, &node->lock, err);
	return r == -ENOENT ? 0 : r; /* there is nothing to be changed */
}

/* Nothing is lost: a person may still read it. */
static int set_aside(struct node *node, struct error *err)
{
	char path[PATH_MAX], aside[PATH_MAX];

	int r = below(node, NODE_JOURNAL, path, err);
	r = r < 0 ? r : below(node, NODE_JOURNAL ".broken", aside, err);
	return r < 0 ? r : host_rename(path, aside, err);
}

int node_open_locked(const struct node_options *options, const char *who, bool make, struct node *ret, struct error *err)
{
	bool broken = false;

	begin(options, ret);
	int r = find_prefix(ret, err);
	r = r < 0 ? r : read_settings(ret, err);
	r = r < 0 || !make ? r : make_directories(ret, err);
	r = r < 0 || !*ret->prefix ? r : lock(ret, who, err);
	r = r < 0 ? r : load_journal(ret, &broken, err);
	if (r < 0 || !broken)
		return r;
	fprintf(stderr, "holdfast-node: %s; it is kept beside, what was there before Holdfast is not known any more\n", err->message);
	return set_aside(ret, err);
}
