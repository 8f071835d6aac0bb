// SPDX-License-Identifier: Apache-2.0
/* Whatever stands in a bundle's config.json: it is refused with a reason, or says of which pod it is, in names that lead nowhere else. */
#include <string.h>

#include "kata-shim/bundle/spec.h"
#include "kata-shim/route/route.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct rules rules = {};
	_cleanup_(spec_clear) struct spec spec = {};
	struct error err = {};
	struct route route;

	int r = spec_parse(slice_from(data, size), &spec, &err);
	ABORT_ON(r > 0 || (r < 0 && (!err.message[0] || spec.annotations)));
	if (r < 0)
		return 0;
	ABORT_ON(spec.kind == SPEC_CONTAINER && !spec.sandbox_id);
	ABORT_ON(spec.sandbox_id && (strchr(spec.sandbox_id, '/') || strstr(spec.sandbox_id, "..") || !*spec.sandbox_id));
	ABORT_ON(spec.kind == SPEC_ALONE && (spec.namespace || spec.name || spec.uid));
	const struct route_question question = { "holdfast-kata", &spec };
	ABORT_ON(route_decide(&rules, &question, &route, &err) < 0 || route.backend != BACKEND_VM);
	return 0;
}
