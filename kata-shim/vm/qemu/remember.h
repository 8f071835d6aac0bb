// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_REMEMBER_H
#define HOLDFAST_VM_QEMU_REMEMBER_H

#include "kata-shim/vm/qemu/guest.h"

/*
 * Is the open file `path` what the manifest says? Reads all of it, unless `record` (NULL: none) says that just this file, unchanged, has
 * been read before. EBADMSG: another size or hash.
 */
int remember_check(int fd, const char *path, const struct guest_file *file, const char *record, struct error *err) must_check;

#endif
