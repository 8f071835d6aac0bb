// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>

#include "common/base/array.h"
#include "device-plugin/plugin/device.h"

static void names_follow_from_the_secret_and_the_slot(void **state)
{
	_cleanup_(buf_free) struct buf resource = BUF_MAX(256), volume = BUF_MAX(256), inside = BUF_MAX(256);
	struct device_hash hash;
	struct error err;

	assert_int_equal(device_hash("db-password", &hash, &err), 0);
	assert_string_equal(hash.text, "47facce2"); /* printf db-password | sha256sum */
	assert_string_equal(device_id(&hash, 3).text, "47facce2-3");
	device_print_resource("db-password", &resource);
	assert_string_equal(buf_text(&resource), "tpm.holdfast/db-password");
	device_print_volume("/run/holdfast/vol", "47facce2-3", "db-password", &volume);
	assert_string_equal(buf_text(&volume), "/run/holdfast/vol/47facce2-3/kubernetes.io~secret/db-password");
	device_print_container_path("db-password", &inside);
	assert_string_equal(buf_text(&inside), "/var/run/secrets/tpm.holdfast/db-password");
}

static void every_id_reads_back(void **state)
{
	struct device_hash hash, read;
	struct error err;
	unsigned slot;

	assert_int_equal(device_hash("a", &hash, &err), 0);
	for (unsigned i = 0; i < DEVICE_SLOTS_MAX; i++) {
		struct device_id id = device_id(&hash, i);

		assert_true(device_id_parse(slice_string(id.text), &read, &slot));
		assert_string_equal(read.text, hash.text);
		assert_int_equal(slot, i);
	}
}

static void what_is_no_id_is_refused(void **state)
{
	static const char *const texts[] = { "",
					     "-",
					     "0123abcd",
					     "0123abcd-",
					     "0123abcd-1000",
					     "0123abcd-01",
					     "0123abcd-1 ",
					     "0123ABCD-1",
					     "0123abc-1",
					     "0123abcdx1",
					     "0123abcd--1",
					     "0123abcd-+1",
					     "../../etc-1",
					     "0123abcd-1/..",
					     "0123abcd-99999999999999999999" };
	struct device_hash hash;
	unsigned slot;

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		if (device_id_parse(slice_string(texts[i]), &hash, &slot))
			fail_msg("\"%s\" was taken", texts[i]);
	}
	assert_false(device_id_parse(slice_from("0123abcd-1\0", 11), &hash, &slot));
}

static void a_resource_of_ours_tells_its_secret(void **state)
{
	assert_string_equal(device_secret_of_resource("tpm.holdfast/db-password"), "db-password");
	assert_null(device_secret_of_resource("tpm.holdfast/"));
	assert_null(device_secret_of_resource("tpm.holdfast"));
	assert_null(device_secret_of_resource("example.com/tpm.holdfast/x"));
	assert_null(device_secret_of_resource(""));
}

static void assert_refused(const char *secret, const char *expected)
{
	struct error err;

	assert_int_equal(device_check_secret(secret, &err), -EINVAL);
	if (!strstr(err.message, expected))
		fail_msg("%s", err.message);
}

static void a_name_that_cannot_be_a_resource_is_refused_with_the_reason(void **state)
{
	char name[DEVICE_SECRET_MAX + 2] = { 0 };
	struct error err;

	memset(name, 'a', DEVICE_SECRET_MAX);
	assert_int_equal(device_check_secret(name, &err), 0);
	name[DEVICE_SECRET_MAX] = 'a';
	assert_refused(name, "its name has 64 bytes, 63 are allowed");
	assert_refused("", "is no name of a secret");
	assert_refused("Db", "is no name of a secret");
	assert_refused("a/b", "is no name of a secret");
	assert_refused(PLUGIN_GENERAL, "tpm.holdfast/secrets is the resource for a list of secrets");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_follow_from_the_secret_and_the_slot),
		cmocka_unit_test(every_id_reads_back),
		cmocka_unit_test(what_is_no_id_is_refused),
		cmocka_unit_test(a_resource_of_ours_tells_its_secret),
		cmocka_unit_test(a_name_that_cannot_be_a_resource_is_refused_with_the_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
