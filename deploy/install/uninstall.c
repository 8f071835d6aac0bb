// SPDX-License-Identifier: Apache-2.0
/*
 * containerd first, for who must be asked may say no, and then nothing has changed. Then from the side that pods see to the side that nobody
 * sees: the entry in the list before the plugin that it names, the links before what they lead to, the journal last. Every step finds out by
 * itself whether it was done, so the whole can be begun again anywhere.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cni-plugin/nft/nft.h"
#include "deploy/install/bridge.h"
#include "deploy/install/host/host.h"
#include "deploy/install/host/run.h"
#include "deploy/install/keep.h"
#include "deploy/install/node.h"
#include "deploy/install/running.h"
#include "deploy/install/shred.h"

#define VOLUMES NODE_RUN "/vol"
#define UNMOUNT_MS 10000

/* Whose names are ours, each with what is in it, below the state directory and below /run/holdfast. Those go if nothing else is in them. */
static const char *const state_names[] = { "net", "tpm", NULL };
static const char *const run_names[] = { "net", "net.sock", "tpm.sock", "readiness", NULL };
/* What shims remember beside the directories of VMs, none of which has a name that begins so. */
static const char *const vms_names[] = { ".guest", ".virtiofsd", ".ids", NULL };

static int remove_entries(const struct node *node, struct error *err)
{
	const char *root = node->options->root;

	int r = cni_entry_remove(root, node->settings.cni_lists, err);
	for (size_t i = 0; r == 0 && i < node->journal.n; i++) {
		if (node->journal.items[i].kind == JOURNAL_LISTS)
			r = cni_entry_remove(root, node->journal.items[i].path, err);
	}
	return r;
}

/* They are the network namespace's that we are in: the node's. */
static int stop_rules(struct error *err)
{
	_cleanup_(nft_closep) struct nft *nft = NULL;

	int r = nft_open(&nft, err);
	r = r < 0 ? r : nft_delete_table(nft, RULESET_INET, err);
	r = r < 0 ? r : nft_delete_table(nft, RULESET_NETDEV, err);
	if (r == -EPERM || r == -EBUSY)
		return error_wrap(err, "the rules are the agent's as long as it runs: end holdfast-net first");
	return r < 0 ? error_wrap(err, "cannot stop the policies") : 0;
}

/* Rules that stay need what shows them the packets. */
static int stop_policies(const struct node *node, struct error *err)
{
	int r = stop_rules(err);

	return r < 0 ? r : bridge_restore(node->options->root, err);
}

static int restore_files(const struct node *node, struct error *err)
{
	const struct journal *journal = &node->journal;
	int r = 0;

	for (size_t i = journal->n; r == 0 && i-- > 0;) {
		if (journal->items[i].kind == JOURNAL_FILE)
			r = keep_restore(node->options->root, &journal->items[i], err);
	}
	return r;
}

/* Those that we made; the last made first, and none that others use now. */
static int remove_directories(const struct node *node, struct error *err)
{
	const struct journal *journal = &node->journal;
	char path[PATH_MAX];
	int r = 0;

	for (size_t i = journal->n; r == 0 && i-- > 0;) {
		if (journal->items[i].kind != JOURNAL_DIRECTORY || host_find(node->options->root, journal->items[i].path, path, NULL) < 0)
			continue;
		r = host_remove_empty(path, err);
	}
	return r;
}

static int remove_names(const char *directory, const char *const *names, struct error *err)
{
	char path[PATH_MAX];
	int r = 0;

	for (; r == 0 && *names; names++) {
		if (snprintf(path, sizeof(path), "%s/%s", directory, *names) < (int)sizeof(path))
			r = host_remove_tree(path, err);
	}
	return r;
}

static int remove_state(const struct node *node, struct error *err)
{
	char directory[PATH_MAX];

	if (host_find(node->options->root, node->settings.state_directory, directory, NULL) < 0)
		return 0;
	int r = remove_names(directory, state_names, err);
	return r < 0 ? r : host_remove_empty(directory, err);
}

static int remove_run(const struct node *node, struct error *err)
{
	char directory[PATH_MAX], records[PATH_MAX];

	if (host_find(node->options->root, NODE_RUN, directory, NULL) < 0)
		return 0;
	int r = remove_names(directory, run_names, err);
	/* Also where the settings have the records elsewhere now. */
	if (r == 0 && snprintf(records, sizeof(records), "%s/sandboxes", directory) < (int)sizeof(records))
		r = host_remove_empty(records, err);
	return r < 0 ? r : host_remove_empty(directory, err);
}

