// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "device-plugin/tpm/internal.h"
#include "device-plugin/tpm/worker.h"
#include "tests/tpm/faulty_tcti.h"
#include "tests/tpm/sealing.h"
#include <tss2/tss2_tpm2_types.h>

static struct world {
	uv_loop_t loop;
	struct software_tpm software;
	struct tpm_worker *worker;
	unsigned n_done;
	bool stopped;
} world;

struct check {
	struct tpm_job job;
	struct tpm2_name root;
	uint64_t hold;
	int r;
	unsigned tries, order;
	struct error err;
};

static int run_check(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	struct check *check = (struct check *)job;

	check->tries++;
	return tpm_check(tpm, &check->root, &check->hold, err);
}

static void on_done(struct tpm_job *job, int r, const struct error *err)
{
	struct check *check = (struct check *)job;

	check->r = r;
	check->err = *err;
	check->order = ++world.n_done;
}

static struct check make_check(void)
{
	struct check check = { .job = { .run = run_check, .done = on_done }, .r = 1 };
	struct tpm *tpm = sealing_open(&world.software);
	struct node_key key = NODE_KEY_EMPTY;
	struct error err;

	if (tpm_enrol(tpm, &key, &err) < 0)
		fail_msg("%s", err.message);
	check.root = key.root.name;
	node_key_clear(&key);
	tpm_close(tpm);
	faulty_tcti_reset();
	return check;
}

static void submit(struct check *check)
{
	struct error err;

	if (tpm_worker_submit(world.worker, &check->job, &err) < 0)
		fail_msg("%s", err.message);
}

static void run_until(unsigned n)
{
	while (world.n_done < n)
		uv_run(&world.loop, UV_RUN_ONCE);
}

static int set_up(void **state)
{
	struct error err;

	world = (struct world){ 0 };
	faulty_tcti_reset();
	assert_int_equal(uv_loop_init(&world.loop), 0);
	software_tpm_make(&world.software);
	assert_int_equal(tpm_worker_start(&world.loop, world.software.tcti, &world.worker, &err), 0);
	return 0;
}

static int tear_down(void **state)
{
	if (!world.stopped)
		tpm_worker_stop(world.worker, 5000);
	uv_run(&world.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.loop), 0);
	software_tpm_remove(&world.software);
	return 0;
}

static void jobs_are_done_in_their_order(void **state)
{
	struct check template = make_check(), checks[20];

	for (size_t i = 0; i < ELEMENTS_OF(checks); i++) {
		checks[i] = template;
		submit(&checks[i]);
	}
	run_until(ELEMENTS_OF(checks));
	for (size_t i = 0; i < ELEMENTS_OF(checks); i++) {
		assert_int_equal(checks[i].r, 0);
		assert_int_equal(checks[i].order, i + 1);
	}
}

/* ── what one unsealing leaves for the next ── */

struct unsealing {
	struct tpm_job job;
	struct sealing *sealing;
	unsigned left, sent; /* in the TPM, before; commands */
};

static int run_unseal(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	struct unsealing *unsealing = (struct unsealing *)job;

	unsealing->left = sealing_count_loaded(tpm);
	unsigned before = faulty_tcti.sent;
	int r = sealing_unseal(unsealing->sealing, tpm, err);
	unsealing->sent = faulty_tcti.sent - before;
	return r;
}

static void on_unsealed(struct tpm_job *job, int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->message);
	world.n_done++;
}

static void what_an_unsealing_leaves_serves_the_next_one_and_is_gone_when_there_is_none(void **state)
{
	struct tpm *tpm = sealing_open(&world.software);
	struct unsealing unsealings[3];
	struct sealing sealing;
	struct error err;

	sealing_make(&sealing, tpm, NULL, 0);
	sealing.what.imported = &sealing.imported;
	tpm_close(tpm);
	for (unsigned i = 0; i < ELEMENTS_OF(unsealings); i++) {
		unsealings[i] = (struct unsealing){ .job = { .run = run_unseal, .done = on_unsealed }, .sealing = &sealing };
		if (i == 2)
			while (tpm_worker_busy_ms(world.worker))
				uv_run(&world.loop, UV_RUN_NOWAIT);
		assert_int_equal(tpm_worker_submit(world.worker, &unsealings[i].job, &err), 0);
		if (i > 0)
			run_until(i + 1);
	}
	assert_int_equal(unsealings[0].left, 0);
	assert_int_equal(unsealings[1].left, 2);
	assert_int_equal(unsealings[1].sent, 3);
	assert_int_equal(unsealings[2].left, 0);
	assert_int_equal(unsealings[2].sent, 4);
	sealing_clear(&sealing);
}

