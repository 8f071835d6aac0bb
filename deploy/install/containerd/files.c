// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/containerd/files.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/show.h"
#include "common/json/json.h"
#include "common/json/toml.h"
#include "deploy/install/containerd/own.h"
#include "deploy/install/host/host.h"

void containerd_file_clear(struct containerd_file *file)
{
	free(file->path);
	free(file->text);
	free(file->others);
	json_free(file->tree);
	*file = (struct containerd_file){ 0 };
}

void containerd_files_clear(struct containerd_files *files)
{
	while (files->n > 0)
		containerd_file_clear(&files->items[--files->n]);
}

int containerd_host_path(const char *root, const char *path, char ret[static PATH_MAX], struct error *err)
{
	if (*root)
		return host_reach(root, path, ret, err);
	if (snprintf(ret, PATH_MAX, "%s", path) >= PATH_MAX)
		return error_set(err, ENAMETOOLONG, "\"%.64s\" is too long for a path", path);
	return 0;
}

int containerd_file_read(const char *root, const char *path, struct containerd_file *ret, bool *ret_found, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CONTAINERD_FILE_MAX), others = BUF_MAX(CONTAINERD_FILE_MAX);
	char real[PATH_MAX];

	int r = containerd_host_path(root, path, real, err);
	if (r < 0)
		return r;
	r = file_read(real, &text, err);
	*ret_found = r != -ENOENT;
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	if (memchr(buf_text(&text), 0, text.n))
		return error_set(err, EINVAL, "%s is no text: it has a byte 0", path);
	own_strip(buf_view(&text), &others);
	*ret = (struct containerd_file){ .path = strdup(path), .text = strdup(buf_text(&text)), .others = strdup(buf_text(&others)) };
	if (ret->path && ret->text && ret->others)
		return 0;
	containerd_file_clear(ret);
	return error_nomem(err);
}

static bool has(const struct containerd_files *files, const char *path)
{
	for (size_t i = 0; i < files->n; i++) {
		if (strcmp(files->items[i].path, path) == 0)
			return true;
	}
	return false;
}

/* `by`: the file that imports it; NULL for the first one, which may be missing. */
static int add(struct containerd_files *files, const char *path, const char *by, struct error *err)
{
	struct containerd_file *file = &files->items[files->n];
	bool found;

	if (has(files, path))
		return 0;
	if (files->n == CONTAINERD_FILES_MAX)
		return error_set(err, E2BIG, "%s: more files are imported than the limit of %d", by, CONTAINERD_FILES_MAX);
	int r = containerd_file_read(files->root, path, file, &found, err);
	if (r < 0)
		return r;
	if (!found && by)
		return error_set(err, ENOENT, "%s imports %s, which is not there", by, path);
	if (!found)
		return 0;
	files->n++;
	r = toml_parse(slice_string(file->others), &toml_limits_config, &file->tree, err);
	return r < 0 ? error_wrap(err, "%s", path) : 0;
}

/* As containerd names it: by the pattern's own directory, wherever a link leads from there. */
static int name_match(const char *pattern, const char *match, size_t n_root, char ret[static PATH_MAX], struct error *err)
{
	const char *name = strrchr(pattern, '/') + 1;
	const bool one_directory = !memchr(pattern, '*', (size_t)(name - pattern));
	const int n = one_directory ? snprintf(ret, PATH_MAX, "%.*s%s", (int)(name - pattern), pattern, strrchr(match, '/') + 1)
				    : snprintf(ret, PATH_MAX, "%s", match + n_root);

	return n < PATH_MAX ? 0 : error_set(err, ENAMETOOLONG, "\"%.64s\" is too long for a path", match);
}

static int add_match(struct containerd_files *files, const char *pattern, const char *match, size_t n_root, const char *by, struct error *err)
{
	char path[PATH_MAX];

	int r = name_match(pattern, match, n_root, path, err);
	return r < 0 ? r : add(files, path, by, err);
}

static int add_matches(struct containerd_files *files, const char *pattern, const char *by, struct error *err)
{
	char real[PATH_MAX], root[PATH_MAX] = "";
	glob_t found;

	int r = containerd_host_path(files->root, pattern, real, err);
	if (r == 0 && *files->root)
		r = host_find(files->root, "/", root, err);
	if (r < 0)
		return r;
	r = glob(real, 0, NULL, &found);
	if (r == GLOB_NOMATCH)
		return 0;
	if (r != 0)
		return error_set(err, r == GLOB_NOSPACE ? ENOMEM : EIO, "%s imports \"%s\", which cannot be read", by,
				 SHOW(slice_string(pattern)));
	for (size_t i = 0; r == 0 && i < found.gl_pathc; i++)
		r = add_match(files, pattern, found.gl_pathv[i], strlen(root), by, err);
	globfree(&found);
	return r;
}

/* The imports of file i: of the text as containerd sees it, so with our lines. */
static int add_imports(struct containerd_files *files, size_t i, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;
	const char *by = files->items[i].path;
	const cJSON *import;

	int r = toml_parse(slice_string(files->items[i].text), &toml_limits_config, &tree, err);
	if (r < 0)
		return error_wrap(err, "%s", by);
	cJSON_ArrayForEach(import, cJSON_GetObjectItemCaseSensitive(tree, "imports"))
	{
		char path[PATH_MAX];

		if (!cJSON_IsString(import))
			return error_set(err, EINVAL, "%s: imports must be strings", by);
		bool absolute = *import->valuestring == '/';
		int n = snprintf(path, sizeof(path), "%.*s%s", absolute ? 0 : (int)(strrchr(by, '/') - by + 1), by, import->valuestring);
		if (n >= (int)sizeof(path))
			return error_set(err, ENAMETOOLONG, "%s: an import is too long for a path", by);
		r = strchr(path, '*') ? add_matches(files, path, by, err) : add(files, path, by, err);
		if (r < 0)
			return r;
	}
	return 0;
}

int containerd_files_read(const char *root, const char *path, struct containerd_files *ret, struct error *err)
{
	*ret = (struct containerd_files){ .root = root };
	int r = add(ret, path, NULL, err);
	for (size_t i = 0; r == 0 && i < ret->n; i++)
		r = add_imports(ret, i, err);
	return r;
}
