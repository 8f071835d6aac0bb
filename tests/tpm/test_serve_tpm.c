// SPDX-License-Identifier: Apache-2.0
/* `holdfast-tpm serve` with a TPM that is slow, hangs, is cut off, locked out or another one, at each command of a pod's start. */
#include "tests/unit/common/cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/tpm/serving.h"
#include "tests/tpm/tpm_wire.h"
#include <tss2/tss2_tpm2_types.h>

static struct serving serving;
static struct tpm_wire wire;
static struct fake_resource *resource;

/* No look at the TPM's health but the first, and no key that serves twice: each start is an unsealing, and nothing else is. */
static int set_up(void **state)
{
	serving_make(&serving);
	tpm_wire_make(&wire, &serving.tpm);
	serving.tcti = wire.tcti;
	serving.health_interval = "1h";
	serving.extra = "  slots: 100\n  reuse: 0s\n";
	serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 1");
	return 0;
}

static int tear_down(void **state)
{
	serving_remove(&serving);
	tpm_wire_remove(&wire);
	return 0;
}

static const char *new_pod(void)
{
	unsigned slot = (unsigned)serving.n_devices;
	char name[16];

	snprintf(name, sizeof(name), "web-%u", slot);
	serving_pod(&serving, "shop", name, "web", NULL);
	return serving_give(&serving, "shop", name, "db", slot);
}

static bool tpm_is_idle(void)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(1024 * 1024);

	assert_int_equal(serving_command(&serving, "status -o json", &output), 0);
	return strstr(buf_text(&output), "\"waiting\":0,\"busyMilliseconds\":0");
}

/* What is left of the last unsealing is flushed when everybody has been answered. Twice: the daemon may have an answer that it has not
 * seen. */
static void wait_for_rest(void)
{
	for (unsigned idle = 0; idle < 2;) {
		unsigned sent = tpm_wire_sent(&wire);
		idle = tpm_is_idle() && tpm_wire_sent(&wire) == sent ? idle + 1 : 0;
	}
}

static void hands_out(const char *device)
{
	serving_hands_out(&serving, "db", device);
	serving_reads(&serving, "db", device, "value", "s3cret");
	wait_for_rest();
}

static void start_daemon(void)
{
	serving_start(&serving);
	resource = serving_wait_offered(&serving, "db", 100);
	hands_out(new_pod()); /* with it the trial of the new version is over, too */
}

static unsigned commands_of_a_start(void)
{
	unsigned before = tpm_wire_sent(&wire);

	hands_out(new_pod());
	return tpm_wire_sent(&wire) - before;
}

/* Its start waits for the TPM, which hangs at its n-th command. */
static const struct fake_answer *start_and_hang(const char *device, unsigned n)
{
	tpm_wire_hang_at(&wire, n);
	const struct fake_answer *answer = fake_kubelet_start_container(resource, &device, 1);
	SERVING_WAIT(&serving, tpm_wire_hangs(&wire));
	return answer;
}

/* ── slow ── */

#define COMMANDS_OF_A_START 4  /* load, session, policy, unseal; and one before them the first time: import */
#define COMMANDS_OF_THE_NEXT 4 /* at once after it: flush, load, policy, unseal; and import the first time */
#define AFTERWARDS 2           /* the object and the session are flushed when it is over */

static void sixty_pods_at_once_on_a_slow_tpm_cost_one_unsealing(void **state)
{
	enum { PODS = 60 };
	const struct fake_answer *answers[PODS];
	const char *devices[PODS];

	start_daemon();
	unsigned n = commands_of_a_start();
	for (unsigned i = 0; i < PODS; i++)
		devices[i] = new_pod();
	tpm_wire_slow_down(&wire, 300);
	unsigned before = tpm_wire_sent(&wire);
	for (unsigned i = 0; i < PODS; i++)
		answers[i] = fake_kubelet_start_container(resource, &devices[i], 1);
	for (unsigned i = 0; i < PODS; i++) {
		SERVING_WAIT(&serving, answers[i]->ended);
		assert_int_equal(answers[i]->status, RPC_OK);
		serving_reads(&serving, "db", devices[i], "value", "s3cret");
	}
	wait_for_rest();
	assert_int_equal(tpm_wire_sent(&wire) - before, n);
	assert_int_equal(n, COMMANDS_OF_A_START + AFTERWARDS);
}

/*
 * With 300 ms a command, which HOLDFAST_TPM_COMMAND_MS=300 makes it, it takes 95 s. kubelet waits for 30 s and asks again, without end; so
 * must every pod have got nearer by then.
 */
