// SPDX-License-Identifier: Apache-2.0
/* The plugin and a kubelet of ours on one loop, over real sockets in a temporary directory. */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/log.h"
#include "device-plugin/plugin/plugin.h"
#include "tests/unit/device_plugin/fake_kubelet.h"

#define PATIENCE_MS 20000

static struct world {
	uv_loop_t loop;
	uv_timer_t patience;
	char directory[64];
	struct plugin *plugin;
	struct fake_kubelet *kubelets[4]; /* the last one lives */
	size_t n_kubelets;
	struct plugin_start *starts[8];
	size_t n_starts;
	unsigned n_closed;
	struct plugin_resource status;
	size_t n_status;
	char problem[512];
} world;

/* ── Scaffolding ── */

static void take_start(void *context, struct plugin_start *start)
{
	assert_true(world.n_starts < ELEMENTS_OF(world.starts));
	world.starts[world.n_starts++] = start;
}

static void out_of_patience(uv_timer_t *timer)
{
	fail_msg("what was waited for did not happen");
}

/* Runs the loop until `condition` holds. */
#define UNTIL(condition)                                                                                                                   \
	do {                                                                                                                               \
		uv_timer_start(&world.patience, out_of_patience, PATIENCE_MS, 0);                                                          \
		while (!(condition))                                                                                                       \
			uv_run(&world.loop, UV_RUN_ONCE);                                                                                  \
		uv_timer_stop(&world.patience);                                                                                            \
	} while (0)

static struct fake_kubelet *kubelet(void)
{
	return world.kubelets[world.n_kubelets - 1];
}

static void start_kubelet(void)
{
	world.kubelets[world.n_kubelets++] = fake_kubelet_start(&world.loop, world.directory);
}

static struct fake_resource *resource(const char *name)
{
	return fake_kubelet_find(kubelet(), name);
}

static bool is_connected(const char *name)
{
	return resource(name) && resource(name)->connected;
}

static void start_plugin(void)
{
	const struct plugin_options options = { world.directory, "/run/holdfast/vol", { take_start, NULL } };
	struct error err;

	if (plugin_new(&world.loop, &options, &world.plugin, &err) < 0)
		fail_msg("%s", err.message);
}

static void offer(const char *secret, unsigned slots)
{
	struct error err;

	if (plugin_offer(world.plugin, secret, slots, &err) < 0)
		fail_msg("%s", err.message);
}

static void offered(void)
{
	start_kubelet();
	start_plugin();
	offer("db-password", 4);
	UNTIL(is_connected("tpm.holdfast/db-password"));
}

static void keep_status(void *context, const struct plugin_resource *status)
{
	world.status = *status;
	snprintf(world.problem, sizeof(world.problem), "%s", status->problem);
	world.n_status++;
}

static enum plugin_registration registration(void)
{
	plugin_status(world.plugin, keep_status, NULL);
	return world.status.registration;
}

static void note_closed(void *context)
{
	world.n_closed++;
	world.plugin = NULL;
}

static int set_up(void **state)
{
	world = (struct world){ .directory = "/tmp/holdfast-plugin.XXXXXX" };
	assert_int_equal(uv_loop_init(&world.loop), 0);
	uv_timer_init(&world.loop, &world.patience);
	assert_non_null(mkdtemp(world.directory));
	return 0;
}

static void refuse_starts(void)
{
	struct error err;

	error_set(&err, ECANCELED, "the test ends");
	while (world.n_starts > 0)
		plugin_start_answer(world.starts[--world.n_starts], -ECANCELED, &err);
}

static int tear_down(void **state)
{
	char path[128];

	refuse_starts();
	plugin_stop(world.plugin, note_closed, NULL);
	for (size_t i = 0; i < world.n_kubelets; i++)
		fake_kubelet_stop(world.kubelets[i]);
	uv_close((uv_handle_t *)&world.patience, NULL);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	for (size_t i = 0; i < world.n_kubelets; i++)
		fake_kubelet_free(world.kubelets[i]);
	snprintf(path, sizeof(path), "%s/kubelet.sock", world.directory);
	unlink(path);
	assert_int_equal(rmdir(world.directory), 0); /* so no socket of ours is left */
	return 0;
}

