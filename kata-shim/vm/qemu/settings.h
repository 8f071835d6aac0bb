// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_SETTINGS_H
#define HOLDFAST_VM_QEMU_SETTINGS_H

#include <limits.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/error.h"

/* `sandbox.vm` of holdfast.yaml. Its rows stand in kata-shim/cli/settings.c; the texts are the configuration's. */
enum vm_accelerator { VM_KVM, VM_TCG };
enum vm_machine { VM_MICROVM, VM_Q35, VM_VIRT }; /* VM_VIRT is arm64's, the others x86-64's */
enum vm_channel { VM_PORT, VM_VSOCK };

extern const char *const vm_accelerator_names[]; /* end in NULL */
extern const char *const vm_machine_names[];
extern const char *const vm_channel_names[];

struct vm_settings {
	const char *qemu, *virtiofsd;  /* NULL: found in the known places */
	int accelerator;               /* enum vm_accelerator; never another one than this */
	int machine;                   /* enum vm_machine */
	int channel;                   /* enum vm_channel, to our guest's agent; Kata's has vsock only */
	const char *guest;             /* directory of our guest (guest.json); NULL: beside our executable */
	const char *kernel;            /* of Kata's guest, and then `guest` is not looked at; NULL: ours */
	const char *initrd, *image;    /* one of both, with `kernel` */
	const char *kernel_parameters; /* put behind all others; NULL: none */
	int64_t memory_base_mib;       /* on top of the pod's limit: the guest itself */
	int64_t memory_unlimited_mib;  /* the VM of a pod without a memory limit */
	int64_t memory_maximum_mib;    /* to which a running VM can grow; 0: it cannot */
	int64_t cpus_base;             /* of a pod without a CPU limit, and at least so many of any other */
	int64_t cpus_maximum;          /* to which a running VM can grow; 0: it cannot */
	int64_t ids_first, ids_count;  /* pods' user ids: ids_count slots of VM_IDS_PER_POD */
	uint64_t boot_timeout_ms;      /* from QEMU's start to the agent's first answer */
	uint64_t share_timeout_ms;     /* until a virtiofsd that does not answer is ended; not configured. 0: 60 s */
	const char *state;             /* directory: one folder for each sandbox */
};

#ifdef __aarch64__
#define VM_OWN_MACHINE VM_VIRT
#define VM_OWN_MACHINE_NAME "virt"
#else
#define VM_OWN_MACHINE VM_MICROVM
#define VM_OWN_MACHINE_NAME "microvm"
#endif

#define VM_IDS_PER_POD 131072

/* What no single row can see: rows that exclude or need each other. Names both keys. */
int vm_settings_check(const struct vm_settings *settings, struct error *err) must_check;

/* The executables: as configured, or the first that is in a known place. ENOENT says where it was looked for, and the key. */
int vm_settings_find_qemu(const struct vm_settings *settings, char ret[static PATH_MAX], struct error *err) must_check;
int vm_settings_find_virtiofsd(const struct vm_settings *settings, char ret[static PATH_MAX], struct error *err) must_check;

/* What QEMU reads beside its program, firmware and modules: directories that are there. Where they belong to it by its own place come first. */
#define VM_DATA_MAX 8
struct vm_data {
	const char *paths[VM_DATA_MAX];
	size_t n;
	char own[2][PATH_MAX];
};
void vm_settings_find_data(const char *program, struct vm_data *ret);

/* The directory of our guest: as configured, or ../share/holdfast/guest seen from our executable. */
int vm_settings_find_guest(const struct vm_settings *settings, char ret[static PATH_MAX], struct error *err) must_check;

/* KVM is configured and /dev/kvm is not there or makes no VM (kvm.h): never is a software CPU taken instead. Once for a pod is enough. */
int vm_settings_check_accelerator(const struct vm_settings *settings, struct error *err) must_check;

#endif
