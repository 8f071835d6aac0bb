// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_JAIL_VIRTIOFSD_INTERNAL_H
#define HOLDFAST_VM_JAIL_VIRTIOFSD_INTERNAL_H

#include "kata-shim/vm/jail/virtiofsd.h"

/* In which it is started, with nothing shared yet. */
struct jail virtiofsd_jail(const struct virtiofsd *virtiofsd, const char *const *arguments);

/* Asks the program, or remembers what it has said before. */
int virtiofsd_find_kind(const struct virtiofsd *virtiofsd, enum virtiofsd_kind *ret, struct error *err) must_check;

#endif
