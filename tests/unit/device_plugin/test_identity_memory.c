// SPDX-License-Identifier: Apache-2.0
/*
 * The first allocation of ours fails, then the second, and so on until none does: a query says so or finds the pod, and nothing in between.
 * The address sanitizer sees that nothing leaks.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "tests/support/few_allocations.h"
#include "tests/unit/device_plugin/identity_world.h"

#define ALLOCATIONS_MAX 500
#define QUERY_MS 200

static unsigned n_found;

static void found(void *context, int r, struct identity *identity, const struct error *err)
{
	allocations_allowed = SIZE_MAX;
	assert_true(r == 0 || r == -ENOMEM);
	if (r == 0) {
		assert_string_equal(identity->name, "db-0");
		assert_string_equal(identity->service_account, "db");
		assert_string_equal(identity->secrets, "tls");
		assert_string_equal(kube_labels_get(&identity->labels, "app"), "db");
		assert_string_equal(identity->backend, "vm");
		n_found++;
	}
	identity_free(identity);
	world.n_ended++;
}

static void listed(void *context, int r, const struct identity_live *live, size_t n, const struct error *err)
{
	allocations_allowed = SIZE_MAX;
	assert_true(r == 0 || r == -ENOMEM);
	assert_int_equal(n, r == 0 ? 1 : 0);
	if (r == 0)
		assert_string_equal(live->device, DEVICE);
	n_found += r == 0;
	world.n_ended++;
}

static int begin_find(struct error *err)
{
	return identity_find(world.identifier, RESOURCE, DEVICE, found, NULL, &world.query, err);
}

static int begin_list(struct error *err)
{
	return identity_list_live(world.identifier, listed, NULL, &world.query, err);
}

static int begin(int (*query)(struct error *err), struct error *err)
{
	const struct identifier_options options = { world.kubelet, world.sandboxes, world.store, QUERY_MS };
	int r = identifier_new(&world.loop, &options, &world.identifier, err);

	return r < 0 ? r : query(err);
}

/* True if an allocation failed. */
static bool try_with(size_t n, int (*query)(struct error *err))
{
	struct error err = {};

	allocations_allowed = n;
	int r = begin(query, &err);
	if (r == 0)
		world_run(world.n_ended + 1);
	const bool failed = r < 0 || world.n_ended > n_found;
	allocations_allowed = SIZE_MAX;
	assert_true(r == 0 || r == -ENOMEM);
	identifier_close(TAKE_PTR(world.identifier));
	for (int i = 0; i < 10; i++)
		uv_run(&world.loop, UV_RUN_NOWAIT);
	world.n_ended = n_found = 0;
	return failed;
}

static void try_with_each(int (*query)(struct error *err))
{
	size_t n = 0;

	CHECKPOINT({ UID_A, "main", RESOURCE, DEVICE });
	world_make_pod_directory(UID_A);
	world_write_record("a.json", UID_A, "db-0", "vm");
	world_put_pod("db-0", UID_A, ",\"labels\":{\"app\":\"db\"},\"annotations\":{\"holdfast/secrets\":\"tls\"}",
		      "\"serviceAccountName\":\"db\"", "\"phase\":\"Running\"");
	while (try_with(n, query))
		assert_true(++n < ALLOCATIONS_MAX);
	assert_true(n > 5);
	assert_false(try_with(SIZE_MAX, query));
}

static void test_a_query_without_memory_says_so_or_finds_the_pod(void **state)
{
	try_with_each(begin_find);
}

static void test_a_list_without_memory_says_so_or_has_everybody(void **state)
{
	try_with_each(begin_list);
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_a_query_without_memory_says_so_or_finds_the_pod),
		CASE(test_a_list_without_memory_says_so_or_has_everybody),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
