// SPDX-License-Identifier: Apache-2.0
#include "common/json/json.h"

#include <errno.h>

int json_parse(struct slice text, const struct json_limits *limits, cJSON **ret_tree, struct error *err)
{
	int r = json_check(text, limits, err);

	if (r < 0)
		return r;
	cJSON *tree = cJSON_ParseWithLength((const char *)text.p, text.n);
	if (!tree)
		return error_nomem(err);
	*ret_tree = tree;
	return 0;
}
