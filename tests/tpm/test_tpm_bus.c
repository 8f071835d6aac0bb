// SPDX-License-Identifier: Apache-2.0
/* Who listens on the TPM's bus hears what is sealed, and not what is released. */
#include "tests/unit/common/cmocka_all.h"

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

/* In how many commands and answers of an unsealing these bytes are. */
static unsigned heard(const struct sealing *sealing, struct tpm *tpm, struct slice word)
{
	struct error err;

	faulty_tcti_reset();
	faulty_tcti.word = word.p;
	faulty_tcti.word_n = word.n;
	if (sealing_unseal(sealing, tpm, &err) < 0)
		fail_msg("%s", err.message);
	return faulty_tcti.heard;
}

static void the_content_key_is_not_heard_on_the_bus(void **state)
{
	struct tpm *tpm = sealing_open(&software);
	struct sealing sealing;

	sealing_make(&sealing, tpm, NULL, 0);
	assert_int_not_equal(heard(&sealing, tpm, buf_view(&sealing.wrap.public)), 0); /* the listener hears */
	for (size_t at = 0; at < WRAP_KEY_SIZE; at += WRAP_KEY_SIZE / 2)
		assert_int_equal(heard(&sealing, tpm, (struct slice){ sealing_key + at, WRAP_KEY_SIZE / 2 }), 0);
	sealing_clear(&sealing);
	tpm_close(tpm);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_content_key_is_not_heard_on_the_bus, set_up, tear_down),
	};

	software_tpm_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
