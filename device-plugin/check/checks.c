// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/check/checks.h"

#include "common/base/array.h"

const struct checkup_row checks[] = {
	{ "configuration", check_configuration },
	{ "tpm-device", check_tpm_device, true },
	{ "tpm", check_tpm, true },
	{ "kubelet", check_kubelet, true },
	{ "pod-resources", check_pod_resources, true },
	{ "sandbox-records", check_sandbox_records },
	{ "volumes", check_volumes, true },
	{ "swap", check_swap, true },
	{ "locked-memory", check_locked_memory, true },
	{ "directories", check_directories },
	{ "clock", checkup_clock, true },
	{ "daemon", check_daemon, true },
};

const size_t n_checks = ELEMENTS_OF(checks);
