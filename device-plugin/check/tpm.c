// SPDX-License-Identifier: Apache-2.0
/*
 * The TPM is asked by whoever has it: the daemon, if it runs, since two programs would take each other's slots where there is no resource
 * manager; else this program.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/base/cleanup.h"
#include "device-plugin/check/checks.h"
#include "device-plugin/tpm/pin.h"
#include "device-plugin/tpm/tpm.h"

#define DEVICE_PREFIX "device:"
#define FIRST_TPM "/sys/class/tpm/tpm0"

static bool is_version_1(const struct checkup *checkup)
{
	uint64_t version;

	return checkup_number(checkup, FIRST_TPM "/tpm_version_major", &version) && version == 1;
}

static void say_missing(struct checkup *checkup, const char *device)
{
	if (is_version_1(checkup))
		checkup_fail(checkup, "look for an update or a setting in the firmware",
			     "this machine has a TPM 1.2, and Holdfast needs a TPM 2.0");
	else if (checkup_exists(checkup, FIRST_TPM))
		checkup_fail(checkup, "in a container, give it the device; else name another one in secrets.tcti",
			     "%s is not there, although the kernel has a TPM", device);
	else
		checkup_fail(checkup,
			     "enable it in the firmware (also called PTT or fTPM), or load its driver: modprobe tpm_crb; modprobe tpm_tis",
			     "there is no TPM: the kernel knows of none");
}

/* Of the kernel's two devices per TPM the one without a resource manager. */
static bool is_bare(const char *device)
{
	return strncmp(device, "/dev/tpm", 8) == 0 && strncmp(device, "/dev/tpmrm", 10) != 0;
}

static void look_at_device(struct checkup *checkup, const char *device)
{
	struct stat status;

	if (stat(device, &status) < 0)
		say_missing(checkup, device);
	else if (!S_ISCHR(status.st_mode))
		checkup_fail(checkup, "name the TPM in secrets.tcti: device:/dev/tpmrm0", "%s is no device", device);
	else if (is_bare(device))
		checkup_warn(checkup, "secrets.tcti: device:/dev/tpmrm0",
			     "%s is the TPM without the kernel's resource manager: it takes one program at a time", device);
	else
		checkup_ok(checkup, "the TPM is %s", device);
}

void check_tpm_device(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;

	if (strncmp(options->settings.tcti, DEVICE_PREFIX, strlen(DEVICE_PREFIX)) == 0)
		look_at_device(checkup, options->settings.tcti + strlen(DEVICE_PREFIX));
	else
		checkup_ok(checkup, "the TPM is no device of this kernel: %s", options->settings.tcti);
}

static void say_lockout(struct checkup *checkup, const struct tpm_description *tpm)
{
	if (tpm->locked_out)
		checkup_fail(checkup, "tpm2_dictionarylockout --clear-lockout, or wait",
			     "the TPM is locked out after %u failed authorizations; it forgets one of them every %u s", tpm->failed_tries,
			     tpm->forgets_try_s);
	else if (tpm->failed_tries > 0)
		checkup_warn(checkup, "find out which program gives the TPM a wrong authorization: Holdfast never does",
			     "the TPM counts %u failed authorizations of %u, and is locked out then", tpm->failed_tries,
			     tpm->maximum_tries);
	else
		checkup_ok(checkup, "the TPM is not locked out");
}

static const char *cure_of(int r)
{
	switch (r) {
	case -ENOENT:
		return "holdfast-tpm node-key";
	case -ENODEV:
		return "look at the row above; for swtpm, start it";
	case -EACCES:
		return "run this as root";
	default:
		return "docs/secrets.md says what each of these means";
	}
}

static void say_description(struct checkup *checkup, const struct tpm_description *tpm)
{
	checkup_ok(checkup, "%s %s, firmware %s, answers", tpm->manufacturer, tpm->model, tpm->firmware);
	say_lockout(checkup, tpm);
}

static void say_enrolled(struct checkup *checkup, uint64_t hold)
{
	checkup_ok(checkup, "it is the one that was enrolled, and its hold counter is %" PRIu64, hold);
}

static int look_at_tpm(struct checkup *checkup, struct error *err)
{
	const struct check_options *options = checkup->options;
	_cleanup_(tpm_closep) struct tpm *tpm = NULL;
	struct tpm_description description;
	struct tpm2_name root;
	uint64_t hold;

	int r = tpm_open(options->settings.tcti, &tpm, err);
	if (r == 0)
		r = tpm_describe(tpm, &description, err);
	if (r < 0)
		return r;
	say_description(checkup, &description);
	r = pin_read(options->settings.state_directory, &root, err);
	if (r == 0)
		r = tpm_check(tpm, &root, &hold, err);
	if (r == 0)
		say_enrolled(checkup, hold);
	return r;
}

static const char *text_of(const struct json_view *object, const char *key)
{
	struct json_view member;
	struct error ignored;
	const char *text;

	return json_member(object, key, &member) && json_expect_string(&member, &text, &ignored) == 0 ? text : "";
}

static uint32_t number_of(const struct json_view *object, const char *key)
{
	struct json_view member;
	struct error ignored;
	int64_t number;

	return json_member(object, key, &member) && json_expect_integer(&member, 0, UINT32_MAX, &number, &ignored) == 0 ? (uint32_t)number
															: 0;
}

/* `tpm` as show_status.c writes it. */
static void look_at_daemons_word(struct checkup *checkup, const struct json_view *tpm)
{
	struct tpm_description description = {
		.failed_tries = number_of(tpm, "failedTries"),
		.maximum_tries = number_of(tpm, "maximumTries"),
		.forgets_try_s = number_of(tpm, "forgetsTrySeconds"),
	};
	const char *reason = text_of(tpm, "reason");

	description.locked_out = description.maximum_tries && description.failed_tries >= description.maximum_tries;
	snprintf(description.manufacturer, sizeof(description.manufacturer), "%s", text_of(tpm, "manufacturer"));
	snprintf(description.model, sizeof(description.model), "%s", text_of(tpm, "model"));
	snprintf(description.firmware, sizeof(description.firmware), "%s", text_of(tpm, "firmware"));
	if (*description.manufacturer)
		say_description(checkup, &description);
	if (*reason)
		checkup_fail(checkup, "holdfast-tpm status", "%s", reason);
	else
		say_enrolled(checkup, number_of(tpm, "hold"));
}

void check_tpm(struct checkup *checkup)
{
	const struct check_options *options = checkup->options;
	struct json_view root = json_root(options->status), tpm;
	struct error err;

	if (options->status && json_member(&root, "tpm", &tpm)) {
		look_at_daemons_word(checkup, &tpm);
		return;
	}
	int r = look_at_tpm(checkup, &err);
	if (r < 0)
		checkup_fail(checkup, cure_of(r), "%s", err.message);
}
