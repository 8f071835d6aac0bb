// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <sys/stat.h>

#include "common/checkup/checkup.h"

#define OUTPUT_MAX (1024 * 1024)

static const char *const level_names[] = { [CHECKUP_OK] = "ok", [CHECKUP_WARN] = "warn", [CHECKUP_FAIL] = "FAIL" };

void checkup_print_text(const struct checkup *checkup, struct buf *out)
{
	for (const struct checkup_finding *at = checkup->first; at; at = at->next) {
		buf_printf(out, "%-4s  %-16s  %s\n", level_names[at->level], at->check, at->cause);
		if (*at->cure)
			buf_printf(out, "%-4s  %-16s  → %s\n", "", "", at->cure);
	}
}

void checkup_print_json(const struct checkup *checkup, struct buf *out)
{
	buf_json_key(out, "findings");
	buf_byte(out, '[');
	for (const struct checkup_finding *at = checkup->first; at; at = at->next) {
		buf_string(out, at == checkup->first ? "{" : ",{");
		buf_json_member(out, "check", at->check);
		buf_json_member(out, "level", at->level == CHECKUP_FAIL ? "fail" : level_names[at->level]);
		buf_json_member(out, "cause", at->cause);
		buf_json_member(out, "cure", at->cure);
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static bool root_is_there(const char *program, const char *root)
{
	struct stat status;

	if (!*root || (stat(root, &status) == 0 && S_ISDIR(status.st_mode)))
		return true;
	fprintf(stderr, "%s: --root: \"%s\" is no directory\n", program, root);
	return false;
}

enum checkup_level checkup_run(struct checkup *checkup, const struct checkup_row *rows, size_t n)
{
	enum checkup_level worst = CHECKUP_OK;

	for (size_t i = 0; i < n; i++) {
		checkup->check = rows[i].name;
		if (!rows[i].live || checkup_is_live(checkup))
			rows[i].run(checkup);
	}
	for (const struct checkup_finding *at = checkup->first; at; at = at->next)
		worst = at->level > worst ? at->level : worst;
	return worst;
}

int checkup_report(struct checkup *checkup, const struct checkup_row *rows, size_t n, const char *program, bool json)
{
	_cleanup_(buf_free) struct buf out = BUF_MAX(OUTPUT_MAX);

	if (!root_is_there(program, checkup->root))
		return CHECKUP_EXIT_UNKNOWN;
	enum checkup_level worst = checkup_run(checkup, rows, n);
	if (json) {
		buf_byte(&out, '{');
		checkup_print_json(checkup, &out);
		buf_string(&out, "}\n");
	} else {
		checkup_print_text(checkup, &out);
	}
	if (checkup->lost || out.failed) {
		fprintf(stderr, "%s: out of memory\n", program);
		return CHECKUP_EXIT_UNKNOWN;
	}
	fputs(buf_text(&out), stdout);
	return (int)worst;
}
