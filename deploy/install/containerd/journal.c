// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/containerd/journal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/utf8.h"
#include "common/json/json.h"
#include "deploy/install/containerd/apply.h"
#include "deploy/install/containerd/own.h"
#include "deploy/install/host/host.h"

#define JOURNAL "containerd/journal.json"
#define JOURNAL_MAX (16 * CONTAINERD_FILE_MAX)

static const struct json_limits limits = { .bytes = JOURNAL_MAX, .depth = 8, .values = 4096 };
static const char *const phases[] = { "", "open", "written", "back" };

static const char *get(const cJSON *object, const char *key)
{
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);

	return cJSON_IsString(value) ? value->valuestring : NULL;
}

static void take_text(const cJSON *object, const char *key, char *ret, size_t size)
{
	const char *text = get(object, key);

	snprintf(ret, size, "%s", text ? text : "");
}

static int path_of(const char *directory, const char *name, char ret[static PATH_MAX], struct error *err)
{
	if (snprintf(ret, PATH_MAX, "%s/%s", directory, name) >= PATH_MAX)
		return error_set(err, ENAMETOOLONG, "\"%s/%s\" is too long for a path", directory, name);
	return 0;
}

/* With what a power cut has left of it. */
static int remove_file(const char *directory, const char *name, struct error *err)
{
	char path[PATH_MAX], temporary[PATH_MAX];

	int r = path_of(directory, name, path, err);
	r = r < 0 ? r : host_new_name(path, temporary, err);
	r = r < 0 ? r : host_remove(temporary, err);
	return r < 0 ? r : host_remove(path, err);
}

/* `*ret` NULL: there is no such file. */
static int read_file(const char *directory, const char *name, cJSON **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(JOURNAL_MAX);
	char path[PATH_MAX];

	*ret = NULL;
	int r = path_of(directory, name, path, err);
	r = r < 0 ? r : file_read(path, &text, err);
	if (r == -ENOENT)
		return 0;
	r = r < 0 ? r : json_parse(buf_view(&text), &limits, ret, err);
	return r < 0 ? error_wrap(err, "%s: remove it if it cannot be repaired", path) : 0;
}

static int write_file(const char *directory, const char *name, const struct buf *text, struct error *err)
{
	char path[PATH_MAX];

	int r = buf_check(text, name, err);
	r = r < 0 ? r : path_of(directory, name, path, err);
	return r < 0 ? r : host_put(path, buf_view(text), 0600, err);
}

static void print_files(const cJSON *files, struct buf *out)
{
	const cJSON *file;

	buf_json_key(out, "files");
	buf_byte(out, '[');
	cJSON_ArrayForEach(file, files)
	{
		buf_json_element(out, '{');
		buf_json_member(out, "path", get(file, "path"));
		if (get(file, "text"))
			buf_json_member(out, "text", get(file, "text"));
		buf_byte(out, '}');
	}
	buf_byte(out, ']');
}

static void print_handlers(const cJSON *handlers, struct buf *out)
{
	const cJSON *handler;

	buf_json_key(out, "handlers");
	buf_byte(out, '[');
	cJSON_ArrayForEach(handler, handlers)
	{
		if (handler != handlers->child)
			buf_byte(out, ',');
		buf_json_string(out, slice_string(handler->valuestring));
	}
	buf_byte(out, ']');
}

int containerd_journal_write(const char *directory, const struct containerd_journal *journal, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(JOURNAL_MAX);

	buf_byte(&text, '{');
	buf_json_member(&text, "phase", phases[journal->phase]);
	buf_json_member(&text, "run", journal->run);
	buf_json_member(&text, "digest", journal->digest);
	buf_json_member(&text, "why", journal->why);
	print_handlers(journal->handlers, &text);
	print_files(journal->files, &text);
	buf_string(&text, "}\n");
	return write_file(directory, JOURNAL, &text, err);
}

static bool are_strings(const cJSON *array)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		if (!cJSON_IsString(item))
			return false;
	}
	return cJSON_IsArray(array);
}

static bool are_files(const cJSON *array)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array)
	{
		if (!get(item, "path"))
			return false;
	}
	return cJSON_IsArray(array) && cJSON_GetArraySize(array) <= CONTAINERD_CHANGES_MAX;
}

static enum containerd_phase phase_named(const char *name)
{
	for (size_t i = 1; name && i < ELEMENTS_OF(phases); i++) {
		if (strcmp(phases[i], name) == 0)
			return (enum containerd_phase)i;
	}
	return CONTAINERD_NO_JOURNAL;
}

