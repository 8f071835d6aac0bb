// SPDX-License-Identifier: Apache-2.0
/*
 * A path of the node is resolved once, by openat2(2) within the root, and from then on is an ordinary path without a link in it. So the
 * node's absolute links (k3s has some) never lead into our own container, and messages name the file as the installer sees it.
 */
#include "deploy/install/host/host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/base/cleanup.h"

#define TRIES_MAX 10000

static int open_in_root(const char *root, const char *path)
{
	const struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };
	_cleanup_close_ int fd = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	int found = -1;

	if (fd < 0)
		return -1;
	/* EAGAIN: something on this machine was renamed while a ".." was followed (openat2(2)); our own links have some. */
	for (unsigned i = 0; i < TRIES_MAX && found < 0; i++) {
		found = (int)syscall(SYS_openat2, fd, path, &how, sizeof(how));
		if (found < 0 && errno != EAGAIN)
			break;
	}
	return found;
}

int host_find(const char *root, const char *path, char ret[static PATH_MAX], struct error *err)
{
	_cleanup_close_ int fd = open_in_root(root, path);
	char link[64];

	if (fd < 0)
		return error_errno(err, errno, "cannot find %s%s", root, path);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, ret, PATH_MAX - 1);
	if (n < 0)
		return error_errno(err, errno, "cannot find %s%s by %s", root, path, link);
	ret[n] = 0;
	return 0;
}

/* "/opt/cni" → "/opt" and "cni". */
static int split(const char *path, char ret_directory[static PATH_MAX], const char **ret_name, struct error *err)
{
	const char *slash = strrchr(path, '/');

	if (!slash || !slash[1] || strlen(path) >= PATH_MAX)
		return error_set(err, EINVAL, "\"%.64s\" is no path of a file", path);
	snprintf(ret_directory, PATH_MAX, "%.*s", slash == path ? 1 : (int)(slash - path), path);
	*ret_name = slash + 1;
	return 0;
}

static int join(char directory[static PATH_MAX], const char *prefix, const char *name, const char *suffix, struct error *err)
{
	size_t n = strlen(directory);

	if (n + strlen(prefix) + strlen(name) + strlen(suffix) + 2 > PATH_MAX)
		return error_set(err, ENAMETOOLONG, "the path of %.64s is too long", name);
	sprintf(directory + n, "%s%s%s%s", n > 0 && directory[n - 1] == '/' ? "" : "/", prefix, name, suffix);
	return 0;
}

int host_name(const char *root, const char *path, char ret[static PATH_MAX], struct error *err)
{
	char directory[PATH_MAX];
	const char *name;

	int r = split(path, directory, &name, err);
	r = r < 0 ? r : host_find(root, directory, ret, err);
	return r < 0 ? r : join(ret, "", name, "", err);
}

int host_reach(const char *root, const char *path, char ret[static PATH_MAX], struct error *err)
{
	char directory[PATH_MAX];
	const char *name;

	int r = host_find(root, path, ret, err);
	if (r != -ENOENT)
		return r;
	r = split(path, directory, &name, err);
	r = r < 0 ? r : host_reach(root, directory, ret, err);
	return r < 0 ? r : join(ret, "", name, "", err);
}

int host_make_directory(const char *root, const char *path, int (*making)(void *, const char *, struct error *), void *context,
			char ret[static PATH_MAX], struct error *err)
{
	char parent[PATH_MAX];
	const char *name;

	int r = host_find(root, path, ret, err);
	if (r != -ENOENT)
		return r;
	r = split(path, parent, &name, err);
	r = r < 0 ? r : host_make_directory(root, parent, making, context, ret, err);
	r = r < 0 || !making ? r : making(context, path, err);
	r = r < 0 ? r : join(ret, "", name, "", err);
	if (r < 0)
		return r;
	if (mkdir(ret, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot create directory %s", ret);
	return host_settle(ret, err);
}

int host_new_name(const char *path, char ret[static PATH_MAX], struct error *err)
{
	const char *name;

	int r = split(path, ret, &name, err);
	return r < 0 ? r : join(ret, ".", name, HOST_NEW, err);
}

bool host_is_link_to(const char *path, const char *target)
{
	char text[PATH_MAX];

	ssize_t n = readlink(path, text, sizeof(text));
	return n == (ssize_t)strlen(target) && memcmp(text, target, (size_t)n) == 0;
}
