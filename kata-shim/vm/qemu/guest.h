// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_GUEST_H
#define HOLDFAST_VM_QEMU_GUEST_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/slice.h"
#include "kata-shim/vm/qemu/settings.h"

/* What boots: our guest, as its manifest says it (kata-shim/guest/build writes both), or Kata's, as it is configured. */
#define GUEST_FILE_NAME_MAX 64
#define GUEST_SHA256_SIZE 32
#define GUEST_PARAMETERS_MAX 1024

struct guest_file {
	char name[GUEST_FILE_NAME_MAX]; /* in the manifest's directory */
	uint64_t size;
	uint8_t sha256[GUEST_SHA256_SIZE];
};

struct guest_manifest {
	struct guest_file kernel, initrd;
	char parameters[GUEST_PARAMETERS_MAX]; /* for the kernel */
};

/* guest.json. Pure. */
int guest_manifest_parse(struct slice text, struct guest_manifest *ret, struct error *err) must_check;

struct guest {
	int kernel, initrd, image; /* -1: it has none */
	bool ours;
	char parameters[GUEST_PARAMETERS_MAX]; /* of ours */
};
#define GUEST_NONE ((struct guest){ .kernel = -1, .initrd = -1, .image = -1 })

/*
 * Opens each file once; ours must be what the manifest says, so that what was checked is what boots. EBADMSG names the file and both
 * hashes; EACCES: a file that QEMU's user could not read.
 *
 * Our hashes are remembered in <state>/.guest: see remember.h.
 */
int guest_open(const struct vm_settings *settings, struct guest *ret, struct error *err) must_check;
void guest_close(struct guest *guest);

#endif
