// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_ARGUMENTS_H
#define HOLDFAST_VM_QEMU_ARGUMENTS_H

#include <stddef.h>

#include "common/base/buf.h"
#include "kata-shim/vm/qemu/size.h"

/*
 * QEMU's command line, pure. Everything that QEMU opens is a descriptor it has got; the numbers are those in QEMU, -1: there is none.
 * Texts that would become part of an option are checked: none can add an option of its own.
 */
#define QEMU_ID_MAX 128 /* bytes of a sandbox's id: letters, digits and "_.-" */
#define QEMU_TAPS_MAX 8

enum qemu_carrier { QEMU_PORT, QEMU_VSOCK };

struct qemu_tap {
	int fd;
	const char *mac; /* "02:00:00:00:00:01" */
};

struct qemu {
	const char *program, *id;
	int accelerator; /* enum vm_accelerator */
	int machine;     /* enum vm_machine */
	struct vm_size size;
	int kernel, initrd, image;
	const char *guest_parameters;  /* for the kernel, from the guest's manifest; NULL: Kata's guest */
	const char *kernel_parameters; /* from the configuration; NULL: none */
	uint64_t tsc_khz;              /* of this machine's counter; 0: the guest finds out by itself. See qemu_parameters */
	int qmp, console;              /* connected sockets */
	enum qemu_carrier carrier;
	int channel;  /* QEMU_PORT: a connected socket; QEMU_VSOCK: /dev/vhost-vsock that has `cid` */
	uint32_t cid; /* QEMU_VSOCK */
	int share;    /* connected to virtiofsd */
	struct qemu_tap taps[QEMU_TAPS_MAX];
	size_t n_taps;
};

struct qemu_arguments {
	char **words; /* ends with NULL */
	size_t n;
	struct buf text; /* owns them */
};

int qemu_arguments(const struct qemu *qemu, struct qemu_arguments *ret, struct error *err) must_check;
void qemu_arguments_clear(struct qemu_arguments *arguments);

/* The kernel's command line, which is one of the words. */
void qemu_parameters(const struct qemu *qemu, struct buf *out);

/* EINVAL names the id. */
int qemu_check_id(const char *id, struct error *err) must_check;

#endif
