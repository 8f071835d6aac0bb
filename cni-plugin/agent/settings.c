// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/agent/settings.h"

#include "cni-plugin/plugin/cni.h"
#include "common/base/array.h"
#include "common/daemon/settings.h"

static const char *const ownership_names[] = { "auto", "off", NULL };

#define AT(field) offsetof(struct settings, field)

static const struct config_row rows[] = {
	DAEMON_SOURCE_ROWS(struct settings),
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
	DAEMON_RUN_ROWS(struct settings),
};

const struct config_section settings_section = { "network", rows, ELEMENTS_OF(rows), sizeof(struct settings) };

int settings_load(const char *path, struct settings *ret, struct error *err)
{
	_cleanup_(config_freep) struct config *config = NULL;

	int r = config_load(path, &settings_section, ret, &config, err);
	if (r < 0)
		return r;
	const struct daemon_choice choice = {
		settings_section.name, &ret->node_name, ret->kubeconfig, ret->directory, ret->api_server, &ret->in_cluster, ret->host_name,
	};
	r = daemon_choose(&choice, err);
	if (r == 0)
		ret->config = TAKE_PTR(config);
	return r;
}

void settings_clear(struct settings *settings)
{
	config_free(settings->config);
	*settings = (struct settings){ 0 };
}

void settings_print(struct buf *out)
{
	config_print(&settings_section, out);
}
