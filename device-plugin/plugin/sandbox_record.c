// SPDX-License-Identifier: Apache-2.0
/*
 * A record gives rights (secrets that only a VM may have), so one that cannot be believed is as good as none, and two that differ are
 * worse. A file of another pod that is broken must not keep this pod from starting, though; so what is wrong with it is told only when
 * nothing better was found. That we lack memory or descriptors says nothing of the file, and must not look as if there were no record.
 *
 * A record outlives its sandbox if the shim is killed. Its process id may then be somebody else's, which is no harm: pods have UIDs of
 * their own for ever, and a new sandbox of the same pod has the same runtime class and a record of its own.
 */
#include "device-plugin/plugin/sandbox_record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/show.h"
#include "common/json/json.h"

#define SUFFIX ".json"
#define STAT_BYTES_MAX 256 /* the name has 64 at most */

static const char *const backend_names[SANDBOX_BACKENDS] = {
	[SANDBOX_RUNC] = "runc",
	[SANDBOX_KATA] = "kata",
	[SANDBOX_VM] = "vm",
};

const char *sandbox_backend_name(enum sandbox_backend backend)
{
	return backend_names[backend];
}

bool sandbox_record_is_shortage(int code)
{
	return code == ENOMEM || code == EMFILE || code == ENFILE;
}

/* ── The text of a record ── */

static int read_text(const struct json_view *record, const char *key, char *ret, size_t size, struct error *err)
{
	struct json_view member;
	const char *text;

	int r = json_require(record, key, &member, err);
	if (r == 0)
		r = json_expect_string(&member, &text, err);
	if (r < 0)
		return r;
	if (!*text || strlen(text) >= size)
		return json_error(&member, err, "\"%s\" has %zu bytes: 1 to %zu are possible", SHOW(slice_string(text)), strlen(text),
				  size - 1);
	memcpy(ret, text, strlen(text) + 1);
	return 0;
}

static int read_backend(const struct json_view *record, enum sandbox_backend *ret, struct error *err)
{
	struct json_view member;
	const char *text;

	int r = json_require(record, "backend", &member, err);
	if (r == 0)
		r = json_expect_string(&member, &text, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < SANDBOX_BACKENDS; i++) {
		if (strcmp(text, backend_names[i]) == 0) {
			*ret = (enum sandbox_backend)i;
			return 0;
		}
	}
	return json_error(&member, err, "\"%s\" is no backend: runc, kata or vm", SHOW(slice_string(text)));
}

static int read_pid(const struct json_view *record, int *ret, struct error *err)
{
	struct json_view member;
	int64_t pid;

	int r = json_require(record, "shimPID", &member, err);
	if (r == 0)
		r = json_expect_integer(&member, 1, INT_MAX, &pid, err);
	if (r == 0)
		*ret = (int)pid;
	return r;
}

static int read_record(const struct json_view *root, struct sandbox_record *record, struct error *err)
{
	static const char *const keys[] = { "podUID", "namespace", "name", "backend", "shimPID", "time", NULL };
	char time[64];

	int r = json_expect_keys(root, keys, err);
	if (r == 0)
		r = read_text(root, "podUID", record->pod_uid, sizeof(record->pod_uid), err);
	if (r == 0)
		r = read_text(root, "namespace", record->namespace, sizeof(record->namespace), err);
	if (r == 0)
		r = read_text(root, "name", record->name, sizeof(record->name), err);
	if (r == 0)
		r = read_backend(root, &record->backend, err);
	if (r == 0)
		r = read_pid(root, &record->shim_pid, err);
	return r < 0 ? r : read_text(root, "time", time, sizeof(time), err);
}

int sandbox_record_parse(struct slice text, struct sandbox_record *ret, struct error *err)
{
	static const struct json_limits limits = { .bytes = SANDBOX_RECORD_BYTES_MAX, .depth = 4, .values = 64 };
	_cleanup_(json_freep) cJSON *tree = NULL;
	struct sandbox_record record = {};

	int r = json_parse(text, &limits, &tree, err);
	if (r < 0)
		return r;
	const struct json_view root = json_root(tree);
	r = read_record(&root, &record, err);
	if (r == 0)
		*ret = record;
	return r;
}

/* ── A file ── */

/* So that nobody but us can have written it, and reading it cannot block. */
static int check_file(int fd, const char *name, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at %s", SHOW(slice_string(name)));
	if (!S_ISREG(st.st_mode))
		return error_set(err, EACCES, "%s is no file", SHOW(slice_string(name)));
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, EACCES, "%s is of user %u, mode %04o: only user %u may be able to write it", SHOW(slice_string(name)),
				 st.st_uid, st.st_mode & 07777, geteuid());
	return 0;
}

/* 1: the file has gone. */
static int load(int directory, const char *name, struct sandbox_record *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(SANDBOX_RECORD_BYTES_MAX);
	_cleanup_close_ int fd = openat(directory, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 && errno == ENOENT)
		return 1;
	if (fd < 0 && errno == ELOOP)
		return error_set(err, EACCES, "%s is a symbolic link", SHOW(slice_string(name)));
	if (fd < 0)
		return error_errno(err, errno, "cannot open %s", SHOW(slice_string(name)));
	int r = check_file(fd, name, err);
	if (r == 0)
		r = file_read_fd(fd, SHOW(slice_string(name)), &text, err);
	if (r < 0)
		return r;
	r = sandbox_record_parse(buf_view(&text), ret, err);
	return r < 0 ? error_wrap(err, "%s", SHOW(slice_string(name))) : r;
}

