// SPDX-License-Identifier: Apache-2.0
/* What sandbox.vm may say; where QEMU and virtiofsd are found; and that a software CPU is never taken by itself. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "kata-shim/cli/settings.h"

static int parse(const char *vm, struct settings *ret, struct error *err)
{
	char text[1024];

	snprintf(text, sizeof(text), "sandbox: {vm: %s}", vm);
	return settings_parse(slice_string(text), ret, err);
}

static void test_without_a_file_a_vm_is_a_kvm_machine_of_the_node_that_cannot_grow(void **state)
{
	_cleanup_(settings_clear) struct settings settings = {};
	struct error err;

	if (settings_parse(slice_string(""), &settings, &err) < 0)
		fail_msg("%s", err.message);
	const struct vm_settings *vm = &settings.vm;
	assert_int_equal(vm->accelerator, VM_KVM);
	assert_int_equal(vm->machine, VM_OWN_MACHINE);
	assert_int_equal(vm->channel, VM_PORT);
	assert_null(vm->qemu);
	assert_null(vm->guest);
	assert_int_equal(vm->memory_maximum_mib, 0);
	assert_int_equal(vm->cpus_base, 1);
	assert_int_equal(vm->ids_first, 0x70000000);
	assert_string_equal(vm->state, "/run/holdfast/vm");
	assert_int_equal(vm->boot_timeout_ms, 30000);
}

static void test_kata_s_guest_is_a_kernel_and_one_of_initrd_and_image(void **state)
{
	_cleanup_(settings_clear) struct settings settings = {};
	struct error err;

	if (parse("{kernel: /k, image: /i, kernelParameters: agent.log=debug, accelerator: tcg, machine: q35}", &settings, &err) < 0)
		fail_msg("%s", err.message);
	assert_string_equal(settings.vm.kernel, "/k");
	assert_string_equal(settings.vm.image, "/i");
	assert_string_equal(settings.vm.kernel_parameters, "agent.log=debug");
	assert_int_equal(settings.vm.accelerator, VM_TCG);
	assert_int_equal(settings.vm.machine, VM_Q35);
}

static void test_what_contradicts_itself_is_refused_by_key(void **state)
{
	static const struct {
		const char *vm, *words;
	} cases[] = {
		{ "{kernel: /k}", "sandbox.vm.kernel needs one of sandbox.vm.initrd and sandbox.vm.image, not neither" },
		{ "{kernel: /k, initrd: /i, image: /j}", "not both" },
		{ "{initrd: /i}", "sandbox.vm.initrd needs sandbox.vm.kernel" },
		{ "{kernel: /k, initrd: /i, guest: /g}", "exclude each other" },
		{ "{cpus: {base: 4, maximum: 2}}", "sandbox.vm.cpus.maximum: 2 is below sandbox.vm.cpus.base, which is 4" },
		{ "{ids: {first: 4294900000, pods: 2}}", "lower first or pods" },
		{ "{accelerator: xen}", "sandbox.vm.accelerator: \"xen\" is none of" },
		{ "{memory: {base: 1}}", "sandbox.vm.memory.base: 1 is below 96" },
		{ "{qemuPath: /q}", "unknown key" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_(settings_clear) struct settings settings = {};
		struct error err = {};
		assert_int_equal(parse(cases[i].vm, &settings, &err), -EINVAL);
		if (!strstr(err.message, cases[i].words))
			fail_msg("\"%s\" is not in: %s", cases[i].words, err.message);
		assert_null(settings.config);
	}
}

static void test_a_configured_qemu_is_taken_or_refused_and_never_replaced(void **state)
{
	const struct vm_settings good = { .qemu = "/bin/true" }, bad = { .qemu = "/etc/passwd", .virtiofsd = "/nowhere" };
	char path[PATH_MAX];
	struct error err;

	assert_int_equal(vm_settings_find_qemu(&good, path, &err), 0);
	assert_string_equal(path, "/bin/true");
	assert_int_equal(vm_settings_find_qemu(&bad, path, &err), -ENOENT);
	assert_string_equal(err.message, "sandbox.vm.qemu: /etc/passwd is no executable: correct it, or install it there");
	assert_int_equal(vm_settings_find_virtiofsd(&bad, path, &err), -ENOENT);
	assert_non_null(strstr(err.message, "sandbox.vm.virtiofsd: /nowhere"));
}

static void test_kvm_is_asked_for_no_other_processor_and_a_software_cpu_may_be_of_any(void **state)
{
	const char *other = VM_OWN_MACHINE == VM_VIRT ? "{machine: q35}" : "{machine: virt}";
	_cleanup_(settings_clear) struct settings settings = {};
	struct error err;

	assert_int_equal(parse(other, &settings, &err), -EINVAL);
	assert_non_null(strstr(err.message, "is of another processor than this node, which KVM cannot run: take " VM_OWN_MACHINE_NAME));
	assert_int_equal(parse("{machine: virt, accelerator: tcg}", &settings, &err), 0);
	assert_int_equal(settings.vm.machine, VM_VIRT);
}

static void test_each_processor_has_a_qemu_of_its_own(void **state)
{
	const struct vm_settings virt = { .machine = VM_VIRT }, microvm = { .machine = VM_MICROVM };
	char path[PATH_MAX];
	struct error err;

	if (vm_settings_find_qemu(&virt, path, &err) == 0)
		error_set(&err, 0, "%s", path);
	assert_non_null(strstr(err.message, "qemu-system-aarch64"));
	if (vm_settings_find_qemu(&microvm, path, &err) == 0)
		error_set(&err, 0, "%s", path);
	assert_non_null(strstr(err.message, "qemu-system-x86_64"));
}

static bool has_data(const struct vm_data *data, const char *path)
{
	for (size_t i = 0; i < data->n; i++) {
		if (strcmp(data->paths[i], path) == 0)
			return true;
	}
	return false;
}

/* As in /usr/local, and as Kata's packages have it below /opt/kata. */
static void test_a_qemu_that_is_elsewhere_brings_its_own_firmware(void **state)
{
	char directory[] = "/tmp/test_vm_settings.XXXXXX", program[64], share[64], ours[64], kata_s[64];
	struct vm_data data;

	assert_non_null(mkdtemp(directory));
	snprintf(program, sizeof(program), "%s/bin/qemu-system-x86_64", directory);
	snprintf(share, sizeof(share), "%s/share", directory);
	snprintf(ours, sizeof(ours), "%s/share/qemu", directory);
	snprintf(kata_s, sizeof(kata_s), "%s/share/kata-qemu", directory);
	assert_int_equal(mkdir(share, 0755), 0);
	assert_int_equal(mkdir(kata_s, 0755), 0);
	vm_settings_find_data(program, &data);
	assert_true(has_data(&data, kata_s) && !has_data(&data, ours));
	assert_int_equal(mkdir(ours, 0755), 0);
	vm_settings_find_data(program, &data);
	assert_true(has_data(&data, kata_s) && has_data(&data, ours));
	assert_int_equal(has_data(&data, "/usr/share/qemu"), access("/usr/share/qemu", F_OK) == 0);
	vm_settings_find_data("/qemu", &data);
	assert_false(has_data(&data, ours));
	rmdir(ours);
	rmdir(kata_s);
	rmdir(share);
	rmdir(directory);
}