/* Wherever the settings have them; those of pods in VMs that run on (--force) stay. */
static int remove_records(const struct node *node, struct error *err)
{
	char directory[PATH_MAX];

	if (host_find(node->options->root, node->settings.records, directory, NULL) < 0)
		return 0;
	int r = running_forget_runc(directory, err);
	return r < 0 ? r : host_remove_empty(directory, err);
}

static bool has_pods(const char *directory)
{
	DIR *dir = opendir(directory);
	const struct dirent *entry = NULL;

	while (dir && (entry = readdir(dir)) && *entry->d_name == '.')
		;
	if (dir)
		closedir(dir);
	return !dir || entry;
}

/* A VM that runs on (--force) keeps its user ids: another that got them could read its files. */
static int remove_vms(const struct node *node, struct error *err)
{
	char directory[PATH_MAX], seen[PATH_MAX];

	if (host_find(node->options->root, node->settings.vms, directory, NULL) < 0)
		return 0;
	int r = snprintf(seen, sizeof(seen), "%s.self-test", directory) < (int)sizeof(seen) ? host_remove(seen, err) : 0;
	r = r < 0 || has_pods(directory) ? r : remove_names(directory, vms_names, err);
	return r < 0 ? r : host_remove_empty(directory, err);
}

/*
 * What we have unmounted is our container's mount. Another of its mounts would hold the directory against us, but not against the node
 * itself. Whoever cannot be asked keeps an empty one until the node starts again.
 */
static int unmount_on_node(const struct node *node, const char *volumes, struct error *err)
{
	const struct host_script script = {
		.root = node->options->root,
		.text = "if mountpoint -q \"$1\"; then umount -l \"$1\" || exit; fi; rmdir \"$1\" 2>/dev/null; true",
		.arguments = (const char *const[]){ volumes, NULL },
		.timeout_ms = UNMOUNT_MS,
	};
	struct host_answer answer;
	struct error ignored;

	if (host_run(&script, &answer, &ignored) < 0)
		return 0;
	return answer.code == 0 ? 0 : error_set(err, EBUSY, "cannot unmount %s on the node: %s", volumes, answer.words);
}

static int shred_at(const struct node *node, const char *volumes, struct error *err)
{
	char path[PATH_MAX];

	if (host_find(node->options->root, volumes, path, NULL) < 0)
		return 0;
	int r = shred_volumes(path, err);
	if (r == 0 && *node->options->root)
		r = unmount_on_node(node, volumes, err);
	return r < 0 ? r : host_remove_empty(path, err);
}

static int shred(const struct node *node, struct error *err)
{
	char others[SHRED_FOUND_MAX][PATH_MAX];
	size_t n = shred_find(node->options->root, others);
	int r = shred_at(node, VOLUMES, err);

	for (size_t i = 0; r == 0 && i < n; i++)
		r = shred_at(node, others[i], err);
	return r;
}

static int remove_journal(const struct node *node, struct error *err)
{
	char path[PATH_MAX];

	if (!*node->prefix)
		return 0;
	if (snprintf(path, sizeof(path), "%s/install", node->prefix) >= (int)sizeof(path))
		return error_set(err, ENAMETOOLONG, "the path %.64s is too long", node->prefix);
	int r = host_remove_tree(path, err);
	return r < 0 ? r : host_remove_empty(node->prefix, err);
}

int node_uninstall(struct node *node, enum node_policies policies, bool force, struct error *err)
{
	int r = force ? 0 : running_expect_none(node->options->root, node->settings.records, err);

	r = r < 0 ? r : node_runtime_uninstall(node, err);
	r = r < 0 ? r : remove_entries(node, err);
	r = r < 0 || policies == NODE_POLICIES_KEEP ? r : stop_policies(node, err);
	r = r < 0 ? r : shred(node, err);
	r = r < 0 ? r : remove_records(node, err);
	r = r < 0 ? r : remove_vms(node, err);
	r = r < 0 ? r : remove_run(node, err);
	r = r < 0 ? r : remove_state(node, err); /* the settings, which say where it is, go afterwards */
	r = r < 0 ? r : restore_files(node, err);
	r = r < 0 || !*node->prefix ? r : version_drop_all(node->prefix, err);
	r = r < 0 ? r : remove_directories(node, err);
	return r < 0 ? r : remove_journal(node, err);
}
