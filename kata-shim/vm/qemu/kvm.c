// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/qemu/kvm.h"

#include <errno.h>
#include <linux/kvm.h>
#include <sys/ioctl.h>

#include "common/base/cleanup.h"

#define BAD "sandbox.vm.accelerator is kvm, but /dev/kvm does not work "
#define CURE                                                                                                                      \
	"enable virtualisation on this node, in the hypervisor if it is a VM itself, or set it to tcg, a software CPU that is many " \
	"times slower"

/* A signal interrupts the making of a VM, and QEMU asks again, too. */
static int ask(int fd, unsigned long request)
{
	int r;

	do
		r = ioctl(fd, request, 0);
	while (r < 0 && errno == EINTR);
	return r;
}

static int refuse(const char *call, struct error *err)
{
	return error_errno(err, errno, BAD "(%s fails): " CURE, call);
}

int kvm_check(int kvm, struct error *err)
{
	const int version = ask(kvm, KVM_GET_API_VERSION);
	if (version < 0)
		return refuse("KVM_GET_API_VERSION", err);
	if (version != KVM_API_VERSION)
		return error_set(err, ENOTSUP, BAD "(its version is %d, not %d): " CURE, version, KVM_API_VERSION);
	_cleanup_close_ int vm = ask(kvm, KVM_CREATE_VM);
	if (vm < 0)
		return refuse("KVM_CREATE_VM", err);
	_cleanup_close_ int cpu = ask(vm, KVM_CREATE_VCPU);
	return cpu < 0 ? refuse("KVM_CREATE_VCPU", err) : 0;
}
