// SPDX-License-Identifier: Apache-2.0
/* containerd's part of a node: what is done there, and how it is undone, is deploy/install/containerd's. */
#include <errno.h>
#include <stdio.h>

#include "deploy/install/node.h"

/* Beside our journal: it outlives a reboot wherever that does, and goes with us. */
#define STATE VERSION_PREFIX "/install"
#define LOOK_PATIENCE_MS 8000 /* of a look: a person waits, and nothing is restarted */

static struct containerd_target target_of(const struct node *node)
{
	const struct node_settings *settings = &node->settings;

	return (struct containerd_target){
		.root = node->options->root,
		.state_dir = STATE,
		.settings = VERSION_PREFIX "/" VERSION_SETTINGS,
		.layout = settings->containerd_layout,
		.config = settings->containerd_config,
		.restart_command = settings->containerd_restart_command,
		.default_runtime = settings->default_runtime,
		.may_restart = settings->containerd_restart,
	};
}

static bool is_away(int r)
{
	return r == -ECONNREFUSED || r == -ENOENT;
}

int node_runtime_install(struct node *node, struct containerd_outcome *ret, struct error *err)
{
	const struct containerd_target target = target_of(node);

	*ret = (struct containerd_outcome){ .state = CONTAINERD_DONE };
	if (!node->settings.containerd)
		return 0;
	int r = journal_add(&node->journal, (struct journal_item){ JOURNAL_RUNTIME, (char *)STATE, NULL, false }, err);
	r = r < 0 ? r : containerd_install(&target, ret, err);
	if (!is_away(r))
		return r;
	ret->state = CONTAINERD_UNWRITTEN;
	snprintf(ret->message, sizeof(ret->message), "containerd does not run, and so it is not configured yet: %.400s", err->message);
	return 0;
}

int node_runtime_uninstall(struct node *node, struct error *err)
{
	const struct containerd_target target = target_of(node);
	struct containerd_outcome outcome;

	if (!journal_find(&node->journal, JOURNAL_RUNTIME, STATE))
		return 0;
	int r = containerd_uninstall(&target, &outcome, err);
	if (is_away(r))
		return error_wrap(err, "containerd must run to be given its former configuration back, start it");
	if (r < 0)
		return error_wrap(err, "containerd");
	if (outcome.state == CONTAINERD_UNREAD)
		fprintf(stderr, "holdfast-node: %s\n", outcome.message);
	return 0;
}

int node_runtime_look(const struct node *node, struct containerd_outcome *ret, struct error *err)
{
	struct containerd_target target = target_of(node);

	target.patience_ms = LOOK_PATIENCE_MS;
	int r = containerd_check(&target, ret, err);
	return is_away(r) ? 0 : r;
}
