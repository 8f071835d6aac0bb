// SPDX-License-Identifier: Apache-2.0
/* What the command line is told of a daemon that runs, and what it makes it do. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/tpm/serving.h"

static struct serving serving;
static struct buf output;

static int set_up(void **state)
{
	serving_make(&serving);
	output = BUF_MAX(1024 * 1024);
	return 0;
}

static int tear_down(void **state)
{
	buf_free(&output);
	serving_remove(&serving);
	return 0;
}

/* holdfast-tpm ARGUMENTS ends with this exit code and says this. */
static void says(int exit_code, const char *arguments, const char *words)
{
	buf_clear(&output);
	int status = serving_command(&serving, arguments, &output);
	if (status != exit_code || !strstr(buf_text(&output), words))
		fail_msg("holdfast-tpm %s: exit code %d: %s", arguments, status, buf_text(&output));
}

static void says_too(const char *words)
{
	if (!strstr(buf_text(&output), words))
		fail_msg("\"%s\" is not in: %s", words, buf_text(&output));
}

static void says_not(const char *words)
{
	if (strstr(buf_text(&output), words))
		fail_msg("\"%s\" is in: %s", words, buf_text(&output));
}

static void start_with(const char *secret)
{
	serving_start(&serving);
	serving_wait_offered(&serving, secret, 16);
}

static const char *pod_with(const char *pod, const char *secret, unsigned slot)
{
	serving_pod(&serving, "shop", pod, "web", NULL);
	return serving_give(&serving, "shop", pod, secret, slot);
}

/* As root on the node could. */
static void change_by_hand(const char *secret, const char *device, const char *content)
{
	char path[512];
	struct error err;

	snprintf(path, sizeof(path), "%s/vol/%s/kubernetes.io~secret/%s/..data/value", serving.directory, device, secret);
	assert_return_code(unlink(path), errno);
	if (content && file_write_atomic(path, slice_string(content), 0400, &err) < 0)
		fail_msg("%s", err.message);
}

/* ── list ── */

static void list_says_which_pods_have_a_secret_and_its_version(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 7");
	const char *device = pod_with("web", "db", 3);
	start_with("db");
	says(0, "list", "db      7");
	says_too("usable    0/16   -");
	serving_hands_out(&serving, "db", device);
	says(0, "list db", "usable    1/16   shop/web");
	says(0, "list -o json",
	     "{\"node\":\"edge-1\",\"secrets\":[{\"name\":\"db\",\"version\":\"7\",\"state\":\"usable\",\"usable\":true,"
	     "\"reason\":\"\",\"slots\":16,\"used\":1,\"pods\":[{\"namespace\":\"shop\",\"name\":\"web\",\"uid\":\"uid-web\","
	     "\"container\":\"main\",\"device\":\"");
	says_not("s3cret");
	serving_take(&serving, "web");
	serving_delete(&serving, "pod-shop-web.json");
	serving_wait_log(&serving, "was overwritten and removed");
	says(0, "list db", "usable    0/16   -");
}

static void list_says_why_a_secret_cannot_be_had(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 7");
	start_with("db");
	serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 6");
	serving_wait_log(&serving, "version 7 was here before");
	says(1, "list", "version 7 was here before");
	says(1, "list -o json", "\"usable\":false");
	says(1, "list other", "there is no TPMSecret \"other\"");
}

static void a_node_without_secrets_says_how_to_make_one(void **state)
{
	start_with("secrets");
	says(0, "list", "no secret is sealed for node edge-1");
	says_too("holdfast-tpm seal NAME --node edge-1");
	says(0, "list -o json", "{\"node\":\"edge-1\",\"secrets\":[]}");
}

/* ── status ── */

static void status_says_that_all_is_well(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web");
	const char *device = pod_with("web", "db", 0);
	start_with("db");
	serving_hands_out(&serving, "db", device);
	says(0, "status", "on node edge-1, up ");
	says_too(": ready\n");
	says_too("IBM SW   TPM, firmware ");
	says_too("hold counter 1;");
	says_too("2 of 2 resources registered");
	says_too("1 usable");
	says_too("1 containers have secrets");
	says_too("delivered  1 times to containers that started, of 1 that asked");
	says(0, "status -o json", "\"ready\":true,\"notReadyReason\":\"\",\"tpm\":{");
	says_too("\"usable\":true,\"reason\":\"\"");
	says_too("\"delivered\":{\"starts\":1,\"handedOut\":1,\"rotated\":0,\"shredded\":0}");
}

static void status_has_the_last_refusal_and_counts_them_by_reason(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/other");
	const char *device = pod_with("web", "db", 0);
	start_with("db");
	assert_int_not_equal(serving_start_container(&serving, "db", device).status, RPC_OK);
	says(0, "status", "refused    1: 1 denied");
	says_too("not for service account \"shop/web\"");
	says(0, "status -o json", "\"refused\":{\"denied\":1,");
}

