// SPDX-License-Identifier: Apache-2.0
/*
 * The one annotation of a namespace that decides something. Whatever is not exactly "true" or "false" changes nothing and is kept, so that
 * it can be reported; the namespace itself is good, since its labels decide about others' traffic.
 */
#include <string.h>

#include "common/base/show.h"
#include "common/kube/read.h"

int kube_namespace_read(struct arena *arena, const struct json_view *at, struct kube_namespace *ret, struct error *err)
{
	struct json_view metadata, annotations, value;
	const char *text = NULL;

	if (!json_member(at, "metadata", &metadata) || !json_member(&metadata, "annotations", &annotations))
		return 0;
	int r = json_expect_object(&annotations, err);
	if (r < 0 || !json_member(&annotations, KUBE_ALLOW_SPOOFING, &value))
		return r;
	if (json_expect_string(&value, &text, NULL) < 0)
		text = "(no string)";
	if (strlen(text) > SHOW_MAX)
		text = "(too long)";
	ret->allows_spoofing = strcmp(text, "true") == 0;
	if (ret->allows_spoofing || strcmp(text, "false") == 0)
		return 0;
	ret->bad_spoofing = arena_string(arena, SHOW(slice_string(text)));
	return ret->bad_spoofing ? 0 : error_nomem(err);
}
