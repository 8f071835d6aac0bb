// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/readiness/part.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/json/json.h"

#define SECOND UINT64_C(1000)
#define MINUTE (60 * SECOND)
#define FINDINGS_MAX 64

/*
 * A packet costs nothing, a discrete TPM a second; a VM is booted only if something has changed (kata-shim/cli/self_test.c), and one that
 * does not boot costs a CPU for as long as sandbox.vm.bootTimeout says.
 */
const struct part_row part_rows[PARTS] = {
	[PART_NETWORK] = { "network", "holdfast/network", "Network", "holdfast-net", MINUTE, 5 * SECOND, MINUTE, MINUTE },
	[PART_VM] = { "vm", "holdfast/vm", "VM", "containerd-shim-holdfast-v2", 2 * MINUTE, 30 * SECOND, 10 * MINUTE, 10 * MINUTE },
	[PART_TPM] = { "tpm", "holdfast/tpm", "TPM", "holdfast-tpm", 2 * MINUTE, 5 * SECOND, 2 * MINUTE, MINUTE },
};

bool part_find(const char *name, enum part *ret)
{
	for (int i = 0; i < PARTS; i++) {
		if (strcmp(part_rows[i].name, name) == 0) {
			*ret = (enum part)i;
			return true;
		}
	}
	return false;
}

struct part_result part_failed(const char *cure, const char *format, ...)
{
	struct part_result result = { .state = PART_FAILED };
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(result.cause, sizeof(result.cause), format, arguments);
	va_end(arguments);
	snprintf(result.cure, sizeof(result.cure), "%s", cure);
	return result;
}

static int read_finding(const struct json_view *at, struct part_result *ret, struct error *err)
{
	const char *texts[3];
	const char *const keys[] = { "level", "cause", "cure" };
	struct json_view member;
	int r = 0;

	for (int i = 0; i < 3 && r == 0; i++) {
		r = json_require(at, keys[i], &member, err);
		if (r == 0)
			r = json_expect_string(&member, &texts[i], err);
	}
	if (r < 0 || ret->state == PART_FAILED)
		return r;
	ret->state = strcmp(texts[0], "ok") == 0 ? PART_PASSED : PART_FAILED;
	snprintf(ret->cause, sizeof(ret->cause), "%s", texts[1]);
	snprintf(ret->cure, sizeof(ret->cure), "%s", ret->state == PART_FAILED ? texts[2] : "");
	return 0;
}

int part_result_read(struct slice text, struct part_result *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct part_result result = { .state = PART_UNTESTED };
	struct json_view findings;
	size_t n;

	int r = json_parse(text, &json_limits_object, &tree, err);
	if (r < 0)
		return r;
	const struct json_view root = json_root(tree);
	r = json_require(&root, "findings", &findings, err);
	if (r == 0)
		r = json_expect_array(&findings, FINDINGS_MAX, &n, err);
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, &findings) {
		r = read_finding(&item, &result, err);
		if (r < 0)
			return r;
	}
	if (result.state == PART_UNTESTED)
		return error_set(err, EINVAL, "there is no finding in it");
	*ret = result;
	return 0;
}
