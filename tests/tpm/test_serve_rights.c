// SPDX-License-Identifier: Apache-2.0
/* What `holdfast-tpm serve` may do while it runs; test_serve_nosy has what whoever could look into it would find. */
#include "tests/unit/common/cmocka_all.h"

#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/sandbox/sandbox.h"
#include "tests/tpm/serving.h"

#define CONTENT "correct horse battery staple"

static struct serving serving;

static int set_up(void **state)
{
	serving_make(&serving);
	return 0;
}

static int tear_down(void **state)
{
	serving_remove(&serving);
	return 0;
}

static void deliver(void)
{
	serving_seal(&serving, "db", CONTENT, "--allow shop/web --version 1");
	serving_pod(&serving, "shop", "web", "web", NULL);
	const char *device = serving_give(&serving, "shop", "web", "db", 0);
	serving_start(&serving);
	serving_wait_offered(&serving, "db", 16);
	serving_hands_out(&serving, "db", device);
	serving_wait_reads(&serving, "db", device, "value", CONTENT);
}

static void must_say(const char *file, const char *const *wanted, size_t n)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	char path[64];
	struct error err;

	snprintf(path, sizeof(path), "/proc/%d/%s", serving.daemon, file);
	if (file_read(path, &text, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < n; i++)
		if (!strstr(buf_text(&text), wanted[i]))
			fail_msg("no \"%s\" in\n%s", wanted[i], buf_text(&text));
}

static void a_daemon_that_has_delivered_has_cap_chown_alone_and_a_filter(void **state)
{
	static const char *const status[] = {
		"CapInh:\t0000000000000000\n",
		"CapPrm:\t0000000000000001\n",
		"CapEff:\t0000000000000001\n",
		"CapBnd:\t0000000000000001\n",
		"CapAmb:\t0000000000000000\n",
		"NoNewPrivs:\t1\n",
		"Seccomp:\t2\n",
	};
	static const char *const limits[] = {
		"Max core file size        0                    0  ",
		"Max locked memory         8388608              8388608  ",
		"Max address space         1073741824           1073741824  ",
	};

	deliver();
	must_say("status", status, ELEMENTS_OF(status));
	must_say("limits", limits, ELEMENTS_OF(limits));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_daemon_that_has_delivered_has_cap_chown_alone_and_a_filter, set_up, tear_down),
	};

	if (!sandbox_is_complete()) {
		puts("a build with a sanitizer has no filter, and memory of its own");
		return 77;
	}
	serving_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
