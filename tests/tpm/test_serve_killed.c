// SPDX-License-Identifier: Apache-2.0
/*
 * `holdfast-tpm serve` killed by SIGKILL between any two steps of a start:
 *
 *	kubelet asks ─1─► whose device? ─2─► TPM ─3─► files ─4─► answer ─5─►
 *
 * The daemon that comes after it finds what it needs, kubelet's next try succeeds, and when the pod has gone nothing is left. Inside step 2
 * each command of the TPM is a place to die: test_serve_tpm.c; inside writing the files each system call: tests/net/test_volumes_faults.c.
 */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

#include "tests/tpm/serving.h"
#include "tests/tpm/tpm_wire.h"

static struct serving serving;
static struct tpm_wire wire;

static int set_up(void **state)
{
	serving_make(&serving);
	tpm_wire_make(&wire, &serving.tpm);
	serving.tcti = wire.tcti;
	serving.extra = "  reuse: 0s\n"; /* the TPM is asked, whoever else has had it */
	serving_seal(&serving, "a", "one", "--allow shop/web --version 1");
	serving_seal(&serving, "b", "two", "--allow shop/web --version 1");
	return 0;
}

static int tear_down(void **state)
{
	serving_end(&serving, SIGKILL); /* only where the test has failed */
	serving_remove(&serving);
	tpm_wire_remove(&wire);
	return 0;
}

/* ── before ── */

static bool all_is_saved(void)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(1024 * 1024);

	return serving_command(&serving, "status -o json", &output) == 0 && strstr(buf_text(&output), "\"saved\":true");
}

/* Of the secrets both have been tried, and are on disk; the next regular snapshot is seconds away. */
static void start_daemon(void)
{
	serving_start(&serving);
	serving_wait_offered(&serving, "a", 16);
	serving_wait_offered(&serving, "b", 16);
	serving_wait_offered(&serving, "secrets", 16);
	SERVING_WAIT(&serving, all_is_saved());
}

/* One that the daemon has not heard of before. */
static const char *new_pod(void)
{
	serving_pod(&serving, "shop", "web", "web", "a,b");
	return serving_give(&serving, "shop", "web", "secrets", 0);
}

static const struct fake_answer *ask(const char *device)
{
	return fake_kubelet_start_container(serving_find_resource(&serving, "secrets"), &device, 1);
}

/* ── after ── */

static void kill_daemon(const struct fake_answer *answer)
{
	assert_false(answer->ended);
	serving_end(&serving, SIGKILL);
	SERVING_WAIT(&serving, answer->ended);
	assert_int_not_equal(answer->status, RPC_OK);
}

static void reads_both(const char *device)
{
	serving_reads(&serving, "secrets", device, "a/value", "one");
	serving_reads(&serving, "secrets", device, "b/value", "two");
}

static void reads_nothing(const char *device)
{
	serving_reads(&serving, "secrets", device, "a/value", NULL);
	serving_reads(&serving, "secrets", device, "b/value", NULL);
}

/* Of names that begin so, in a directory of the daemon's. */
static unsigned count(const char *directory, const char *prefix)
{
	char path[300];
	const struct dirent *entry;
	unsigned n = 0;

	snprintf(path, sizeof(path), "%s/%s", serving.directory, directory);
	DIR *stream = opendir(path);
	if (!stream)
		return 0;
	while ((entry = readdir(stream)))
		n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && strcmp(entry->d_name, ".") != 0 &&
		     strcmp(entry->d_name, "..") != 0;
	closedir(stream);
	return n;
}

static void its_next_try_succeeds_and_nothing_is_left_over(const char *device)
{
	char volume[200];

	snprintf(volume, sizeof(volume), "vol/%s/kubernetes.io~secret/secrets", device);
	serving_start(&serving);
	serving_wait_offered(&serving, "secrets", 16);
	serving_hands_out(&serving, "secrets", device);
	reads_both(device);
	assert_int_equal(count(volume, "..2"), 1);
	serving_take(&serving, "web");
	serving_delete(&serving, "pod-shop-web.json");
	serving_wait_reads(&serving, "secrets", device, "a/value", NULL);
	SERVING_WAIT(&serving, count("vol", "") == 0);
	serving_end(&serving, SIGTERM);
	assert_int_equal(count("state", "snapshot.jsonl."), 0);
}

/* ── the steps ── */

static void killed_before_it_knows_whose_the_device_is(void **state)
{
	start_daemon();
	const char *device = new_pod();
	serving.kubelet_hangs = true;
	const struct fake_answer *answer = ask(device);
	SERVING_WAIT(&serving, serving.n_hanging > 0);
	kill_daemon(answer);
	serving.kubelet_hangs = false;
	reads_nothing(device);
	its_next_try_succeeds_and_nothing_is_left_over(device);
}

static void killed_before_the_tpm_has_released_anything(void **state)
{
	start_daemon();
	const char *device = new_pod();
	tpm_wire_hang_at_each(&wire, TPM2_CC_Unseal);
	const struct fake_answer *answer = ask(device);
	SERVING_WAIT(&serving, tpm_wire_hangs(&wire));
	kill_daemon(answer);
	tpm_wire_hang_at_each(&wire, 0);
	tpm_wire_resume(&wire);
	reads_nothing(device);
	its_next_try_succeeds_and_nothing_is_left_over(device);
}

/* The first of two secrets is open, and waits in memory for the second. */
static void killed_with_a_secret_in_its_hands(void **state)
{
	start_daemon();
	const char *device = new_pod();
	tpm_wire_hang_at_each(&wire, TPM2_CC_Unseal);
	const struct fake_answer *answer = ask(device);
	SERVING_WAIT(&serving, tpm_wire_hangs(&wire));
	tpm_wire_count(&wire, TPM2_CC_Unseal);
	tpm_wire_resume(&wire);
	SERVING_WAIT(&serving, tpm_wire_counted(&wire) == 1 && tpm_wire_hangs(&wire));
	kill_daemon(answer);
	tpm_wire_hang_at_each(&wire, 0);
	tpm_wire_resume(&wire);
	reads_nothing(device);
	its_next_try_succeeds_and_nothing_is_left_over(device);
}

/* A disk that hangs: whoever opens a fifo for writing waits for its reader. */
static void hang_disk(char path[static 128])
{
	snprintf(path, 128, "%s/state/snapshot.jsonl.new", serving.directory);
	assert_return_code(mkfifo(path, 0600), errno);
}

static void killed_when_the_files_are_there_and_kubelet_has_no_answer(void **state)
{
	char fifo[128];

	start_daemon();
	const char *device = new_pod();
	hang_disk(fifo);
	const struct fake_answer *answer = ask(device);
	serving_wait_reads(&serving, "secrets", device, "b/value", "two");
	kill_daemon(answer);
	assert_return_code(unlink(fifo), errno);
	reads_both(device);
	its_next_try_succeeds_and_nothing_is_left_over(device);
}

static void killed_right_after_its_answer_it_knows_the_pod_also_without_an_api_server(void **state)
{
	start_daemon();
	const char *device = new_pod();
	serving_hands_out(&serving, "secrets", device);
	serving_end(&serving, SIGKILL);
	serving.no_api_server = true;
	its_next_try_succeeds_and_nothing_is_left_over(device);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(killed_before_it_knows_whose_the_device_is),
		TEST(killed_before_the_tpm_has_released_anything),
		TEST(killed_with_a_secret_in_its_hands),
		TEST(killed_when_the_files_are_there_and_kubelet_has_no_answer),
		TEST(killed_right_after_its_answer_it_knows_the_pod_also_without_an_api_server),
	};

	serving_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
