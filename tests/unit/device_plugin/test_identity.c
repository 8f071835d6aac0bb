// SPDX-License-Identifier: Apache-2.0
/* Whose device is it? kubelet's side is ours, over real sockets and files; what it says may be late, wrong, or not there. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "tests/unit/device_plugin/identity_world.h"

#define IMPATIENT_MS 800 /* for queries that wait until their time is up */
#define HOUR_MS 3600000  /* for queries that must not come to that */

static const struct fake_pod pod_a = {
	.namespace = "shop",
	.name = "db-0",
	.uid = UID_A,
	.resource = RESOURCE,
	.device = DEVICE,
	.service_account = "db",
	.secrets = "db-password, tls",
	.phase = "Running",
	.labels = { "tier", "back", "app", "db" },
};

static void give_to(const char *uid)
{
	CHECKPOINT({ uid, "main", RESOURCE, DEVICE }, { UID_B, "main", RESOURCE, "47facce2-0" },
		   { UID_B, "main", "tpm.holdfast/other", DEVICE });
}

static void know_a(void)
{
	world_put_pod("db-0", UID_A,
		      ",\"labels\":{\"tier\":\"back\",\"app\":\"db\"},\"annotations\":{\"holdfast/secrets\":\"db-password, tls\"}",
		      "\"serviceAccountName\":\"db\"", "\"phase\":\"Running\"");
}

/* `pod` must stay where it is. */
static void serve_list(const struct fake_pod *pods, size_t n)
{
	world.pod_resources.pods = pods;
	world.pod_resources.n_pods = n;
	fake_pod_resources_start(&world.pod_resources, &world.loop, world.kubelet);
}

static void serve_pods(const struct fake_pod *pods, size_t n)
{
	world.pods_api.pods = pods;
	world.pods_api.n_pods = n;
	fake_pods_api_start(&world.pods_api, &world.loop, world.kubelet);
}

static void expect_all_of_a(void)
{
	expect_found("db-0", UID_A);
	assert_string_equal(world.identity->container, "main");
	assert_string_equal(world.identity->service_account, "db");
	assert_string_equal(world.identity->secrets, "db-password, tls");
	assert_int_equal(world.identity->labels.n, 2);
	assert_string_equal(kube_labels_get(&world.identity->labels, "app"), "db");
	assert_string_equal(kube_labels_get(&world.identity->labels, "tier"), "back");
}

/* ── Where who it is comes from ── */

static void test_the_checkpoint_and_the_store_suffice_offline(void **state)
{
	give_to(UID_A);
	know_a();
	world_find();
	expect_all_of_a();
}

static void test_kubelet_itself_is_asked_where_it_serves_the_pods_api(void **state)
{
	give_to(UID_A);
	serve_list(&pod_a, 1);
	serve_pods(&pod_a, 1);
	world_find();
	expect_all_of_a();
	assert_int_equal(world.pod_resources.n_calls, 1);
	assert_int_equal(world.pods_api.n_calls, 1);
}

static void test_a_pod_that_names_no_service_account_has_the_usual_one(void **state)
{
	static const struct fake_pod plain = { .namespace = "shop", .name = "db-0", .uid = UID_A, .phase = "Pending" };

	give_to(UID_A);
	serve_pods(&plain, 1);
	world_find();
	expect_found("db-0", UID_A);
	assert_string_equal(world.identity->service_account, "default");
	assert_null(world.identity->secrets);
	assert_int_equal(world.identity->labels.n, 0);
}

static void test_a_pod_that_the_store_does_not_know_yet_is_waited_for(void **state)
{
	give_to(UID_A);
	world_identify(HOUR_MS);
	world_begin_find(DEVICE);
	for (int i = 0; i < 5; i++)
		uv_run(&world.loop, UV_RUN_ONCE);
	assert_int_equal(world.n_ended, 0);
	know_a();
	world_run(1);
	expect_all_of_a();
}

static void test_a_pod_that_nobody_gets_to_know_is_one_for_later(void **state)
{
	give_to(UID_A);
	world_identify(IMPATIENT_MS);
	world_find();
	expect_refused("the pod of UID " UID_A " is not known to this node's daemon yet; kubelet will ask again");
}