int containerd_journal_read(const char *directory, struct containerd_journal *ret, struct error *err)
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	*ret = (struct containerd_journal){ 0 };
	int r = read_file(directory, JOURNAL, &tree, err);
	if (r < 0 || !tree)
		return r;
	ret->phase = phase_named(get(tree, "phase"));
	ret->handlers = cJSON_DetachItemFromObjectCaseSensitive(tree, "handlers");
	ret->files = cJSON_DetachItemFromObjectCaseSensitive(tree, "files");
	take_text(tree, "run", ret->run, sizeof(ret->run));
	take_text(tree, "digest", ret->digest, sizeof(ret->digest));
	take_text(tree, "why", ret->why, sizeof(ret->why));
	if (ret->phase == CONTAINERD_NO_JOURNAL || !are_strings(ret->handlers) || !are_files(ret->files))
		return error_set(err, EINVAL, "%s/" JOURNAL " is none of Holdfast's journals: look at it, and remove it", directory);
	return 0;
}

int containerd_journal_remove(const char *directory, struct error *err)
{
	return remove_file(directory, JOURNAL, err);
}

void containerd_journal_clear(struct containerd_journal *journal)
{
	json_free(journal->handlers);
	json_free(journal->files);
	*journal = (struct containerd_journal){ 0 };
}

static bool has_file(const cJSON *files, const char *path)
{
	const cJSON *file;

	cJSON_ArrayForEach(file, files)
	{
		if (strcmp(get(file, "path"), path) == 0)
			return true;
	}
	return false;
}

static bool is_utf8(const char *text)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t left = strlen(text);

	for (size_t n; left > 0; p += n, left -= n) {
		n = utf8_length(p, left);
		if (n == 0)
			return false;
	}
	return true;
}

int containerd_journal_add(struct containerd_journal *journal, const char *path, const char *text, struct error *err)
{
	if (has_file(journal->files, path))
		return 0;
	if (text && !is_utf8(text))
		return error_set(err, ENOTSUP, "%s is no UTF-8: save it as such, and run this again", path);
	cJSON *file = cJSON_CreateObject();
	if (!cJSON_AddItemToArray(journal->files, file))
		return error_nomem(err);
	if (!cJSON_AddStringToObject(file, "path", path) || (text && !cJSON_AddStringToObject(file, "text", text)))
		return error_nomem(err);
	return 0;
}

void containerd_journal_tidy(const char *root, const struct containerd_journal *journal)
{
	const cJSON *file;

	cJSON_ArrayForEach(file, journal->files)
	{
		containerd_tidy(root, get(file, "path"));
	}
}

/* What must stand in a file now; `*ret` NULL: no such file. */
static int text_back(const struct containerd_file *now, const char *before, char **ret, struct error *err)
{
	_cleanup_(buf_free) struct buf others = BUF_MAX(CONTAINERD_FILE_MAX);

	own_strip(slice_string(before ? before : ""), &others);
	int r = buf_check(&others, "a file of containerd", err);
	if (r < 0)
		return r;
	const char *others_now = now->others ? now->others : "";
	const char *text = strcmp(others_now, buf_text(&others)) == 0 ? before : now->others;
	*ret = text ? strdup(text) : NULL;
	return text && !*ret ? error_nomem(err) : 0;
}

/* Appends the way back of one file, unless it stands so. */
static int plan_back(const char *root, const cJSON *file, struct containerd_plan *plan, struct error *err)
{
	struct containerd_change *change = &plan->changes[plan->n];
	const char *path = get(file, "path");
	struct containerd_file now = { 0 };
	_cleanup_free_ char *text = NULL;
	bool found;

	int r = containerd_file_read(root, path, &now, &found, err);
	r = r < 0 ? r : text_back(&now, get(file, "text"), &text, err);
	bool same = found ? text && strcmp(text, now.text) == 0 : !text;
	containerd_file_clear(&now);
	if (r < 0 || same)
		return r;
	change->path = strdup(path);
	if (!change->path)
		return error_nomem(err);
	change->text = TAKE_PTR(text);
	plan->n++;
	return 0;
}

/* In the reverse order: so no file is imported that is gone. */
int containerd_journal_plan(const char *root, const struct containerd_journal *journal, struct containerd_plan *ret, struct error *err)
{
	int r = 0;

	*ret = (struct containerd_plan){ 0 };
	for (int i = cJSON_GetArraySize(journal->files); r == 0 && i > 0; i--)
		r = plan_back(root, cJSON_GetArrayItem(journal->files, i - 1), ret, err);
	return r;
}

int containerd_refusal_write(const char *directory, const char *digest, const char *why, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	buf_byte(&text, '{');
	buf_json_member(&text, "digest", digest);
	buf_json_member(&text, "why", why);
	buf_string(&text, "}\n");
	return write_file(directory, CONTAINERD_REFUSAL, &text, err);
}

void containerd_refusal_read(const char *directory, const char *digest, char ret_why[static ERROR_MESSAGE_MAX])
{
	_cleanup_(json_freep) cJSON *tree = NULL;

	*ret_why = 0;
	if (read_file(directory, CONTAINERD_REFUSAL, &tree, NULL) == 0 && get(tree, "digest") && strcmp(get(tree, "digest"), digest) == 0)
		take_text(tree, "why", ret_why, ERROR_MESSAGE_MAX);
}

int containerd_refusal_remove(const char *directory, struct error *err)
{
	return remove_file(directory, CONTAINERD_REFUSAL, err);
}
