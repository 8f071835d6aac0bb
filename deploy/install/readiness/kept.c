// SPDX-License-Identifier: Apache-2.0
/* One line: "False 1764163000 network tpm". */
#include "deploy/install/readiness/kept.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"

#define BYTES_MAX 256

struct kept kept_read(const char *path)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(BYTES_MAX);
	struct kept kept = { 0 };
	struct error ignored;
	enum part part;
	int at = 0;

	if (file_read(path, &text, &ignored) < 0)
		return kept;
	char *rest = NULL, *line = (char *)buf_text(&text);
	if (sscanf(line, "%15s %" SCNd64 "%n", kept.status, &kept.since, &at) != 2)
		return (struct kept){ 0 };
	for (char *word = strtok_r(line + at, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
		if (part_find(word, &part))
			kept.passed[part] = true;
	}
	return kept;
}

static int make_directory_of(const char *path, struct error *err)
{
	_cleanup_free_ char *directory = strdup(path);
	char *slash = directory ? strrchr(directory, '/') : NULL;

	if (!directory)
		return error_nomem(err);
	if (!slash || slash == directory)
		return 0;
	*slash = 0;
	return file_make_directory(directory, 0755, err);
}

int kept_write(const char *path, const struct kept *kept, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(BYTES_MAX);

	buf_printf(&text, "%s %" PRId64, kept->status, kept->since);
	for (int i = 0; i < PARTS; i++) {
		if (kept->passed[i])
			buf_printf(&text, " %s", part_rows[i].name);
	}
	buf_byte(&text, '\n');
	int r = make_directory_of(path, err);
	return r < 0 ? r : file_write_atomic(path, buf_view(&text), 0600, err);
}
