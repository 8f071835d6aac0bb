// SPDX-License-Identifier: Apache-2.0
/* Every tree that comes out of YAML must print as JSON that json_parse accepts, as long as its keys are no trouble for JSON. */
#include "common/json/json.h"
#include "common/json/yaml.h"
#include "tests/fuzz/fuzz.h"

static const struct yaml_limits limits = { .bytes = 64 * 1024, .depth = 32, .values = 2000, .documents = 20 };
static const struct json_limits wide = { .bytes = 16 << 20, .depth = 32, .values = 2000 };

struct seen {
	unsigned documents, line;
};

static int take_document(void *context, cJSON *tree, unsigned line, struct error *err)
{
	_cleanup_(json_freep) cJSON *owned = tree;
	_cleanup_(json_freep) cJSON *again = NULL;
	struct seen *seen = context;
	struct error why;

	ABORT_ON(!owned || line < seen->line);
	seen->line = line;
	ABORT_ON(++seen->documents > limits.documents);
	_cleanup_free_ char *text = cJSON_PrintUnformatted(owned);
	ABORT_ON(!text);
	int r = json_parse(slice_string(text), &wide, &again, &why);
	if (r < 0)
		fprintf(stderr, "%s\n%s\n", text, why.message);
	ABORT_ON(r < 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seen seen = {};
	struct error err = {};

	int r = yaml_parse(slice_from(data, size), &limits, take_document, &seen, &err);
	ABORT_ON(r > 0 || (r < 0 && !err.message[0]));
	return 0;
}