static void status_says_what_is_wrong_with_the_tpm_and_since_when(void **state)
{
	unsigned port = serving.tpm.port;

	start_with("secrets");
	software_tpm_kill(&serving.tpm);
	serving_wait_offered(&serving, "secrets", 0);
	says(0, "status", ": NOT READY\n");
	says_too("CANNOT BE USED for ");
	says(0, "status -o json", "\"ready\":false");
	software_tpm_start_at(&serving.tpm, port);
	serving_wait_offered(&serving, "secrets", 16);
	says(0, "status", ": ready\n");
}

static void the_command_line_is_answered_while_the_tpm_hangs(void **state)
{
	start_with("secrets");
	software_tpm_hang(&serving.tpm);
	says(0, "status", "holdfast-tpm ");
	says(0, "list", "no secret is sealed");
	software_tpm_resume(&serving.tpm);
}

/* ── rotate ── */

static void rotate_gives_back_what_was_lost_or_changed_by_hand(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web");
	serving_seal(&serving, "other", "0ther", "--allow shop/web");
	const char *first = pod_with("web", "db", 0), *second = pod_with("api", "db", 1), *third = pod_with("cron", "other", 0);
	start_with("db");
	serving_wait_offered(&serving, "other", 16);
	serving_hands_out(&serving, "db", first);
	serving_hands_out(&serving, "db", second);
	serving_hands_out(&serving, "other", third);
	change_by_hand("db", first, NULL);
	change_by_hand("db", second, "forged");
	change_by_hand("other", third, "forged");
	says(0, "rotate db", "shop/web (main): delivered again");
	says_too("shop/api (main): delivered again");
	serving_reads(&serving, "db", first, "value", "s3cret");
	serving_reads(&serving, "db", second, "value", "s3cret");
	serving_reads(&serving, "other", third, "value", "forged");
	says(0, "rotate --all -o json", "\"name\":\"cron\",\"container\":\"main\",\"delivered\":true");
	serving_reads(&serving, "other", third, "value", "0ther");
}

static void two_rotations_at_once_are_both_answered(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web");
	const char *device = pod_with("web", "db", 0);
	start_with("db");
	serving_hands_out(&serving, "db", device);
	software_tpm_hang(&serving.tpm);
	pid_t first = serving_command_begin(&serving, "rotate db");
	serving_wait_log(&serving, "secrets are delivered again, as asked");
	pid_t second = serving_command_begin(&serving, "rotate --all");
	software_tpm_resume(&serving.tpm);
	assert_int_equal(serving_command_end(&serving, first, &output), 0);
	assert_int_equal(serving_command_end(&serving, second, &output), 0);
	serving_reads(&serving, "db", device, "value", "s3cret");
}

static void rotate_without_anybody_to_deliver_to_says_so(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web");
	start_with("db");
	says(0, "rotate db", "no running pod");
	says(1, "rotate nothing", "there is no TPMSecret \"nothing\"");
}

static void rotate_says_for_each_pod_why_it_failed_and_takes_nothing_away(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web");
	const char *device = pod_with("web", "db", 0);
	start_with("db");
	serving_hands_out(&serving, "db", device);
	software_tpm_kill(&serving.tpm);
	says(1, "rotate db", "shop/web (main): NOT delivered: ");
	serving_reads(&serving, "db", device, "value", "s3cret");
}

static void rotate_is_answered_when_the_daemon_ends(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web");
	const char *device = pod_with("web", "db", 0);
	start_with("db");
	serving_hands_out(&serving, "db", device);
	software_tpm_hang(&serving.tpm);
	pid_t command = serving_command_begin(&serving, "rotate db");
	serving_wait_log(&serving, "secrets are delivered again, as asked");
	serving_end(&serving, SIGTERM);
	assert_int_equal(serving_command_end(&serving, command, &output), 1);
	says_too("NOT delivered: holdfast-tpm is ending");
	software_tpm_resume(&serving.tpm);
}

/* ── revoke, node-key ── */

static void take_node_key(void)
{
	char path[128];
	struct error err;

	snprintf(path, sizeof(path), "%s/node.yaml", serving.directory);
	if (file_write_atomic(path, buf_view(&output), 0600, &err) < 0)
		fail_msg("%s", err.message);
}

static void revoke_takes_everything_away_and_sealing_again_gives_it_back(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 1");
	const char *device = pod_with("web", "db", 0);
	start_with("db");
	serving_hands_out(&serving, "db", device);
	says(0, "revoke --yes", "cannot be opened any more (hold counter 2)");
	says_too("volumes of running containers that were overwritten and emptied: 1");
	serving_reads(&serving, "db", device, "value", NULL);
	says(1, "list", "it was revoked; seal it again");
	assert_int_not_equal(serving_start_container(&serving, "db", device).status, RPC_OK);
	says(0, "node-key", "\"value\":\"2\"");
	take_node_key();
	serving_seal(&serving, "db", "n3w", "--allow shop/web --version 2");
	serving_wait_offered(&serving, "db", 16);
	serving_hands_out(&serving, "db", device);
	serving_reads(&serving, "db", device, "value", "n3w");
}

