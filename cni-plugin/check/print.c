// SPDX-License-Identifier: Apache-2.0
#include "cni-plugin/check/checkup.h"
#include "common/json/json.h"

static const char *const level_names[] = { [CHECKUP_OK] = "ok", [CHECKUP_WARN] = "warn", [CHECKUP_FAIL] = "FAIL" };

void checkup_print(const struct checkup *checkup, struct buf *out)
{
	for (const struct checkup_finding *at = checkup->first; at; at = at->next) {
		buf_printf(out, "%-4s  %-16s  %s\n", level_names[at->level], at->check, at->cause);
		if (*at->cure)
			buf_printf(out, "%-4s  %-16s  → %s\n", "", "", at->cure);
	}
}

static void print_member(struct buf *out, const char *key, const char *value, char end)
{
	buf_printf(out, "\"%s\":", key);
	buf_json_string(out, slice_string(value));
	buf_byte(out, (uint8_t)end);
}

void checkup_print_json(const struct checkup *checkup, struct buf *out)
{
	buf_string(out, "{\"findings\":[");
	for (const struct checkup_finding *at = checkup->first; at; at = at->next) {
		buf_string(out, at == checkup->first ? "{" : ",{");
		print_member(out, "check", at->check, ',');
		print_member(out, "level", at->level == CHECKUP_FAIL ? "fail" : level_names[at->level], ',');
		print_member(out, "cause", at->cause, ',');
		print_member(out, "cure", at->cure, '}');
	}
	buf_string(out, "]}\n");
}
