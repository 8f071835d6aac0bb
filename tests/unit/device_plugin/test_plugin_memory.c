// SPDX-License-Identifier: Apache-2.0
/*
 * The first allocation of ours fails, then the second, and so on until none does. The address sanitizer sees that nothing leaks.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "device-plugin/plugin/offer.h"
#include "device-plugin/plugin/plugin.h"
#include "tests/support/few_allocations.h"
#include "tests/unit/device_plugin/fake_kubelet.h"

#define ALLOCATIONS_MAX 500

/* Calls `work` with more and more allocations until it needs no more of them; it says itself what went wrong. */
static void fail_each_allocation(void (*work)(size_t n))
{
	size_t failures = 0;

	for (bool failed = true; failed; failures++) {
		assert_true(failures < ALLOCATIONS_MAX);
		allocations_allowed = failures;
		work(failures);
		failed = allocations_allowed == 0;
		allocations_allowed = SIZE_MAX;
	}
	assert_true(failures > 1);
}

/* ── The plugin ── */

static uv_loop_t loop;
static char directory[] = "/tmp/holdfast-memory.XXXXXX";

static void refuse_start(void *context, struct plugin_start *start)
{
	fail_msg("nobody asked for a start");
}

static int begin(struct plugin **ret, struct error *err)
{
	const struct plugin_options options = { directory, "/v", { refuse_start, NULL } };

	*ret = NULL;
	int r = plugin_new(&loop, &options, ret, err);
	return r < 0 ? r : plugin_offer(*ret, "db-password", 4, err);
}

static void must_register(void)
{
	struct fake_kubelet *kubelet = fake_kubelet_start(&loop, directory);

	while (fake_kubelet_count_connected(kubelet) == 0)
		uv_run(&loop, UV_RUN_ONCE);
	fake_kubelet_stop(kubelet);
	for (int i = 0; i < 10; i++)
		uv_run(&loop, UV_RUN_NOWAIT);
	fake_kubelet_free(kubelet);
}

static void register_with_few(size_t n)
{
	struct plugin *plugin;
	struct error err;

	int r = begin(&plugin, &err);
	uv_run(&loop, UV_RUN_NOWAIT);
	size_t left = allocations_allowed;
	allocations_allowed = SIZE_MAX;
	if (r == 0)
		must_register();
	else
		assert_int_equal(r, -ENOMEM);
	plugin_stop(plugin, NULL, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	allocations_allowed = left;
}

static void a_plugin_that_lacked_memory_registers_when_there_is_some(void **state)
{
	char path[64];

	assert_non_null(mkdtemp(directory));
	assert_int_equal(uv_loop_init(&loop), 0);
	fail_each_allocation(register_with_few);
	assert_int_equal(uv_loop_close(&loop), 0);
	snprintf(path, sizeof(path), "%s/kubelet.sock", directory);
	unlink(path);
	assert_int_equal(rmdir(directory), 0);
}

/* ── The answers ── */

static struct buf requests[2];

static void read_golden(const char *name, struct buf *ret)
{
	char path[256];
	struct error err;

	*ret = BUF_MAX(4096);
	snprintf(path, sizeof(path), TEST_DATA "/golden/proto/%s", name);
	if (file_read(path, ret, &err) < 0)
		fail_msg("%s", err.message);
}

static int answer_all(struct offer *offer, struct buf *out, struct error *err)
{
	int r = offer_set_slots(offer, 8, err);
	if (r == 0)
		r = offer_registration(offer, "holdfast.sock", out, err);
	if (r == 0)
		r = offer_options(out, err);
	if (r == 0)
		r = offer_list(offer, out, err);
	if (r == 0)
		r = offer_allocate(offer, buf_view(&requests[0]), out, err);
	return r < 0 ? r : offer_preferred(offer, buf_view(&requests[1]), out, err);
}

static void answer_with_few(size_t n)
{
	struct offer offer = { .secret = "db-password", .volumes = "/v", .hash = { "47facce2" }, .healthy = true };
	_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);
	struct error err;

	int r = answer_all(&offer, &out, &err);
	free(offer.given);
	if (r < 0 && (r != -ENOMEM || allocations_allowed > 0))
		fail_msg("allocation %zu: %d %s", n, r, err.message);
}

static void an_answer_without_memory_is_an_error_and_not_half_an_answer(void **state)
{
	read_golden("deviceplugin-allocate", &requests[0]);
	read_golden("deviceplugin-preferred", &requests[1]);
	fail_each_allocation(answer_with_few);
	buf_free(&requests[0]);
	buf_free(&requests[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plugin_that_lacked_memory_registers_when_there_is_some),
		cmocka_unit_test(an_answer_without_memory_is_an_error_and_not_half_an_answer),
	};

	signal(SIGPIPE, SIG_IGN);
	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
