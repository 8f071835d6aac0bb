// SPDX-License-Identifier: Apache-2.0
/* What /dev/kvm can be: the kernel's answers to the three questions are given here, and one device that is no KVM answers itself. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/base/array.h"
#include "kata-shim/vm/qemu/kvm.h"

#define ASKED_MAX 8

/* What a question is answered with: an errno, or 0. It is interrupted so many times before. */
static struct {
	bool real;
	int version, no_version, no_vm, no_cpu;
	unsigned interrupted;
} kernel;

static int handed_out[ASKED_MAX];
static unsigned n_handed_out;

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

static int hand_out(void)
{
	assert_true(n_handed_out < ASKED_MAX);
	return handed_out[n_handed_out++] = open("/dev/null", O_RDWR | O_CLOEXEC);
}

static int answer(int error, int value)
{
	errno = error;
	return error ? -1 : value;
}

int __wrap_ioctl(int fd, unsigned long request, ...)
{
	if (kernel.real)
		return __real_ioctl(fd, request, 0);
	if (kernel.interrupted > 0 && kernel.interrupted--)
		return answer(EINTR, 0);
	if (request == KVM_GET_API_VERSION)
		return answer(kernel.no_version, kernel.version);
	if (request == KVM_CREATE_VM)
		return answer(kernel.no_vm, kernel.no_vm ? 0 : hand_out());
	assert_int_equal(request, KVM_CREATE_VCPU);
	assert_int_equal(fd, handed_out[0]);
	return answer(kernel.no_cpu, kernel.no_cpu ? 0 : hand_out());
}

static void expect_nothing_open(void)
{
	for (unsigned i = 0; i < n_handed_out; i++)
		assert_int_equal(fcntl(handed_out[i], F_GETFD), -1);
	n_handed_out = 0;
}

static void test_a_kvm_that_makes_a_vm_with_a_cpu_is_taken_and_nothing_stays_open(void **state)
{
	struct error err;

	kernel = (typeof(kernel)){ .version = KVM_API_VERSION, .interrupted = 2 };
	assert_int_equal(kvm_check(-1, &err), 0);
	assert_int_equal(n_handed_out, 2);
	expect_nothing_open();
}

static void test_one_that_does_not_is_refused_with_what_failed_and_what_to_do(void **state)
{
	static const struct {
		typeof(kernel) kernel;
		int code;
		const char *words, *end;
	} cases[] = {
		{ { .no_version = ENOTTY }, ENOTTY, "(KVM_GET_API_VERSION fails)", "Inappropriate ioctl for device" },
		{ { .version = 11 }, ENOTSUP, "(its version is 11, not 12)", "Operation not supported" },
		{ { .version = 12, .no_vm = EBUSY }, EBUSY, "(KVM_CREATE_VM fails)", "Device or resource busy" },
		{ { .version = 12, .no_cpu = EIO }, EIO, "(KVM_CREATE_VCPU fails)", "Input/output error" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct error err = {};
		kernel = cases[i].kernel;
		assert_int_equal(kvm_check(-1, &err), -cases[i].code);
		assert_non_null(strstr(err.message, "sandbox.vm.accelerator is kvm, but /dev/kvm does not work "));
		assert_non_null(strstr(err.message, "enable virtualisation on this node, in the hypervisor if it is a VM itself"));
		assert_non_null(strstr(err.message, "or set it to tcg"));
		if (!strstr(err.message, cases[i].words) || !strstr(err.message, cases[i].end))
			fail_msg("\"%s\" or \"%s\" is not in: %s", cases[i].words, cases[i].end, err.message);
		expect_nothing_open();
	}
}

static void test_a_device_of_another_kind_is_no_kvm(void **state)
{
	const int other = open("/dev/zero", O_RDWR | O_CLOEXEC);
	struct error err;

	kernel = (typeof(kernel)){ .real = true };
	assert_int_equal(kvm_check(other, &err), -ENOTTY);
	assert_non_null(strstr(err.message, "KVM_GET_API_VERSION fails"));
	close(other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_kvm_that_makes_a_vm_with_a_cpu_is_taken_and_nothing_stays_open),
		cmocka_unit_test(test_one_that_does_not_is_refused_with_what_failed_and_what_to_do),
		cmocka_unit_test(test_a_device_of_another_kind_is_no_kvm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
