// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/record/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/show.h"
#include "common/base/when.h"
#include "kata-shim/bundle/bundle.h"

/* The reader's limits: a record that it would refuse is not written. */
#define BYTES_MAX 4096
#define UID_MAX 63
#define NAMESPACE_MAX 63
#define NAME_MAX_BYTES 253

bool record_of(const struct spec *spec, const char *id, enum backend backend, struct record *ret)
{
	if (spec->kind != SPEC_SANDBOX || !spec->uid || !spec->namespace || !spec->name)
		return false;
	if (strlen(spec->uid) > UID_MAX || strlen(spec->namespace) > NAMESPACE_MAX || strlen(spec->name) > NAME_MAX_BYTES)
		return false;
	*ret = (struct record){ .id = id, .uid = spec->uid, .namespace = spec->namespace, .name = spec->name, .backend = backend };
	return true;
}

static int path_of(const char *directory, const char *id, char ret[static PATH_MAX], struct error *err)
{
	int r = spec_check_id("sandbox", id, err);

	if (r == 0 && snprintf(ret, PATH_MAX, "%s/%s.json", directory, id) >= PATH_MAX)
		return error_set(err, ENAMETOOLONG, "directory of records %s is too long", SHOW(slice_string(directory)));
	return r;
}

/* Whoever can write there can give a pod a right to secrets. */
int record_make_directory(const char *directory, struct error *err)
{
	struct stat st;
	int r = file_make_directory(directory, 0700, err);

	if (r < 0)
		return r;
	if (lstat(directory, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", directory);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, EACCES, "%s is of user %u, mode %04o: only user %u may be able to write there", directory, st.st_uid,
				 st.st_mode & 07777, geteuid());
	return 0;
}

static void print(const struct record *record, struct buf *out)
{
	char when[WHEN_UTC_MAX];

	when_format_utc(record->time, when);
	buf_byte(out, '{');
	buf_json_member(out, "podUID", record->uid);
	buf_json_member(out, "namespace", record->namespace);
	buf_json_member(out, "name", record->name);
	buf_json_member(out, "backend", backend_names[record->backend]);
	buf_json_number(out, "shimPID", (uint64_t)record->shim);
	buf_json_member(out, "time", when);
	buf_string(out, "}\n");
}

int record_write(const char *directory, const struct record *record, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(BYTES_MAX);
	char path[PATH_MAX];

	print(record, &text);
	int r = buf_check(&text, "sandbox record", err);
	if (r == 0)
		r = path_of(directory, record->id, path, err);
	if (r == 0)
		r = record_make_directory(directory, err);
	return r < 0 ? r : file_write_atomic(path, buf_view(&text), 0600, err);
}

int record_read_backend(const char *directory, const char *id, enum backend *ret, struct error *err)
{
	_cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(buf_free) struct buf text = BUF_MAX(BYTES_MAX);
	_cleanup_(json_freep) cJSON *tree = NULL;
	static const struct json_limits limits = { .bytes = BYTES_MAX, .depth = 2, .values = 16 };
	char path[PATH_MAX];

	int r = path_of(".", id, path, err);
	if (r < 0)
		return r;
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", directory);
	r = bundle_read_file(fd, path, true, &text, err);
	if (r == 0)
		r = json_parse(buf_view(&text), &limits, &tree, err);
	if (r < 0)
		return r;
	const cJSON *backend = cJSON_GetObjectItemCaseSensitive(tree, "backend");
	if (!cJSON_IsString(backend) || !backend_parse(backend->valuestring, ret))
		return error_set(err, EINVAL, "%s/%s.json has no backend", directory, id);
	return 0;
}

void record_remove(const char *directory, const char *id)
{
	char path[PATH_MAX];

	if (path_of(directory, id, path, NULL) == 0)
		unlink(path);
}
