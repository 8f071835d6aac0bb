// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_MACHINE_INTERNAL_H
#define HOLDFAST_TESTS_VM_MACHINE_INTERNAL_H

#include "tests/vm/machine.h"

/* machine_confine was called, and can be. */
extern bool machine_is_confined;

/* <directory>/<id>: the sandbox's own if it is the machine's id. */
void machine_make_bundle(struct machine *machine, const char *id, const char *script, const struct machine_wishes *wishes);

#endif
