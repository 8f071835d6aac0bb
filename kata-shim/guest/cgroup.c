// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "common/base/number.h"

#define DEPTH_MAX 16 /* of a container's own cgroups */

struct cgroup_path cgroup_path(const char *id, const char *file)
{
	struct cgroup_path path;

	snprintf(path.text, sizeof(path.text), CGROUP_ROOT "/%s%s%s", id, file[0] ? "/" : "", file);
	return path;
}

int cgroup_read(const char *id, const char *file, struct buf *out, struct error *err)
{
	return file_read(cgroup_path(id, file).text, out, err);
}

/* ── Lines ── */

bool cgroup_number(struct slice text, uint64_t *ret)
{
	struct error ignored;

	while (text.n > 0 && text.p[text.n - 1] == '\n')
		text.n--;
	if (slice_equals_string(text, "max")) {
		*ret = UINT64_MAX;
		return true;
	}
	return number_parse_u64(text, 0, UINT64_MAX, ret, &ignored) == 0;
}

bool cgroup_value(struct slice lines, const char *key, uint64_t *ret)
{
	while (lines.n > 0) {
		const uint8_t *end = memchr(lines.p, '\n', lines.n);
		struct slice line = slice_from(lines.p, end ? (size_t)(end - lines.p) : lines.n), value;

		if (slice_skip_prefix(line, key, &value) && value.n > 0 && value.p[0] == ' ')
			return cgroup_number(slice_from(value.p + 1, value.n - 1), ret);
		lines = slice_from(lines.p + line.n, lines.n - line.n);
		if (lines.n > 0)
			lines = slice_from(lines.p + 1, lines.n - 1);
	}
	return false;
}

/* ── All of a cgroup and of those below it ── */

typedef int visit(int directory, void *context, struct error *err);

static int visit_below(int directory, int depth, visit *each, void *context, struct error *err);

static int visit_children(DIR *stream, int depth, visit *each, void *context, struct error *err)
{
	struct dirent *entry;
	int r = 0;

	while (r == 0 && (entry = readdir(stream))) {
		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		int below = openat(dirfd(stream), entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (below < 0)
			continue; /* gone meanwhile */
		r = visit_below(below, depth + 1, each, context, err);
	}
	return r;
}

/* Takes `directory`. Those inside come first. */
static int visit_below(int directory, int depth, visit *each, void *context, struct error *err)
{
	DIR *stream = depth < DEPTH_MAX ? fdopendir(directory) : NULL;

	if (!stream) {
		int code = depth < DEPTH_MAX ? errno : ELOOP;
		close(directory);
		return error_errno(err, code, "cannot read a cgroup, %d deep", depth);
	}
	int r = visit_children(stream, depth, each, context, err);
	if (r == 0)
		r = each(dirfd(stream), context, err);
	closedir(stream);
	return r;
}

static int visit_all(const char *id, visit *each, void *context, struct error *err)
{
	int directory = open(cgroup_path(id, "").text, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory < 0 && errno == ENOENT)
		return 0;
	if (directory < 0)
		return error_errno(err, errno, "cannot open %s", cgroup_path(id, "").text);
	return visit_below(directory, 0, each, context, err);
}

/* ── Signals ── */

static void signal_pid(struct slice line, int number)
{
	struct error ignored;
	uint32_t pid;

	/* 0: a process of a namespace that is not below ours. */
	if (number_parse_u32(line, 1, INT32_MAX, &pid, &ignored) == 0)
		kill((pid_t)pid, number);
}

static int signal_each(int directory, void *context, struct error *err)
{
	_cleanup_(buf_free) struct buf pids = BUF_MAX(1024 * 1024);
	_cleanup_close_ int fd = openat(directory, "cgroup.procs", O_RDONLY | O_CLOEXEC);
	const int *number = context;

	if (fd < 0 || file_read_fd(fd, "cgroup.procs", &pids, err) < 0)
		return 0; /* gone meanwhile, or one with threads only */
	for (char *rest = (char *)pids.p, *line; (line = strsep(&rest, "\n"));)
		signal_pid(slice_string(line), *number);
	return 0;
}

int cgroup_signal(const char *id, int signal, struct error *err)
{
	if (signal != SIGKILL)
		return visit_all(id, signal_each, &signal, err);
	_cleanup_close_ int fd = open(cgroup_path(id, "cgroup.kill").text, O_WRONLY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 || write(fd, "1", 1) != 1)
		return error_errno(err, errno, "cannot write %s", cgroup_path(id, "cgroup.kill").text);
	return 0;
}

/* ── Removal ── */

static int remove_each(int directory, void *context, struct error *err)
{
	char link[32], path[PATH_MAX];

	/* rmdir(2) wants a name. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", directory);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	if (n < 0)
		return error_errno(err, errno, "cannot name a cgroup");
	path[n] = 0;
	if (rmdir(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", path);
	return 0;
}

int cgroup_remove(const char *id, struct error *err)
{
	return visit_all(id, remove_each, NULL, err);
}
