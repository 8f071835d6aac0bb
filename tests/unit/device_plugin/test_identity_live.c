// SPDX-License-Identifier: Apache-2.0
/* Whose devices are in use? Whoever is taken for dead loses his secrets, so only who is surely dead may be missing. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "tests/unit/device_plugin/identity_world.h"

#define IMPATIENT_MS 800
#define HOUR_MS 3600000
#define BUSY_PODS 40

/* ── Scaffolding ── */

static struct lives {
	int r;
	size_t n;
	char text[4096]; /* a device a line: "DEVICE RESOURCE UID NAMESPACE/NAME WHY" */
	char words[512];
} lives;

static void listed(void *context, int r, const struct identity_live *live, size_t n, const struct error *err)
{
	size_t used = 0;

	lives = (struct lives){ .r = r, .n = n };
	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(lives.text + used, sizeof(lives.text) - used, "%s %s %s %s/%s %s\n", live[i].device,
					 live[i].resource, live[i].pod_uid, live[i].namespace, live[i].name, live[i].why);
	snprintf(lives.words, sizeof(lives.words), "%s", r < 0 ? err->message : "");
	world.n_ended++;
}

static void begin_list(void)
{
	struct error err;

	if (!world.identifier)
		world_identify(0);
	if (identity_list_live(world.identifier, listed, NULL, &world.query, &err) < 0)
		fail_msg("%s", err.message);
}

static void list(void)
{
	begin_list();
	world_run(world.n_ended + 1);
}

static void expect_live(const char *text)
{
	list();
	assert_int_equal(lives.r, 0);
	assert_string_equal(lives.text, text);
}

static void expect_nothing_known(const char *words)
{
	list();
	assert_true(lives.r < 0);
	assert_int_equal(lives.n, 0);
	if (!strstr(lives.words, words))
		fail_msg("\"%s\" is not in: %s", words, lives.words);
}

/* Pod a, which lives by the store and by its directory, and has two devices; and somebody else's device. */
static void live_pod(void)
{
	CHECKPOINT({ UID_A, "main", RESOURCE, DEVICE }, { UID_A, "main", "tpm.holdfast/tls", "01234567-0" },
		   { UID_B, "main", "example.com/gpu", "gpu-0" });
	world_make_pod_directory(UID_A);
	world_put_pod("db-0", UID_A, "", "", "\"phase\":\"Running\"");
}

#define LIVES_BY_STORE                                                                                                                     \
	"01234567-0 tpm.holdfast/tls " UID_A " shop/db-0 the store: phase Running\n" DEVICE " " RESOURCE " " UID_A                         \
	" shop/db-0 the store: phase Running\n"

static void serve_pods(const struct fake_pod *pods, size_t n)
{
	world.pods_api.pods = pods;
	world.pods_api.n_pods = n;
	fake_pods_api_start(&world.pods_api, &world.loop, world.kubelet);
}

static const struct fake_pod running = { .namespace = "shop", .name = "db-0", .uid = UID_A, .phase = "Running" };
static const struct fake_pod ended = { .namespace = "shop", .name = "db-0", .uid = UID_A, .phase = "Succeeded" };

/* ── Who lives ── */

static void test_a_pod_that_runs_has_all_its_devices(void **state)
{
	live_pod();
	expect_live(LIVES_BY_STORE);
}

static void test_a_device_that_two_containers_of_a_pod_share_is_told_once(void **state)
{
	CHECKPOINT({ UID_A, "init", RESOURCE, DEVICE }, { UID_A, "main", RESOURCE, DEVICE });
	world_make_pod_directory(UID_A);
	world_put_pod("db-0", UID_A, "", "", "\"phase\":\"Pending\"");
	expect_live(DEVICE " " RESOURCE " " UID_A " shop/db-0 the store: phase Pending\n");
}

static void test_a_pod_that_only_kubelets_files_know_lives(void **state)
{
	live_pod();
	world_remove_pod("db-0");
	expect_live("01234567-0 tpm.holdfast/tls " UID_A " / kubelet has not removed its directory\n" DEVICE " " RESOURCE " " UID_A
		    " / kubelet has not removed its directory\n");
}

