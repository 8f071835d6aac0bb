// SPDX-License-Identifier: Apache-2.0
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/array.h"
#include "device-plugin/deliver/internal.h"

void names_free(struct names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct names){};
}

bool names_have(const struct names *names, const char *name)
{
	for (size_t i = 0; i < names->n; i++) {
		if (strcmp(names->items[i], name) == 0)
			return true;
	}
	return false;
}

static int append(struct names *names, const char *name)
{
	char *copy = strdup(name);

	if (!copy || !array_room((void **)&names->items, names->n, &names->capacity, sizeof(*names->items))) {
		free(copy);
		return -ENOMEM;
	}
	names->items[names->n++] = copy;
	return 0;
}

int names_put(struct names *names, const char *name)
{
	return names_have(names, name) ? 0 : append(names, name);
}

int directory_open(int at, const char *name, int *ret, struct error *err)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open directory %s", name);
	*ret = fd;
	return 0;
}

int directory_make(int at, const char *name, mode_t mode, int *ret, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (mkdirat(at, name, mode) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make directory %s", name);
	int r = directory_open(at, name, &fd, err);
	if (r < 0)
		return r;
	if (fchmod(fd, mode) < 0)
		return error_errno(err, errno, "cannot set the mode of directory %s", name);
	*ret = TAKE_FD(fd);
	return 0;
}

static void close_stream(DIR **stream)
{
	if (*stream)
		closedir(*stream);
}

static int read_stream(DIR *stream, struct names *ret, struct error *err)
{
	const struct dirent *entry;

	while ((errno = 0, entry = readdir(stream))) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && append(ret, entry->d_name) < 0)
			return error_nomem(err);
	}
	return errno ? error_errno(err, errno, "cannot list a directory") : 0;
}

int directory_list(int fd, struct names *ret, struct error *err)
{
	/* An open of its own: a copy of the descriptor would share its position. */
	_cleanup_close_ int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_cleanup_(names_free) struct names names = {};

	if (own < 0)
		return error_errno(err, errno, "cannot list a directory");
	_cleanup_(close_stream) DIR *stream = fdopendir(own);
	if (!stream)
		return error_errno(err, errno, "cannot list a directory");
	own = -1;
	int r = read_stream(stream, &names, err);
	if (r < 0)
		return r;
	*ret = names;
	names = (struct names){};
	return 0;
}

int directory_enter(int at, const char *name, unsigned depth, int *ret, struct names *ret_names, struct error *err)
{
	_cleanup_close_ int fd = -1;

	if (depth >= VOLUME_DEPTH_MAX)
		return error_set(err, ELOOP, "directory %s is too deep to be ours", name);
	int r = directory_open(at, name, &fd, err);
	if (r == 0)
		r = directory_list(fd, ret_names, err);
	if (r == 0)
		*ret = TAKE_FD(fd);
	return r;
}

uint64_t whole_pages(uint64_t bytes)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	return (bytes + page - 1) / page * page;
}

static int add_bytes(int at, const char *name, unsigned depth, uint64_t *sum, struct error *err);

static int add_directory(int at, const char *name, unsigned depth, uint64_t *sum, struct error *err)
{
	_cleanup_(names_free) struct names names = {};
	_cleanup_close_ int fd = -1;

	int r = directory_enter(at, name, depth, &fd, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++)
		r = add_bytes(fd, names.items[i], depth + 1, sum, err);
	return r;
}

static int add_bytes(int at, const char *name, unsigned depth, uint64_t *sum, struct error *err)
{
	struct stat status;

	if (fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : error_errno(err, errno, "cannot look at %s", name);
	if (S_ISDIR(status.st_mode))
		return add_directory(at, name, depth, sum, err);
	if (S_ISREG(status.st_mode))
		*sum += whole_pages((uint64_t)status.st_size);
	return 0;
}

int directory_bytes(int at, const char *name, uint64_t *ret, struct error *err)
{
	uint64_t sum = 0;

	int r = add_bytes(at, name, 0, &sum, err);
	if (r == 0)
		*ret = sum;
	return r;
}
