// SPDX-License-Identifier: Apache-2.0
/* Whatever stands in the rule file: it is refused with a reason, or no pod that asks for a VM goes without one. */
#include <string.h>

#include "kata-shim/cli/settings.h"
#include "kata-shim/route/route.h"
#include "tests/fuzz/fuzz.h"

static void check_rule(const struct rule *rule)
{
	ABORT_ON((unsigned)rule->backend >= BACKENDS || rule->n_annotations > RULE_ANNOTATIONS_MAX);
	ABORT_ON(rule->kata_config && (*rule->kata_config != '/' || rule->backend != BACKEND_KATA));
	for (size_t i = 0; i < rule->n_annotations; i++)
		ABORT_ON(!rule->annotations[i].key || !*rule->annotations[i].value);
}

static void check_decisions(const struct rules *rules)
{
	static const char *const handlers[] = { "holdfast-kata", "untrusted", "holdfast", "gold" };
	struct spec spec = { .kind = SPEC_SANDBOX, .sandbox_id = "5f3a", .namespace = "shop", .name = "db-0" };
	struct route route;
	struct error err;

	for (size_t i = 0; i < sizeof(handlers) / sizeof(handlers[0]); i++) {
		_cleanup_(buf_free) struct buf out = BUF_MAX(64 * 1024);
		const struct route_question question = { handlers[i], &spec };
		int r = route_decide(rules, &question, &route, &err);
		ABORT_ON(r == 0 && i < 2 && route.backend == BACKEND_RUNC);
		route_explain(rules, &question, &out);
		ABORT_ON(r == 0 && !strstr(buf_text(&out), backend_names[route.backend]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(settings_clear) struct settings settings = {};
	struct error err = {};

	int r = settings_parse(slice_from(data, size), &settings, &err);
	ABORT_ON(r > 0 || (r < 0 && !err.message[0]));
	if (r < 0)
		return 0;
	ABORT_ON(settings.rules.n > RULES_MAX || !settings.records);
	for (size_t i = 0; i < settings.rules.n; i++)
		check_rule(&settings.rules.items[i]);
	check_decisions(&settings.rules);
	return 0;
}
