// SPDX-License-Identifier: Apache-2.0
/* `holdfast-tpm serve` with a software TPM: who gets a secret, who does not, and what happens to it afterwards. */
#include "tests/unit/common/cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/tpm/serving.h"

static struct serving serving;

static int set_up(void **state)
{
	serving_make(&serving);
	return 0;
}

static int tear_down(void **state)
{
	serving_remove(&serving);
	return 0;
}

static const char *web_with_secret(unsigned slot)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 1");
	serving_pod(&serving, "shop", "web", "web", NULL);
	const char *device = serving_give(&serving, "shop", "web", "db", slot);
	serving_start(&serving);
	serving_wait_offered(&serving, "db", 16);
	return device;
}

/* ── who gets it ── */

static void a_pod_that_is_allowed_reads_its_secret(void **state)
{
	const char *device = web_with_secret(3);

	serving_hands_out(&serving, "db", device);
	serving_reads(&serving, "db", device, "value", "s3cret");
}

static void another_namespace_and_another_account_are_refused_by_name(void **state)
{
	web_with_secret(0);
	serving_pod(&serving, "evil", "thief", "web", NULL);
	serving_pod(&serving, "shop", "clerk", "clerk", NULL);
	serving_refuses(&serving, "db", serving_give(&serving, "evil", "thief", "db", 1), "not for namespace \"evil\"");
	serving_refuses(&serving, "db", serving_give(&serving, "shop", "clerk", "db", 2), "not for service account \"shop/clerk\"");
}

static void a_secret_for_vms_is_refused_to_a_pod_without_a_record(void **state)
{
	serving_seal(&serving, "vm", "x", "--allow shop/web --require-sandbox vm");
	serving_pod(&serving, "shop", "web", "web", NULL);
	serving_start(&serving);
	serving_wait_offered(&serving, "vm", 16);
	serving_refuses(&serving, "vm", serving_give(&serving, "shop", "web", "vm", 0), "needs a VM sandbox");
}

static void a_pod_that_names_several_gets_all_or_nothing(void **state)
{
	serving_seal(&serving, "a", "one", "--allow shop/web");
	serving_seal(&serving, "b", "two", "--allow shop/web");
	serving_seal(&serving, "c", "three", "--allow shop/other");
	serving_pod(&serving, "shop", "plain", "web", NULL);
	serving_pod(&serving, "shop", "both", "web", "a,b");
	serving_pod(&serving, "shop", "greedy", "web", "a, c");
	serving_start(&serving);
	serving_wait_offered(&serving, "secrets", 16);
	serving_wait_offered(&serving, "a", 16);
	serving_wait_offered(&serving, "b", 16);
	serving_refuses(&serving, "secrets", serving_give(&serving, "shop", "plain", "secrets", 0), "set its annotation holdfast/secrets");
	const char *device = serving_give(&serving, "shop", "greedy", "secrets", 1);
	serving_refuses(&serving, "secrets", device, "\"c\" is not for service account \"shop/web\"");
	assert_null(serving_read(&serving, "secrets", device, "a/value"));
	device = serving_give(&serving, "shop", "both", "secrets", 2);
	serving_hands_out(&serving, "secrets", device);
	serving_reads(&serving, "secrets", device, "a/value", "one");
	serving_reads(&serving, "secrets", device, "b/value", "two");
}

static void a_device_that_nobody_has_gets_nothing(void **state)
{
	const char *device = web_with_secret(0);

	serving_take(&serving, "web");
	serving_refuses(&serving, "db", device, "");
	assert_null(serving_read(&serving, "db", device, "value"));
}

/* ── what becomes of it ── */

static void a_new_version_reaches_a_pod_that_runs(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	serving_seal(&serving, "db", "n3w", "--allow shop/web --version 2");
	serving_wait_reads(&serving, "db", device, "value", "n3w");
}

static void a_version_that_no_longer_names_the_pod_takes_it_away(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	serving_seal(&serving, "db", "n3w", "--allow shop/other --version 2");
	serving_wait_reads(&serving, "db", device, "value", NULL);
}

static void an_earlier_version_is_not_taken_also_after_a_restart(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	serving_seal(&serving, "db", "n3w", "--allow shop/web --version 7");
	serving_wait_reads(&serving, "db", device, "value", "n3w");
	serving_end(&serving, SIGKILL);
	serving_seal(&serving, "db", "old", "--allow shop/web --version 6");
	serving_start(&serving);
	serving_wait_log(&serving, "version 7 was here before");
	serving_reads(&serving, "db", device, "value", "n3w");
}

static void a_secret_that_is_deleted_is_taken_away(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	serving_delete(&serving, "secret-db.yaml");
	serving_wait_reads(&serving, "db", device, "value", NULL);
	serving_refuses(&serving, "db", device, "was deleted");
}

/* kubelet does so when the pod before it has ended, which we may not have noticed yet. */
static void a_device_that_is_given_away_again_has_nothing_in_its_volume(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	const struct fake_answer *answer = fake_kubelet_allocate(serving_wait_offered(&serving, "db", 16), &device, 1);
	SERVING_WAIT(&serving, answer->ended);
	assert_int_equal(answer->status, RPC_OK);
	assert_null(serving_read(&serving, "db", device, "value"));
	serving_hands_out(&serving, "db", device);
	serving_reads(&serving, "db", device, "value", "s3cret");
}

static void what_a_pod_had_is_gone_soon_after_it(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	serving_take(&serving, "web");
	serving_delete(&serving, "pod-shop-web.json");
	serving_wait_log(&serving, "was overwritten and removed");
	assert_null(serving_read(&serving, "db", device, "value"));
}

