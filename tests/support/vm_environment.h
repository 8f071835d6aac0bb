// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_ENVIRONMENT_H
#define HOLDFAST_TESTS_VM_ENVIRONMENT_H

/*
 * What the tests' VMs are made of, as the environment says. A value that is not known ends the program.
 *
 *	HOLDFAST_ACCELERATOR=kvm   default: tcg, which runs everywhere
 *	HOLDFAST_MACHINE=virt      default: microvm; on arm64 virt
 *	HOLDFAST_CHANNEL=vsock     default: port
 *	HOLDFAST_SLOWNESS=4        everything may take four times as long; default: 1
 */
int vm_environment_accelerator(void); /* enum vm_accelerator */
int vm_environment_machine(void);     /* enum vm_machine */
int vm_environment_channel(void);     /* enum vm_channel */
unsigned vm_environment_slowness(void);

#endif
