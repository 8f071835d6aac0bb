// SPDX-License-Identifier: Apache-2.0
/* Options of an overlay, one a line: whatever they are, no layer's path can become an option or a second layer. */
#include <string.h>

#include "kata-shim/vm/share/overlay.h"
#include "tests/fuzz/fuzz.h"

#define OPTIONS_MAX 16

static void check(const struct overlay *overlay)
{
	ABORT_ON(overlay->n_lower == 0 || overlay->n_lower > OVERLAY_LOWER_MAX);
	for (size_t i = 0; i < overlay->n_lower; i++)
		ABORT_ON(*overlay->lower[i] != '/' || strchr(overlay->lower[i], ':'));
	ABORT_ON(!overlay->upper != !overlay->work || !overlay->upper != !overlay->parent);
	if (overlay->upper) {
		ABORT_ON(strpbrk(overlay->upper, ",:\\") || strpbrk(overlay->work, ",:\\"));
		ABORT_ON(*overlay->upper == '/' && overlay->parent[1]);
	}
	ABORT_ON(strstr(buf_text(&overlay->others), ",lowerdir") || strstr(buf_text(&overlay->others), ",upperdir") ||
		 strstr(buf_text(&overlay->others), ",workdir"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = strndup((const char *)data, size);
	const char *options[OPTIONS_MAX];
	struct overlay overlay;
	size_t n = 0;
	char *rest;

	ABORT_ON(!text);
	for (char *line = strtok_r(text, "\n", &rest); line && n < OPTIONS_MAX; line = strtok_r(NULL, "\n", &rest))
		options[n++] = line;
	if (overlay_parse(options, n, &overlay, NULL) == 0)
		check(&overlay);
	overlay_free(&overlay);
	return 0;
}
