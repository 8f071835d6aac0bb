// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TPM_SEALED_H
#define HOLDFAST_TPM_SEALED_H

#include "common/kube/objects.h"
#include "device-plugin/seal/envelope.h"
#include "device-plugin/tpm/tpm.h"

/*
 * One version of a secret that is sealed for this node, shared: the worker's thread may still be reading what the registry has replaced
 * already. Counted in the loop's thread only; nobody changes it, but for what the TPM has made of it, which is the loop's thread's, too.
 */
struct sealed {
	unsigned references;
	struct envelope *envelope;
	const struct envelope_recipient *recipient; /* this node's part of it */
	struct tpm_imported imported;
};

/* EINVAL: the object is no envelope; ENOENT: it is not sealed for `node`. The first reference is the caller's. */
int sealed_read(const struct kube_object *object, const char *node, struct sealed **ret, struct error *err) must_check;
struct sealed *sealed_ref(struct sealed *sealed);
void sealed_unref(struct sealed *sealed); /* accepts NULL */
DEFINE_CLEANUP(struct sealed *, sealed_unref);

#endif
