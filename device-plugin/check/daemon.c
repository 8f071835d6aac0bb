// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/check/checks.h"

void check_configuration(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;
	const struct settings *settings = &options->settings;

	if (options->misconfigured.code)
		checkup_fail(checkup, "see `holdfast-tpm serve --print-config`; another file: --config FILE", "%s",
			     options->misconfigured.message);
	else if (settings->kubeconfig || settings->directory)
		checkup_ok(checkup, "node %s follows %s", settings->node_name,
			   settings->kubeconfig ? settings->kubeconfig : settings->directory);
	else
		checkup_ok(checkup, "node %s follows the API server as a pod of the cluster", settings->node_name);
}

void check_directories(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;

	checkup_directory(checkup, options->settings.state_directory, "which TPM this is, and which versions were seen, cannot be kept");
}

void check_daemon(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;
	struct json_view root = json_root(options->status), ready, reason;
	const char *words = "";
	struct error ignored;
	bool is_ready = false;

	if (!options->status) {
		checkup_warn(checkup, "start it: kubectl -n holdfast-system get pods -o wide, or holdfast-tpm serve", "%s", options->away.message);
		return;
	}
	if (json_member(&root, "ready", &ready) && json_expect_bool(&ready, &is_ready, &ignored) == 0 && is_ready) {
		checkup_ok(checkup, "the daemon answers that it is ready");
		return;
	}
	if (json_member(&root, "notReadyReason", &reason))
		(void)!json_expect_string(&reason, &words, &ignored);
	checkup_warn(checkup, "holdfast-tpm status", "the daemon answers that it is not ready: %s", words);
}
