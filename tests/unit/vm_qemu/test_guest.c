// SPDX-License-Identifier: Apache-2.0
/* What is booted is what the manifest says, and a file that is as it was is not read twice. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/vm/qemu/guest.h"

/* As long as one. */
#define NO_SHA "g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0g0"
/* sha256sum of "kernel\n" and "initrd\n" */
#define KERNEL_SHA "a0c936696eb7d5ee3192bf53b9d281cecbb40ca9db520de72cb95817ad92ac72"
#define INITRD_SHA "8f7ed204b9dfaa20aa484445f54233c4b407cb80ec0f8c07f1f0a59675fb44cf"

struct place {
	char directory[64], state[80], kernel[96], initrd[96], manifest[96], record[96];
	struct vm_settings settings;
};

static void put(const char *path, const char *text)
{
	struct error err;

	if (file_write_atomic(path, slice_string(text), 0644, &err) < 0)
		fail_msg("%s", err.message);
}

/* Older than what is not remembered yet: a ctime cannot be set, so the test waits for the clock. */
static void settle(const char *path)
{
	struct stat st;
	struct timespec now;

	assert_int_equal(stat(path, &st), 0);
	do {
		usleep(10 * 1000);
		clock_gettime(CLOCK_REALTIME, &now);
	} while (st.st_ctim.tv_sec + 2 >= now.tv_sec);
}

static void put_manifest(struct place *place, const char *kernel_sha, unsigned kernel_size)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"format\": 1, \"name\": \"holdfast-guest\", \"version\": \"0.1.0\", \"kernel\": {\"file\": \"vmlinuz\", \"size\": %u, "
		 "\"sha256\": "
		 "\"%s\"}, \"initrd\": {\"file\": \"initramfs.zst\", \"size\": 7, \"sha256\": \"" INITRD_SHA
		 "\"}, \"commandLine\": \"panic=-1 quiet\", \"packages\": {\"crun\": \"1.8.1\"}}",
		 kernel_size, kernel_sha);
	put(place->manifest, text);
}

static void place_make(struct place *place)
{
	snprintf(place->directory, sizeof(place->directory), "/tmp/test-guest.XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	snprintf(place->state, sizeof(place->state), "%s/state", place->directory);
	snprintf(place->kernel, sizeof(place->kernel), "%s/vmlinuz", place->directory);
	snprintf(place->initrd, sizeof(place->initrd), "%s/initramfs.zst", place->directory);
	snprintf(place->manifest, sizeof(place->manifest), "%s/guest.json", place->directory);
	snprintf(place->record, sizeof(place->record), "%s/.guest", place->state);
	assert_int_equal(mkdir(place->state, 0700), 0);
	place->settings = (struct vm_settings){ .guest = place->directory, .state = place->state };
	put(place->kernel, "kernel\n");
	put(place->initrd, "initrd\n");
	put_manifest(place, KERNEL_SHA, 7);
}

static void place_clear(struct place *place)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", place->directory);
	assert_int_equal(system(command), 0);
}

static void expect_good(const struct place *place)
{
	_cleanup_(guest_close) struct guest guest = GUEST_NONE;
	char text[8] = "";
	struct error err;

	if (guest_open(&place->settings, &guest, &err) < 0)
		fail_msg("%s", err.message);
	assert_true(guest.ours);
	assert_string_equal(guest.parameters, "panic=-1 quiet");
	assert_int_equal(read(guest.kernel, text, 7), 7);
	assert_string_equal(text, "kernel\n");
	assert_int_equal(guest.image, -1);
}

static void expect_refused(const struct place *place, int code, const char *words)
{
	_cleanup_(guest_close) struct guest guest = GUEST_NONE;
	struct error err = {};

	assert_int_equal(guest_open(&place->settings, &guest, &err), -code);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
	assert_int_equal(guest.kernel, -1);
}

static void test_a_guest_as_its_manifest_says_is_opened(void **state)
{
	_cleanup_(place_clear) struct place place;

	place_make(&place);
	expect_good(&place);
}

static void test_another_hash_is_refused_with_file_and_both_hashes(void **state)
{
	_cleanup_(place_clear) struct place place;

	place_make(&place);
	put(place.kernel, "kerneL\n");
	expect_refused(&place, EBADMSG, place.kernel);
	expect_refused(&place, EBADMSG, "its SHA-256 is ");
	expect_refused(&place, EBADMSG, ", not " KERNEL_SHA);
	put(place.kernel, "kernel, but longer\n");
	expect_refused(&place, EBADMSG, "it has 19 bytes, not 7");
}

static void test_what_is_missing_is_said(void **state)
{
	_cleanup_(place_clear) struct place place;

	place_make(&place);
	assert_int_equal(chmod(place.kernel, 0600), 0);
	expect_refused(&place, EACCES, "vmlinuz cannot be read by QEMU, which has a user of its own: chmod o+r");
	assert_int_equal(unlink(place.kernel), 0);
	expect_refused(&place, ENOENT, "vmlinuz: No such file");
	assert_int_equal(unlink(place.manifest), 0);
	expect_refused(&place, ENOENT, "there is no guest in ");
	expect_refused(&place, ENOENT, "sandbox.vm.guest");
}

static void read_all(const char *path, struct buf *out)
{
	buf_clear(out);
	assert_int_equal(file_read(path, out, NULL), 0);
}

