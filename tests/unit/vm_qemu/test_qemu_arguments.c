// SPDX-License-Identifier: Apache-2.0
/* QEMU's command line, word by word, as golden files (UPDATE=1 writes them anew: read the difference); and nothing can add an option. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/vm/qemu/arguments.h"

static struct qemu sample(void)
{
	return (struct qemu){
		.program = "/usr/bin/qemu-system-x86_64",
		.id = "5f0a-b.c_d",
		.size = { .memory_mib = 1152, .memory_maximum_mib = 1152, .cpus = 1, .cpus_maximum = 1 },
		.kernel = 7,
		.initrd = 8,
		.image = -1,
		.guest_parameters = "panic=-1 quiet",
		.qmp = 3,
		.console = 4,
		.channel = 5,
		.share = 6,
	};
}

static void expect_golden(const struct qemu *qemu, const char *name)
{
	_cleanup_(qemu_arguments_clear) struct qemu_arguments arguments = {};
	_cleanup_(buf_free) struct buf lines = BUF_MAX(64 * 1024), golden = BUF_MAX(64 * 1024);
	char path[256];
	struct error err;

	snprintf(path, sizeof(path), TEST_DATA "/golden/qemu/%s", name);
	if (qemu_arguments(qemu, &arguments, &err) < 0)
		fail_msg("%s", err.message);
	for (size_t i = 0; i < arguments.n; i++)
		buf_printf(&lines, "%s%s", arguments.words[i],
			   arguments.words[i + 1] && *arguments.words[i + 1] != '-' && *arguments.words[i] == '-' ? " " : "\n");
	assert_null(arguments.words[arguments.n]);
	if (getenv("UPDATE") && file_write_atomic(path, buf_view(&lines), 0644, &err) < 0)
		fail_msg("%s", err.message);
	if (file_read(path, &golden, &err) < 0)
		fail_msg("%s (UPDATE=1 writes it)", err.message);
	assert_string_equal(buf_text(&lines), buf_text(&golden));
}

static void test_a_microvm_with_kvm_a_port_and_a_share(void **state)
{
	const struct qemu qemu = sample();

	expect_golden(&qemu, "microvm-kvm-port");
}

static void test_a_microvm_on_a_software_cpu_is_told_how_fast_it_counts(void **state)
{
	struct qemu qemu = sample();

	qemu.accelerator = VM_TCG;
	qemu.tsc_khz = 2596142;
	qemu.share = -1;
	expect_golden(&qemu, "microvm-tcg-port");
}

static void test_software_cpus_take_turns(void **state)
{
	struct qemu qemu = sample();

	qemu.accelerator = VM_TCG;
	qemu.size.cpus_maximum = 2;
	qemu.share = -1;
	expect_golden(&qemu, "microvm-tcg-cpus");
}

static void test_a_q35_that_can_grow_with_vsock_and_two_taps(void **state)
{
	struct qemu qemu = sample();

	qemu.machine = VM_Q35;
	qemu.size = (struct vm_size){ .memory_mib = 512, .memory_maximum_mib = 2048, .cpus = 2, .cpus_maximum = 8 };
	qemu.carrier = QEMU_VSOCK;
	qemu.cid = 4294967294;
	qemu.kernel_parameters = "debug, agent.log=debug";
	qemu.taps[0] = (struct qemu_tap){ 9, "02:00:00:00:00:01" };
	qemu.taps[1] = (struct qemu_tap){ 10, "02:00:00:00:00:FF" };
	qemu.n_taps = 2;
	expect_golden(&qemu, "q35-kvm-vsock-taps-growing");
}

static void test_arm64_s_virt_on_a_software_cpu(void **state)
{
	struct qemu qemu = sample();

	qemu.program = "/usr/bin/qemu-system-aarch64";
	qemu.machine = VM_VIRT;
	qemu.accelerator = VM_TCG;
	expect_golden(&qemu, "virt-tcg-port");
}

static void test_arm64_s_virt_with_kvm_that_can_grow(void **state)
{
	struct qemu qemu = sample();

	qemu.program = "/usr/bin/qemu-system-aarch64";
	qemu.machine = VM_VIRT;
	qemu.size = (struct vm_size){ .memory_mib = 512, .memory_maximum_mib = 2048, .cpus = 2, .cpus_maximum = 8 };
	qemu.taps[0] = (struct qemu_tap){ 9, "02:00:00:00:00:01" };
	qemu.n_taps = 1;
	expect_golden(&qemu, "virt-kvm-growing");
}

static void test_kata_s_image_is_a_read_only_disk_by_descriptor(void **state)
{
	struct qemu qemu = sample();

	qemu.guest_parameters = NULL;
	qemu.initrd = -1;
	qemu.image = 8;
	qemu.carrier = QEMU_VSOCK;
	qemu.cid = 3;
	expect_golden(&qemu, "microvm-kvm-kata-image");
}

static void expect_refused(const struct qemu *qemu, int code, const char *words)
{
	_cleanup_(qemu_arguments_clear) struct qemu_arguments arguments = {};
	struct error err = {};

	assert_int_equal(qemu_arguments(qemu, &arguments, &err), -code);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
}

static void test_no_id_can_add_an_option(void **state)
{
	static const char *const ids[] = {
		"",
		"a,debug-threads=on",
		"a b",
		"a=b",
		"../a",
		"a\n",
		"\xc3\xa4",
		("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		 "aaaaaaaaaaaaaaaaaaaaaa"),
	};

	for (size_t i = 0; i < ELEMENTS_OF(ids); i++) {
		struct qemu qemu = sample();
		qemu.id = ids[i];
		expect_refused(&qemu, EINVAL, "is no sandbox id");
	}
}

static void test_no_mac_can_add_an_option(void **state)
{
	static const char *const macs[] = { "", "02:00:00:00:00", "02:00:00:00:00:0,", "02:00:00:00:00:01,romfile=/x",
					    "02-00-00-00-00-01" };

	for (size_t i = 0; i < ELEMENTS_OF(macs); i++) {
		struct qemu qemu = sample();
		qemu.taps[0] = (struct qemu_tap){ 9, macs[i] };
		qemu.n_taps = 1;
		expect_refused(&qemu, EINVAL, "is no MAC address");
	}
}

static void test_parameters_that_the_kernel_would_cut_are_refused(void **state)
{
	struct qemu qemu = sample();
	char long_text[2048];

	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = 0;
	qemu.kernel_parameters = long_text;
	expect_refused(&qemu, E2BIG, "sandbox.vm.kernelParameters");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_microvm_with_kvm_a_port_and_a_share),
		cmocka_unit_test(test_a_microvm_on_a_software_cpu_is_told_how_fast_it_counts),
		cmocka_unit_test(test_software_cpus_take_turns),
		cmocka_unit_test(test_a_q35_that_can_grow_with_vsock_and_two_taps),
		cmocka_unit_test(test_arm64_s_virt_on_a_software_cpu),
		cmocka_unit_test(test_arm64_s_virt_with_kvm_that_can_grow),
		cmocka_unit_test(test_kata_s_image_is_a_read_only_disk_by_descriptor),
		cmocka_unit_test(test_no_id_can_add_an_option),
		cmocka_unit_test(test_no_mac_can_add_an_option),
		cmocka_unit_test(test_parameters_that_the_kernel_would_cut_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
