// SPDX-License-Identifier: Apache-2.0
#include "common/checkup/checkup.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/number.h"

void checkup_init(struct checkup *checkup)
{
	*checkup = (struct checkup){ .root = "" };
	checkup->end = &checkup->first;
}

void checkup_clear(struct checkup *checkup)
{
	while (checkup->first) {
		struct checkup_finding *finding = checkup->first;
		checkup->first = finding->next;
		free(finding->cause);
		free(finding->cure);
		free(finding);
	}
	checkup->end = &checkup->first;
}

void checkup_say(struct checkup *checkup, enum checkup_level level, const char *cure, const char *format, ...)
{
	struct checkup_finding *finding = calloc(1, sizeof(*finding));
	va_list arguments;

	va_start(arguments, format);
	if (finding && vasprintf(&finding->cause, format, arguments) < 0)
		finding->cause = NULL;
	va_end(arguments);
	if (finding)
		finding->cure = strdup(cure ? cure : "");
	if (!finding || !finding->cause || !finding->cure) {
		if (finding) {
			free(finding->cause);
			free(finding->cure);
		}
		free(finding);
		checkup->lost = true;
		return;
	}
	finding->level = level;
	finding->check = checkup->check;
	*checkup->end = finding;
	checkup->end = &finding->next;
}

bool checkup_is_live(const struct checkup *checkup)
{
	return !*checkup->root;
}

char *checkup_path(const struct checkup *checkup, const char *path)
{
	char *whole;

	return asprintf(&whole, "%s%s", checkup->root, path) < 0 ? NULL : whole;
}

bool checkup_exists(const struct checkup *checkup, const char *path)
{
	_cleanup_free_ char *whole = checkup_path(checkup, path);

	return whole && access(whole, F_OK) == 0;
}

bool checkup_read(const struct checkup *checkup, const char *path, struct buf *out)
{
	_cleanup_free_ char *whole = checkup_path(checkup, path);
	struct error ignored;

	return whole && file_read(whole, out, &ignored) == 0;
}

bool checkup_number(const struct checkup *checkup, const char *path, uint64_t *ret)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	struct error ignored;

	if (!checkup_read(checkup, path, &text))
		return false;
	while (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	return number_parse_u64(buf_view(&text), 0, UINT64_MAX, ret, &ignored) == 0;
}

static int is_visible(const struct dirent *entry)
{
	return *entry->d_name != '.';
}

void checkup_each_entry(const struct checkup *checkup, const char *directory, bool (*visit)(void *context, const char *name), void *context)
{
	_cleanup_free_ char *whole = checkup_path(checkup, directory);
	struct dirent **entries = NULL;
	bool go_on = true;

	int n = whole ? scandir(whole, &entries, is_visible, alphasort) : -1;
	for (int i = 0; i < n; i++) {
		go_on = go_on && visit(context, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
}
