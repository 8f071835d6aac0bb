// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cni-plugin/check/chain.h"
#include "cni-plugin/check/checks.h"
#include "common/base/cleanup.h"

#define BRIDGE_SETTINGS "/proc/sys/net/bridge/"

static void check_place(struct checkup *checkup, const struct chain *chain)
{
	size_t at = chain_find(chain, "holdfast");

	if (at == chain->n_plugins)
		checkup_fail(checkup, "add {\"type\": \"holdfast\"} as the last of \"plugins\" in that file",
			     "the runtime takes %s, and holdfast is not in it: no new pod is isolated before it starts", chain->file);
	else if (at + 1 != chain->n_plugins)
		checkup_warn(checkup, "move {\"type\": \"holdfast\"} to the end of \"plugins\" in that file",
			     "in %s the plugin %s runs after holdfast, and may change what holdfast has looked at", chain->file,
			     chain->plugins[at + 1]);
	else
		checkup_ok(checkup, "holdfast is the last plugin in %s", chain->file);
}

/* STATUS came with 1.1.0; with it the kubelet keeps a node without its agent from getting pods. */
static bool knows_status(const char *version)
{
	unsigned major = 0, minor = 0;

	return sscanf(version, "%u.%u", &major, &minor) == 2 && (major > 1 || (major == 1 && minor >= 1));
}

void check_cni_chain(struct checkup *checkup)
{
	_cleanup_(chain_clear) struct chain chain = { 0 };

	if (!chain_is_seen(checkup))
		return;
	chain_read(checkup, &chain);
	if (chain.unreadable.code) {
		checkup_fail(checkup,
			     chain.file ? "repair that file"
					: "install a CNI plugin that makes a veth (ptp, bridge, flannel), holdfast after it",
			     "%s", chain.unreadable.message);
		return;
	}
	if (!chain.is_list) {
		checkup_fail(checkup,
			     "make it a *.conflist: {\"cniVersion\": …, \"name\": …, \"plugins\": [ it, {\"type\": \"holdfast\"} ]}",
			     "the runtime takes %s, which is one plugin and no list: nothing can be chained to it", chain.file);
		return;
	}
	check_place(checkup, &chain);
	if (!knows_status(chain.version))
		checkup_warn(checkup, "set \"cniVersion\": \"1.1.0\" in that file (containerd 2.0, CRI-O 1.31 and later know it)",
			     "%s has cniVersion %s: the kubelet does not see whether the agent works, and pods are sent here without it",
			     chain.file, chain.version);
}

void check_cni_executable(struct checkup *checkup)
{
	const char *directory = chain_executables(checkup);
	_cleanup_free_ char *path = NULL, *whole = NULL;

	if (!chain_is_seen(checkup))
		return;
	if (asprintf(&path, "%s/holdfast", directory) < 0) {
		checkup->lost = true;
		return;
	}
	whole = checkup_path(checkup, path);
	if (whole && access(whole, X_OK) == 0)
		checkup_ok(checkup, "%s is there", path);
	else
		checkup_fail(checkup, "copy bin/holdfast of this version there, mode 0755",
			     "%s is missing or cannot be run: no pod will start on this node", path);
}

static void check_bridge_setting(struct checkup *checkup, const char *name)
{
	_cleanup_free_ char *path = NULL, *cure = NULL;
	uint64_t value;

	if (asprintf(&path, BRIDGE_SETTINGS "%s", name) < 0 || asprintf(&cure, "sysctl -w net.bridge.%s=1", name) < 0)
		checkup->lost = true;
	else if (!checkup_number(checkup, path, &value) || value != 1)
		checkup_warn(checkup, cure, "net.bridge.%s is not 1; the agent sets it when the first pod of a bridge starts, if it may",
			     name);
	else
		checkup_ok(checkup, "net.bridge.%s is 1", name);
}

void check_bridge(struct checkup *checkup)
{
	_cleanup_(chain_clear) struct chain chain = { 0 };

	if (!chain_is_seen(checkup))
		return;
	chain_read(checkup, &chain);
	if (chain.unreadable.code || !chain.is_bridged) {
		checkup_ok(checkup, "pods are not on a bridge");
		return;
	}
	if (!checkup_exists(checkup, BRIDGE_SETTINGS)) {
		checkup_fail(
			checkup, "modprobe br_netfilter && echo br_netfilter >/etc/modules-load.d/holdfast.conf",
			"pods are on a bridge, and the kernel module br_netfilter is not loaded: packets between them pass no rules, so "
			"no pod starts");
		return;
	}
	check_bridge_setting(checkup, "bridge-nf-call-iptables");
	if (chain_gives_ipv6(checkup))
		check_bridge_setting(checkup, "bridge-nf-call-ip6tables");
}
