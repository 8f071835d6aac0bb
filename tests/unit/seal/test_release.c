// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "device-plugin/seal/release.h"

#define NAME "000b0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f20"
#define HOLD "{\"type\":\"hold\",\"index\":\"01800048\",\"name\":\"" NAME "\",\"value\":\"7\"}"
#define ONES "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"
#define VALUE "1111111111111111111111111111111111111111111111111111111111111111"

static int read_text(const char *text, struct release *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	if (json_parse(slice_string(text), &json_limits_object, &tree, err) < 0)
		fail_msg("%s", err->message);
	struct json_view root = json_root(tree);
	return release_read(&root, ret, err);
}

static void a_condition_has_one_form(void **state)
{
	static const char *const texts[] = { HOLD, "{\"type\":\"pcr\",\"pcrs\":[4,7],\"values\":[\"" VALUE "\",\"" ZEROS "\"]}" };

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(RELEASE_TEXT_MAX);
		struct release release;
		struct error err;

		if (read_text(texts[i], &release, &err) < 0)
			fail_msg("%s", err.message);
		release_print(&release, &out);
		assert_string_equal(buf_text(&out), texts[i]);
		release_clear(&release);
	}
}

static void refused(const char *text, const char *words)
{
	struct release release;
	struct error err;

	assert_int_equal(read_text(text, &release, &err), -EINVAL);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" does not say \"%s\"", err.message, words);
}

static void pcrs_that_nobody_measured_into_are_refused(void **state)
{
	refused("{\"type\":\"pcr\",\"pcrs\":[4],\"values\":[\"" ZEROS "\"]}", "nothing was measured");
	refused("{\"type\":\"pcr\",\"pcrs\":[4,17],\"values\":[\"" ZEROS "\",\"" ONES "\"]}", "nothing was measured");
}

static void malformed_conditions_are_refused(void **state)
{
	refused("{\"type\":\"pcr\",\"pcrs\":[],\"values\":[]}", "selects no PCR");
	refused("{\"type\":\"pcr\",\"pcrs\":[24],\"values\":[\"" VALUE "\"]}", "24");
	refused("{\"type\":\"pcr\",\"pcrs\":[7,7],\"values\":[\"" VALUE "\",\"" VALUE "\"]}", "twice");
	refused("{\"type\":\"pcr\",\"pcrs\":[7,4],\"values\":[\"" VALUE "\",\"" ZEROS "\"]}", "PCR 4 stands behind a higher one");
	refused("{\"type\":\"pcr\",\"pcrs\":[7],\"values\":[]}", "has 0 values for 1 PCRs");
	refused("{\"type\":\"pcr\",\"pcrs\":[7],\"values\":[\"11\"]}", "64 lower-case hexadecimal digits");
	refused("{\"type\":\"signed-pcr\",\"pcrs\":[11],\"key\":\"-----BEGIN\"}", "is no RSA public key in PEM form");
	refused("{\"type\":\"moon\"}", "\"moon\" is no release condition");
	refused("{\"type\":\"hold\",\"index\":\"01800048\",\"name\":\"" NAME "\",\"value\":\"7\",\"or\":1}", "unknown key \"or\"");
}

static int policy_of(const char *const *texts, size_t n, uint8_t digest[static TPM2_DIGEST_SIZE], struct error *err)
{
	struct policy_step steps[RELEASE_CONDITIONS_MAX];
	struct release conditions[RELEASE_CONDITIONS_MAX];

	for (size_t i = 0; i < n; i++)
		assert_int_equal(read_text(texts[i], &conditions[i], err), 0);
	return release_policy(conditions, n, steps, digest, err);
}

static void a_secret_that_could_not_be_revoked_is_refused(void **state)
{
	static const char *const texts[] = { "{\"type\":\"pcr\",\"pcrs\":[7],\"values\":[\"" VALUE "\"]}" };
	uint8_t digest[TPM2_DIGEST_SIZE];
	struct error err;

	assert_int_equal(policy_of(texts, 1, digest, &err), -EINVAL);
	assert_non_null(strstr(err.message, "could not be revoked"));
}

static void a_condition_twice_is_refused(void **state)
{
	static const char *const texts[] = { HOLD, HOLD };
	uint8_t digest[TPM2_DIGEST_SIZE];
	struct error err;

	assert_int_equal(policy_of(texts, 2, digest, &err), -EINVAL);
	assert_non_null(strstr(err.message, "twice"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_condition_has_one_form),         cmocka_unit_test(pcrs_that_nobody_measured_into_are_refused),
		cmocka_unit_test(malformed_conditions_are_refused), cmocka_unit_test(a_secret_that_could_not_be_revoked_is_refused),
		cmocka_unit_test(a_condition_twice_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
