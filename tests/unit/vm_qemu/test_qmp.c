// SPDX-License-Identifier: Apache-2.0
/* The conversation with QEMU, whatever QEMU says. Its own words were recorded from QEMU 7.2. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/vm/qemu/qmp.h"

#define GREETING                                                                                                                           \
	"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, \"package\": \"Debian 1:7.2+dfsg-7\"}, "          \
	"\"capabilities\": [\"oob\"]}}\r\n"
#define NEGOTIATED "{\"return\": {}, \"id\": 0}\r\n"
#define SHUTDOWN                                                                                                                           \
	"{\"timestamp\": {\"seconds\": 1795662000, \"microseconds\": 17}, \"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, "           \
	"\"reason\": "                                                                                                                     \
	"\"guest-reset\"}}\r\n"

struct heard {
	struct qmp *qmp;
	unsigned ready, events, answers, failures;
	char text[ERROR_MESSAGE_MAX];
};

static void on_ready(void *context)
{
	((struct heard *)context)->ready++;
}

static void on_event(void *context, const char *name, const struct json_view *data)
{
	struct heard *heard = context;
	struct json_view reason;
	const char *text = "";

	heard->events++;
	if (data && json_member(data, "reason", &reason))
		assert_int_equal(json_expect_string(&reason, &text, NULL), 0);
	snprintf(heard->text, sizeof(heard->text), "%s %s", name, text);
}

static void on_answer(void *context, const struct json_view *value, const struct error *err)
{
	struct heard *heard = context;
	struct json_view status;
	const char *text = "";

	assert_true(!value == (err != NULL));
	heard->answers += value != NULL;
	heard->failures += err != NULL;
	if (value && json_member(value, "status", &status))
		assert_int_equal(json_expect_string(&status, &text, NULL), 0);
	snprintf(heard->text, sizeof(heard->text), "%s", err ? err->message : text);
}

static const struct qmp_listener listener = { on_ready, on_event };

static int start(struct heard *heard)
{
	return qmp_new(&listener, heard, &heard->qmp, NULL);
}

static void heard_clear(struct heard *heard)
{
	qmp_free(heard->qmp);
}

static void feed(struct heard *heard, const char *text)
{
	struct error err;

	if (qmp_feed(heard->qmp, slice_string(text), &err) < 0)
		fail_msg("%s", err.message);
}

static void expect_output(struct heard *heard, const char *text)
{
	const struct slice out = qmp_output(heard->qmp);

	assert_int_equal(out.n, strlen(text));
	assert_memory_equal(out.p, text, out.n);
	qmp_sent(heard->qmp, out.n);
}

static void greet(struct heard *heard)
{
	assert_int_equal(start(heard), 0);
	feed(heard, GREETING);
	expect_output(heard, "{\"execute\":\"qmp_capabilities\",\"id\":0}\n");
	feed(heard, NEGOTIATED);
	assert_int_equal(heard->ready, 1);
}

static void ask(struct heard *heard, const char *command, const char *arguments, uint64_t deadline_ms)
{
	struct error err;

	if (qmp_execute(heard->qmp, command, arguments, deadline_ms, on_answer, heard, &err) < 0)
		fail_msg("%s", err.message);
}

static void test_commands_are_answered_in_order_with_events_between(void **state)
{
	_cleanup_(heard_clear) struct heard heard = {};

	greet(&heard);
	ask(&heard, "query-status", NULL, 100);
	ask(&heard, "balloon", "{\"value\":1024}", 100);
	expect_output(&heard,
		      "{\"execute\":\"query-status\",\"id\":1}\n{\"execute\":\"balloon\",\"id\":2,\"arguments\":{\"value\":1024}}\n");
	feed(&heard, "{\"return\": {\"status\": \"running\", \"singlestep\": false, \"running\": true}, \"id\": 1}\r\n");
	assert_string_equal(heard.text, "running");
	feed(&heard, SHUTDOWN);
	assert_string_equal(heard.text, "SHUTDOWN guest-reset");
	feed(&heard, "{\"id\": 2, \"error\": {\"class\": \"DeviceNotActive\", \"desc\": \"No balloon device has been activated\"}}\r\n");
	assert_string_equal(heard.text, "QEMU refuses \"balloon\": No balloon device has been activated");
	assert_int_equal(heard.answers, 1);
	assert_int_equal(heard.failures, 1);
	assert_int_equal(heard.events, 1);
}

static void test_pieces_of_any_size_say_the_same(void **state)
{
	_cleanup_(heard_clear) struct heard heard = {};
	static const char said[] = GREETING NEGOTIATED "\n" SHUTDOWN SHUTDOWN;

	assert_int_equal(start(&heard), 0);
	for (size_t i = 0; i < sizeof(said) - 1; i++)
		assert_int_equal(qmp_feed(heard.qmp, slice_from(said + i, 1), NULL), 0);
	assert_int_equal(heard.ready, 1);
	assert_int_equal(heard.events, 2);
}

static void test_nothing_is_asked_before_the_greeting(void **state)
{
	_cleanup_(heard_clear) struct heard heard = {};
	struct error err;

	assert_int_equal(start(&heard), 0);
	assert_int_equal(qmp_execute(heard.qmp, "stop", NULL, 1, on_answer, &heard, &err), -EAGAIN);
	feed(&heard, GREETING);
	assert_int_equal(qmp_execute(heard.qmp, "stop", NULL, 1, on_answer, &heard, &err), -EAGAIN);
	assert_int_equal(heard.answers + heard.failures, 0);
}

static void test_who_does_not_answer_is_waited_for_until_the_deadline(void **state)
{
	_cleanup_(heard_clear) struct heard heard = {};

	greet(&heard);
	assert_true(qmp_deadline_ms(heard.qmp) == UINT64_MAX);
	ask(&heard, "stop", NULL, 100);
	ask(&heard, "cont", NULL, 200);
	assert_int_equal(qmp_deadline_ms(heard.qmp), 100);
	qmp_expire(heard.qmp, 99);
	assert_int_equal(heard.failures, 0);
	qmp_expire(heard.qmp, 100);
	assert_int_equal(heard.failures, 1);
	assert_string_equal(heard.text, "QEMU does not answer \"stop\"");
	assert_int_equal(qmp_deadline_ms(heard.qmp), 200);
	feed(&heard, "{\"return\": {}, \"id\": 1}\n{\"return\": {}, \"id\": 2}\n"); /* late, and then well */
	assert_int_equal(heard.answers, 1);
	assert_int_equal(heard.failures, 1);
}

