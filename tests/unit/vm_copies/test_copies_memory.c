// SPDX-License-Identifier: Apache-2.0
/*
 * The first allocation of ours fails, then the second, and so on until none does: a volume that could not be copied is told as such, and
 * what is told as copied is there whole. The address sanitizer sees that nothing leaks.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/support/few_allocations.h"
#include "tests/unit/vm_copies/paper_guest.h"
#include "tests/unit/vm_copies/volume.h"

#define ALLOCATIONS_MAX 1000
#define PATIENCE_S 60

static char directory[64], host[96], inside[96];

static void expect_whole(void)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	char path[128];

	snprintf(path, sizeof(path), "%s/a", inside);
	assert_int_equal(file_read(path, &text, NULL), 0);
	assert_string_equal(buf_text(&text), "1");
}

/* 1: it was copied. */
static int copy_with(size_t allowed)
{
	struct paper_guest guest;
	struct error err = {};
	uv_loop_t loop;
	int copied = 0;

	assert_int_equal(uv_loop_init(&loop), 0);
	paper_guest_open(&guest, &loop, inside);
	allocations_allowed = allowed;
	int r = copy_new(&loop, host, inside, &paper_sink, &guest, &guest.copy, &err);
	if (r == 0) {
		while (guest.copied + guest.failed == 0)
			uv_run(&loop, UV_RUN_ONCE);
		copied = guest.copied;
	}
	allocations_allowed = SIZE_MAX;
	if (r < 0 || guest.failed)
		assert_int_equal(r < 0 ? err.code : guest.why.code, ENOMEM);
	if (copied)
		expect_whole();
	copy_free(guest.copy);
	paper_guest_close(&guest);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	remove_all(inside);
	return copied;
}

static void without_memory_nothing_is_said_to_be_copied(void **state)
{
	static const struct file files[] = { { "a", "1", 0400 }, { "b", "2", 0400 } };
	size_t allowed = 0;

	alarm(PATIENCE_S);
	snprintf(directory, sizeof(directory), "/tmp/holdfast-test.XXXXXX");
	assert_non_null(mkdtemp(directory));
	snprintf(host, sizeof(host), "%s/host", directory);
	snprintf(inside, sizeof(inside), "%s/guest", directory);
	make_directory(directory, "host", 0755);
	volume_prepare(host, "..1", files, 2);
	volume_switch(host, "..1", NULL, files, 2);
	while (!copy_with(allowed) && allowed < ALLOCATIONS_MAX)
		allowed++;
	assert_true(allowed > 10 && allowed < ALLOCATIONS_MAX);
	remove_all(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_memory_nothing_is_said_to_be_copied),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
