// SPDX-License-Identifier: Apache-2.0
/* The reader of what is dropped, on a real NFLOG group; what it receives goes through here, so that reading can fail. */
#include <uv.h>

#include "tests/net/nft_support.h"

#include <errno.h>

#include "cni-plugin/agent/agent.h"
#include "cni-plugin/nft/nflog.h"

#define GROUP 9470

static struct {
	struct agent agent;
	unsigned n_packets, n_failing, n_failed;
} world;

int __real_nflog_receive(struct nflog *nflog, void (*take)(void *context, const struct nflog_packet *packet), void *context,
			 struct error *err);
int __wrap_nflog_receive(struct nflog *nflog, void (*take)(void *context, const struct nflog_packet *packet), void *context,
			 struct error *err);

static void count(void *context, const struct nflog_packet *packet)
{
	world.n_packets++;
}

int __wrap_nflog_receive(struct nflog *nflog, void (*take)(void *context, const struct nflog_packet *packet), void *context,
			 struct error *err)
{
	if (world.n_failing == 0)
		return __real_nflog_receive(nflog, count, NULL, err);
	world.n_failing--;
	world.n_failed++;
	return error_set(err, EIO, "the reader's socket is broken");
}

static int set_up(void **state)
{
	enter_fresh_namespace();
	memset(&world, 0, sizeof(world));
	world.agent.settings.drop_log_group = GROUP;
	world.agent.settings.drop_log_rate = 1;
	assert_int_equal(uv_loop_init(&world.agent.loop), 0);
	run("nft 'table inet t { chain in { type filter hook input priority 0; icmp type echo-request log group %d; }; }'", GROUP);
	assert_int_equal(drops_open(&world.agent).rate, 1);
	assert_string_equal(drops_problem(&world.agent), "");
	return 0;
}

static void close_handle(uv_handle_t *handle, void *context)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static int tear_down(void **state)
{
	uv_walk(&world.agent.loop, close_handle, NULL);
	uv_run(&world.agent.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&world.agent.loop), 0);
	drops_free(&world.agent);
	return 0;
}

static void send_one(void)
{
	run("ping -q -c 1 127.0.0.1 >/dev/null");
}

static void packets_are_read(void **state)
{
	send_one();
	while (world.n_packets < 1)
		uv_run(&world.agent.loop, UV_RUN_ONCE);
}

static void after_an_error_the_group_is_opened_anew_and_read_on(void **state)
{
	for (unsigned n = 1; n <= 3; n++) {
		world.n_failing = 1;
		send_one();
		while (world.n_failed < n)
			uv_run(&world.agent.loop, UV_RUN_ONCE);
		assert_string_equal(drops_problem(&world.agent), "the reader's socket is broken");
		while (*drops_problem(&world.agent))
			uv_run(&world.agent.loop, UV_RUN_ONCE);
		send_one();
		while (world.n_packets < n)
			uv_run(&world.agent.loop, UV_RUN_ONCE);
	}
}

static void a_group_that_another_has_taken_meanwhile_is_asked_for_again(void **state)
{
	struct nflog *other = NULL;
	struct error err;

	world.n_failing = 1;
	send_one();
	while (nflog_open(GROUP, &other, &err) < 0)
		uv_run(&world.agent.loop, UV_RUN_ONCE);
	uint64_t begun_ms = uv_now(&world.agent.loop);
	while (uv_now(&world.agent.loop) < begun_ms + 500)
		uv_run(&world.agent.loop, UV_RUN_ONCE);
	assert_string_not_equal(drops_problem(&world.agent), "");
	nflog_close(other);
	while (*drops_problem(&world.agent))
		uv_run(&world.agent.loop, UV_RUN_ONCE);
}

static void the_agent_can_end_while_it_waits(void **state)
{
	world.n_failing = 1;
	send_one();
	while (world.n_failed < 1)
		uv_run(&world.agent.loop, UV_RUN_ONCE);
}

#define PROMISE(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PROMISE(packets_are_read),
		PROMISE(after_an_error_the_group_is_opened_anew_and_read_on),
		PROMISE(a_group_that_another_has_taken_meanwhile_is_asked_for_again),
		PROMISE(the_agent_can_end_while_it_waits),
	};

	need_namespaces();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