/* ── Registration ── */

static void a_secret_becomes_a_resource_with_its_slots(void **state)
{
	offered();
	const struct fake_resource *known = resource("tpm.holdfast/db-password");
	assert_int_equal(known->n_devices, 4);
	assert_int_equal(known->n_healthy, 4);
	assert_string_equal(known->ids[3], "47facce2-3");
	assert_true(known->pre_start_required);
	assert_true(known->preferred_available);
	UNTIL(registration() == PLUGIN_REGISTERED);
	assert_string_equal(world.problem, "");
}

static void every_secret_has_a_socket_of_its_own_for_root_only(void **state)
{
	char path[192];
	struct stat st;

	offered();
	offer(PLUGIN_GENERAL, 1);
	UNTIL(is_connected("tpm.holdfast/secrets"));
	assert_string_not_equal(resource("tpm.holdfast/secrets")->endpoint, resource("tpm.holdfast/db-password")->endpoint);
	snprintf(path, sizeof(path), "%s/%s", world.directory, resource("tpm.holdfast/secrets")->endpoint);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void two_hundred_secrets_are_registered_and_come_back(void **state)
{
	char secret[32];

	start_kubelet();
	start_plugin();
	for (int i = 0; i < 200; i++) {
		snprintf(secret, sizeof(secret), "secret-%d", i);
		offer(secret, 16);
	}
	UNTIL(fake_kubelet_count_connected(kubelet()) == 200);
	fake_kubelet_stop(kubelet());
	start_kubelet();
	UNTIL(fake_kubelet_count_connected(kubelet()) == 200);
}

static void a_kubelet_that_starts_later_is_registered_with(void **state)
{
	start_plugin();
	offer("db-password", 4);
	UNTIL(registration() == PLUGIN_WAITING);
	assert_non_null(strstr(world.problem, "kubelet.sock"));
	start_kubelet();
	UNTIL(is_connected("tpm.holdfast/db-password"));
}

static void count_trying(void *context, const struct plugin_resource *status)
{
	*(unsigned *)context += status->registration == PLUGIN_WAITING || status->registration == PLUGIN_ASKING;
}

static unsigned n_trying(void)
{
	unsigned n = 0;

	plugin_status(world.plugin, count_trying, &n);
	return n;
}

static void while_kubelet_is_away_one_resource_tries_for_all(void **state)
{
	char secret[16];

	start_kubelet();
	start_plugin();
	for (unsigned i = 0; i < 40; i++) {
		snprintf(secret, sizeof(secret), "secret-%u", i);
		offer(secret, 1);
	}
	UNTIL(fake_kubelet_count_connected(kubelet()) == 40);
	fake_kubelet_stop(kubelet());
	UNTIL(n_trying() == 40);
	UNTIL(n_trying() == 1);
	plugin_withdraw(world.plugin, "secret-0");
	plugin_withdraw(world.plugin, "secret-39");
	offer("one-more", 1);
	assert_int_equal(n_trying(), 1);
	start_kubelet();
	UNTIL(fake_kubelet_count_connected(kubelet()) == 39);
}

static void a_directory_that_kubelet_has_not_made_yet_is_made(void **state)
{
	char inner[96];
	struct stat st;
	struct error err;

	snprintf(inner, sizeof(inner), "%s/device-plugins", world.directory);
	const struct plugin_options options = { inner, "/run/holdfast/vol", { take_start, NULL } };
	if (plugin_new(&world.loop, &options, &world.plugin, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(stat(inner, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0750);
	world.kubelets[world.n_kubelets++] = fake_kubelet_start(&world.loop, inner);
	offer("db-password", 4);
	UNTIL(is_connected("tpm.holdfast/db-password"));
	plugin_stop(world.plugin, note_closed, NULL);
	fake_kubelet_stop(kubelet());
	UNTIL(world.n_closed == 1);
	assert_int_equal(rmdir(inner), 0);
}

static void remove_all_files(void)
{
	char path[192];
	struct dirent *entry;
	DIR *stream = opendir(world.directory);

	assert_non_null(stream);
	while ((entry = readdir(stream))) {
		snprintf(path, sizeof(path), "%s/%.96s", world.directory, entry->d_name);
		unlink(path);
	}
	closedir(stream);
}

static void a_directory_that_was_deleted_is_made_and_followed_again(void **state)
{
	struct stat st;

	offered();
	fake_kubelet_stop(kubelet());
	remove_all_files();
	assert_int_equal(rmdir(world.directory), 0);
	UNTIL(stat(world.directory, &st) == 0);
	start_kubelet();
	UNTIL(is_connected("tpm.holdfast/db-password"));
}

static void a_kubelet_that_starts_again_is_registered_with_again(void **state)
{
	offered();
	for (int i = 0; i < 3; i++) {
		fake_kubelet_stop(kubelet());
		start_kubelet();
		UNTIL(is_connected("tpm.holdfast/db-password"));
		assert_int_equal(resource("tpm.holdfast/db-password")->n_registrations, 1);
	}
}

static void a_kubelet_that_cuts_us_off_is_registered_with_again(void **state)
{
	offered();
	fake_kubelet_disconnect(resource("tpm.holdfast/db-password"));
	UNTIL(is_connected("tpm.holdfast/db-password"));
	assert_int_equal(resource("tpm.holdfast/db-password")->n_registrations, 2);
}

static void a_kubelet_that_accepts_and_does_not_ask_for_the_list_is_asked_again(void **state)
{
	start_kubelet();
	fake_kubelet_ignore_lists(kubelet());
	start_plugin();
	offer("db-password", 4);
	UNTIL(resource("tpm.holdfast/db-password") && resource("tpm.holdfast/db-password")->n_registrations == 2);
	registration();
	assert_non_null(strstr(world.problem, "does not ask for its devices"));
}

static void a_refusal_is_repeated_in_the_status_and_tried_again(void **state)
{
	start_kubelet();
	fake_kubelet_refuse(kubelet(), "the ResourceName \"tpm.holdfast/db-password\" is invalid");
	start_plugin();
	offer("db-password", 4);
	UNTIL(registration() == PLUGIN_WAITING);
	assert_non_null(strstr(world.problem, "kubelet does not register it: the ResourceName"));
	fake_kubelet_refuse(kubelet(), NULL);
	UNTIL(is_connected("tpm.holdfast/db-password"));
}

static void a_socket_that_somebody_removed_is_made_again_when_kubelet_needs_it(void **state)
{
	char path[192];
	struct stat st;

	offered();
	snprintf(path, sizeof(path), "%s/%s", world.directory, resource("tpm.holdfast/db-password")->endpoint);
	assert_int_equal(unlink(path), 0);
	fake_kubelet_disconnect(resource("tpm.holdfast/db-password"));
	UNTIL(is_connected("tpm.holdfast/db-password"));
	assert_int_equal(stat(path, &st), 0);
}

/* ── Health and slots ── */

static unsigned n_healthy(void)
{
	return resource("tpm.holdfast/db-password")->n_healthy;
}

static void health_is_said_at_once(void **state)
{
	offered();
	plugin_set_health(world.plugin, "db-password", false);
	UNTIL(n_healthy() == 0);
	assert_int_equal(resource("tpm.holdfast/db-password")->n_devices, 4);
	plugin_set_health(world.plugin, "db-password", true);
	UNTIL(n_healthy() == 4);
	plugin_set_health(world.plugin, "db-password", true);
	plugin_set_health(world.plugin, "no-such-secret", true);
}

static void what_is_said_twice_kubelet_hears_once(void **state)
{
	offered();
	plugin_set_health(world.plugin, "db-password", false);
	UNTIL(n_healthy() == 0);
	unsigned n_lists = resource("tpm.holdfast/db-password")->n_lists;
	plugin_set_health(world.plugin, "db-password", false);
	plugin_set_health(world.plugin, "db-password", true);
	plugin_set_health(world.plugin, "db-password", true);
	UNTIL(n_healthy() == 4);
	offer("db-password", 5); /* a list that comes after all that could have been sent */
	UNTIL(resource("tpm.holdfast/db-password")->n_devices == 5);
	assert_int_equal(resource("tpm.holdfast/db-password")->n_lists, n_lists + 2);
}

static void slots_that_are_offered_no_more_stay_listed_and_unhealthy(void **state)
{
	offered();
	offer("db-password", 6);
	UNTIL(n_healthy() == 6);
	offer("db-password", 2);
	UNTIL(n_healthy() == 2);
	assert_int_equal(resource("tpm.holdfast/db-password")->n_devices, 6);
}

static void what_cannot_be_offered_is_refused(void **state)
{
	struct error err;

	start_plugin();
	assert_int_equal(plugin_offer(world.plugin, "db-password", 0, &err), -EINVAL);
	assert_int_equal(plugin_offer(world.plugin, "db-password", 1001, &err), -EINVAL);
	assert_non_null(strstr(err.message, "1001 slots: 1 to 1000"));
	assert_int_equal(plugin_offer(world.plugin, "No_Name", 1, &err), -EINVAL);
	plugin_status(world.plugin, keep_status, NULL);
	assert_int_equal(world.n_status, 0);
}

static void two_secrets_with_one_hash_do_not_share_devices(void **state)
{
	struct error err;

	start_plugin();
	offer("s2330", 1);
	assert_int_equal(plugin_offer(world.plugin, "s130636", 1, &err), -EEXIST);
	assert_non_null(strstr(err.message, "s2330"));
}

static void a_withdrawn_secret_is_disconnected_and_may_be_offered_again(void **state)
{
	offered();
	plugin_withdraw(world.plugin, "db-password");
	UNTIL(!is_connected("tpm.holdfast/db-password"));
	assert_int_equal(resource("tpm.holdfast/db-password")->n_devices, 4); /* kubelet never saw an empty list */
	offer("db-password", 5);
	UNTIL(is_connected("tpm.holdfast/db-password"));
	assert_int_equal(resource("tpm.holdfast/db-password")->n_devices, 5);
}

/* ── What kubelet asks ── */

static void allocate_answers_with_one_read_only_mount_of_the_lowest_slot(void **state)
{
	static const char *const ids[] = { "47facce2-11", "47facce2-2" };

	offered();
	struct fake_answer *answer = fake_kubelet_allocate(resource("tpm.holdfast/db-password"), ids, ELEMENTS_OF(ids));
	UNTIL(answer->ended);
	assert_int_equal(answer->status, RPC_OK);
	assert_string_equal(answer->host_path, "/run/holdfast/vol/47facce2-2/kubernetes.io~secret/db-password");
	assert_string_equal(answer->container_path, "/var/run/secrets/tpm.holdfast/db-password");
	assert_true(answer->read_only);
}

static void a_device_of_another_secret_is_refused(void **state)
{
	static const char *const ids[] = { "00000000-2" };

	offered();
	struct fake_answer *answer = fake_kubelet_allocate(resource("tpm.holdfast/db-password"), ids, 1);
	UNTIL(answer->ended);
	assert_int_equal(answer->status, RPC_NOT_FOUND);
	assert_string_equal(answer->words, "\"00000000-2\" is no device of tpm.holdfast/db-password");
	answer = fake_kubelet_start_container(resource("tpm.holdfast/db-password"), ids, 1);
	UNTIL(answer->ended);
	assert_int_equal(answer->status, RPC_NOT_FOUND);
	answer = fake_kubelet_allocate(resource("tpm.holdfast/db-password"), ids, 0);
	UNTIL(answer->ended);
	assert_int_equal(answer->status, RPC_INVALID_ARGUMENT);
	assert_int_equal(world.n_starts, 0);
}

static void the_device_that_rested_longest_is_preferred(void **state)
{
	static const char *const all[] = { "47facce2-3", "47facce2-1", "47facce2-0", "47facce2-2", "somebody-else" };
	static const char *const first[] = { "47facce2-0" }, *const second[] = { "47facce2-1", "47facce2-2" };

	offered();
	struct fake_resource *known = resource("tpm.holdfast/db-password");
	struct fake_answer *answer = fake_kubelet_allocate(known, second, 2);
	UNTIL(answer->ended);
	answer = fake_kubelet_allocate(known, first, 1);
	UNTIL(answer->ended);
	answer = fake_kubelet_prefer(known, all, ELEMENTS_OF(all), 3);
	UNTIL(answer->ended);
	assert_int_equal(answer->n_ids, 3);
	assert_string_equal(answer->ids[0], "47facce2-3");
	assert_string_equal(answer->ids[1], "47facce2-1");
	assert_string_equal(answer->ids[2], "47facce2-2");
}

/* ── A container starts ── */

static const char *const one[] = { "47facce2-1" };

static void a_start_waits_for_its_answer_and_hears_the_reason(void **state)
{
	struct error err;

	offered();
	struct fake_resource *known = resource("tpm.holdfast/db-password");
	struct fake_answer *answer = fake_kubelet_start_container(known, one, 1);
	UNTIL(world.n_starts == 1);
	assert_string_equal(plugin_start_secret(world.starts[0]), "db-password");
	assert_string_equal(plugin_start_device(world.starts[0]), "47facce2-1");
	assert_false(plugin_start_is_gone(world.starts[0]));
	error_set(&err, EACCES, "pod shop/web may not have it: no rule allows service account \"web\"");
	plugin_start_answer(world.starts[--world.n_starts], -EACCES, &err);
	UNTIL(answer->ended);
	assert_int_equal(answer->status, RPC_PERMISSION_DENIED);
	assert_string_equal(answer->words, err.message);

	answer = fake_kubelet_start_container(known, one, 1);
	UNTIL(world.n_starts == 1);
	plugin_start_answer(world.starts[--world.n_starts], 0, NULL);
	UNTIL(answer->ended);
	assert_int_equal(answer->status, RPC_OK);
	plugin_status(world.plugin, keep_status, NULL);
	assert_int_equal(world.status.n_starts, 2);
	assert_int_equal(world.status.n_refused, 1);
}

static void a_start_whose_peer_gave_up_is_answered_without_harm(void **state)
{
	offered();
	struct fake_answer *answer = fake_kubelet_start_container(resource("tpm.holdfast/db-password"), one, 1);
	UNTIL(world.n_starts == 1);
	grpc_client_cancel(answer->call);
	UNTIL(plugin_start_is_gone(world.starts[0]));
	plugin_start_answer(world.starts[--world.n_starts], 0, NULL);
	assert_true(is_connected("tpm.holdfast/db-password"));
}

static void a_start_may_be_answered_after_its_secret_was_withdrawn_and_the_plugin_stopped(void **state)
{
	offered();
	struct fake_answer *answer = fake_kubelet_start_container(resource("tpm.holdfast/db-password"), one, 1);
	UNTIL(world.n_starts == 1);
	plugin_withdraw(world.plugin, "db-password");
	UNTIL(answer->ended);
	assert_int_equal(answer->status, RPC_UNAVAILABLE);
	UNTIL(plugin_start_is_gone(world.starts[0]));
	plugin_stop(world.plugin, note_closed, NULL);
	for (int i = 0; i < 10; i++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	assert_int_equal(world.n_closed, 0);
	assert_string_equal(plugin_start_secret(world.starts[0]), "db-password");
	plugin_start_answer(world.starts[--world.n_starts], 0, NULL);
	assert_int_equal(world.n_closed, 1);
}

static void a_kubelet_that_restarts_during_a_start_is_asked_nothing_twice(void **state)
{
	offered();
	fake_kubelet_start_container(resource("tpm.holdfast/db-password"), one, 1);
	UNTIL(world.n_starts == 1);
	fake_kubelet_stop(kubelet());
	start_kubelet();
	UNTIL(is_connected("tpm.holdfast/db-password"));
	struct fake_answer *answer = fake_kubelet_start_container(resource("tpm.holdfast/db-password"), one, 1);
	UNTIL(world.n_starts == 2);
	assert_true(plugin_start_is_gone(world.starts[0]));
	plugin_start_answer(world.starts[1], 0, NULL);
	world.n_starts = 1;
	UNTIL(answer->ended);
	assert_int_equal(answer->status, RPC_OK);
}

/* ── Edges ── */

static void a_directory_whose_path_is_too_long_for_sockets_is_refused(void **state)
{
	char directory[96];
	struct error err;

	memset(directory, 'd', sizeof(directory) - 1);
	directory[0] = '/';
	directory[sizeof(directory) - 1] = 0;
	const struct plugin_options options = { directory, "/v", { take_start, NULL } };
	assert_int_equal(plugin_new(&world.loop, &options, &world.plugin, &err), -ENAMETOOLONG);
	assert_non_null(strstr(err.message, "at most 84 bytes"));
}

static void a_plugin_may_stop_while_kubelet_is_being_asked(void **state)
{
	start_kubelet();
	start_plugin();
	offer("db-password", 4);
	assert_int_equal(registration(), PLUGIN_ASKING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define PROMISE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		PROMISE(a_secret_becomes_a_resource_with_its_slots),
		PROMISE(every_secret_has_a_socket_of_its_own_for_root_only),
		PROMISE(two_hundred_secrets_are_registered_and_come_back),
		PROMISE(a_kubelet_that_starts_later_is_registered_with),
		PROMISE(while_kubelet_is_away_one_resource_tries_for_all),
		PROMISE(a_directory_that_kubelet_has_not_made_yet_is_made),
		PROMISE(a_directory_that_was_deleted_is_made_and_followed_again),
		PROMISE(a_kubelet_that_starts_again_is_registered_with_again),
		PROMISE(a_kubelet_that_cuts_us_off_is_registered_with_again),
		PROMISE(a_kubelet_that_accepts_and_does_not_ask_for_the_list_is_asked_again),
		PROMISE(a_refusal_is_repeated_in_the_status_and_tried_again),
		PROMISE(a_socket_that_somebody_removed_is_made_again_when_kubelet_needs_it),
		PROMISE(health_is_said_at_once),
		PROMISE(what_is_said_twice_kubelet_hears_once),
		PROMISE(slots_that_are_offered_no_more_stay_listed_and_unhealthy),
		PROMISE(what_cannot_be_offered_is_refused),
		PROMISE(two_secrets_with_one_hash_do_not_share_devices),
		PROMISE(a_withdrawn_secret_is_disconnected_and_may_be_offered_again),
		PROMISE(allocate_answers_with_one_read_only_mount_of_the_lowest_slot),
		PROMISE(a_device_of_another_secret_is_refused),
		PROMISE(the_device_that_rested_longest_is_preferred),
		PROMISE(a_start_waits_for_its_answer_and_hears_the_reason),
		PROMISE(a_start_whose_peer_gave_up_is_answered_without_harm),
		PROMISE(a_start_may_be_answered_after_its_secret_was_withdrawn_and_the_plugin_stopped),
		PROMISE(a_kubelet_that_restarts_during_a_start_is_asked_nothing_twice),
		PROMISE(a_directory_whose_path_is_too_long_for_sockets_is_refused),
		PROMISE(a_plugin_may_stop_while_kubelet_is_being_asked),
	};

	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
