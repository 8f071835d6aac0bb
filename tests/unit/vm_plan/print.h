// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_VM_PLAN_PRINT_H
#define HOLDFAST_TESTS_VM_PLAN_PRINT_H

#include "common/base/buf.h"
#include "kata-shim/vm/plan/plan.h"

/* All that differs from its default, a line for each field. */
void print_fields(const ProtobufCMessage *message, unsigned depth, struct buf *out);
void print_plan(const struct plan *plan, struct buf *out);
void print_sandbox(const struct plan_sandbox *sandbox, struct buf *out);

#endif
