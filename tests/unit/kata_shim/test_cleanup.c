// SPDX-License-Identifier: Apache-2.0
/* The answer to `delete`, byte for byte as containerd's own encoder writes it. */
#include "tests/unit/common/cmocka_all.h"

#include "kata-shim/backend/cleanup.h"

static void test_the_answer_is_a_delete_response(void **state)
{
	/* 2: 137, 3: { 1: 1764095000, 2: 5 } */
	static const uint8_t wanted[] = { 0x10, 0x89, 0x01, 0x1a, 0x08, 0x08, 0x98, 0xe8, 0x97, 0xc9, 0x06, 0x10, 0x05 };
	uint8_t answer[CLEANUP_ANSWER_MAX];

	assert_int_equal(cleanup_answer(1764095000, 5, answer), sizeof(wanted));
	assert_memory_equal(answer, wanted, sizeof(wanted));
}

static void test_the_largest_answer_has_room(void **state)
{
	uint8_t answer[CLEANUP_ANSWER_MAX];

	assert_true(cleanup_answer(UINT64_MAX, UINT32_MAX, answer) <= CLEANUP_ANSWER_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_answer_is_a_delete_response),
		cmocka_unit_test(test_the_largest_answer_has_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