/* It was sealed again on purpose: nothing flaps. kubelet would refuse a pod that comes meanwhile, and for good. */
static void what_is_sealed_again_after_a_revoke_is_given_out_at_once(void **state)
{
	serving.healthy_after = "600s";
	serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 1");
	start_with("db");
	says(0, "revoke --yes", "cannot be opened any more");
	serving_wait_offered(&serving, "db", 0);
	says(0, "node-key", "kind: TPMNode");
	take_node_key();
	serving_seal(&serving, "db", "n3w", "--allow shop/web --version 2");
	serving_wait_offered(&serving, "db", 16);
}

static void revoke_without_a_tpm_says_that_it_is_not_done(void **state)
{
	serving_seal(&serving, "db", "s3cret", "--allow shop/web");
	const char *device = pod_with("web", "db", 0);
	start_with("db");
	serving_hands_out(&serving, "db", device);
	software_tpm_kill(&serving.tpm);
	says(1, "revoke --yes", "holdfast-tpm: ");
	says_not("revoked");
	serving_reads(&serving, "db", device, "value", "s3cret");
}

static void the_node_key_is_the_daemons_to_print_while_it_runs(void **state)
{
	char direct[256];

	start_with("secrets");
	says(0, "node-key", "kind: TPMNode");
	says(0, "node-key --node edge-1", "kind: TPMNode");
	says(1, "node-key --node edge-2", "the daemon calls this node \"edge-1\", not \"edge-2\"");
	snprintf(direct, sizeof(direct), "node-key --tcti %s --state-dir %s/state", serving.tpm.tcti, serving.directory);
	says(1, direct, "the daemon of this node has the TPM");
	serving_end(&serving, SIGTERM);
	says(0, direct, "kind: TPMNode");
}

/* ── self-test ── */

static void the_self_test_is_unsealed_by_the_tpm_and_follows_the_hold_counter(void **state)
{
	start_with("secrets");
	says(0, "self-test", "ok    tpm               a random secret was sealed for this node's TPM, and the TPM unsealed it at hold counter 1");
	says(0, "revoke --yes", "hold counter 2");
	says(0, "self-test -o json", "\"level\":\"ok\",\"cause\":\"a random secret was sealed");
	says_too("at hold counter 2, in ");
}

static void the_self_test_fails_without_the_tpm_and_without_the_daemon(void **state)
{
	unsigned port = serving.tpm.port;

	start_with("secrets");
	software_tpm_kill(&serving.tpm);
	says(2, "self-test", "FAIL  tpm               ");
	says_too("holdfast-tpm status");
	software_tpm_start_at(&serving.tpm, port);
	says(0, "self-test", "the TPM unsealed it");
	serving_end(&serving, SIGTERM);
	says(2, "self-test -o json", "\"level\":\"fail\"");
}

/* ── check ── */

static void check_takes_the_daemons_word_for_the_tpm(void **state)
{
	char arguments[128];

	snprintf(arguments, sizeof(arguments), "check --config %s/holdfast.yaml -o json", serving.directory);
	serving_start(&serving);
	serving_wait_offered(&serving, "secrets", 16);
	buf_clear(&output);
	assert_in_range(serving_command(&serving, arguments, &output), 0, 1); /* the clock of a test machine may do as it likes */
	says_too("it is the one that was enrolled, and its hold counter is 1");
	says_too("the daemon answers that it is ready");
	says_too("kubelet takes device plugins on ");
	says_too("kubelet says which pod has which device on ");
	says_not("\"fail\"");
	says_not("is not ready");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(list_says_which_pods_have_a_secret_and_its_version),
		TEST(list_says_why_a_secret_cannot_be_had),
		TEST(a_node_without_secrets_says_how_to_make_one),
		TEST(status_says_that_all_is_well),
		TEST(status_has_the_last_refusal_and_counts_them_by_reason),
		TEST(status_says_what_is_wrong_with_the_tpm_and_since_when),
		TEST(the_command_line_is_answered_while_the_tpm_hangs),
		TEST(rotate_gives_back_what_was_lost_or_changed_by_hand),
		TEST(two_rotations_at_once_are_both_answered),
		TEST(rotate_without_anybody_to_deliver_to_says_so),
		TEST(rotate_says_for_each_pod_why_it_failed_and_takes_nothing_away),
		TEST(rotate_is_answered_when_the_daemon_ends),
		TEST(revoke_takes_everything_away_and_sealing_again_gives_it_back),
		TEST(what_is_sealed_again_after_a_revoke_is_given_out_at_once),
		TEST(revoke_without_a_tpm_says_that_it_is_not_done),
		TEST(the_node_key_is_the_daemons_to_print_while_it_runs),
		TEST(the_self_test_is_unsealed_by_the_tpm_and_follows_the_hold_counter),
		TEST(the_self_test_fails_without_the_tpm_and_without_the_daemon),
		TEST(check_takes_the_daemons_word_for_the_tpm),
	};

	serving_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
