// SPDX-License-Identifier: Apache-2.0
/* What is read prints as TOML that is read as the same. */
#include "common/json/json.h"
#include "common/json/toml.h"
#include "tests/fuzz/fuzz.h"

static const struct toml_limits limits = { .bytes = 64 * 1024, .depth = 32, .values = 2000 };
static const struct toml_limits wide = { .bytes = 16 << 20, .depth = 64, .values = 4000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(json_freep) cJSON *tree = NULL, *again = NULL;
	_cleanup_(buf_free) struct buf out = BUF_MAX(16 << 20);
	const cJSON *member;
	struct error err = {};

	int r = toml_parse(slice_from(data, size), &limits, &tree, &err);
	ABORT_ON(r > 0 || (r < 0 && !err.message[0]));
	if (r < 0)
		return 0;
	/* Tables last, as a table's own lines are printed. */
	cJSON_ArrayForEach(member, tree)
	{
		if (!cJSON_IsObject(member))
			toml_print(&out, "", member);
	}
	cJSON_ArrayForEach(member, tree)
	{
		if (cJSON_IsObject(member))
			toml_print(&out, "", member);
	}
	r = toml_parse(buf_view(&out), &wide, &again, &err);
	if (r < 0)
		fprintf(stderr, "%s\n%s\n", buf_text(&out), err.message);
	ABORT_ON(r < 0 || !cJSON_Compare(tree, again, true));
	return 0;
}