#define COMMANDS_BESIDE 30 /* the first look, root key, counter and session, and trials that were begun before their pods asked */

static void start_until_it_runs(const char *secret, const char *device, const struct fake_answer **answer, unsigned *tries)
{
	if (*answer && (!(*answer)->ended || (*answer)->status == RPC_OK))
		return;
	if (*answer && !strstr((*answer)->words, "kubelet will ask again"))
		fail_msg("%s", (*answer)->words);
	*answer = fake_kubelet_start_container(serving_find_resource(&serving, secret), &device, 1);
	++*tries;
}

static void after_a_reboot_sixty_pods_with_a_secret_each_all_start_on_a_slow_tpm(void **state)
{
	enum { PODS = 60 };
	const char *delay = getenv("HOLDFAST_TPM_COMMAND_MS"), *devices[PODS];
	const struct fake_answer *answers[PODS] = {};
	unsigned tries[PODS] = {}, most = 0, running = 0;
	char names[PODS][16];

	for (unsigned i = 0; i < PODS; i++) {
		snprintf(names[i], sizeof(names[i]), "secret-%u", i);
		serving_seal(&serving, names[i], names[i], "--allow shop/web --version 1");
		serving_pod(&serving, "shop", names[i], "web", NULL);
		devices[i] = serving_give(&serving, "shop", names[i], names[i], 0);
	}
	serving_start(&serving);
	for (unsigned i = 0; i < PODS; i++)
		serving_wait_offered(&serving, names[i], 100);
	uint64_t began = uv_hrtime();
	tpm_wire_slow_down(&wire, delay ? (unsigned)atoi(delay) : 100);
	unsigned before = tpm_wire_sent(&wire);
	while (running < PODS) {
		running = 0;
		for (unsigned i = 0; i < PODS; i++) {
			start_until_it_runs(names[i], devices[i], &answers[i], &tries[i]);
			running += answers[i]->ended && answers[i]->status == RPC_OK;
			most = tries[i] > most ? tries[i] : most;
		}
		uv_run(&serving.loop, UV_RUN_ONCE);
	}
	double seconds = (double)(uv_hrtime() - began) / 1e9;
	print_message("# all run after %.1f s and %u commands; at most %u tries of a pod\n", seconds, tpm_wire_sent(&wire) - before, most);
	for (unsigned i = 0; i < PODS; i++)
		serving_reads(&serving, names[i], devices[i], "value", names[i]);
	assert_true(tpm_wire_sent(&wire) - before <= PODS * (COMMANDS_OF_THE_NEXT + 1) + COMMANDS_BESIDE);
	assert_true(most <= 1 + (unsigned)(seconds / 25));
}

static void a_pod_with_many_secrets_gets_on_with_each_try(void **state)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(1024 * 1024);
	enum { SECRETS = 5 };
	const struct fake_answer *answers[SECRETS];
	char name[16], file[32];

	for (unsigned i = 0; i < SECRETS; i++) {
		snprintf(name, sizeof(name), "secret-%u", i);
		serving_seal(&serving, name, name, "--allow shop/web --version 1");
	}
	serving_pod(&serving, "shop", "many", "web", "secret-0,secret-1,secret-2,secret-3,secret-4");
	const char *device = serving_give(&serving, "shop", "many", "secrets", 0);
	start_daemon();
	resource = serving_wait_offered(&serving, "secrets", 100);
	tpm_wire_count(&wire, TPM2_CC_Unseal);
	tpm_wire_hang_at_each(&wire, TPM2_CC_Unseal);
	for (unsigned i = 0; i < SECRETS; i++) { /* kubelet asks again with each of them */
		answers[i] = fake_kubelet_start_container(resource, &device, 1);
		if (i > 0) {
			SERVING_WAIT(&serving, answers[i - 1]->ended);
			assert_non_null(strstr(answers[i - 1]->words, "asked again"));
			assert_int_equal(serving_command(&serving, "status", &output), 0); /* meanwhile it knows whose device it is */
			tpm_wire_resume(&wire);
		}
		SERVING_WAIT(&serving, tpm_wire_hangs(&wire));
	}
	tpm_wire_hang_at_each(&wire, 0);
	tpm_wire_resume(&wire);
	SERVING_WAIT(&serving, answers[SECRETS - 1]->ended);
	assert_int_equal(answers[SECRETS - 1]->status, RPC_OK);
	for (unsigned i = 0; i < SECRETS; i++) {
		snprintf(name, sizeof(name), "secret-%u", i);
		snprintf(file, sizeof(file), "%s/value", name);
		serving_reads(&serving, "secrets", device, file, name);
	}
	assert_int_equal(tpm_wire_counted(&wire), SECRETS);
}