static void test_commands_that_are_never_answered_do_not_pile_up(void **state)
{
	_cleanup_(heard_clear) struct heard heard = {};
	struct error err;

	greet(&heard);
	for (unsigned i = 0; i < QMP_COMMANDS_MAX; i++)
		ask(&heard, "stop", NULL, 1);
	assert_int_equal(qmp_execute(heard.qmp, "stop", NULL, 1, on_answer, &heard, &err), -EBUSY);
	qmp_expire(heard.qmp, 1);
	assert_int_equal(heard.failures, QMP_COMMANDS_MAX);
	assert_int_equal(qmp_execute(heard.qmp, "stop", NULL, 1, on_answer, &heard, &err), -EBUSY);
}

static void test_nonsense_ends_the_conversation(void **state)
{
	static const struct {
		bool greeted;
		const char *said, *words;
	} cases[] = {
		{ false, "{\"event\": \"RESET\"}\n", "does not begin with a greeting" },
		{ false, "[]\n", "a message is no object" },
		{ false, "SSH-2.0-OpenSSH\n", "makes no sense: line 1, column 1" },
		{ true, "{\"hello\": 1}\n", "neither answer nor event" },
		{ true, "{\"return\": {}}\n", "an answer has no number" },
		{ true, "{\"return\": {}, \"id\": \"1\"}\n", "an answer has no number" },
		{ true, "{\"return\": {}, \"id\": 7}\n", "answers what was not asked" },
		{ true, "{\"event\": 1}\n", "an event has no name" },
		{ true, "{\"event\": \"RESET\", \"data\": []}\n", "an event's data are no object" },
		{ true, "{\"error\": \"bad\", \"id\": 7}\n", "answers what was not asked" },
		{ true, "{\"return\": [[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]], \"id\": 1}\n", "makes no sense" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(heard_clear) struct heard heard = {};
		struct error err = {};
		if (cases[i].greeted)
			greet(&heard);
		else
			assert_int_equal(start(&heard), 0);
		if (cases[i].greeted)
			ask(&heard, "stop", NULL, 100);
		assert_true(qmp_feed(heard.qmp, slice_string(cases[i].said), &err) < 0);
		if (!strstr(err.message, cases[i].words))
			fail_msg("\"%s\" is not in: %s", cases[i].words, err.message);
		assert_true(qmp_feed(heard.qmp, slice_string(SHUTDOWN), NULL) < 0);
		qmp_fail(heard.qmp, &err);
		assert_int_equal(heard.failures, cases[i].greeted ? 1 : 0);
		assert_int_equal(heard.events, 0);
	}
}

static void test_a_line_without_an_end_is_given_up(void **state)
{
	_cleanup_(heard_clear) struct heard heard = {};
	struct error err = {};
	int r = 0;
	size_t n;

	assert_int_equal(start(&heard), 0);
	for (n = 0; r == 0 && n < 10 * QMP_LINE_MAX; n += 8)
		r = qmp_feed(heard.qmp, slice_string("{{{{{{{{"), &err);
	assert_int_equal(r, -EPROTO);
	assert_true(n <= QMP_LINE_MAX + 8);
	assert_non_null(strstr(err.message, "a line above 65536 bytes"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_are_answered_in_order_with_events_between),
		cmocka_unit_test(test_pieces_of_any_size_say_the_same),
		cmocka_unit_test(test_nothing_is_asked_before_the_greeting),
		cmocka_unit_test(test_who_does_not_answer_is_waited_for_until_the_deadline),
		cmocka_unit_test(test_commands_that_are_never_answered_do_not_pile_up),
		cmocka_unit_test(test_nonsense_ends_the_conversation),
		cmocka_unit_test(test_a_line_without_an_end_is_given_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