static void test_the_guest_stands_below_our_prefix_unless_configured(void **state)
{
	const struct vm_settings none = {}, other = { .guest = "/srv/guest" };
	char path[PATH_MAX];
	struct error err;

	assert_int_equal(vm_settings_find_guest(&other, path, &err), 0);
	assert_string_equal(path, "/srv/guest");
	assert_int_equal(vm_settings_find_guest(&none, path, &err), 0);
	assert_non_null(strstr(path, "/tests/share/holdfast/guest")); /* we are in tests/unit */
}

/* Whatever this machine's /dev/kvm is: test_kvm.c has one of every kind. */
static void test_kvm_that_is_of_no_use_is_refused_by_its_key(void **state)
{
	const struct vm_settings kvm = { .accelerator = VM_KVM }, tcg = { .accelerator = VM_TCG };
	struct error err;

	assert_int_equal(vm_settings_check_accelerator(&tcg, &err), 0);
	if (vm_settings_check_accelerator(&kvm, &err) < 0)
		assert_non_null(strstr(err.message, "sandbox.vm.accelerator is kvm, but /dev/kvm "));
	else
		assert_int_equal(access("/dev/kvm", R_OK | W_OK), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_file_a_vm_is_a_kvm_machine_of_the_node_that_cannot_grow),
		cmocka_unit_test(test_kata_s_guest_is_a_kernel_and_one_of_initrd_and_image),
		cmocka_unit_test(test_what_contradicts_itself_is_refused_by_key),
		cmocka_unit_test(test_a_configured_qemu_is_taken_or_refused_and_never_replaced),
		cmocka_unit_test(test_kvm_is_asked_for_no_other_processor_and_a_software_cpu_may_be_of_any),
		cmocka_unit_test(test_each_processor_has_a_qemu_of_its_own),
		cmocka_unit_test(test_a_qemu_that_is_elsewhere_brings_its_own_firmware),
		cmocka_unit_test(test_the_guest_stands_below_our_prefix_unless_configured),
		cmocka_unit_test(test_kvm_that_is_of_no_use_is_refused_by_its_key),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
