// SPDX-License-Identifier: Apache-2.0
/* What a VM has of its memory, by what its pod's cgroup has left; QEMU and the cgroup are doubles. */
#include "tests/unit/common/cmocka_all.h"

#include "common/base/log.h"
#include "kata-shim/vm/sandbox/vm.h"

#define MIB (UINT64_C(1) << 20)

static uint64_t room;
static uint32_t asked_mib; /* of QEMU; 0: nothing */
static vmm_done *answer;
static void *answer_context;

int cgroup_read_room(const struct cgroup *cgroup, uint64_t *ret, struct error *err)
{
	*ret = room;
	return 0;
}

void vmm_resize(struct vmm *vmm, uint32_t memory_mib, vmm_done *done, void *context)
{
	asked_mib = memory_mib;
	answer = done;
	answer_context = context;
}

/* What QEMU was asked for in this look. */
static uint32_t look(struct vm *vm)
{
	asked_mib = 0;
	room_look(vm);
	return asked_mib;
}

static struct vm a_vm(uint32_t given_mib)
{
	return (struct vm){ .size = { .memory_mib = 640, .memory_maximum_mib = 640 }, .given_mib = given_mib };
}

static void it_gives_memory_back_where_there_is_no_room_and_gets_it_again(void **state)
{
	struct vm vm = a_vm(640);

	room = 0;
	assert_int_equal(look(&vm), 608);
	assert_int_equal(look(&vm), 0); /* not before QEMU has answered */
	answer(answer_context, NULL);
	room = UINT64_MAX;
	assert_int_equal(look(&vm), 624);
	answer(answer_context, NULL);
	assert_int_equal(look(&vm), 640);
	answer(answer_context, NULL);
	assert_int_equal(look(&vm), 0);
}

/* An update raises the limit first, which is room; then it asks for the new size, and what is asked last counts. */
static void nothing_is_said_of_the_old_size_while_the_size_is_changed(void **state)
{
	struct vm_container other = {}, container = { .next = &other };
	struct vm vm = a_vm(600);

	vm.containers = &container;
	room = 512 * MIB;
	other.updating = true;
	assert_int_equal(look(&vm), 0);
	assert_int_equal(vm.given_mib, 600);
	other.updating = false;
	assert_int_equal(look(&vm), 616);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_gives_memory_back_where_there_is_no_room_and_gets_it_again),
		cmocka_unit_test(nothing_is_said_of_the_old_size_while_the_size_is_changed),
	};

	log_setup(LOG_LEVEL_ERROR, LOG_FORMAT_LOGFMT);
	return cmocka_run_group_tests_name("vm_room", tests, NULL, NULL);
}
