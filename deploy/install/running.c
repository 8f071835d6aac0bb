// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/running.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/show.h"
#include "common/json/json.h"
#include "deploy/install/host/host.h"
#include "kata-shim/route/backend.h"

#define RECORD_BYTES_MAX (16 * 1024)
#define NAMED 3 /* in the message */

struct pods {
	size_t n;
	struct buf names;
};

static void clear_names(struct pods *pods)
{
	buf_free(&pods->names);
}

static const char *text_of(const struct json_view *record, const char *key)
{
	struct json_view member;
	const char *text = "?";

	if (json_member(record, key, &member) && json_expect_string(&member, &text, NULL) < 0)
		return "?";
	return text;
}

static bool is_runc(const cJSON *tree)
{
	const struct json_view record = json_root(tree);

	return strcmp(text_of(&record, "backend"), backend_names[BACKEND_RUNC]) == 0;
}

static bool is_record_name(const char *name)
{
	const char *end = strstr(name, ".json");

	return end && !end[5];
}

typedef int on_record(void *context, const char *path, const cJSON *record, struct error *err);

/* What is no record is nobody's pod, and passed over. */
static int read_record(const char *path, on_record *on, void *context, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(RECORD_BYTES_MAX);
	_cleanup_(json_freep) cJSON *tree = NULL;

	if (file_read(path, &text, NULL) < 0 || json_parse(buf_view(&text), &json_limits_object, &tree, NULL) < 0 || !cJSON_IsObject(tree))
		return 0;
	return on(context, path, tree, err);
}

/* Until one fails. */
static int each_record(const char *directory, on_record *on, void *context, struct error *err)
{
	char path[PATH_MAX];
	struct dirent *entry;
	int r = 0;

	DIR *dir = opendir(directory);
	while (dir && r == 0 && (entry = readdir(dir))) {
		if (is_record_name(entry->d_name) && snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name) < (int)sizeof(path))
			r = read_record(path, on, context, err);
	}
	if (dir)
		closedir(dir);
	return r;
}

static int count(void *context, const char *path, const cJSON *tree, struct error *err)
{
	const struct json_view record = json_root(tree);
	struct pods *pods = context;

	if (is_runc(tree))
		return 0;
	if (pods->n++ < NAMED)
		buf_printf(&pods->names, "%s%s/%s", pods->n > 1 ? ", " : "", SHOW(slice_string(text_of(&record, "namespace"))),
			   SHOW(slice_string(text_of(&record, "name"))));
	return 0;
}

int running_expect_none(const char *root, const char *records, struct error *err)
{
	_cleanup_(clear_names) struct pods pods = { .names = BUF_MAX(1024) };
	char directory[PATH_MAX];

	int r = host_find(root, records, directory, NULL) == 0 ? each_record(directory, count, &pods, err) : 0;
	if (r < 0 || pods.n == 0)
		return r;
	return error_set(err, EBUSY, "%zu pods run in VMs, which nobody could end any more (%s%s): delete them first, or say --force", pods.n,
			 buf_text(&pods.names), pods.n > NAMED ? ", …" : "");
}

static int forget(void *context, const char *path, const cJSON *tree, struct error *err)
{
	return is_runc(tree) ? host_remove(path, err) : 0;
}

int running_forget_runc(const char *directory, struct error *err)
{
	return each_record(directory, forget, NULL, err);
}