static void a_busy_tpm_is_asked_again_and_not_for_ever(void **state)
{
	struct check check = make_check();

	/* The TPM's start, what it has loaded (twice), the root key, then the counter: the first try of the job fails there. */
	faulty_tcti = (struct faulty_tcti){ .fail_at = 6, .fail_n = 1, .code = TPM2_RC_NV_RATE };
	submit(&check);
	run_until(1);
	assert_int_equal(check.r, 0);
	assert_int_equal(check.tries, 2);
	faulty_tcti = (struct faulty_tcti){ .fail_at = 1, .fail_n = 1000000, .code = TPM2_RC_NV_RATE };
	check.tries = 0;
	submit(&check);
	run_until(2);
	assert_int_equal(check.r, -EAGAIN);
	assert_int_equal(check.tries, TPM_TRIES);
}

static void a_lockout_is_never_hammered(void **state)
{
	struct check check = make_check();

	faulty_tcti = (struct faulty_tcti){ .fail_at = 5, .fail_n = 1000, .code = TPM2_RC_LOCKOUT };
	submit(&check);
	run_until(1);
	assert_int_equal(check.r, -EBUSY);
	assert_int_equal(check.tries, 1);
}

static void a_tpm_that_died_is_found_again(void **state)
{
	struct check check = make_check();
	unsigned port;

	submit(&check);
	run_until(1);
	assert_int_equal(check.r, 0);
	software_tpm_kill(&world.software);
	submit(&check);
	run_until(2);
	assert_true(check.r == -EIO || check.r == -ENODEV);
	port = world.software.port;
	software_tpm_start_at(&world.software, port);
	submit(&check);
	run_until(3);
	assert_int_equal(check.r, 0);
}

static void a_hanging_tpm_blocks_nobody(void **state)
{
	struct check checks[2] = { make_check(), make_check() };

	submit(&checks[0]);
	run_until(1);
	software_tpm_hang(&world.software);
	submit(&checks[0]);
	submit(&checks[1]);
	while (tpm_worker_busy_ms(world.worker) < 50)
		uv_run(&world.loop, UV_RUN_NOWAIT); /* the loop turns all the while */
	assert_int_equal(world.n_done, 1);
	assert_int_equal(tpm_worker_queue_length(world.worker), 1);
	software_tpm_resume(&world.software);
	run_until(3);
	assert_int_equal(checks[1].r, 0);
}

static void stopping_does_not_wait_for_a_tpm_that_hangs(void **state)
{
	static struct check checks[2]; /* the thread is left behind with the first */
	struct check template = make_check();

	checks[0] = checks[1] = template;
	software_tpm_hang(&world.software);
	submit(&checks[0]);
	submit(&checks[1]);
	while (tpm_worker_busy_ms(world.worker) == 0)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	tpm_worker_stop(world.worker, 50);
	world.stopped = true;
	assert_int_equal(checks[0].r, 1);
	assert_int_equal(checks[1].r, -ECANCELED);
	software_tpm_resume(&world.software);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_an_unsealing_leaves_serves_the_next_one_and_is_gone_when_there_is_none),
		TEST(jobs_are_done_in_their_order),
		TEST(a_busy_tpm_is_asked_again_and_not_for_ever),
		TEST(a_lockout_is_never_hammered),
		TEST(a_tpm_that_died_is_found_again),
		TEST(a_hanging_tpm_blocks_nobody),
		TEST(stopping_does_not_wait_for_a_tpm_that_hangs),
	};

	software_tpm_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
