// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "device-plugin/plugin/checkpoint.h"

#define ENTRY(resource, ids)                                                                                                               \
	"{\"PodUID\":\"8e1f0b2c-1\",\"ContainerName\":\"db\",\"ResourceName\":\"" resource "\",\"DeviceIDs\":" ids                         \
	",\"AllocResp\":\"EhcKBS92YXIvEgQvcnVu\"}"
#define FILE_OF(entries) "{\"Data\":{\"PodDeviceEntries\":" entries ",\"RegisteredDevices\":{}},\"Checksum\":18446744073709551615}"
#define OURS "tpm.holdfast/db-password"

static void read_text(const char *text, struct checkpoint *checkpoint)
{
	struct error err;

	if (checkpoint_parse(slice_string(text), checkpoint, &err) < 0)
		fail_msg("%s", err.message);
}

static void expect_refusal(const char *text, const char *words)
{
	struct checkpoint checkpoint = {};
	struct error err = {};

	assert_int_equal(checkpoint_parse(slice_string(text), &checkpoint, &err), -EINVAL);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
	assert_int_equal(checkpoint.n, 0);
	assert_null(checkpoint.devices);
}

static void test_a_device_of_ours_has_its_pod_and_container(void **state)
{
	_cleanup_(checkpoint_clear) struct checkpoint checkpoint = {};

	read_text(FILE_OF("[" ENTRY(OURS, "{\"-1\":[\"47facce2-3\"]}") "]"), &checkpoint);
	assert_int_equal(checkpoint.n, 1);
	assert_string_equal(checkpoint.devices[0].device, "47facce2-3");
	assert_string_equal(checkpoint.devices[0].resource, OURS);
	assert_string_equal(checkpoint.devices[0].pod_uid, "8e1f0b2c-1");
	assert_string_equal(checkpoint.devices[0].container, "db");
}

static void test_devices_of_all_numa_nodes_are_kept(void **state)
{
	_cleanup_(checkpoint_clear) struct checkpoint checkpoint = {};

	read_text(FILE_OF("[" ENTRY(OURS, "{\"0\":[\"47facce2-0\",\"47facce2-1\"],\"1\":[\"47facce2-1\"],\"2\":null}") "]"), &checkpoint);
	assert_int_equal(checkpoint.n, 3);
	assert_string_equal(checkpoint.devices[2].device, "47facce2-1");
}

static void test_other_vendors_may_write_what_they_like(void **state)
{
	_cleanup_(checkpoint_clear) struct checkpoint checkpoint = {};

	read_text(FILE_OF("[" ENTRY("example.com/gpu", "7") ",{\"ResourceName\":\"x/y\"}," ENTRY("tpm.holdfast/", "[]") "]"), &checkpoint);
	assert_int_equal(checkpoint.n, 0);
}

static void test_a_kubelet_that_gave_nothing_away_has_no_devices(void **state)
{
	static const char *const texts[] = { FILE_OF("null"), FILE_OF("[]"), "{\"Data\":{},\"Checksum\":1}" };

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		_cleanup_(checkpoint_clear) struct checkpoint checkpoint = {};
		read_text(texts[i], &checkpoint);
		assert_int_equal(checkpoint.n, 0);
	}
}

static void test_an_entry_of_ours_that_makes_no_sense_spoils_the_whole_file(void **state)
{
	expect_refusal(FILE_OF("[" ENTRY(OURS, "{\"-1\":[\"47facce2-3\"]}") "," ENTRY(OURS, "[\"47facce2-3\"]") "]"), "DeviceIDs");
	expect_refusal(FILE_OF("[" ENTRY(OURS, "{\"-1\":[7]}") "]"), "Data.PodDeviceEntries[0].DeviceIDs.-1[0]: must be a string");
	expect_refusal(FILE_OF("[{\"ResourceName\":\"" OURS "\",\"ContainerName\":\"a\",\"DeviceIDs\":{}}]"), "\"PodUID\" is missing");
	expect_refusal(FILE_OF("[{\"ResourceName\":\"" OURS "\",\"ContainerName\":\"a\",\"DeviceIDs\":{},\"PodUID\":\"\"}]"), "PodUID");
	expect_refusal(FILE_OF("[{\"ContainerName\":\"a\"}]"), "\"ResourceName\" is missing");
}

