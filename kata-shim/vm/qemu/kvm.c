// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/qemu/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "common/base/cleanup.h"

/* A signal interrupts the making of a VM, and QEMU asks again, too. */
static int ask(int fd, unsigned long request)
{
	int r;

	do
		r = ioctl(fd, request, 0);
	while (r < 0 && errno == EINTR);
	return r;
}

static int refuse(int code, const char *why, struct error *err)
{
	return error_errno(err, code,
			   "sandbox.vm.accelerator is kvm, but /dev/kvm does not work (%s): enable virtualisation on this node, in the "
			   "hypervisor if it is a VM itself, or set it to tcg, a software CPU that is many times slower",
			   why);
}

int kvm_check(int kvm, struct error *err)
{
	char other[64];

	const int version = ask(kvm, KVM_GET_API_VERSION);
	if (version < 0)
		return refuse(errno, "KVM_GET_API_VERSION fails", err);
	snprintf(other, sizeof(other), "its version is %d, not %d", version, KVM_API_VERSION);
	if (version != KVM_API_VERSION)
		return refuse(ENOTSUP, other, err);
	_cleanup_close_ int vm = ask(kvm, KVM_CREATE_VM);
	if (vm < 0)
		return refuse(errno, "KVM_CREATE_VM fails", err);
	_cleanup_close_ int cpu = ask(vm, KVM_CREATE_VCPU);
	return cpu < 0 ? refuse(errno, "KVM_CREATE_VCPU fails", err) : 0;
}