static void test_a_file_that_is_as_it_was_is_not_read_twice_and_one_that_changed_is(void **state)
{
	_cleanup_(place_clear) struct place place;
	_cleanup_(buf_free) struct buf before = BUF_MAX(4096);
	char *hash;

	place_make(&place);
	expect_good(&place);
	assert_int_equal(access(place.record, F_OK), -1); /* too new: a change in the same tick could not be seen */
	settle(place.initrd);
	expect_good(&place);
	read_all(place.record, &before);
	hash = strstr(buf_text(&before), KERNEL_SHA);
	assert_non_null(hash);
	assert_non_null(strstr(buf_text(&before), INITRD_SHA));

	/* Who says that the file has been read before is believed: so it was not read again. */
	put_manifest(&place, "00000000000000000000000000000000000000000000000000000000000000aa", 7);
	expect_refused(&place, EBADMSG, "aa; install");
	memcpy(hash, "00000000000000000000000000000000000000000000000000000000000000aa", 64);
	assert_int_equal(file_write_atomic(place.record, buf_view(&before), 0600, NULL), 0);
	expect_good(&place);

	/* A write of the same length is seen by its time of change. */
	put_manifest(&place, KERNEL_SHA, 7);
	expect_good(&place);
	const int fd = open(place.kernel, O_WRONLY);
	assert_int_equal(pwrite(fd, "K", 1, 0), 1);
	close(fd);
	expect_refused(&place, EBADMSG, "its SHA-256 is ");
}

static void test_a_record_that_others_could_have_written_is_not_believed(void **state)
{
	_cleanup_(place_clear) struct place place;
	_cleanup_(buf_free) struct buf record = BUF_MAX(4096);
	char *hash;

	place_make(&place);
	settle(place.initrd);
	expect_good(&place);
	read_all(place.record, &record);
	hash = strstr(buf_text(&record), KERNEL_SHA);
	assert_non_null(hash);
	memset(hash, 'a', 64);
	put_manifest(&place, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 7);
	assert_int_equal(file_write_atomic(place.record, buf_view(&record), 0620, NULL), 0);
	expect_refused(&place, EBADMSG, "its SHA-256 is ");
	assert_int_equal(chmod(place.record, 0600), 0);
	expect_good(&place);
}

static void test_manifests_that_make_no_sense_are_refused_by_place(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "", "line 1" },
		{ "{}", "\"format\" is missing" },
		{ "{\"format\": 2}", "guest and shim are of different versions" },
		{ "{\"format\": 1}", "\"kernel\" is missing" },
		{ "{\"format\": 1, \"architecture\": 1}", "architecture: " },
		{ "{\"format\": 1, \"architecture\": \"riscv64\"}", "architecture: \"riscv64\" is not this node's, a" },
		{ "{\"format\": 1, \"kernel\": {\"file\": \"../x\", \"size\": 1, \"sha256\": \"" KERNEL_SHA "\"}}", "is no file name" },
		{ "{\"format\": 1, \"kernel\": {\"file\": \"x\", \"size\": 1, \"sha256\": \"ab\"}}",
		  "kernel.sha256: \"ab\" is no SHA-256" },
		{ "{\"format\": 1, \"kernel\": {\"file\": \"x\", \"size\": 1, \"sha256\": \"" NO_SHA "\"}}", NO_SHA "\" is no SHA-256" },
		{ "{\"format\": 1, \"kernel\": {\"file\": \"x\", \"size\": 0, \"sha256\": \"" KERNEL_SHA "\"}}",
		  "kernel.size: 0 is below 1" },
		{ "{\"format\": 1, \"kernel\": {\"file\": \"x\", \"size\": 1, \"sha256\": \"" KERNEL_SHA "\"}}", "\"initrd\" is missing" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct guest_manifest manifest;
		struct error err = {};
		assert_true(guest_manifest_parse(slice_string(cases[i].text), &manifest, &err) < 0);
		if (!strstr(err.message, cases[i].words))
			fail_msg("\"%s\" is not in: %s", cases[i].words, err.message);
	}
}

static void test_kata_s_guest_is_opened_as_it_is_configured(void **state)
{
	_cleanup_(place_clear) struct place place;
	_cleanup_(guest_close) struct guest guest = GUEST_NONE;
	struct error err;

	place_make(&place);
	place.settings = (struct vm_settings){ .kernel = place.kernel, .image = place.initrd };
	assert_int_equal(guest_open(&place.settings, &guest, &err), 0);
	assert_false(guest.ours);
	assert_true(guest.kernel >= 0 && guest.image >= 0 && guest.initrd == -1);
	assert_int_equal(unlink(place.initrd), 0);
	expect_refused(&place, ENOENT, "sandbox.vm.image: cannot open ");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_guest_as_its_manifest_says_is_opened),
		cmocka_unit_test(test_another_hash_is_refused_with_file_and_both_hashes),
		cmocka_unit_test(test_what_is_missing_is_said),
		cmocka_unit_test(test_a_file_that_is_as_it_was_is_not_read_twice_and_one_that_changed_is),
		cmocka_unit_test(test_a_record_that_others_could_have_written_is_not_believed),
		cmocka_unit_test(test_manifests_that_make_no_sense_are_refused_by_place),
		cmocka_unit_test(test_kata_s_guest_is_opened_as_it_is_configured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
