// SPDX-License-Identifier: Apache-2.0
/*
 * `holdfast-net diff`: reads the manifests, so that an error can name the file, and sends them to the agent as one stream of documents. The
 * agent reads them again: it believes nobody.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cni-plugin/agent/command_diff.h"
#include "cni-plugin/plugin/wire.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/kube/manifest.h"

static bool ends_in(const char *name, const char *suffix)
{
	size_t n = strlen(name), m = strlen(suffix);

	return n >= m && strcmp(name + n - m, suffix) == 0;
}

static int check_policies(const struct manifest *manifest, struct error *err)
{
	for (size_t i = 0; i < manifest->n; i++) {
		const struct kube_object *object = manifest->items[i].object;

		if (object->kind == KUBE_NETWORK_POLICY && object->policy.invalid)
			return error_set(err, EINVAL, "document at line %u: NetworkPolicy %s/%s: %s", manifest->items[i].line,
					 object->namespace, object->name, object->policy.invalid);
	}
	return 0;
}

/* In YAML, JSON may not have the tabs that it is often indented with: it goes as one line. */
static int append_json(struct slice text, struct buf *out, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	int r = json_parse(text, &json_limits_object, &tree, err);

	if (r < 0)
		return r;
	_cleanup_free_ char *line = cJSON_PrintUnformatted(tree);
	if (!line)
		return error_nomem(err);
	buf_string(out, line);
	return 0;
}

static int take_text(struct slice text, bool is_json, struct buf *out, struct error *err)
{
	struct manifest manifest = { 0 };

	int r = manifest_read(text, is_json, &manifest, err);
	if (r == 0)
		r = check_policies(&manifest, err);
	manifest_clear(&manifest);
	if (r < 0)
		return r;
	buf_string(out, "\n---\n");
	if (is_json)
		r = append_json(text, out, err);
	else
		buf_slice(out, text);
	return r < 0 ? r : buf_check(out, "all manifests together", err);
}

static int take_stdin(struct buf *out, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(WIRE_INPUT_MAX);

	int r = file_read_fd(STDIN_FILENO, "standard input", &text, err);
	if (r < 0)
		return r;
	r = take_text(buf_view(&text), false, out, err);
	return r < 0 ? error_wrap(err, "standard input") : 0;
}

static int take_file(const char *path, struct buf *out, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(WIRE_INPUT_MAX);

	int r = file_read(path, &text, err);
	if (r < 0)
		return r;
	r = take_text(buf_view(&text), ends_in(path, ".json"), out, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

static int is_manifest(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
	       (ends_in(entry->d_name, ".yaml") || ends_in(entry->d_name, ".yml") || ends_in(entry->d_name, ".json"));
}

static int take_directory(const char *path, struct buf *out, struct error *err)
{
	struct dirent **entries;
	int n = scandir(path, &entries, is_manifest, alphasort), r = 0;

	if (n < 0)
		return error_errno(err, errno, "cannot read %s", path);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *file = NULL;

		if (r == 0)
			r = asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0 ? error_nomem(err) : take_file(file, out, err);
		free(entries[i]);
	}
	free(entries);
	return r;
}

int command_diff_take(const char *path, struct buf *out, struct error *err)
{
	struct stat status;

	if (strcmp(path, "-") == 0)
		return take_stdin(out, err);
	if (stat(path, &status) < 0)
		return error_errno(err, errno, "cannot read %s", path);
	return S_ISDIR(status.st_mode) ? take_directory(path, out, err) : take_file(path, out, err);
}
