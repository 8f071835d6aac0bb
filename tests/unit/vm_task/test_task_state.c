// SPDX-License-Identifier: Apache-2.0
/* The life of a process: each verb in each state. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "kata-shim/task/state.h"

/* What each verb says in each state, in the order of the states: 0 begins; M begins and moves. */
#define N ENOENT
#define S ESTALE
#define E ESRCH
static const int expected[PROCESS_VERBS][PROCESS_STATES] = {
	/*                creating, created, starting, running, pausing, paused, resuming, stopped, deleting */
	[VERB_START] = { N, 0, S, S, S, S, S, S, N },
	[VERB_PAUSE] = { N, S, S, 0, S, S, S, S, N },
	[VERB_RESUME] = { N, S, S, S, S, 0, S, S, N },
	[VERB_DELETE] = { N, 0, S, S, S, S, S, 0, N },
	[VERB_KILL] = { N, 0, 0, 0, 0, 0, 0, E, N },
	[VERB_EXEC] = { N, 0, 0, 0, S, S, S, S, N },
	[VERB_RESIZE] = { N, 0, 0, 0, 0, 0, 0, S, N },
	[VERB_CLOSE_IO] = { N, 0, 0, 0, 0, 0, 0, 0, N },
	[VERB_UPDATE] = { N, 0, 0, 0, 0, 0, 0, S, N },
	[VERB_STATS] = { N, 0, 0, 0, 0, 0, 0, 0, N },
};

static void test_a_verb_begins_where_it_can_and_says_elsewhere_in_what_state_the_process_is(void **state)
{
	for (int verb = 0; verb < PROCESS_VERBS; verb++) {
		for (int at = 0; at < PROCESS_STATES; at++) {
			enum process_state it = (enum process_state)at;
			struct error err = {};
			const int r = process_begin(&it, (enum process_verb)verb, &err);
			if (r != -expected[verb][at])
				fail_msg("%s, %s: %d", process_verb_names[verb], process_state_names[at], r);
			if (r < 0) {
				assert_int_equal(it, at);
				assert_true(strstr(err.message, "cannot "));
			}
		}
	}
}

static enum process_state done(enum process_state from, enum process_verb verb, bool well)
{
	struct error err;

	assert_int_equal(process_begin(&from, verb, &err), 0);
	process_end(&from, verb, well);
	return from;
}

static void test_what_is_done_moves_on_and_what_fails_goes_back(void **state)
{
	assert_int_equal(done(PROCESS_CREATED, VERB_START, true), PROCESS_RUNNING);
	assert_int_equal(done(PROCESS_CREATED, VERB_START, false), PROCESS_CREATED);
	assert_int_equal(done(PROCESS_RUNNING, VERB_PAUSE, true), PROCESS_PAUSED);
	assert_int_equal(done(PROCESS_RUNNING, VERB_PAUSE, false), PROCESS_RUNNING);
	assert_int_equal(done(PROCESS_PAUSED, VERB_RESUME, true), PROCESS_RUNNING);
	assert_int_equal(done(PROCESS_PAUSED, VERB_RESUME, false), PROCESS_PAUSED);
	assert_int_equal(done(PROCESS_STOPPED, VERB_DELETE, false), PROCESS_STOPPED);
	assert_int_equal(done(PROCESS_RUNNING, VERB_KILL, true), PROCESS_RUNNING);
}

static void test_a_process_ends_once_from_wherever_it_is_and_stays_so(void **state)
{
	for (int at = 0; at < PROCESS_STATES; at++) {
		enum process_state it = (enum process_state)at;
		const bool was = at == PROCESS_STOPPED || at == PROCESS_DELETING;
		assert_int_equal(process_exit(&it), !was);
		for (int verb = 0; verb < PROCESS_VERBS; verb++) {
			if (at != PROCESS_DELETING)
				process_end(&it, (enum process_verb)verb, true);
		}
		process_created(&it);
		assert_int_equal(it, at == PROCESS_DELETING ? PROCESS_DELETING : PROCESS_STOPPED);
		assert_false(process_exit(&it));
	}
}

static void test_a_signal_for_what_has_ended_says_so_in_containerds_words(void **state)
{
	enum process_state it = PROCESS_STOPPED;
	struct error err;

	assert_int_equal(process_begin(&it, VERB_KILL, &err), -ESRCH);
	assert_non_null(strstr(err.message, "process already finished"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_verb_begins_where_it_can_and_says_elsewhere_in_what_state_the_process_is),
		cmocka_unit_test(test_what_is_done_moves_on_and_what_fails_goes_back),
		cmocka_unit_test(test_a_process_ends_once_from_wherever_it_is_and_stays_so),
		cmocka_unit_test(test_a_signal_for_what_has_ended_says_so_in_containerds_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
