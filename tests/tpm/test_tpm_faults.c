// SPDX-License-Identifier: Apache-2.0
/* Whatever command fails, and however: an error with words, nothing left in the TPM, and the next try works. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <tss2/tss2_tpm2_types.h>

#include "common/base/array.h"
#include "device-plugin/tpm/internal.h"
#include "tests/tpm/faulty_tcti.h"
#include "tests/tpm/sealing.h"

static struct software_tpm software;

static int set_up(void **state)
{
	faulty_tcti_reset();
	software_tpm_make(&software);
	return 0;
}

static int tear_down(void **state)
{
	software_tpm_remove(&software);
	return 0;
}

static void unseals(struct sealing *sealing, struct tpm *tpm)
{
	struct error err;

	if (sealing_unseal(sealing, tpm, &err) < 0)
		fail_msg("%s", err.message);
}

/* A TPM that has not been asked yet, or one that has unsealed just now. */
static struct tpm *reopen(struct tpm *tpm, struct sealing *sealing, bool warm)
{
	faulty_tcti_reset();
	tpm_close(tpm);
	tpm = sealing_open(&software);
	sealing->imported.n = 0;
	if (warm)
		unseals(sealing, tpm);
	faulty_tcti_reset();
	return tpm;
}

static unsigned commands_of_unseal(struct sealing *sealing, struct tpm *tpm)
{
	faulty_tcti_reset();
	unseals(sealing, tpm);
	return faulty_tcti.sent;
}

static struct tpm *make(struct sealing *sealing)
{
	struct tpm *tpm = sealing_open(&software);

	sealing_make(sealing, tpm, NULL, 0);
	sealing->what.imported = &sealing->imported;
	return tpm;
}

/* Beside flushing, which waits until nobody waits. */
static void the_first_unseal_takes_seven_commands_and_the_next_ones_three(void **state)
{
	struct sealing sealing;
	struct tpm *tpm = make(&sealing);

	tpm = reopen(tpm, &sealing, false);
	assert_int_equal(commands_of_unseal(&sealing, tpm), 7); /* root key, import, load, session, counter, policy, unseal */
	assert_int_equal(commands_of_unseal(&sealing, tpm), 3); /* load, policy, unseal */
	tpm_rest(tpm);
	assert_int_equal(commands_of_unseal(&sealing, tpm), 4); /* a session, too */
	tpm_close(tpm);
	sealing_clear(&sealing);
}

/* One code of each class; codes that libtss2 retries by itself come often enough to get through. */
static const struct {
	TSS2_RC code;
	int error;
} codes[] = {
	{ TPM2_RC_LOCKOUT, EBUSY },
	{ TPM2_RC_OBJECT_MEMORY, EAGAIN },
	{ TPM2_RC_SESSION_MEMORY, EAGAIN },
	{ TPM2_RC_RETRY, EAGAIN },
	{ TPM2_RC_NV_RATE, EAGAIN },
	{ TPM2_RC_FAILURE, EIO },
	{ TPM2_RC_POLICY, EACCES },
	{ TPM2_RC_COMMAND_CODE, ENODEV },
	{ TPM2_RC_INTEGRITY | TPM2_RC_P | TPM2_RC_1, EBADMSG },
	{ TPM2_RC_AUTH_FAIL | TPM2_RC_S | TPM2_RC_1, EPERM },
};

static void fail_at(struct sealing *sealing, struct tpm *tpm, unsigned at, size_t i)
{
	struct error err = { 0 };

	faulty_tcti = (struct faulty_tcti){ .fail_at = at, .fail_n = 20, .code = codes[i].code };
	int r = sealing_unseal(sealing, tpm, &err);
	faulty_tcti_reset();
	if (r == 0)
		fail_msg("command %u failed with 0x%x and nobody noticed", at, codes[i].code);
	if (r < 0 && r != -codes[i].error && r != -ESTALE && r != -EACCES)
		fail_msg("command %u, 0x%x: %d %s", at, codes[i].code, r, err.message);
	if (sealing_unseal(sealing, tpm, &err) < 0)
		fail_msg("after 0x%x at command %u: %s", codes[i].code, at, err.message);
}

static void every_command_of_an_unseal_may_fail_with_every_code(void **state)
{
	struct sealing sealing;
	struct tpm *tpm = make(&sealing);

	for (int warm = 0; warm < 2; warm++) {
		tpm = reopen(tpm, &sealing, warm);
		unsigned n = commands_of_unseal(&sealing, tpm);
		for (size_t i = 0; i < ELEMENTS_OF(codes); i++) {
			for (unsigned at = 1; at <= n; at++) {
				tpm = reopen(tpm, &sealing, warm);
				fail_at(&sealing, tpm, at, i);
			}
		}
	}
	sealing_clear(&sealing);
	tpm_close(tpm);
}

