// SPDX-License-Identifier: Apache-2.0
/* Sources of the directories: k3s-io/k3s pkg/cli/cmds and pkg/agent/config, canonical/microk8s microk8s-resources/default-args. */
#include "deploy/install/settings.h"

#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "deploy/install/containerd/layout.h"
#include "deploy/install/host/host.h"
#include "kata-shim/cli/settings.h"

#define AT(field) offsetof(struct node_settings, field)

static const struct config_row rows[] = {
	{ "stateDir", CONFIG_PATH, AT(state_directory), "/var/lib/holdfast",
	  "Where the node keeps what the daemons remember, for uninstall to remove it; /opt/holdfast/state where only /opt outlives a reboot "
	  "(options/state-in-opt)." },
	{ "cniConfDir", CONFIG_PATH, AT(cni_lists),
	  .help = "Directory of the CNI configuration lists. Default: that of k3s or microk8s where those are, else /etc/cni/net.d." },
	{ "cniBinDir", CONFIG_PATH, AT(cni_plugins),
	  .help = "Directory of the CNI plugins. Default: that of k3s or microk8s where those are, else /opt/cni/bin." },
	{ "watchInterval", CONFIG_DURATION, AT(watch_interval_ms), "30s",
	  "How often `holdfast-node watch` looks at all of it; a CNI list that is rewritten it sees at once.", .minimum = 1000,
	  .maximum = 3600 * 1000 },
	{ "healthAddress", CONFIG_STRING, AT(health_address), "127.0.0.1:9472",
	  "Where `holdfast-node watch` answers on /healthz and /readyz; off: nowhere." },
	{ "apiServer", CONFIG_STRING, AT(api_server),
	  .help = "Where labels, condition and events of the node go, instead of the address that the pod's environment gives: "
		  "https://10.0.0.1:6443" },
	{ "containerd.configure", CONFIG_BOOL, AT(containerd), "true",
	  "Give containerd the handlers of the sandboxes. false: its configuration is left to somebody else, see holdfast-node "
	  "containerd-config." },
	{ "containerd.restart", CONFIG_BOOL, AT(containerd_restart), "true",
	  "Restart containerd if it must read something new; pods keep running. false: a person does it, and pods in VMs have to wait." },
	{ "containerd.defaultRuntime", CONFIG_BOOL, AT(default_runtime), "false",
	  "Route also the pods that name no RuntimeClass, by sandbox.rules: for edged, which knows none." },
	{ "containerd.layout", CONFIG_STRING, AT(containerd_layout),
	  .help = "k3s, rke2, k0s, microk8s or plain. Default: what the node looks like." },
	{ "containerd.config", CONFIG_PATH, AT(containerd_config), .help = "Its configuration. Default: the layout's." },
	{ "containerd.restartCommand", CONFIG_STRING, AT(containerd_restart_command),
	  .help = "For the node's /bin/sh. Default: by the node's service." },
};

const struct config_section node_settings_section = { "install", rows, ELEMENTS_OF(rows), sizeof(struct node_settings) };

/* The first row of a layout whose directory of plugins is there; else the last row. */
static const struct place {
	const char *layout, *lists, *plugins;
} places[] = {
	{ "k3s", "/var/lib/rancher/k3s/agent/etc/cni/net.d", "/var/lib/rancher/k3s/data/cni" },
	{ "k3s", "/var/lib/rancher/k3s/agent/etc/cni/net.d", "/var/lib/rancher/k3s/data/current/bin" },
	{ "microk8s", "/var/snap/microk8s/current/args/cni-network", "/var/snap/microk8s/current/opt/cni/bin" },
	{ NULL, "/etc/cni/net.d", "/opt/cni/bin" },
};

static const struct place *find_place(const char *root)
{
	const char *layout = containerd_layout_of(root)->name;
	const struct place *place = places;
	char path[PATH_MAX];

	while (place->layout && (strcmp(place->layout, layout) != 0 || host_find(root, place->plugins, path, NULL) < 0))
		place++;
	return place;
}

static int read_sandbox(struct slice text, char ret_records[static PATH_MAX], char ret_vms[static PATH_MAX], struct error *err)
{
	_cleanup_(settings_clear) struct settings settings = { 0 };

	int r = settings_parse(text, &settings, err);
	if (r < 0)
		return r;
	snprintf(ret_records, PATH_MAX, "%s", settings.records);
	snprintf(ret_vms, PATH_MAX, "%s", settings.vm.state);
	return 0;
}

int node_settings_parse(struct slice text, const char *root, struct node_settings *ret, struct error *err)
{
	char records[PATH_MAX], vms[PATH_MAX];

	int r = read_sandbox(text, records, vms, err);
	r = r < 0 ? r : config_parse(text, &node_settings_section, ret, &ret->config, err);
	if (r < 0)
		return r;
	memcpy(ret->records, records, sizeof(records));
	memcpy(ret->vms, vms, sizeof(vms));
	const struct place *place = find_place(root);
	ret->cni_lists = ret->cni_lists ? ret->cni_lists : place->lists;
	ret->cni_plugins = ret->cni_plugins ? ret->cni_plugins : place->plugins;
	return 0;
}

void node_settings_clear(struct node_settings *settings)
{
	config_free(settings->config);
	*settings = (struct node_settings){ 0 };
}
