// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_VM_QEMU_ENDING_H
#define HOLDFAST_VM_QEMU_ENDING_H

#include <stdbool.h>

#include "common/base/error.h"
#include "kata-shim/vm/qemu/tail.h"

#define ENDING_PANIC "Kernel panic - not syncing: " /* what the console's tail is to keep; kernel/panic.c of Linux */

/* Why a VM is no more, in words for a person. Pure. */
struct ending {
	const struct error *why; /* we have ended it for this; NULL: it ended by itself */
	int code, status;        /* si_code and si_status of waitid */
	bool unproved_kvm;       /* KVM was to run it, and its guest has not answered yet */
	const char *reason;      /* of QEMU's event SHUTDOWN; NULL: there was none */
	const struct tail *console, *output;
};

void ending_explain(const struct ending *ending, struct error *ret);

/* Puts the last lines of the guest's console behind the message, as far as there is room. */
void ending_add_console(const struct tail *console, struct error *err);

#endif
