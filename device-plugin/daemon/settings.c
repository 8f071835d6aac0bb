// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/daemon/settings.h"

#include "common/base/array.h"
#include "device-plugin/control/control.h"
#include "device-plugin/plugin/device.h"
#include "device-plugin/tpm/pin.h"
#include "device-plugin/tpm/tpm.h"

#define AT(field) offsetof(struct settings, field)

static const struct config_row rows[] = {
	DAEMON_SOURCE_ROWS(struct settings),
	{ "tcti", CONFIG_STRING, AT(tcti), TPM_DEFAULT_TCTI, "How the TPM is reached: device:/dev/tpmrm0, or swtpm:path=/run/swtpm.sock." },
	{ "signatures", CONFIG_PATH, AT(signatures), "/run/systemd/tpm2-pcr-signature.json",
	  "Signed PCR policies of the running system, for secrets with the condition signed-pcr." },
	{ "stateDir", CONFIG_PATH, AT(state_directory), PIN_DEFAULT_DIRECTORY,
	  "Which TPM this node has, the latest version of each secret, and the last known objects; must survive a reboot. No secret is in "
	  "it." },
	{ "volumes", CONFIG_PATH, AT(volumes), "/run/holdfast/vol", "Where the pods' secrets are: memory that is never swapped out." },
	{ "kubeletDir", CONFIG_PATH, AT(kubelet_directory), "/var/lib/kubelet", "kubelet's --root-dir." },
	{ "sandboxes", CONFIG_PATH, AT(sandboxes), "/run/holdfast/sandboxes",
	  "Where the runtime shim says what each pod really runs in; root's alone." },
	{ "socket", CONFIG_PATH, AT(socket), CONTROL_DEFAULT_SOCKET, "Where the command line finds the daemon." },
	{ "metricsAddress", CONFIG_STRING, AT(metrics_address), "127.0.0.1:9471", "/metrics, /healthz and /readyz; \"off\" for none." },
	{ "slots", CONFIG_INTEGER, AT(slots), "16", "How many containers of this node can have one secret at a time.", .minimum = 1,
	  .maximum = DEVICE_SLOTS_MAX },
	{ "noGeneralResource", CONFIG_BOOL, AT(no_general),
	  .help = "Do not offer tpm.holdfast/secrets, with which a pod asks for all that its annotation holdfast/secrets names." },
	{ "reuse", CONFIG_DURATION, AT(reuse_ms), "1s",
	  "For how long one unsealing serves further pods that start; the key is in locked memory meanwhile. 0s: never.",
	  .maximum = 60000 },
	{ "healthInterval", CONFIG_DURATION, AT(health_ms), "30s", "How often the TPM is asked whether it is well.", .minimum = 1000,
	  .maximum = 3600000 },
	{ "healthyAfter", CONFIG_DURATION, AT(healthy_after_ms), "10s",
	  "For how long a TPM that had failed must have been well before kubelet may give secrets out again.", .maximum = 600000 },
	DAEMON_RUN_ROWS(struct settings),
};

const struct config_section settings_section = { "secrets", rows, ELEMENTS_OF(rows), sizeof(struct settings) };

int settings_read(const char *path, struct settings *ret, struct error *err)
{
	return config_load(path, &settings_section, ret, &ret->config, err);
}

int settings_load(const char *path, struct settings *ret, struct error *err)
{
	int r = settings_read(path, ret, err);

	if (r < 0)
		return r;
	const struct daemon_choice choice = {
		settings_section.name, &ret->node_name, ret->kubeconfig, ret->directory, ret->api_server, &ret->in_cluster, ret->host_name,
	};
	r = daemon_choose(&choice, err);
	if (r < 0)
		settings_clear(ret);
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