static void test_a_pod_that_is_not_known_is_called_by_its_name_if_kubelet_tells_it(void **state)
{
	give_to(UID_A);
	serve_list(&pod_a, 1);
	world_identify(IMPATIENT_MS);
	world_find();
	expect_refused("the pod \"shop/db-0\" is not known to this node's daemon yet; kubelet will ask again");
}

static void test_a_static_pod_is_known_by_the_hash_that_kubelet_calls_it(void **state)
{
	give_to("0123456789abcdef0123456789abcdef");
	world_put_pod("db-0", UID_B, ",\"annotations\":{\"kubernetes.io/config.hash\":\"0123456789abcdef0123456789abcdef\"}", "", "");
	world_find();
	expect_found("db-0", "0123456789abcdef0123456789abcdef");
}

static void test_a_pod_that_claims_another_ones_hash_gains_nothing(void **state)
{
	give_to(UID_A);
	world_put_pod("evil", UID_B, ",\"annotations\":{\"kubernetes.io/config.hash\":\"" UID_A "\"}", "", "");
	know_a();
	world_find();
	expect_all_of_a();
}

static void test_two_pods_that_claim_a_static_pods_hash_get_nothing(void **state)
{
	give_to("0123456789abcdef");
	world_put_pod("evil", UID_B, ",\"annotations\":{\"kubernetes.io/config.hash\":\"0123456789abcdef\"}", "", "");
	world_put_pod("db-0", UID_A, ",\"annotations\":{\"kubernetes.io/config.hash\":\"0123456789abcdef\"}", "", "");
	world_identify(IMPATIENT_MS);
	world_find();
	expect_refused("0123456789abcdef is not known");
}

static void test_a_pod_from_a_file_which_has_no_uid_is_found_by_its_name(void **state)
{
	give_to(UID_A);
	serve_list(&pod_a, 1);
	world_put_pod("db-0", "", "", "\"serviceAccountName\":\"db\"", "");
	world_find();
	expect_found("db-0", UID_A);
}

static void test_an_annotation_that_is_too_long_is_as_good_as_none(void **state)
{
	static char secrets[20000];
	struct fake_pod pod = pod_a;

	memset(secrets, 'a', sizeof(secrets) - 1);
	pod.secrets = secrets;
	give_to(UID_A);
	serve_pods(&pod, 1);
	world_find();
	expect_found("db-0", UID_A);
	assert_null(world.identity->secrets);
}

/* ── Containers ── */

static void test_a_plain_init_container_which_only_the_checkpoint_has_is_found(void **state)
{
	struct fake_pod without = pod_a;

	without.device = NULL;
	CHECKPOINT({ UID_A, "init", RESOURCE, DEVICE });
	serve_list(&without, 1);
	know_a();
	world_find();
	expect_found("db-0", UID_A);
	assert_string_equal(world.identity->container, "init");
}

static void test_a_device_that_one_container_left_to_the_next_is_both_of_theirs(void **state)
{
	CHECKPOINT({ UID_A, "init", RESOURCE, DEVICE }, { UID_A, "main", RESOURCE, DEVICE });
	know_a();
	world_find();
	expect_found("db-0", UID_A);
	assert_string_equal(world.identity->container, "init, main");
}

/* ── Races ── */

static void test_a_device_of_two_pods_is_nobodys(void **state)
{
	CHECKPOINT({ UID_A, "main", RESOURCE, DEVICE }, { UID_B, "main", RESOURCE, DEVICE });
	know_a();
	world_find();
	expect_refused("for two pods, of UID " UID_A " and " UID_B "; kubelet will ask again");
}

static void test_a_device_of_no_pod_is_nobodys(void **state)
{
	CHECKPOINT({ UID_A, "main", RESOURCE, "47facce2-4" }, { UID_A, "main", "tpm.holdfast/other", DEVICE });
	know_a();
	world_find();
	expect_refused("device 47facce2-3 of " RESOURCE " stands for no pod");
}

static void test_a_finished_pod_that_is_still_listed_does_not_get_its_old_device(void **state)
{
	static const struct fake_pod listed[] = {
		{ .namespace = "shop", .name = "old", .uid = UID_B, .resource = RESOURCE, .device = DEVICE },
		{ .namespace = "shop", .name = "db-0", .uid = UID_A, .resource = RESOURCE, .device = DEVICE },
	};

	give_to(UID_A);
	serve_list(listed, ELEMENTS_OF(listed));
	world_put_pod("old", UID_B, "", "", "\"phase\":\"Succeeded\"");
	know_a();
	world_find();
	expect_all_of_a();
}

