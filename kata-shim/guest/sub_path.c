// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/sub_path.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/file.h"
#include "common/base/number.h"
#include "common/base/show.h"
#include "kata-shim/guest/files.h"

struct wanted {
	const char *path;
	uint32_t mode, uid, gid;
};

/* ── What is wanted ── */

static int read_mode(struct slice text, uint32_t *ret, struct error *err)
{
	uint32_t mode = 0;

	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '7' || mode > 0777)
			return error_set(err, EINVAL, "\"%s\" is no octal mode up to 7777", SHOW(text));
		mode = mode << 3 | (uint32_t)(text.p[i] - '0');
	}
	*ret = mode;
	return 0;
}

static int read_option(const char *option, struct wanted *wanted, struct error *err)
{
	struct slice value;

	if (slice_skip_prefix(slice_string(option), "path=", &value)) {
		wanted->path = (const char *)value.p;
		return 0;
	}
	if (slice_skip_prefix(slice_string(option), "mode=", &value))
		return read_mode(value, &wanted->mode, err);
	if (slice_skip_prefix(slice_string(option), "uid=", &value))
		return number_parse_u32(value, 0, UINT32_MAX - 1, &wanted->uid, err);
	if (slice_skip_prefix(slice_string(option), "gid=", &value))
		return number_parse_u32(value, 0, UINT32_MAX - 1, &wanted->gid, err);
	return error_set(err, EINVAL, "it is none of path, mode, uid and gid");
}

static int read_options(const Agent__Storage *storage, struct wanted *ret, struct error *err)
{
	*ret = (struct wanted){ .mode = 0755 };
	for (size_t i = 0; i < storage->n_options; i++) {
		int r = read_option(storage->options[i], ret, err);
		if (r < 0)
			return error_wrap(err, "option \"%s\"", SHOW(slice_string(storage->options[i])));
	}
	return ret->path && *ret->path ? 0 : error_set(err, EINVAL, "there is no option path=");
}

/* ── The way there ── */

static int open_directory(int above, const char *name)
{
	return openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* By its descriptor: whoever runs in the pod may put something else in its place. */
static int make_directory(int above, const char *name, const struct wanted *wanted, int *ret, struct error *err)
{
	const bool is_new = mkdirat(above, name, 0700) == 0;
	_cleanup_close_ int fd = is_new || errno == EEXIST ? open_directory(above, name) : -1;

	if (fd < 0)
		return error_errno(err, errno, "cannot have directory \"%s\" on its way (no link is followed)", SHOW(slice_string(name)));
	if (is_new && (fchown(fd, wanted->uid, wanted->gid) < 0 || fchmod(fd, wanted->mode) < 0))
		return error_errno(err, errno, "cannot give directory \"%s\" its owner and mode", SHOW(slice_string(name)));
	*ret = TAKE_FD(fd);
	return 0;
}

static int next_name(const char **path, char ret[static NAME_MAX + 2], struct error *err)
{
	const size_t n = strcspn(*path, "/");

	snprintf(ret, NAME_MAX + 2, "%.*s", (int)n, *path);
	if (!file_is_name(ret))
		return error_set(err, EINVAL, "path \"%s\" has a part that is no name", SHOW(slice_string(*path)));
	*path += n + ((*path)[n] == '/');
	return 0;
}

static int go_there(const char *from, const struct wanted *wanted, int *ret, struct error *err)
{
	_cleanup_close_ int at = open_directory(AT_FDCWD, from);
	const char *rest = wanted->path;
	char name[NAME_MAX + 2]; /* one more than can be, so that what is too long is seen */

	if (at < 0)
		return error_errno(err, errno, "cannot open %s", from);
	while (*rest) {
		int below, r = next_name(&rest, name, err);

		if (r == 0)
			r = make_directory(at, name, wanted, &below, err);
		if (r < 0)
			return r;
		close(at);
		at = below;
	}
	*ret = TAKE_FD(at);
	return 0;
}

/* ── Its place ── */

static int bind_at(int directory, const char *place, struct error *err)
{
	int r = file_make_directory(place, 0700, err);

	if (r < 0)
		return r;
	_cleanup_close_ int tree = open_tree(directory, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
	if (tree < 0 || move_mount(tree, "", AT_FDCWD, place, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_errno(err, errno, "cannot bind it at %s", place);
	return 0;
}

int sub_path_mount(struct sub_paths *sub_paths, const Agent__Storage *storage, struct error *err)
{
	_cleanup_close_ int directory = -1;
	_cleanup_free_ char *place = strdup(storage->mount_point);
	struct wanted wanted;

	if (!place || !array_room((void **)&sub_paths->places, sub_paths->n, &sub_paths->capacity, sizeof(char *)))
		return error_nomem(err);
	int r = read_options(storage, &wanted, err);
	if (r == 0)
		r = go_there(storage->source, &wanted, &directory, err);
	if (r == 0)
		r = bind_at(directory, place, err);
	if (r == 0)
		sub_paths->places[sub_paths->n++] = TAKE_PTR(place);
	return r;
}

void sub_paths_clear(struct sub_paths *sub_paths)
{
	while (sub_paths->n > 0) {
		_cleanup_free_ char *place = sub_paths->places[--sub_paths->n];

		umount2(place, UMOUNT_NOFOLLOW | MNT_DETACH);
		rmdir(place);
	}
	free(TAKE_PTR(sub_paths->places));
	sub_paths->capacity = 0;
}
