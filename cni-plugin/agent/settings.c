// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/settings.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cni-plugin/plugin/cni.h"
#include "common/base/array.h"

static const char *const level_names[] = { "debug", "info", "warn", "error", NULL };
static const char *const ownership_names[] = { "auto", "off", NULL };
static const char *const format_names[] = { "logfmt", "json", NULL };
static const char *const seccomp_names[] = { "enforce", "log", NULL };

#define AT(field) offsetof(struct settings, field)

static const struct config_row rows[] = {
	{ "nodeName", CONFIG_STRING, AT(node_name),
	  .help = "This node's name in Kubernetes. Default: the environment's NODE_NAME, else the host name." },
	{ "source.inCluster", CONFIG_BOOL, AT(in_cluster),
	  .help = "Follow the API server with the pod's service account. The default where Kubernetes runs the agent." },
	{ "source.kubeconfig", CONFIG_PATH, AT(kubeconfig), .help = "Follow the API server that this kubeconfig names." },
	{ "source.directory", CONFIG_PATH, AT(directory),
	  .help = "Follow a directory of manifests (*.yaml, *.yml, *.json); no API server." },
	{ "source.apiServer", CONFIG_STRING, AT(api_server),
	  .help = "Address of the API server, instead of the one that kubeconfig or environment give: https://10.0.0.1:6443" },
	{ "socket", CONFIG_PATH, AT(socket), CNI_DEFAULT_SOCKET, "Where the CNI executable and the command line find the agent." },
	{ "stateDir", CONFIG_PATH, AT(state_directory), "/run/holdfast/net",
	  "The journal of this node's pods; must survive the agent, not a reboot." },
	{ "snapshotDir", CONFIG_PATH, AT(snapshot_directory), "/var/lib/holdfast/net",
	  "The last known objects, for a start without their source; should survive a reboot. No secret is in it." },
	{ "metricsAddress", CONFIG_STRING, AT(metrics_address), "127.0.0.1:9470", "/metrics, /healthz and /readyz; \"off\" for none." },
	{ "podWait", CONFIG_DURATION, AT(pod_wait_ms), "1s",
	  "How long a new pod's start waits for its object; after that it starts quarantined, and opens when the object comes.",
	  .maximum = 20000 },
	{ "observeInterval", CONFIG_DURATION, AT(observe_ms), "60s",
	  "How often the tracked connections are looked at, for the dashed lines of `holdfast-net graph`; 0s: never.", .maximum = 600000 },
	{ "tableOwnership", CONFIG_ENUM, AT(table_ownership), "auto",
	  "auto: where the kernel can do it (Linux 6.9), no other program can change our nf_tables table while the agent runs. off: root "
	  "can.",
	  .names = ownership_names },
	{ "dropLog.rate", CONFIG_INTEGER, AT(drop_log_rate), "10",
	  "Dropped packets per second that each set of policies shows to `holdfast-net drops`; the others are only counted. 0: none.",
	  .maximum = 1000 },
	{ "dropLog.burst", CONFIG_INTEGER, AT(drop_log_burst), "50", "How many it may show at once after a quiet time.", .minimum = 1,
	  .maximum = 10000 },
	{ "dropLog.group", CONFIG_INTEGER, AT(drop_log_group), "9470", "The NFLOG group for that; no other program may read it.",
	  .maximum = 65535 },
	{ "logLevel", CONFIG_ENUM, AT(log_level), "info", "debug, info, warn or error.", .names = level_names },
	{ "logFormat", CONFIG_ENUM, AT(log_format), "logfmt", "logfmt or json.", .names = format_names },
	{ "seccomp", CONFIG_ENUM, AT(seccomp), "enforce",
	  "A system call that the agent should not need ends it (enforce), or is only noted in the kernel's log (log).",
	  .names = seccomp_names },
};

static const struct config_section section = { "network", rows, ELEMENTS_OF(rows), sizeof(struct settings) };

static int choose_source(struct settings *settings, struct error *err)
{
	int given = settings->in_cluster + (settings->kubeconfig != NULL) + (settings->directory != NULL);

	if (given > 1)
		return error_set(err, EINVAL, "network.source: give one of inCluster, kubeconfig and directory, not %d", given);
	if (settings->directory && settings->api_server)
		return error_set(err, EINVAL, "network.source: apiServer has no meaning for a directory");
	if (given == 1)
		return 0;
	settings->in_cluster = getenv("KUBERNETES_SERVICE_HOST") != NULL;
	if (!settings->in_cluster)
		return error_set(
			err, EINVAL,
			"network.source is missing: give kubeconfig (a path), directory (a path) or inCluster (in a pod of the cluster)");
	return 0;
}

static int choose_node_name(struct settings *settings, struct error *err)
{
	const char *variable = getenv("NODE_NAME");

	if (settings->node_name)
		return 0;
	if (variable && *variable) {
		settings->node_name = variable;
		return 0;
	}
	if (gethostname(settings->host_name, sizeof(settings->host_name) - 1) < 0)
		return error_errno(err, errno, "network.nodeName is missing, and the host name cannot be read");
	return 0;
}

int settings_load(const char *path, struct settings *ret, struct error *err)
{
	_cleanup_(config_freep) struct config *config = NULL;
	struct settings settings = { 0 };

	int r = config_load(path, &section, &settings, &config, err);
	if (r == 0)
		r = choose_source(&settings, err);
	if (r == 0)
		r = choose_node_name(&settings, err);
	if (r < 0)
		return r;
	settings.config = TAKE_PTR(config);
	*ret = settings;
	if (!ret->node_name)
		ret->node_name = ret->host_name;
	return 0;
}

void settings_clear(struct settings *settings)
{
	config_free(settings->config);
	*settings = (struct settings){ 0 };
}

void settings_print(struct buf *out)
{
	config_print(&section, out);
}