static void test_a_device_that_kubelet_has_given_to_another_pod_since_is_refused(void **state)
{
	static const struct fake_pod other = { .namespace = "shop", .name = "next", .uid = UID_B, .resource = RESOURCE, .device = DEVICE };

	give_to(UID_A);
	serve_list(&other, 1);
	know_a();
	world_find();
	expect_refused("pod \"shop/db-0\"'s by kubelet's checkpoint and pod \"shop/next\"'s by PodResources; kubelet will ask again");
}

static void test_a_pod_of_the_same_name_and_another_namespace_is_another_pod(void **state)
{
	static const struct fake_pod other = { .namespace = "evil", .name = "db-0", .uid = UID_B, .resource = RESOURCE, .device = DEVICE };

	give_to(UID_A);
	serve_list(&other, 1);
	know_a();
	world_find();
	expect_refused("\"evil/db-0\"'s by PodResources");
}

static void test_a_pod_of_the_same_name_and_another_uid_is_another_pod(void **state)
{
	give_to(UID_A);
	serve_list(&pod_a, 1);
	world_put_pod("db-0", UID_B, "", "\"serviceAccountName\":\"db\"", "\"phase\":\"Running\"");
	world_identify(IMPATIENT_MS);
	world_find();
	expect_refused("has UID " UID_B ": one has taken the other's place; kubelet will ask again");
}

