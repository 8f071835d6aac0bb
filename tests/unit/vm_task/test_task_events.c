// SPDX-License-Identifier: Apache-2.0
/* Events reach containerd in their order, whatever it is doing. */
#include "tests/unit/vm_task/world.h"

#include <stdio.h>

#include "common/base/log.h"
#include "kata-shim/task/events.pb-c.h"
#include "tests/unit/vm_task/vm_double.h"

static void tell(const char *id)
{
	Events__TaskContainer event = EVENTS__TASK_CONTAINER__INIT;

	event.container_id = (char *)id;
	publisher_send(world.publisher, "/tasks/oom", "containerd.events.TaskOOM", &event.base);
}

static void tell_numbers(unsigned from, unsigned to)
{
	char id[16];

	for (unsigned i = from; i < to; i++) {
		snprintf(id, sizeof(id), "n%u", i);
		tell(id);
	}
}

static void assert_numbers(unsigned from, unsigned to)
{
	static char expected[sizeof(world.events)];
	size_t n = 0;

	expected[0] = 0;
	for (unsigned i = from; i < to; i++)
		n += (size_t)snprintf(expected + n, sizeof(expected) - n, "TaskOOM n%u\n", i);
	assert_string_equal(events(), expected);
}

static void stop_events_server(void)
{
	ttrpc_server_stop(world.events_server);
	world.events_server = NULL;
	settle();
}

static void test_events_arrive_in_their_order(void **state)
{
	tell_numbers(0, 300);
	wait_for_event("n299\n");
	assert_numbers(0, 300);
}

static void test_what_happens_while_containerd_is_away_is_told_when_it_is_back(void **state)
{
	tell("before");
	wait_for_event("before");
	events();
	stop_events_server();
	tell_numbers(0, 20);
	settle();
	assert_string_equal(world.events, "");
	events_server_start();
	wait_for_event("n19\n");
	assert_numbers(0, 20);
}

static void test_one_event_that_is_refused_a_few_times_is_told_in_its_place(void **state)
{
	world.refuse_events = PUBLISHER_REFUSALS_MAX - 1;
	tell_numbers(0, 3);
	wait_for_event("n2\n");
	assert_numbers(0, 3);
}

static void test_one_event_that_is_refused_for_good_does_not_hold_up_the_others(void **state)
{
	world.refuse_events = PUBLISHER_REFUSALS_MAX;
	tell_numbers(0, 3);
	wait_for_event("n2\n");
	assert_numbers(1, 3);
}

static void test_of_too_many_that_wait_the_oldest_are_lost(void **state)
{
	stop_events_server();
	tell_numbers(0, PUBLISHER_EVENTS_MAX + 10);
	events_server_start();
	wait_for_event("n521\n");
	char *first = strstr(world.events, "n11\n"); /* n0 may have been on its way */
	assert_non_null(first);
	assert_null(strstr(world.events, "n5\n"));
}

static void on_done(void *context)
{
	*(unsigned *)context += 1;
}

static int set_up_alone(void **state)
{
	return world_set_up(state);
}

static void test_the_end_waits_for_what_is_not_told_but_not_for_ever(void **state)
{
	struct publisher *publisher;
	struct error err;
	unsigned done = 0;

	stop_events_server();
	assert_int_equal(publisher_new(&world.loop, world.events_path, "k8s.io", &publisher, &err), 0);
	Events__TaskContainer event = EVENTS__TASK_CONTAINER__INIT;
	event.container_id = (char *)"late";
	publisher_send(publisher, "/tasks/oom", "containerd.events.TaskOOM", &event.base);
	publisher_finish(publisher, 300, on_done, &done);
	const uint64_t begun = uv_now(&world.loop);
	while (!done)
		uv_run(&world.loop, UV_RUN_ONCE);
	assert_in_range(uv_now(&world.loop) - begun, 250, 3000);
}

static void test_without_a_socket_nobody_is_told_and_nothing_waits(void **state)
{
	struct publisher *publisher;
	struct error err;
	unsigned done = 0;
	Events__TaskContainer event = EVENTS__TASK_CONTAINER__INIT;

	assert_int_equal(publisher_new(&world.loop, "", "k8s.io", &publisher, &err), 0);
	publisher_send(publisher, "/tasks/oom", "containerd.events.TaskOOM", &event.base);
	publisher_finish(publisher, 60000, on_done, &done);
	while (!done)
		uv_run(&world.loop, UV_RUN_ONCE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_alone, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_events_arrive_in_their_order),
		TEST(test_what_happens_while_containerd_is_away_is_told_when_it_is_back),
		TEST(test_one_event_that_is_refused_a_few_times_is_told_in_its_place),
		TEST(test_one_event_that_is_refused_for_good_does_not_hold_up_the_others),
		TEST(test_of_too_many_that_wait_the_oldest_are_lost),
		TEST(test_the_end_waits_for_what_is_not_told_but_not_for_ever),
		TEST(test_without_a_socket_nobody_is_told_and_nothing_waits),
	};

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
