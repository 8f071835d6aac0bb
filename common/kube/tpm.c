// SPDX-License-Identifier: Apache-2.0
/*
 * TPMSecret and TPMNode. Their meaning belongs to the device plugin, so the spec is kept as text. Status and managed fields are left out:
 * the status of a secret changes whenever one of its nodes has something to say, and that must wake nobody.
 */
#include <string.h>

#include "common/kube/limits.h"
#include "common/kube/read.h"

int kube_tpm_read(struct arena *arena, const struct json_view *at, struct kube_tpm *ret, struct error *err)
{
	_cleanup_free_ char *text = NULL;
	struct json_view spec;

	int r = json_require(at, "spec", &spec, err);
	if (r == 0)
		r = json_expect_object(&spec, err);
	if (r < 0)
		return r;
	text = cJSON_PrintUnformatted(spec.value);
	if (!text)
		return error_nomem(err);
	if (strlen(text) > KUBE_TPM_SPEC_MAX)
		return json_error(&spec, err, "has %zu bytes, above the limit of %d", strlen(text), KUBE_TPM_SPEC_MAX);
	ret->spec = arena_string(arena, text);
	return ret->spec ? 0 : error_nomem(err);
}