/* Its state in /proc/<pid>/stat: behind the name, which may have anything in it, and whose end is the last parenthesis. */
static int process_lives(int pid, bool *ret, struct error *err)
{
	char path[64], text[STAT_BYTES_MAX] = "";

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 && sandbox_record_is_shortage(errno))
		return error_errno(err, errno, "cannot open %s", path);
	const char *name_end = fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 ? strrchr(text, ')') : NULL;
	*ret = name_end && name_end[1] == ' ' && name_end[2] && !strchr("ZX", name_end[2]);
	return 0;
}

/* ── The directory ── */

struct search {
	const char *directory, *pod_uid, *namespace, *name;
	unsigned n_files;
	bool found;
	enum sandbox_backend backend;
	struct error doubt; /* the first file that was not believed; code 0: none */
};

static void doubt(struct search *search, const struct error *err)
{
	if (search->doubt.code == 0)
		search->doubt = *err;
}

static int take_record(struct search *search, const char *file, const struct sandbox_record *record, struct error *err)
{
	struct error stale;
	bool lives;

	if (strcmp(record->pod_uid, search->pod_uid) != 0)
		return 0;
	int r = process_lives(record->shim_pid, &lives, err);
	if (r < 0)
		return r;
	if (!lives) {
		error_set(&stale, ESTALE, "%s is out of date: shim %d does not live any more", SHOW(slice_string(file)), record->shim_pid);
		doubt(search, &stale);
		return 0;
	}
	if (strcmp(record->namespace, search->namespace) != 0 || strcmp(record->name, search->name) != 0)
		return error_set(err, EACCES, "%s calls the pod of UID %s \"%s/%s\", and it is \"%s/%s\"", SHOW(slice_string(file)),
				 search->pod_uid, SHOW(slice_string(record->namespace)), SHOW(slice_string(record->name)),
				 search->namespace, search->name);
	if (search->found && record->backend != search->backend)
		return error_set(err, EACCES, "the records contradict each other: \"%s\" in %s, \"%s\" in another one",
				 backend_names[record->backend], SHOW(slice_string(file)), backend_names[search->backend]);
	search->found = true;
	search->backend = record->backend;
	return 0;
}

static int look_at(struct search *search, int directory, const char *file, struct error *err)
{
	const size_t n = strlen(file), n_suffix = strlen(SUFFIX);
	struct sandbox_record record;
	struct error why = {};

	if (n <= n_suffix || strcmp(file + n - n_suffix, SUFFIX) != 0)
		return 0;
	if (++search->n_files > SANDBOX_RECORDS_MAX)
		return error_set(err, E2BIG, "more than %d records: remove those of sandboxes that are gone", SANDBOX_RECORDS_MAX);
	int r = load(directory, file, &record, &why);
	if (r < 0 && sandbox_record_is_shortage(why.code))
		return error_set(err, why.code, "%s", why.message);
	if (r < 0)
		doubt(search, &why);
	return r == 0 ? take_record(search, file, &record, err) : 0;
}

static int look_at_all(struct search *search, DIR *stream, struct error *err)
{
	const struct dirent *entry;
	int r = 0;

	while (r == 0 && (errno = 0, entry = readdir(stream)))
		r = look_at(search, dirfd(stream), entry->d_name, err);
	if (r == 0 && errno)
		return error_errno(err, errno, "cannot list it");
	return r;
}

static void close_stream(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

static int open_directory(const char *path, DIR **ret, struct error *err)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return error_errno(err, errno, "cannot open it");
	if (fstat(fd, &st) < 0)
		return error_errno(err, errno, "cannot look at it");
	if (st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH))
		return error_set(err, EACCES, "user %u has it, mode %04o: only user %u may be able to write there", st.st_uid,
				 st.st_mode & 07777, geteuid());
	*ret = fdopendir(fd);
	if (!*ret)
		return error_errno(err, errno, "cannot list it");
	fd = -1;
	return 0;
}

static int search_directory(struct search *search, struct error *err)
{
	_cleanup_(close_stream) DIR *stream = NULL;

	int r = open_directory(search->directory, &stream, err);
	if (r == 0)
		r = look_at_all(search, stream, err);
	if (r < 0 || search->found)
		return r;
	if (search->doubt.code)
		return error_set(err, ENOENT, "%s", search->doubt.message);
	return error_set(err, ENOENT, "none says where pod \"%s/%s\" of UID %s runs", search->namespace, search->name, search->pod_uid);
}

int sandbox_record_find(const char *directory, const char *pod_uid, const char *namespace, const char *name, enum sandbox_backend *ret,
			struct error *err)
{
	struct search search = { .directory = directory, .pod_uid = pod_uid, .namespace = namespace, .name = name };

	int r = search_directory(&search, err);
	if (r < 0)
		return error_wrap(err, "sandbox records in %s", directory);
	*ret = search.backend;
	return 0;
}
