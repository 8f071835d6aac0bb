// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_KUBE_PRINT_H
#define HOLDFAST_TESTS_KUBE_PRINT_H

#include "common/base/buf.h"
#include "common/kube/objects.h"

/* Everything that an object holds, one thing a line: the content of the golden files. */
void print_object(const struct kube_object *object, struct buf *out);

/* From JSON text. The test fails if it is no JSON. */
int read_object_text(const char *text, struct kube_object **ret, struct error *err);

/* As read_object_text; the test fails if the object is refused. */
struct kube_object *object_of(const char *text);

#endif
