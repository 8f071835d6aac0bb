// SPDX-License-Identifier: Apache-2.0
/* From a pod's limits to the size of its VM. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/vm/qemu/size.h"

#define MIB (UINT64_C(1) << 20)

static const struct vm_settings fixed = { .memory_base_mib = 128, .memory_unlimited_mib = 1024, .cpus_base = 1 };
static const struct vm_settings growing = {
	.memory_base_mib = 128, .memory_unlimited_mib = 1024, .cpus_base = 2, .memory_maximum_mib = 4096, .cpus_maximum = 4
};

static void test_a_vm_has_its_pod_s_limits_and_what_the_guest_takes(void **state)
{
	static const struct {
		const struct vm_settings *settings;
		struct vm_limits limits;
		struct vm_size size;
	} cases[] = {
		{ &fixed, {}, { 1152, 1152, 1, 1 } },
		{ &fixed, { .memory = 64 * MIB }, { 192, 192, 1, 1 } },
		{ &fixed, { .memory = 64 * MIB + 1 }, { 193, 193, 1, 1 } },
		{ &fixed, { .cpu_quota = 50000, .cpu_period = 100000 }, { 1152, 1152, 1, 1 } },
		{ &fixed, { .cpu_quota = 250000, .cpu_period = 100000 }, { 1152, 1152, 3, 3 } },
		{ &fixed, { .cpu_quota = -1, .cpu_period = 100000 }, { 1152, 1152, 1, 1 } },
		{ &fixed, { .cpu_quota = 50000 }, { 1152, 1152, 1, 1 } },
		{ &growing, { .memory = 64 * MIB, .cpu_quota = 50000, .cpu_period = 100000 }, { 192, 4096, 2, 4 } },
		{ &growing, { .memory = 8192 * MIB, .cpu_quota = 600000, .cpu_period = 100000 }, { 8252, 8252, 6, 6 } },
		{ &fixed, { .memory = 640 * MIB }, { 768, 768, 1, 1 } },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct vm_size size;
		struct error err;
		if (vm_size_of(cases[i].settings, &cases[i].limits, &size, &err) < 0)
			fail_msg("case %zu: %s", i, err.message);
		if (memcmp(&size, &cases[i].size, sizeof(size)) != 0)
			fail_msg("case %zu: %u to %u MiB, %u to %u CPUs", i, size.memory_mib, size.memory_maximum_mib, size.cpus,
				 size.cpus_maximum);
	}
}

/* deploy/manifests/node/runtimeclass.yaml: 176 MiB, of which QEMU's own are 35 and virtiofsd's 6. */
static void test_what_the_node_needs_for_a_vm_fits_into_limit_and_overhead(void **state)
{
	for (uint64_t limit = 64; limit <= 1024 * 1024; limit += 37) {
		struct vm_size size;
		struct error err;
		assert_int_equal(vm_size_of(&fixed, &(struct vm_limits){ .memory = limit * MIB }, &size, &err), 0);
		if (size.memory_mib + (double)size.memory_mib / 120 + 35 + 6 > (double)limit + 176)
			fail_msg("a VM of %u MiB is too large for a limit of %llu", size.memory_mib, (unsigned long long)limit);
		assert_true(size.memory_mib > (double)limit * 0.98);
	}
}

static void test_a_limit_that_no_vm_can_have_is_refused_with_both_numbers(void **state)
{
	const struct vm_limits memory = { .memory = UINT64_MAX }, cpus = { .cpu_quota = INT64_MAX, .cpu_period = 1 };
	struct vm_size size;
	struct error err;

	assert_int_equal(vm_size_of(&fixed, &memory, &size, &err), -ERANGE);
	assert_non_null(strstr(err.message, "17592186044416 MiB"));
	assert_non_null(strstr(err.message, "at most 4194176 MiB"));
	assert_int_equal(vm_size_of(&fixed, &cpus, &size, &err), -ERANGE);
	assert_non_null(strstr(err.message, "at most 255"));
}

static void test_a_guest_gives_back_what_its_pod_lacks_and_gets_it_back_by_and_by(void **state)
{
	static const struct {
		uint32_t size, given;
		uint64_t room;
		uint32_t then;
	} cases[] = {
		{ 640, 640, UINT64_MAX, 640 },
		{ 640, 640, 17 * MIB, 640 },
		{ 640, 640, 15 * MIB, 623 },
		{ 640, 640, 0, 608 },
		{ 640, 490, 0, 480 }, /* a quarter of it at most */
		{ 640, 480, 0, 480 },
		{ 640, 500, 40 * MIB, 500 },
		{ 640, 500, 64 * MIB, 516 },
		{ 640, 630, UINT64_MAX, 640 },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++)
		if (vm_size_within(cases[i].size, cases[i].given, cases[i].room) != cases[i].then)
			fail_msg("case %zu", i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_vm_has_its_pod_s_limits_and_what_the_guest_takes),
		cmocka_unit_test(test_what_the_node_needs_for_a_vm_fits_into_limit_and_overhead),
		cmocka_unit_test(test_a_guest_gives_back_what_its_pod_lacks_and_gets_it_back_by_and_by),
		cmocka_unit_test(test_a_limit_that_no_vm_can_have_is_refused_with_both_numbers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
