// SPDX-License-Identifier: Apache-2.0
/*
 * A day of a busy node: HOLDFAST_UNSEALS jobs for the TPM's worker, one in ten of them for a secret that was revoked. Nothing may stay
 * behind: no handle or session in the TPM, which has three of each, once it rests, no descriptor and no memory here.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/array.h"
#include "device-plugin/tpm/internal.h"
#include "device-plugin/tpm/worker.h"
#include "tests/support/footprint.h"
#include "tests/tpm/sealing.h"

#define UNSEALS 300
#define SAMPLES 100
#define WARM_UP_PERCENT 20
#define REFUSED_ONE_IN 10
#define REST_ONE_IN 3

static struct day {
	uv_loop_t loop;
	struct software_tpm software;
	struct tpm_worker *worker;
	struct sealing sealing;
	struct release revoked[RELEASE_CONDITIONS_MAX];
	unsigned long wanted, submitted, done, refused;
	struct footprints footprints;
} day;

struct use {
	struct tpm_job job;
	struct tpm_unseal what;
	struct tpm_imported imported;
	unsigned long number;
	bool right;    /* the key, if it was released */
	bool rests;    /* the TPM, afterwards; otherwise the next one finds what this one has kept */
	unsigned left; /* in the TPM that rests */
};

/* On the worker's thread: what it opens for a moment is not there meanwhile. */
static void sample(unsigned long done)
{
	struct footprint footprint;
	struct error err;

	if (done * 100 < day.wanted * WARM_UP_PERCENT || done % (day.wanted / SAMPLES) != 0)
		return;
	if (footprint_read(getpid(), &footprint, &err) < 0)
		fail_msg("%s", err.message);
	footprints_add(&day.footprints, &footprint);
}

static int run(struct tpm_job *job, struct tpm *tpm, struct error *err)
{
	struct use *use = (struct use *)job;
	uint8_t key[WRAP_KEY_SIZE];

	sample(use->number);
	int r = tpm_unseal(tpm, &use->what, key, err);
	use->right = r == 0 && memcmp(key, sealing_key, sizeof(key)) == 0;
	if (!use->rests)
		return r;
	tpm_rest(tpm);
	use->left = sealing_count_loaded(tpm);
	return r;
}

static void submit(struct use *use);

static void on_done(struct tpm_job *job, int r, const struct error *err)
{
	struct use *use = (struct use *)job;
	bool refused = use->what.release == day.revoked;

	if (day.done == day.wanted)
		return;
	if (refused ? r != -EACCES : !use->right)
		fail_msg("unseal %lu: %d %s", day.done, r, err->message);
	if (use->left)
		fail_msg("unseal %lu left %u handles in the TPM", day.done, use->left);
	day.refused += refused;
	day.done++;
	if (day.done < day.wanted)
		submit(use);
}

static void submit(struct use *use)
{
	struct error err;

	*use = (struct use){ .number = day.submitted,
			     .rests = day.submitted % REST_ONE_IN == 0,
			     .imported = use->imported,
			     .job = { .run = run, .done = on_done },
			     .what = day.sealing.what };
	use->what.imported = &use->imported;
	if (day.submitted++ % REFUSED_ONE_IN == REFUSED_ONE_IN - 1)
		use->what.release = day.revoked;
	if (tpm_worker_submit(day.worker, &use->job, &err) < 0)
		fail_msg("%s", err.message);
}

static void begin(void)
{
	const char *number = getenv("HOLDFAST_UNSEALS");
	struct error err;

	day.wanted = number ? strtoul(number, NULL, 10) : UNSEALS;
	assert_true(day.wanted >= SAMPLES);
	software_tpm_make(&day.software);
	struct tpm *tpm = sealing_open(&day.software);
	sealing_make(&day.sealing, tpm, NULL, 0);
	tpm_close(tpm);
	memcpy(day.revoked, day.sealing.conditions, sizeof(day.revoked));
	day.revoked[0].hold.value++;
	assert_int_equal(uv_loop_init(&day.loop), 0);
	assert_int_equal(tpm_worker_start(&day.loop, day.software.tcti, &day.worker, &err), 0);
}

static void end(void)
{
	tpm_worker_stop(day.worker, 5000);
	uv_run(&day.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&day.loop), 0);
	sealing_clear(&day.sealing);
	software_tpm_remove(&day.software);
}

static void nothing_is_left_behind_however_often_it_is_unsealed(void **state)
{
	static struct use uses[2]; /* so that one waits when the other is done */

	begin();
	submit(&uses[0]);
	submit(&uses[1]);
	while (day.done < day.wanted)
		uv_run(&day.loop, UV_RUN_ONCE);
	double grown = footprints_growth_kib(&day.footprints);
	print_message("# %lu unseals, %lu of them refused; memory grew by %.0f KiB over %zu samples; descriptors %zu to %zu\n", day.done,
		      day.refused, grown, day.footprints.n, day.footprints.descriptors_min, day.footprints.descriptors_max);
	end();
	assert_true(day.footprints.n >= SAMPLES / 2 && grown < FOOTPRINT_GROWTH_KIB);
	assert_int_equal(day.footprints.descriptors_max, day.footprints.descriptors_min);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_behind_however_often_it_is_unsealed),
	};

	software_tpm_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