static void one_failing_command_leaves_nothing_in_the_tpm(void **state)
{
	struct sealing sealing;
	struct tpm *tpm = make(&sealing);
	struct error err;

	for (int warm = 0; warm < 2; warm++) {
		tpm = reopen(tpm, &sealing, warm);
		unsigned n = commands_of_unseal(&sealing, tpm);
		for (unsigned at = 1; at <= n; at++) {
			tpm = reopen(tpm, &sealing, warm);
			faulty_tcti = (struct faulty_tcti){ .fail_at = at, .code = TPM2_RC_POLICY };
			assert_int_not_equal(sealing_unseal(&sealing, tpm, &err), 0);
			tpm_close(tpm);
			assert_int_equal(software_tpm_loaded(&software), 0);
			tpm = sealing_open(&software);
		}
	}
	sealing_clear(&sealing);
	tpm_close(tpm);
}

/* Such as after tpm2_clear, or a disk that was changed under us. */
static void what_was_remembered_and_is_no_more_is_asked_for_anew(void **state)
{
	struct sealing sealing;
	struct tpm *tpm = make(&sealing);

	unseals(&sealing, tpm);
	for (size_t i = 0; i < sealing.imported.n; i++) {
		sealing.imported.bytes[i] ^= 1;
		unseals(&sealing, tpm);
	}
	tpm_close(tpm);
	sealing_clear(&sealing);
}

static void a_tpm_that_is_cleared_meanwhile_is_called_what_it_is(void **state)
{
	struct sealing sealing;
	struct tpm *tpm = make(&sealing);
	struct error err;

	unseals(&sealing, tpm);
	if (Esys_Clear(tpm->esys, ESYS_TR_RH_LOCKOUT, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE) != TSS2_RC_SUCCESS)
		fail_msg("cannot clear it");
	assert_int_equal(sealing_unseal(&sealing, tpm, &err), -ESTALE);
	tpm_close(tpm);
	sealing_clear(&sealing);
}

/* The connection breaks for good at the n-th command, as in a power cut; what the TPM had done by then stays. */
static void enrolment_may_be_cut_off_anywhere(void **state)
{
	bool done = false;

	for (unsigned at = 1; !done; at++) {
		struct node_key first = NODE_KEY_EMPTY, second = NODE_KEY_EMPTY;
		struct tpm *tpm;
		struct error err;

		faulty_tcti_reset();
		tpm = sealing_open(&software);
		faulty_tcti = (struct faulty_tcti){ .fail_at = at, .fail_n = 1000 };
		done = tpm_enrol(tpm, &first, &err) == 0;
		tpm_close(tpm);
		faulty_tcti_reset();
		software_tpm_kill(&software);
		software_tpm_start(&software);
		tpm = sealing_open(&software);
		if (tpm_enrol(tpm, &second, &err) < 0)
			fail_msg("cut off at command %u: %s", at, err.message);
		node_key_clear(&first);
		node_key_clear(&second);
		tpm_close(tpm);
		software_tpm_remove(&software);
		software_tpm_make(&software);
	}
}

static void a_tpm_that_gives_other_pcrs_than_were_asked_for_is_not_asked_for_ever(void **state)
{
	static const uint8_t pcr_8[62] = { 0x80, 0x01, 0, 0, 0,    62, 0, 0, 0, 0, 0, 0, 0, 1, 0,
					   0,    0,    1, 0, 0x0b, 3,  0, 1, 0, 0, 0, 0, 1, 0, 32 };
	uint8_t values[POLICY_PCRS][TPM2_DIGEST_SIZE];
	struct tpm *tpm = sealing_open(&software);
	struct error err;

	faulty_tcti = (struct faulty_tcti){ .answer = pcr_8, .answer_n = sizeof(pcr_8) };
	assert_int_equal(tpm_read_pcrs(tpm, (struct policy_pcrs){ 1 << 7 }, values, &err), -ENOENT);
	faulty_tcti_reset();
	tpm_close(tpm);
}

static void a_thousand_unseals_leave_nothing(void **state)
{
	struct sealing sealing;
	struct tpm *tpm = make(&sealing);

	for (int i = 0; i < 1000; i++) {
		unseals(&sealing, tpm);
		if (i % 3 == 0)
			tpm_rest(tpm);
	}
	sealing_clear(&sealing);
	tpm_close(tpm);
	assert_int_equal(software_tpm_loaded(&software), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(the_first_unseal_takes_seven_commands_and_the_next_ones_three),
		TEST(every_command_of_an_unseal_may_fail_with_every_code),
		TEST(one_failing_command_leaves_nothing_in_the_tpm),
		TEST(what_was_remembered_and_is_no_more_is_asked_for_anew),
		TEST(a_tpm_that_is_cleared_meanwhile_is_called_what_it_is),
		TEST(enrolment_may_be_cut_off_anywhere),
		TEST(a_tpm_that_gives_other_pcrs_than_were_asked_for_is_not_asked_for_ever),
		TEST(a_thousand_unseals_leave_nothing),
	};

	software_tpm_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