static void test_the_pod_that_takes_the_others_place_is_waited_for(void **state)
{
	give_to(UID_A);
	serve_list(&pod_a, 1);
	world_put_pod("db-0", UID_B, "", "\"serviceAccountName\":\"db\"", "\"phase\":\"Running\"");
	world_identify(HOUR_MS);
	world_begin_find(DEVICE);
	while (world.pod_resources.n_calls == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
	know_a();
	world_run(1);
	expect_all_of_a();
}

static void test_a_pod_that_has_ended_gets_nothing(void **state)
{
	static const struct fake_pod ended = { .namespace = "shop", .name = "db-0", .uid = UID_A, .phase = "Failed" };

	give_to(UID_A);
	world_put_pod("db-0", UID_A, "", "", "\"phase\":\"Succeeded\"");
	world_find();
	expect_refused("pod \"shop/db-0\" has ended, by the store: its phase is Succeeded");
	serve_pods(&ended, 1);
	world_find();
	expect_refused("pod \"shop/db-0\" has ended, by kubelet's Pods API: its phase is Failed");
}

static void test_a_pod_that_kubelet_knows_no_more_gets_nothing(void **state)
{
	give_to(UID_A);
	know_a();
	serve_pods(NULL, 0);
	world_find();
	expect_refused("which kubelet does not know any more");
}

static void test_sixty_pods_that_start_at_once_are_two_calls(void **state)
{
	give_to(UID_A);
	know_a();
	serve_list(&pod_a, 1);
	for (unsigned i = 0; i < 30; i++)
		world_begin_find(DEVICE);
	while (world.pod_resources.n_calls == 0)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	for (unsigned i = 0; i < 30; i++)
		world_begin_find(DEVICE);
	world_run(60);
	expect_all_of_a();
	assert_true(world.pod_resources.n_calls <= 2);
}

static void test_a_list_that_was_begun_before_the_question_answers_it_not(void **state)
{
	static const struct fake_pod other = { .namespace = "shop", .name = "next", .uid = UID_B, .resource = RESOURCE, .device = DEVICE };

	give_to(UID_A);
	know_a();
	world.pod_resources.manner = FAKE_HANGS;
	serve_list(&pod_a, 1);
	world_identify(HOUR_MS);
	world_begin_find(DEVICE);
	while (world.pod_resources.n_calls == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
	world_begin_find(DEVICE);
	uv_run(&world.loop, UV_RUN_NOWAIT);
	fake_pod_resources_wake(&world.pod_resources);
	world.pod_resources.pods = &other;
	world_run(1);
	expect_all_of_a();
	world_run(2);
	expect_refused("pod \"shop/next\"'s by PodResources");
	assert_int_equal(world.pod_resources.n_calls, 2);
}

/* ── kubelet does not do as it should ── */

static void test_too_many_calls_are_tried_again(void **state)
{
	static const struct fake_pod other = { .namespace = "shop", .name = "next", .uid = UID_B, .resource = RESOURCE, .device = DEVICE };

	give_to(UID_A);
	know_a();
	world.pod_resources.manner = world.pods_api.manner = FAKE_IS_BUSY;
	world.pod_resources.n_busy = world.pods_api.n_busy = 2;
	serve_list(&other, 1);
	serve_pods(&pod_a, 1);
	world_identify(HOUR_MS);
	world_find();
	expect_refused("pod \"shop/next\"'s by PodResources");
	assert_int_equal(world.pod_resources.n_calls, 3);
	assert_int_equal(world.pods_api.n_calls, 3);
}

static void test_too_many_calls_for_ever_cost_no_more_than_the_bound(void **state)
{
	give_to(UID_A);
	know_a();
	world.pod_resources.manner = FAKE_IS_BUSY;
	world.pod_resources.n_busy = 1000;
	serve_list(&pod_a, 1);
	world_identify(HOUR_MS);
	world_find();
	expect_all_of_a();
	assert_int_equal(world.pod_resources.n_calls, 8);
}

static void test_a_list_that_hangs_is_not_waited_for(void **state)
{
	give_to(UID_A);
	know_a();
	world.pod_resources.manner = FAKE_HANGS;
	serve_list(&pod_a, 1);
	world_identify(IMPATIENT_MS);
	world_find();
	expect_all_of_a();
	world_find();
	expect_all_of_a();
}

static void test_a_pods_api_that_hangs_leaves_the_store(void **state)
{
	give_to(UID_A);
	know_a();
	world.pod_resources.manner = world.pods_api.manner = FAKE_HANGS;
	serve_list(&pod_a, 1);
	serve_pods(&pod_a, 1);
	world_identify(IMPATIENT_MS);
	world_find();
	expect_all_of_a();
	assert_int_equal(world.pods_api.n_calls, 1);
}

static void test_when_all_hang_the_query_ends_all_the_same(void **state)
{
	give_to(UID_A);
	world.pod_resources.manner = world.pods_api.manner = FAKE_HANGS;
	serve_list(&pod_a, 1);
	serve_pods(&pod_a, 1);
	world_identify(IMPATIENT_MS);
	uint64_t before_ms = uv_now(&world.loop);
	world_find();
	expect_refused("is not known to this node's daemon yet");
	assert_true(uv_now(&world.loop) - before_ms >= IMPATIENT_MS / 2);
}

static void test_nonsense_is_as_good_as_no_answer(void **state)
{
	give_to(UID_A);
	know_a();
	world.pod_resources.manner = world.pods_api.manner = FAKE_TALKS_NONSENSE;
	serve_list(&pod_a, 1);
	serve_pods(&pod_a, 1);
	world_find();
	expect_all_of_a();
	assert_int_equal(world.pods_api.n_calls, 1);
}

static void test_a_socket_that_nobody_serves_is_as_good_as_none(void **state)
{
	give_to(UID_A);
	know_a();
	serve_list(&pod_a, 1);
	serve_pods(&pod_a, 1);
	fake_service_stop(&world.pod_resources);
	fake_service_stop(&world.pods_api);
	world_write_kubelet_file("pods-api/pods-api.sock", "");
	world_find();
	expect_all_of_a();
}

static void test_a_label_that_stands_twice_is_nonsense(void **state)
{
	struct fake_pod twice = pod_a;

	twice.labels[2] = "tier";
	give_to(UID_A);
	know_a();
	serve_pods(&twice, 1);
	world_find();
	expect_all_of_a();
}

static void test_an_answer_about_another_pod_is_nonsense(void **state)
{
	static const struct fake_pod other = { .namespace = "shop", .name = "next", .uid = UID_B, .service_account = "root" };

	give_to(UID_A);
	know_a();
	world.pods_api.manner = FAKE_MIXES_UP;
	serve_pods(&other, 1);
	world_find();
	expect_all_of_a();
	assert_int_equal(world.pods_api.n_calls, 1);
}

static void test_without_a_checkpoint_nothing_is_known(void **state)
{
	know_a();
	serve_list(&pod_a, 1);
	world_find();
	expect_refused("device-plugins/kubelet_internal_checkpoint: No such file");
	world_write_kubelet_file("device-plugins/kubelet_internal_checkpoint", "{\"Data\":");
	world_find();
	expect_refused("device-plugins/kubelet_internal_checkpoint");
	assert_int_equal(world.pod_resources.n_calls, 0);
}

static void test_a_checkpoint_that_others_may_write_decides_nothing(void **state)
{
	char path[256];

	give_to(UID_A);
	know_a();
	snprintf(path, sizeof(path), "%s/device-plugins/kubelet_internal_checkpoint", world.kubelet);
	assert_int_equal(chmod(path, 0666), 0);
	world_find();
	expect_refused("is not believed");
}

/* ── What it runs on ── */

static void test_a_record_of_the_shim_says_what_the_pod_runs_on(void **state)
{
	give_to(UID_A);
	know_a();
	world_find();
	assert_null(world.identity->backend);
	assert_non_null(strstr(world.identity->backend_why, "none says where pod \"shop/db-0\""));
	world_write_record("a.json", UID_A, "db-0", "vm");
	world_find();
	assert_string_equal(world.identity->backend, "vm");
	assert_null(world.identity->backend_why);
}

static void test_records_that_contradict_each_other_leave_the_pod_without_one(void **state)
{
	give_to(UID_A);
	know_a();
	world_write_record("a.json", UID_A, "db-0", "vm");
	world_write_record("b.json", UID_A, "db-0", "runc");
	world_find();
	expect_all_of_a();
	assert_null(world.identity->backend);
	assert_non_null(strstr(world.identity->backend_why, "contradict each other"));
}

/* ── Ends ── */

static void test_a_query_that_is_cancelled_says_nothing_more(void **state)
{
	static const enum fake_manner manners[] = { FAKE_ANSWERS, FAKE_HANGS, FAKE_IS_BUSY };

	give_to(UID_A);
	know_a();
	serve_list(&pod_a, 1);
	for (size_t i = 0; i < ELEMENTS_OF(manners); i++) {
		for (unsigned turns = 0; turns < 8; turns++) {
			const unsigned n_ended = world.n_ended;
			world.pod_resources.manner = manners[i];
			world.pod_resources.n_busy = 1;
			world_begin_find(DEVICE);
			for (unsigned turn = 0; turn < turns && world.query; turn++)
				uv_run(&world.loop, UV_RUN_NOWAIT);
			if (!world.query)
				continue;
			identity_cancel(world.query);
			for (unsigned turn = 0; turn < 20; turn++)
				uv_run(&world.loop, UV_RUN_NOWAIT);
			assert_int_equal(world.n_ended, n_ended);
		}
	}
}

static void test_closing_cancels_whoever_waits(void **state)
{
	give_to(UID_A);
	world.pod_resources.manner = FAKE_HANGS;
	serve_list(&pod_a, 1);
	for (int i = 0; i < 3; i++)
		world_begin_find(DEVICE);
	while (world.pod_resources.n_calls == 0)
		uv_run(&world.loop, UV_RUN_ONCE);
	world_begin_find(DEVICE);
	identifier_close(TAKE_PTR(world.identifier));
	for (unsigned turn = 0; turn < 20; turn++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.n_ended, 0);
}

static void close_at_once(void *context, int r, struct identity *identity, const struct error *err)
{
	identity_free(identity);
	world.n_ended++;
	identifier_close(TAKE_PTR(world.identifier));
}

static void test_it_may_be_closed_from_within_an_answer(void **state)
{
	struct identity_query *query;
	struct error err;

	give_to(UID_A);
	know_a();
	serve_list(&pod_a, 1);
	world_identify(0);
	for (int i = 0; i < 3; i++)
		assert_int_equal(identity_find(world.identifier, RESOURCE, DEVICE, close_at_once, NULL, &query, &err), 0);
	world_run(1);
	for (unsigned turn = 0; turn < 20; turn++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.n_ended, 1);
}

static void test_a_store_that_does_not_know_who_pods_are_is_no_use(void **state)
{
	const struct kube_store_observer observer = {};
	_cleanup_(kube_store_freep) struct kube_store *store = kube_store_new(1u << KUBE_POD, &observer);
	const struct identifier_options options = { world.kubelet, world.sandboxes, store, 0 };
	struct identifier *identifier;
	struct error err;

	assert_int_equal(identifier_new(&world.loop, &options, &identifier, &err), -EINVAL);
}

static void test_a_directory_whose_sockets_have_no_room_is_refused(void **state)
{
	const struct identifier_options options = {
		"/a-directory-of-kubelet-s-that-is-so-deep-in-the-file-system-that-a-unix-socket-cannot-be-called-by-its-path", NULL,
		world.store, 0
	};
	struct identifier *identifier;
	struct error err;

	assert_int_equal(identifier_new(&world.loop, &options, &identifier, &err), -ENAMETOOLONG);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_checkpoint_and_the_store_suffice_offline),
		CASE(test_kubelet_itself_is_asked_where_it_serves_the_pods_api),
		CASE(test_a_pod_that_names_no_service_account_has_the_usual_one),
		CASE(test_a_pod_that_the_store_does_not_know_yet_is_waited_for),
		CASE(test_a_pod_that_nobody_gets_to_know_is_one_for_later),
		CASE(test_a_pod_that_is_not_known_is_called_by_its_name_if_kubelet_tells_it),
		CASE(test_a_static_pod_is_known_by_the_hash_that_kubelet_calls_it),
		CASE(test_a_pod_that_claims_another_ones_hash_gains_nothing),
		CASE(test_two_pods_that_claim_a_static_pods_hash_get_nothing),
		CASE(test_a_pod_from_a_file_which_has_no_uid_is_found_by_its_name),
		CASE(test_an_annotation_that_is_too_long_is_as_good_as_none),
		CASE(test_a_plain_init_container_which_only_the_checkpoint_has_is_found),
		CASE(test_a_device_that_one_container_left_to_the_next_is_both_of_theirs),
		CASE(test_a_device_of_two_pods_is_nobodys),
		CASE(test_a_device_of_no_pod_is_nobodys),
		CASE(test_a_finished_pod_that_is_still_listed_does_not_get_its_old_device),
		CASE(test_a_device_that_kubelet_has_given_to_another_pod_since_is_refused),
		CASE(test_a_pod_of_the_same_name_and_another_namespace_is_another_pod),
		CASE(test_a_pod_of_the_same_name_and_another_uid_is_another_pod),
		CASE(test_the_pod_that_takes_the_others_place_is_waited_for),
		CASE(test_a_pod_that_has_ended_gets_nothing),
		CASE(test_a_pod_that_kubelet_knows_no_more_gets_nothing),
		CASE(test_sixty_pods_that_start_at_once_are_two_calls),
		CASE(test_a_list_that_was_begun_before_the_question_answers_it_not),
		CASE(test_too_many_calls_are_tried_again),
		CASE(test_too_many_calls_for_ever_cost_no_more_than_the_bound),
		CASE(test_a_list_that_hangs_is_not_waited_for),
		CASE(test_a_pods_api_that_hangs_leaves_the_store),
		CASE(test_when_all_hang_the_query_ends_all_the_same),
		CASE(test_nonsense_is_as_good_as_no_answer),
		CASE(test_a_socket_that_nobody_serves_is_as_good_as_none),
		CASE(test_a_label_that_stands_twice_is_nonsense),
		CASE(test_an_answer_about_another_pod_is_nonsense),
		CASE(test_without_a_checkpoint_nothing_is_known),
		CASE(test_a_checkpoint_that_others_may_write_decides_nothing),
		CASE(test_a_record_of_the_shim_says_what_the_pod_runs_on),
		CASE(test_records_that_contradict_each_other_leave_the_pod_without_one),
		CASE(test_a_query_that_is_cancelled_says_nothing_more),
		CASE(test_closing_cancels_whoever_waits),
		CASE(test_it_may_be_closed_from_within_an_answer),
		CASE(test_a_store_that_does_not_know_who_pods_are_is_no_use),
		CASE(test_a_directory_whose_sockets_have_no_room_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
