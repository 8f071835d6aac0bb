// SPDX-License-Identifier: Apache-2.0
#include "device-plugin/seal/release.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"

static const struct release_type *const types[] = { &release_type_hold, &release_type_pcr, &release_type_signed_pcr };

int release_read(const struct json_view *at, struct release *ret, struct error *err)
{
	struct json_view type;
	const char *name;

	int r = json_expect_object(at, err);
	if (r == 0)
		r = json_require(at, "type", &type, err);
	if (r == 0)
		r = json_expect_string(&type, &name, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ELEMENTS_OF(types); i++) {
		if (strcmp(types[i]->name, name) != 0)
			continue;
		*ret = (struct release){ .type = types[i] };
		r = types[i]->read(at, ret, err);
		if (r < 0)
			release_clear(ret);
		return r;
	}
	return json_error(&type, err, "\"%.40s\" is no release condition that this version of Holdfast knows (hold, pcr, signed-pcr)",
			  name);
}

void release_print(const struct release *release, struct buf *out)
{
	buf_printf(out, "{\"type\":\"%s\"", release->type->name);
	release->type->print(release, out);
	buf_byte(out, '}');
}

void release_clear(struct release *release)
{
	if (release->type && release->type->clear)
		release->type->clear(release);
	*release = (struct release){ 0 };
}

static int check_conditions(const struct release *conditions, size_t n, struct error *err)
{
	for (size_t i = 0; i < n; i++) {
		for (size_t j = 0; j < i; j++) {
			if (conditions[i].type == conditions[j].type)
				return error_set(err, EINVAL, "the release condition \"%s\" is there twice", conditions[i].type->name);
		}
	}
	if (!release_find_hold(conditions, n))
		return error_set(err, EINVAL, "there is no release condition \"hold\": the secret could not be revoked");
	return 0;
}

int release_policy(const struct release *conditions, size_t n, struct policy_step ret_steps[static RELEASE_CONDITIONS_MAX],
		   uint8_t ret_digest[static TPM2_DIGEST_SIZE], struct error *err)
{
	if (n > RELEASE_CONDITIONS_MAX)
		return error_set(err, EINVAL, "%zu release conditions are more than %d", n, RELEASE_CONDITIONS_MAX);
	int r = check_conditions(conditions, n, err);
	for (size_t i = 0; i < n && r == 0; i++)
		r = conditions[i].type->step(&conditions[i], &ret_steps[i], err);
	return r < 0 ? r : policy_digest(ret_steps, n, ret_digest, err);
}

const struct release_hold *release_find_hold(const struct release *conditions, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (conditions[i].type == &release_type_hold)
			return &conditions[i].hold;
	}
	return NULL;
}

static bool is_all(const uint8_t value[static TPM2_DIGEST_SIZE], uint8_t byte)
{
	for (size_t i = 0; i < TPM2_DIGEST_SIZE; i++) {
		if (value[i] != byte)
			return false;
	}
	return true;
}

int release_check_measured(struct policy_pcrs pcrs, const uint8_t values[static POLICY_PCRS][TPM2_DIGEST_SIZE], struct error *err)
{
	for (unsigned i = 0; i < POLICY_PCRS; i++) {
		if (pcrs.mask & 1u << i && !is_all(values[i], 0) && !is_all(values[i], 0xff))
			return 0;
	}
	return error_set(err, EINVAL,
			 "every selected PCR is all zeros or all ones: nothing was measured into them, so the condition would hold "
			 "on any machine; select PCRs that the firmware or the system extends");
}

void release_print_pcrs(struct policy_pcrs pcrs, struct buf *out)
{
	const char *comma = "";

	buf_byte(out, '[');
	for (unsigned i = 0; i < POLICY_PCRS; i++) {
		if (!(pcrs.mask & 1u << i))
			continue;
		buf_printf(out, "%s%u", comma, i);
		comma = ",";
	}
	buf_byte(out, ']');
}

int release_read_pcrs(const struct json_view *at, struct policy_pcrs *ret, struct error *err)
{
	struct policy_pcrs pcrs = { 0 };
	size_t n;

	int r = json_expect_array(at, POLICY_PCRS, &n, err);
	if (r == 0 && n == 0)
		r = json_error(at, err, "selects no PCR");
	if (r < 0)
		return r;
	JSON_FOR_EACH(item, at) {
		int64_t number;
		r = json_expect_integer(&item, 0, POLICY_PCRS - 1, &number, err);
		if (r < 0)
			return r;
		if (pcrs.mask & 1u << number)
			return json_error(&item, err, "PCR %d is there twice", (int)number);
		if (pcrs.mask >> number)
			return json_error(&item, err, "PCR %d stands behind a higher one; values go by rising numbers", (int)number);
		pcrs.mask |= 1u << number;
	}
	*ret = pcrs;
	return 0;
}