static void a_container_that_starts_again_needs_no_tpm(void **state)
{
	start_daemon();
	const char *device = new_pod();
	hands_out(device);
	unsigned before = tpm_wire_sent(&wire);
	hands_out(device);
	assert_int_equal(tpm_wire_sent(&wire), before);
}

/* ── hanging ── */

static void a_tpm_that_hangs_at_any_command_holds_up_nothing_else(void **state)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(1024 * 1024);

	start_daemon();
	unsigned n = commands_of_a_start();
	for (unsigned i = 1; i <= n; i++) {
		const char *device = new_pod(), *other = new_pod();
		const struct fake_answer *start = start_and_hang(device, i);
		const struct fake_answer *allocation = fake_kubelet_allocate(resource, &other, 1);
		SERVING_WAIT(&serving, allocation->ended);
		assert_int_equal(allocation->status, RPC_OK);
		assert_int_equal(serving_command(&serving, "status", &output), 0);
		assert_true(!start->ended || i > n - AFTERWARDS);
		tpm_wire_resume(&wire);
		SERVING_WAIT(&serving, start->ended);
		if (start->status != RPC_OK)
			fail_msg("command %u: %s", i, start->words);
		serving_reads(&serving, "db", device, "value", "s3cret");
	}
}

static void who_waits_too_long_hears_of_it_and_has_the_secret_when_kubelet_asks_again(void **state)
{
	start_daemon();
	const char *device = new_pod();
	const struct fake_answer *answer = start_and_hang(device, 1);
	SERVING_WAIT(&serving, answer->ended);
	assert_int_not_equal(answer->status, RPC_OK);
	assert_non_null(strstr(answer->words, "kubelet will ask again"));
	tpm_wire_resume(&wire);
	serving_wait_reads(&serving, "db", device, "value", "s3cret");
	wait_for_rest();
	unsigned before = tpm_wire_sent(&wire);
	hands_out(device);
	assert_int_equal(tpm_wire_sent(&wire), before);
}

static void nothing_is_healthy_while_the_tpm_hangs(void **state)
{
	serving.health_interval = "1s";
	start_daemon();
	const struct fake_answer *answer = start_and_hang(new_pod(), 1);
	serving_wait_offered(&serving, "db", 0);
	tpm_wire_resume(&wire);
	serving_wait_offered(&serving, "db", 100);
	SERVING_WAIT(&serving, answer->ended);
	assert_int_equal(answer->status, RPC_OK);
}

static void the_daemon_ends_although_the_tpm_hangs_and_tells_who_waits(void **state)
{
	start_daemon();
	const char *device = new_pod();
	const struct fake_answer *answer = start_and_hang(device, 1);
	serving_end(&serving, SIGTERM);
	SERVING_WAIT(&serving, answer->ended);
	assert_non_null(strstr(answer->words, "kubelet will ask again"));
	tpm_wire_resume(&wire);
	serving_start(&serving);
	serving_wait_offered(&serving, "db", 100);
	hands_out(device);
}

/* ── cut off ── */

static void a_tpm_that_is_cut_off_at_any_command_costs_no_pod_its_start(void **state)
{
	start_daemon();
	unsigned n = commands_of_a_start();
	for (unsigned i = 1; i <= n; i++) {
		tpm_wire_cut_at(&wire, i);
		hands_out(new_pod());
		hands_out(new_pod()); /* a break after the last answer that counts is noticed here */
	}
}

static void a_daemon_that_is_killed_at_any_command_hands_it_out_when_it_is_back(void **state)
{
	start_daemon();
	unsigned n = commands_of_a_start();
	for (unsigned i = 1; i <= n; i++) {
		const char *device = new_pod();
		const struct fake_answer *answer = start_and_hang(device, i);
		serving_end(&serving, SIGKILL);
		tpm_wire_resume(&wire);
		SERVING_WAIT(&serving, answer->ended);
		serving_start(&serving);
		serving_wait_offered(&serving, "db", 100);
		hands_out(device);
	}
}

/* ── refusing ── */

static void a_lockout_is_said_and_tried_once_for_each_start(void **state)
{
	start_daemon();
	unsigned before = tpm_wire_sent(&wire);
	tpm_wire_answer(&wire, TPM2_RC_LOCKOUT);
	const char *device = new_pod();
	serving_refuses(&serving, "db", device, "lockout");
	assert_int_equal(tpm_wire_sent(&wire) - before, 1);
	tpm_wire_answer(&wire, 0);
	hands_out(device);
}

