// SPDX-License-Identifier: Apache-2.0
/*
 * Sources: k3s-io/k3s pkg/agent/templates (RKE2 uses it too), k0sproject/k0s docs/runtime.md, canonical/microk8s
 * microk8s-resources/wrappers/run-containerd-with-args.
 */
#include "deploy/install/containerd/layout.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "common/base/array.h"
#include "deploy/install/containerd/files.h"

#define RANCHER(which) "/var/lib/rancher/" which "/agent/etc/containerd/"
#define SNAP "/var/snap/microk8s/current/args/"

const struct containerd_layout containerd_layouts[] = {
	{
		.name = "k3s",
		.marker = RANCHER("k3s") "config.toml",
		.config = RANCHER("k3s") "config.toml",
		.template_v2 = RANCHER("k3s") "config.toml.tmpl",
		.template_v3 = RANCHER("k3s") "config-v3.toml.tmpl",
		.template_base = "{{ template \"base\" . }}\n",
		.socket = "/run/k3s/containerd/containerd.sock",
		.restart = "systemctl restart k3s (on an agent: k3s-agent)",
		.services = { "k3s", "k3s-agent" },
		.default_cure = "write \"default-runtime: holdfast\" into /etc/rancher/k3s/config.yaml and restart k3s",
	},
	{
		.name = "rke2",
		.marker = RANCHER("rke2") "config.toml",
		.config = RANCHER("rke2") "config.toml",
		.template_v2 = RANCHER("rke2") "config.toml.tmpl",
		.template_v3 = RANCHER("rke2") "config-v3.toml.tmpl",
		.template_base = "{{ template \"base\" . }}\n",
		.socket = "/run/k3s/containerd/containerd.sock",
		.restart = "systemctl restart rke2-agent (on a server: rke2-server)",
		.services = { "rke2-server", "rke2-agent" },
		.default_cure = "write \"default-runtime: holdfast\" into /etc/rancher/rke2/config.yaml and restart rke2",
	},
	{
		.name = "k0s",
		.marker = "/etc/k0s/containerd.toml",
		.config = "/etc/k0s/containerd.toml",
		.drop_in = "/etc/k0s/containerd.d/holdfast.toml",
		.only_if = "# k0s_managed=true",
		.socket = "/run/k0s/containerd.sock",
		.restart = "k0s reloads containerd by itself",
	},
	{
		.name = "microk8s",
		.marker = SNAP "containerd-template.toml",
		.config = SNAP "containerd-template.toml",
		.lines_only = true,
		.socket = "/var/snap/microk8s/common/run/containerd.sock",
		.restart = "snap restart microk8s.daemon-containerd",
		.services = { "snap.microk8s.daemon-containerd" },
	},
	{
		.name = "plain",
		.config = "/etc/containerd/config.toml",
		.socket = "/run/containerd/containerd.sock",
		.restart = "systemctl restart containerd",
		.services = { "containerd" },
	},
};
const size_t containerd_layouts_n = ELEMENTS_OF(containerd_layouts);

const struct containerd_layout *containerd_layout_named(const char *name)
{
	for (size_t i = 0; i < containerd_layouts_n; i++) {
		if (strcmp(containerd_layouts[i].name, name) == 0)
			return &containerd_layouts[i];
	}
	return NULL;
}

const struct containerd_layout *containerd_layout_of(const char *root)
{
	for (size_t i = 0; i + 1 < containerd_layouts_n; i++) {
		char path[PATH_MAX];

		if (containerd_host_path(root, containerd_layouts[i].marker, path, NULL) == 0 && access(path, F_OK) == 0)
			return &containerd_layouts[i];
	}
	return &containerd_layouts[containerd_layouts_n - 1];
}
