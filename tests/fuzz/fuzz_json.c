// SPDX-License-Identifier: Apache-2.0
/*
 * json_check and json_parse must agree on every text; what is accepted prints and parses again; json_raw_member must give the
 * text of the member that the tree has. The first byte chooses the limits.
 */
#include <stdlib.h>

#include "common/json/json.h"
#include "tests/fuzz/fuzz.h"

static const struct json_limits small = { .bytes = 4096, .depth = 4, .values = 20 };
static const struct json_limits wide = { .bytes = 1 << 20, .depth = JSON_DEPTH_MAX, .values = 100000 };

/* The raw member, parsed alone, is the same value as in the tree. */
static void expect_same_member(struct slice text, const cJSON *member)
{
	_cleanup_(json_freep) cJSON *alone = NULL;
	struct slice raw;
	struct error err;

	ABORT_ON(!json_raw_member(text, member->string, &raw));
	ABORT_ON(raw.p < text.p || raw.p + raw.n > text.p + text.n);
	ABORT_ON(json_parse(raw, &wide, &alone, &err) < 0);
	ABORT_ON((alone->type & 0xff) != (member->type & 0xff));
	ABORT_ON(!cJSON_IsNumber(alone) && !cJSON_Compare(alone, member, true));
}

static void expect_sane_tree(struct slice text, const cJSON *tree)
{
	struct json_view root = json_root(tree);
	struct error err;
	int64_t number;

	JSON_FOR_EACH(item, &root) {
		char path[40];
		json_path(&item, path, sizeof(path));
		ABORT_ON(strlen(path) >= sizeof(path));
		if (json_expect_integer(&item, -5, 5, &number, &err) == 0)
			ABORT_ON(number < -5 || number > 5);
		if (cJSON_IsObject(tree))
			expect_same_member(text, item.value);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct slice raw;
	struct error err;

	if (size == 0)
		return 0;
	const struct json_limits *limits = data[0] == 's' ? &small : &wide;
	/* An allocation of its own, so that the sanitizer sees a read behind the end. */
	_cleanup_free_ uint8_t *copy = malloc(size);
	ABORT_ON(!copy);
	memcpy(copy, data, size);
	struct slice text = slice_from(copy + 1, size - 1);
	json_raw_member(text, "prevResult", &raw);
	int checked = json_check(text, limits, &err);
	int parsed = json_parse(text, limits, &tree, &err);
	ABORT_ON(checked != parsed);
	ABORT_ON((parsed == 0) != (tree != NULL));
	if (tree)
		expect_sane_tree(text, tree);
	return 0;
}
