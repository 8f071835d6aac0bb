// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_KVM_H
#define HOLDFAST_VM_QEMU_KVM_H

#include "common/base/error.h"

/*
 * `kvm` is /dev/kvm, open for reading and writing, and stays the caller's. It can be opened and be of no use: virtualisation may be
 * switched off or held by another hypervisor, and a node that is a VM may have it in name only. So a VM with one CPU is made, which no code
 * runs in, and goes again: 1 to 20 ms. The message names the call (Documentation/virt/kvm/api.rst of Linux) and says what to do.
 */
int kvm_check(int kvm, struct error *err) must_check;

#endif