static void another_tpm_gives_nothing_and_is_called_what_it_is(void **state)
{
	struct software_tpm enrolled = serving.tpm;

	serving.health_interval = "1s";
	start_daemon();
	software_tpm_kill(&enrolled);
	software_tpm_make_other(&serving.tpm);
	tpm_wire_reconnect(&wire, &serving.tpm);
	serving_wait_offered(&serving, "db", 0);
	serving_refuses(&serving, "db", new_pod(), "replaced by another");
	software_tpm_remove(&enrolled);
}

static void without_a_tpm_at_the_start_everything_comes_with_it(void **state)
{
	serving.health_interval = "1s";
	software_tpm_kill(&serving.tpm);
	serving_start(&serving);
	resource = serving_wait_offered(&serving, "db", 0);
	const char *device = new_pod();
	serving_refuses(&serving, "db", device, "TPM");
	software_tpm_start(&serving.tpm);
	tpm_wire_reconnect(&wire, &serving.tpm);
	serving_wait_offered(&serving, "db", 100);
	hands_out(device);
}

/* Its driver is loaded late: nobody waits for the next regular look, which is an hour away. */
static void a_tpm_that_comes_late_is_found_soon(void **state)
{
	_cleanup_(buf_free) struct buf output = BUF_MAX(1024 * 1024);

	software_tpm_kill(&serving.tpm);
	serving_start(&serving);
	resource = serving_wait_offered(&serving, "db", 0);
	serving_wait_log(&serving, "no secret is handed out");
	assert_int_equal(serving_command(&serving, "status", &output), 0);
	if (!strstr(buf_text(&output), "CANNOT BE USED") || !strstr(buf_text(&output), "there is no TPM at"))
		fail_msg("%s", buf_text(&output));
	software_tpm_start(&serving.tpm);
	tpm_wire_reconnect(&wire, &serving.tpm);
	serving_wait_offered(&serving, "db", 100);
	hands_out(new_pod());
}

/* ── what changes meanwhile ── */

static void a_secret_that_is_deleted_while_a_pod_starts_does_not_stay_there(void **state)
{
	start_daemon();
	unsigned n = commands_of_a_start();
	for (unsigned i = 1; i <= n; i++) {
		const char *device = new_pod();
		const struct fake_answer *answer = start_and_hang(device, i);
		serving_delete(&serving, "secret-db.yaml");
		serving_wait_offered(&serving, "db", 0);
		tpm_wire_resume(&wire);
		SERVING_WAIT(&serving, answer->ended);
		serving_wait_reads(&serving, "db", device, "value", NULL);
		serving_seal(&serving, "db", "s3cret", "--allow shop/web --version 2");
		serving_wait_offered(&serving, "db", 100);
		hands_out(device);
	}
}

static void a_secret_that_is_replaced_while_a_pod_starts_is_the_new_one(void **state)
{
	start_daemon();
	const char *device = new_pod();
	const struct fake_answer *answer = start_and_hang(device, 1);
	serving_seal(&serving, "db", "n3w", "--allow shop/web --version 2");
	serving_wait_log(&serving, "version=2");
	tpm_wire_resume(&wire);
	SERVING_WAIT(&serving, answer->ended);
	serving_wait_reads(&serving, "db", device, "value", "n3w");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(sixty_pods_at_once_on_a_slow_tpm_cost_one_unsealing),
		TEST(after_a_reboot_sixty_pods_with_a_secret_each_all_start_on_a_slow_tpm),
		TEST(a_pod_with_many_secrets_gets_on_with_each_try),
		TEST(a_container_that_starts_again_needs_no_tpm),
		TEST(a_tpm_that_hangs_at_any_command_holds_up_nothing_else),
		TEST(who_waits_too_long_hears_of_it_and_has_the_secret_when_kubelet_asks_again),
		TEST(nothing_is_healthy_while_the_tpm_hangs),
		TEST(the_daemon_ends_although_the_tpm_hangs_and_tells_who_waits),
		TEST(a_tpm_that_is_cut_off_at_any_command_costs_no_pod_its_start),
		TEST(a_daemon_that_is_killed_at_any_command_hands_it_out_when_it_is_back),
		TEST(a_lockout_is_said_and_tried_once_for_each_start),
		TEST(another_tpm_gives_nothing_and_is_called_what_it_is),
		TEST(without_a_tpm_at_the_start_everything_comes_with_it),
		TEST(a_tpm_that_comes_late_is_found_soon),
		TEST(a_secret_that_is_deleted_while_a_pod_starts_does_not_stay_there),
		TEST(a_secret_that_is_replaced_while_a_pod_starts_is_the_new_one),
	};

	serving_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