static void test_a_kubelet_that_has_just_started_and_knows_no_pod_proves_nothing(void **state)
{
	live_pod();
	serve_pods(NULL, 0);
	fake_pod_resources_start(&world.pod_resources, &world.loop, world.kubelet);
	expect_live(LIVES_BY_STORE);
	assert_true(world.pods_api.n_calls > 0);
}

static void test_kubelet_says_why_a_pod_lives_where_it_is_asked(void **state)
{
	live_pod();
	serve_pods(&running, 1);
	expect_live("01234567-0 tpm.holdfast/tls " UID_A " shop/db-0 kubelet's Pods API: phase Running\n" DEVICE " " RESOURCE " " UID_A
		    " shop/db-0 kubelet's Pods API: phase Running\n");
	assert_int_equal(world.pods_api.n_calls, 1);
}

static void test_a_phase_that_is_unknown_is_no_end(void **state)
{
	live_pod();
	world_put_pod("db-0", UID_A, "", "", "\"phase\":\"Unknown\"");
	list();
	assert_int_equal(lives.n, 2);
}

static void test_another_pod_of_the_same_name_that_has_ended_is_not_this_one(void **state)
{
	live_pod();
	world_put_pod("db-0", UID_B, "", "", "\"phase\":\"Failed\"");
	list();
	assert_int_equal(lives.n, 2);
}

/* ── Who does not ── */

static void test_a_pod_that_has_ended_by_the_store_does_not_live(void **state)
{
	static const char *const phases[] = { "\"phase\":\"Succeeded\"", "\"phase\":\"Failed\"" };

	live_pod();
	for (size_t i = 0; i < ELEMENTS_OF(phases); i++) {
		world_put_pod("db-0", UID_A, "", "", phases[i]);
		expect_live("");
	}
}

static void test_a_pod_that_has_ended_offline_does_not_live_by_kubelets_word(void **state)
{
	live_pod();
	serve_pods(&ended, 1);
	expect_live("");
}

static void test_a_pod_whose_directory_kubelet_has_removed_does_not_live(void **state)
{
	live_pod();
	serve_pods(&running, 1);
	world_remove_pod_directory(UID_A);
	expect_live("");
	assert_int_equal(world.pods_api.n_calls, 0);
}

static void test_a_pod_that_kubelet_has_struck_out_does_not_live(void **state)
{
	live_pod();
	CHECKPOINT({ UID_B, "main", "example.com/gpu", "gpu-0" });
	expect_live("");
}

static void test_one_pods_end_is_not_its_neighbours(void **state)
{
	CHECKPOINT({ UID_B, "main", RESOURCE, "47facce2-0" }, { UID_A, "main", RESOURCE, DEVICE });
	world_make_pod_directory(UID_A);
	world_make_pod_directory(UID_B);
	world_put_pod("db-0", UID_A, "", "", "\"phase\":\"Succeeded\"");
	world_put_pod("db-1", UID_B, "", "", "\"phase\":\"Running\"");
	expect_live("47facce2-0 " RESOURCE " " UID_B " shop/db-1 the store: phase Running\n");
}

static void test_a_node_that_never_had_pods_has_none(void **state)
{
	char path[256];

	expect_live("");
	snprintf(path, sizeof(path), "%s/pods", world.kubelet);
	assert_int_equal(rmdir(path), 0);
	expect_live("");
}

/* ── Doubt ── */

static void test_without_a_checkpoint_nothing_is_known_as_long_as_there_are_pods(void **state)
{
	world_make_pod_directory(UID_A);
	expect_nothing_known("kubelet_internal_checkpoint: No such file");
}

static void test_by_a_damaged_checkpoint_nothing_is_known(void **state)
{
	world_write_kubelet_file("device-plugins/kubelet_internal_checkpoint", "{\"Data\":{\"PodDeviceEntries\":[");
	expect_nothing_known("kubelet_internal_checkpoint");
}

