// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/look.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "deploy/install/bridge.h"
#include "deploy/install/host/host.h"

#define INSTALL_CURE "holdfast-node install"

static const struct look *look_of(const struct checkup *checkup)
{
	return checkup->options;
}

static void look_at_version(struct checkup *checkup)
{
	const struct look *look = look_of(checkup);
	char id[LISTING_ID_MAX];
	struct error err;

	version_read(look->node->prefix, "current", id);
	if (!*look->node->prefix || !*id)
		checkup_fail(checkup, INSTALL_CURE, "no version of Holdfast is installed in %s%s", checkup->root, VERSION_PREFIX);
	else if (version_check(look->node->prefix, id, look->deep, &err) < 0)
		checkup_fail(checkup, INSTALL_CURE, "version %s is not whole: %s", id, err.message);
	else
		checkup_ok(checkup, "%s is whole%s", id, look->deep ? ", each byte of it" : "");
}

static void look_at_link(struct checkup *checkup, const char *name, const char *target, bool *all)
{
	char path[PATH_MAX];

	int n = snprintf(path, sizeof(path), "%s/%s", look_of(checkup)->node->prefix, name);
	if (n < (int)sizeof(path) && host_is_link_to(path, target))
		return;
	*all = false;
	checkup_fail(checkup, INSTALL_CURE, "%s does not lead to the current version", path);
}

static void look_at_links(struct checkup *checkup)
{
	bool all = true;

	if (!*look_of(checkup)->node->prefix)
		return;
	look_at_link(checkup, "bin", "current/bin", &all);
	look_at_link(checkup, "lib", "current/lib", &all);
	look_at_link(checkup, "share", "current/share", &all);
	if (journal_find(&look_of(checkup)->node->journal, JOURNAL_FILE, VERSION_PREFIX "/" VERSION_SETTINGS))
		look_at_link(checkup, VERSION_SETTINGS, VERSION_SETTINGS_LINK, &all);
	if (all)
		checkup_ok(checkup, "bin, lib and share lead to the current version");
}

static void look_at_journal(struct checkup *checkup)
{
	const struct look *look = look_of(checkup);

	if (look->broken_journal)
		checkup_warn(checkup, INSTALL_CURE ", which keeps it aside", "%s: what was there before Holdfast is not known",
			     look->broken_journal);
	else if (*look->node->prefix)
		checkup_ok(checkup, "%zu changes outside of " VERSION_PREFIX "/versions are noted", look->node->journal.n);
}

static void look_at_plugin(struct checkup *checkup)
{
	char path[PATH_MAX], mine[PATH_MAX], hash[LISTING_HASH_TEXT], wanted[LISTING_HASH_TEXT];
	const char *directory = look_of(checkup)->node->settings.cni_plugins;
	struct stat status;
	struct error err;

	if (snprintf(path, sizeof(path), "%s/holdfast", directory) >= (int)sizeof(path))
		return;
	if (host_find(checkup->root, path, mine, &err) < 0 || stat(mine, &status) < 0) {
		checkup_fail(checkup, INSTALL_CURE, "the CNI plugin %s%s is missing: pods do not start", checkup->root, path);
		return;
	}
	if (!(status.st_mode & 0111))
		checkup_fail(checkup, INSTALL_CURE, "the CNI plugin %s may not be executed: pods do not start", mine);
	else if (host_find(checkup->root, VERSION_PREFIX "/current/bin/holdfast", path, &err) == 0 &&
		 listing_hash_file(mine, hash, &err) == 0 && listing_hash_file(path, wanted, &err) == 0 && strcmp(hash, wanted) != 0)
		checkup_fail(checkup, INSTALL_CURE, "the CNI plugin %s is not the current version's", mine);
	else
		checkup_ok(checkup, "%s", mine);
}

static void look_at_entry(struct checkup *checkup)
{
	const char *lists = look_of(checkup)->node->settings.cni_lists;
	char name[NAME_MAX + 1];
	enum cni_entry entry;
	struct error err;

	if (cni_entry_look(checkup->root, lists, &entry, name, &err) < 0) {
		checkup_fail(checkup, "containerd can use it no more than we do, unless it is that plugin's own affair: correct the file",
			     "%s", err.message);
		return;
	}
	switch (entry) {
	case CNI_ENTRY_THERE:
		checkup_ok(checkup, "%s%s/%s has the entry", checkup->root, lists, name);
		return;
	case CNI_ENTRY_PUT:
		checkup_fail(checkup, INSTALL_CURE "; holdfast-node watch does it by itself", "%s%s/%s lacks the entry: pods start without policies", checkup->root, lists, name);
		return;
	case CNI_ENTRY_NO_LIST:
		checkup_warn(checkup, "install the cluster's main CNI plugin; install.cniConfDir, if it is elsewhere",
			     "there is no CNI configuration in %s%s yet", checkup->root, lists);
		return;
	}
}

static void look_at_bridge(struct checkup *checkup)
{
	const char *lists = look_of(checkup)->node->settings.cni_lists;
	enum bridge_state state;
	struct error err;

	if (bridge_look(checkup->root, lists, &state, &err) < 0)
		return; /* look_at_entry has said it */
	switch (state) {
	case BRIDGE_NONE:
		checkup_ok(checkup, "pods are not on a bridge");
		return;
	case BRIDGE_ON:
		checkup_ok(checkup, "packets between pods of a bridge pass the rules");
		return;
	case BRIDGE_OFF:
		checkup_fail(checkup, INSTALL_CURE "; holdfast-node watch does it by itself", "%s", err.message);
		return;
	}
}

static void look_at_containerd(struct checkup *checkup)
{
	struct containerd_outcome outcome = { 0 };
	struct error err;

	if (!look_of(checkup)->node->settings.containerd)
		checkup_ok(checkup, "it is somebody else's to configure (install.containerd.configure)");
	else if (node_runtime_look(look_of(checkup)->node, &outcome, &err) < 0)
		checkup_fail(checkup, INSTALL_CURE ", when that is put right", "%s", err.message);
	else if (outcome.state == CONTAINERD_DONE)
		checkup_ok(checkup, "%s", outcome.message);
	else if (outcome.state == CONTAINERD_UNKNOWN)
		checkup_warn(checkup, "start containerd, then " INSTALL_CURE, "%s", outcome.message);
	else
		checkup_fail(checkup, INSTALL_CURE ", for pods in VMs", "%s", outcome.message);
}

const struct checkup_row look_rows[] = {
	{ "version", look_at_version, false },
	{ "links", look_at_links, false },
	{ "journal", look_at_journal, false },
	{ "cni-plugin", look_at_plugin, false },
	{ "cni-entry", look_at_entry, false },
	{ "bridge", look_at_bridge, false },
	{ "containerd", look_at_containerd, false },
};
const size_t look_rows_n = ELEMENTS_OF(look_rows);