static void a_pod_that_gets_a_device_again_finds_nothing_of_who_had_it(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	serving_take(&serving, "web");
	serving_pod(&serving, "evil", "thief", "web", NULL);
	serving_refuses(&serving, "db", serving_give(&serving, "evil", "thief", "db", 0), "not for namespace \"evil\"");
	serving_reads(&serving, "db", device, "value", NULL);
}

/* kubelet that has just started may start containers without asking. */
static void a_device_that_has_gone_over_is_emptied_also_if_nobody_asks(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	serving_take(&serving, "web");
	serving_pod(&serving, "evil", "thief", "web", NULL);
	serving_give(&serving, "evil", "thief", "db", 0);
	serving_wait_reads(&serving, "db", device, "value", NULL);
}

/* ── what comes and goes around it ── */

static void a_volume_that_somebody_emptied_is_made_again(void **state)
{
	const char *device = web_with_secret(0);
	char command[256];

	serving_hands_out(&serving, "db", device);
	snprintf(command, sizeof(command), "rm -rf %s/vol/%s", serving.directory, device);
	assert_int_equal(system(command), 0);
	serving_hands_out(&serving, "db", device);
	serving_reads(&serving, "db", device, "value", "s3cret");
}

static void a_restart_finds_what_pods_have_and_keeps_it_up_to_date(void **state)
{
	const char *device = web_with_secret(0);

	serving_hands_out(&serving, "db", device);
	serving_end(&serving, SIGKILL);
	serving_reads(&serving, "db", device, "value", "s3cret");
	serving_start(&serving);
	serving_wait_offered(&serving, "db", 16);
	serving_seal(&serving, "db", "n3w", "--allow shop/web --version 2");
	serving_wait_reads(&serving, "db", device, "value", "n3w");
}

static void a_kubelet_that_restarts_is_served_again(void **state)
{
	const char *device = web_with_secret(0);

	serving_restart_kubelet(&serving);
	serving_wait_offered(&serving, "db", 16);
	serving_hands_out(&serving, "db", device);
}

static void without_a_tpm_nothing_is_healthy_and_with_it_all_is_again(void **state)
{
	const char *device = web_with_secret(0);
	unsigned port = serving.tpm.port;

	software_tpm_kill(&serving.tpm);
	serving_wait_offered(&serving, "db", 0);
	serving_refuses(&serving, "db", device, "TPM");
	software_tpm_start_at(&serving.tpm, port);
	serving_wait_offered(&serving, "db", 16);
	serving_hands_out(&serving, "db", device);
	serving_reads(&serving, "db", device, "value", "s3cret");
}

static void a_tpm_that_had_failed_must_be_well_for_a_while_before_kubelet_gives_anything_out(void **state)
{
	unsigned port = serving.tpm.port;

	serving.healthy_after = "3s";
	web_with_secret(0);
	software_tpm_kill(&serving.tpm);
	serving_wait_offered(&serving, "db", 0);
	uint64_t began = uv_hrtime();
	software_tpm_start_at(&serving.tpm, port);
	serving_wait_offered(&serving, "db", 16);
	serving_wait_offered(&serving, "secrets", 16);
	assert_true(uv_hrtime() - began >= UINT64_C(3000000000));
}

static void sixty_pods_at_once_need_one_unsealing(void **state)
{
	enum { PODS = 60 };
	const struct fake_answer *answers[PODS];
	const char *devices[PODS];
	char name[16];

	serving.extra = "  slots: 100\n";
	serving_seal(&serving, "db", "s3cret", "--allow shop/web");
	for (unsigned i = 0; i < PODS; i++) {
		snprintf(name, sizeof(name), "web-%u", i);
		serving_pod(&serving, "shop", name, "web", NULL);
		devices[i] = serving_give(&serving, "shop", name, "db", i);
	}
	serving_start(&serving);
	struct fake_resource *resource = serving_wait_offered(&serving, "db", 100);
	for (unsigned i = 0; i < PODS; i++)
		answers[i] = fake_kubelet_start_container(resource, &devices[i], 1);
	for (unsigned i = 0; i < PODS; i++) {
		SERVING_WAIT(&serving, answers[i]->ended);
		assert_int_equal(answers[i]->status, RPC_OK);
		serving_reads(&serving, "db", devices[i], "value", "s3cret");
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_pod_that_is_allowed_reads_its_secret),
		TEST(another_namespace_and_another_account_are_refused_by_name),
		TEST(a_secret_for_vms_is_refused_to_a_pod_without_a_record),
		TEST(a_pod_that_names_several_gets_all_or_nothing),
		TEST(a_device_that_nobody_has_gets_nothing),
		TEST(a_new_version_reaches_a_pod_that_runs),
		TEST(a_version_that_no_longer_names_the_pod_takes_it_away),
		TEST(an_earlier_version_is_not_taken_also_after_a_restart),
		TEST(a_secret_that_is_deleted_is_taken_away),
		TEST(a_device_that_is_given_away_again_has_nothing_in_its_volume),
		TEST(what_a_pod_had_is_gone_soon_after_it),
		TEST(a_pod_that_gets_a_device_again_finds_nothing_of_who_had_it),
		TEST(a_device_that_has_gone_over_is_emptied_also_if_nobody_asks),
		TEST(a_volume_that_somebody_emptied_is_made_again),
		TEST(a_restart_finds_what_pods_have_and_keeps_it_up_to_date),
		TEST(a_kubelet_that_restarts_is_served_again),
		TEST(without_a_tpm_nothing_is_healthy_and_with_it_all_is_again),
		TEST(a_tpm_that_had_failed_must_be_well_for_a_while_before_kubelet_gives_anything_out),
		TEST(sixty_pods_at_once_need_one_unsealing),
	};

	serving_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