static void test_a_uid_cannot_lead_out_of_kubelets_directory(void **state)
{
	expect_refusal(FILE_OF("[{\"ResourceName\":\"" OURS "\",\"ContainerName\":\"a\",\"DeviceIDs\":{},\"PodUID\":\"../../../etc\"}]"),
		       "\"../../../etc\" is no UID");
}

static void test_what_is_no_checkpoint_is_refused(void **state)
{
	expect_refusal("", "");
	expect_refusal("[]", "object");
	expect_refusal("{\"Data\":[]}", "Data: must be an object");
	expect_refusal(FILE_OF("{}"), "Data.PodDeviceEntries: must be a list");
	expect_refusal("{\"Data\":{\"PodDeviceEntries\":[" /* cut */, "");
}

/* ── The file ── */

static char directory[] = "/tmp/holdfast-checkpoint.XXXXXX";
static char path[64];

static int make_directory(void **state)
{
	assert_non_null(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/" CHECKPOINT_FILE, directory);
	return 0;
}

static int remove_directory(void **state)
{
	unlink(path);
	return rmdir(directory);
}

static void write_file(const char *text, mode_t mode)
{
	struct error err;

	unlink(path);
	assert_int_equal(file_write_atomic(path, slice_string(text), mode, &err), 0);
}

static void test_kubelets_file_is_read(void **state)
{
	_cleanup_(checkpoint_clear) struct checkpoint checkpoint = {};
	struct error err;

	write_file(FILE_OF("[" ENTRY(OURS, "{\"-1\":[\"47facce2-3\"]}") "]"), 0644);
	assert_int_equal(checkpoint_load(path, &checkpoint, &err), 0);
	assert_int_equal(checkpoint.n, 1);
}

static void expect_no_file(int code, const char *words)
{
	struct checkpoint checkpoint = {};
	struct error err;

	assert_int_equal(checkpoint_load(path, &checkpoint, &err), -code);
	if (!strstr(err.message, words) || !strstr(err.message, path))
		fail_msg("\"%s\" or the path is not in: %s", words, err.message);
}

static void test_a_file_that_others_may_write_is_not_believed(void **state)
{
	static const mode_t modes[] = { 0664, 0646, 0666 };

	for (size_t i = 0; i < ELEMENTS_OF(modes); i++) {
		write_file(FILE_OF("[]"), modes[i]);
		expect_no_file(EACCES, "is not believed");
	}
}

static void test_a_file_of_another_user_is_not_believed(void **state)
{
	if (geteuid() != 0)
		skip();
	write_file(FILE_OF("[]"), 0644);
	assert_int_equal(chown(path, 65534, 65534), 0);
	expect_no_file(EACCES, "user 65534");
}

static void test_what_is_no_file_is_not_waited_for(void **state)
{
	unlink(path);
	expect_no_file(ENOENT, "No such file");
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_no_file(EACCES, "is no file");
	unlink(path);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	expect_no_file(ELOOP, "");
}

static void test_a_file_without_end_is_refused(void **state)
{
	write_file("{", 0644);
	assert_int_equal(truncate(path, CHECKPOINT_BYTES_MAX + 1), 0);
	expect_no_file(EFBIG, "limit");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_device_of_ours_has_its_pod_and_container),
		cmocka_unit_test(test_devices_of_all_numa_nodes_are_kept),
		cmocka_unit_test(test_other_vendors_may_write_what_they_like),
		cmocka_unit_test(test_a_kubelet_that_gave_nothing_away_has_no_devices),
		cmocka_unit_test(test_an_entry_of_ours_that_makes_no_sense_spoils_the_whole_file),
		cmocka_unit_test(test_a_uid_cannot_lead_out_of_kubelets_directory),
		cmocka_unit_test(test_what_is_no_checkpoint_is_refused),
		cmocka_unit_test(test_kubelets_file_is_read),
		cmocka_unit_test(test_a_file_that_others_may_write_is_not_believed),
		cmocka_unit_test(test_a_file_of_another_user_is_not_believed),
		cmocka_unit_test(test_what_is_no_file_is_not_waited_for),
		cmocka_unit_test(test_a_file_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
