// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/check/checks.h"

void check_directories(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;

	checkup_directory(checkup, options->state_directory, "which TPM this is, and which versions were seen, cannot be kept");
}

void check_daemon(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;
	struct json_view root = json_root(options->status), ready, reason;
	const char *words = "";
	struct error ignored;
	bool is_ready = false;

	if (!options->status) {
		checkup_warn(checkup, "start it: kubectl -n holdfast get pods -o wide, or holdfast-tpm serve", "%s", options->away.message);
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