static void test_where_no_pod_has_a_directory_none_is_missing(void **state)
{
	char path[256];

	live_pod();
	world_remove_pod_directory(UID_A);
	snprintf(path, sizeof(path), "%s/pods", world.kubelet);
	assert_int_equal(rmdir(path), 0);
	expect_live(LIVES_BY_STORE);
}

static void test_a_pods_api_that_hangs_or_talks_nonsense_leaves_the_store(void **state)
{
	static const enum fake_manner manners[] = { FAKE_HANGS, FAKE_TALKS_NONSENSE };

	live_pod();
	serve_pods(&ended, 1);
	world_identify(IMPATIENT_MS);
	for (size_t i = 0; i < ELEMENTS_OF(manners); i++) {
		world.pods_api.manner = manners[i];
		expect_live(LIVES_BY_STORE);
	}
}

static void test_a_pods_api_that_fails_once_is_not_asked_about_the_others(void **state)
{
	struct held held[BUSY_PODS];
	char uids[BUSY_PODS][16], devices[BUSY_PODS][16];

	for (size_t i = 0; i < BUSY_PODS; i++) {
		snprintf(uids[i], sizeof(uids[i]), "pod-%zu", i);
		snprintf(devices[i], sizeof(devices[i]), "47facce2-%zu", i);
		held[i] = (struct held){ uids[i], "main", RESOURCE, devices[i] };
		world_make_pod_directory(uids[i]);
	}
	world_write_checkpoint(held, BUSY_PODS);
	world.pods_api.manner = FAKE_TALKS_NONSENSE;
	serve_pods(NULL, 0);
	list();
	assert_int_equal(lives.n, BUSY_PODS);
	assert_int_equal(world.pods_api.n_calls, 1);
	world.pods_api.manner = FAKE_ANSWERS;
	list();
	assert_int_equal(lives.n, BUSY_PODS);
	assert_int_equal(world.pods_api.n_calls, 1 + BUSY_PODS);
}

static void test_a_list_that_is_cancelled_says_nothing_more(void **state)
{
	live_pod();
	world.pods_api.manner = FAKE_HANGS;
	serve_pods(&running, 1);
	world_identify(HOUR_MS);
	begin_list();
	while (world.pods_api.n_calls == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
	identity_cancel(world.query);
	for (unsigned turn = 0; turn < 20; turn++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.n_ended, 0);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_pod_that_runs_has_all_its_devices),
		CASE(test_a_device_that_two_containers_of_a_pod_share_is_told_once),
		CASE(test_a_pod_that_only_kubelets_files_know_lives),
		CASE(test_a_kubelet_that_has_just_started_and_knows_no_pod_proves_nothing),
		CASE(test_kubelet_says_why_a_pod_lives_where_it_is_asked),
		CASE(test_a_phase_that_is_unknown_is_no_end),
		CASE(test_another_pod_of_the_same_name_that_has_ended_is_not_this_one),
		CASE(test_a_pod_that_has_ended_by_the_store_does_not_live),
		CASE(test_a_pod_that_has_ended_offline_does_not_live_by_kubelets_word),
		CASE(test_a_pod_whose_directory_kubelet_has_removed_does_not_live),
		CASE(test_a_pod_that_kubelet_has_struck_out_does_not_live),
		CASE(test_one_pods_end_is_not_its_neighbours),
		CASE(test_a_node_that_never_had_pods_has_none),
		CASE(test_without_a_checkpoint_nothing_is_known_as_long_as_there_are_pods),
		CASE(test_by_a_damaged_checkpoint_nothing_is_known),
		CASE(test_where_no_pod_has_a_directory_none_is_missing),
		CASE(test_a_pods_api_that_hangs_or_talks_nonsense_leaves_the_store),
		CASE(test_a_pods_api_that_fails_once_is_not_asked_about_the_others),
		CASE(test_a_list_that_is_cancelled_says_nothing_more),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
