// SPDX-License-Identifier: Apache-2.0
/*
 * Version 1 is one tree of directories for each set of controllers, version 2 one for all. Which one a host has is what is mounted at
 * /sys/fs/cgroup, as for runc and kubelet. One with both may have its controllers in version 1 (systemd's "hybrid", whose version 2 is for
 * systemd alone), or in version 2, and somebody has mounted one of version 1 for himself (name=systemd for an old container, net_cls for a
 * VPN). The tables here are the same code: a list of hierarchies, of length one in version 2.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "common/base/file.h"
#include "kata-shim/vm/jail/cgroup_internal.h"
#include "kata-shim/vm/jail/mountinfo.h"

#define FILE_MAX (1024 * 1024)

int cgroup_read(int directory, const char *file, struct buf *out, struct error *err)
{
	_cleanup_close_ int fd = openat(directory, file, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return error_errno(err, errno, "cannot open the cgroup's %s", file);
	return file_read_fd(fd, file, out, err);
}

int cgroup_write(int directory, const char *file, const char *text, struct error *err)
{
	_cleanup_close_ int fd = openat(directory, file, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return error_errno(err, errno, "cannot write \"%s\" to the cgroup's %s", text, file);
	return 0;
}

const struct cgroup_hierarchy *cgroup_hierarchy_of(const struct cgroup *cgroup, const char *controller)
{
	for (size_t i = 0; i < cgroup->n; i++) {
		const struct cgroup_hierarchy *at = &cgroup->hierarchies[i];
		if (at->directory >= 0 && (cgroup->unified || mountinfo_has_option(slice_string(at->options), controller)))
			return at;
	}
	return NULL;
}

void cgroup_free(struct cgroup *cgroup)
{
	if (!cgroup)
		return;
	for (size_t i = 0; i < cgroup->n; i++) {
		free(cgroup->hierarchies[i].options);
		free(cgroup->hierarchies[i].mount);
		cleanup_close(&cgroup->hierarchies[i].directory);
	}
	free(cgroup->path);
	free(cgroup);
}

/* ── what is mounted ── */

static bool is_known(const struct cgroup *cgroup, struct slice options)
{
	for (size_t i = 0; i < cgroup->n; i++)
		if (slice_equals_string(options, cgroup->hierarchies[i].options))
			return true;
	return false;
}

static int add_hierarchy(struct cgroup *cgroup, const struct mountinfo *mount, struct error *err)
{
	if (is_known(cgroup, mount->super_options))
		return 0;
	if (cgroup->n == CGROUP_HIERARCHIES_MAX)
		return error_set(err, E2BIG, "more than %d cgroup hierarchies are mounted", CGROUP_HIERARCHIES_MAX);
	struct cgroup_hierarchy *new = &cgroup->hierarchies[cgroup->n++];
	*new = (struct cgroup_hierarchy){ .directory = -1 };
	new->options = strndup((const char *)mount->super_options.p, mount->super_options.n);
	new->mount = strndup((const char *)mount->point.p, mount->point.n);
	return new->options &&new->mount ? 0 : error_nomem(err);
}

static int add_hierarchies(struct cgroup *cgroup, struct slice mounts, const char *type, struct error *err)
{
	struct mountinfo mount;
	int r = 0;

	while (r == 0 && mountinfo_next(&mounts, &mount))
		if (slice_equals_string(mount.type, type))
			r = add_hierarchy(cgroup, &mount, err);
	return r;
}

bool cgroup_host_is_unified(void)
{
	struct statfs fs;

	return statfs("/sys/fs/cgroup", &fs) == 0 && fs.f_type == CGROUP2_SUPER_MAGIC;
}

static int find_hierarchies(struct cgroup *cgroup, struct error *err)
{
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(MOUNTINFO_MAX);

	int r = file_read("/proc/self/mountinfo", &mounts, err);
	if (r == 0 && !cgroup_host_is_unified())
		r = add_hierarchies(cgroup, buf_view(&mounts), "cgroup", err);
	if (r < 0 || cgroup->n > 0)
		return r;
	cgroup->unified = true;
	r = add_hierarchies(cgroup, buf_view(&mounts), "cgroup2", err);
	if (r == 0 && cgroup->n == 0)
		return error_set(err, ENOENT, "no cgroup file system is mounted: mount one at /sys/fs/cgroup");
	return r;
}

/* ── directories ── */

/* A new cpuset has no CPU and no memory, and takes no process until it has. */
static int inherit(int parent, int directory, const char *file, struct error *err)
{
	_cleanup_(buf_free) struct buf own = BUF_MAX(FILE_MAX), above = BUF_MAX(FILE_MAX);

	int r = cgroup_read(directory, file, &own, err);
	if (r < 0 || own.n > 1)
		return r;
	r = cgroup_read(parent, file, &above, err);
	if (r == 0 && above.n > 1)
		r = cgroup_write(directory, file, buf_text(&above), err);
	return r;
}

static int settle_cpuset(int parent, int directory, struct error *err)
{
	int r = inherit(parent, directory, "cpuset.cpus", err);

	return r == 0 ? inherit(parent, directory, "cpuset.mems", err) : r;
}

/* One by one: some cannot be (EBUSY: a process stands in between; then what they count is not shown, and no more). */
static void pass_controllers(int parent)
{
	_cleanup_(buf_free) struct buf controllers = BUF_MAX(4096);
	char *at = NULL, change[64];

	if (cgroup_read(parent, "cgroup.controllers", &controllers, NULL) < 0 || controllers.n == 0)
		return;
	for (const char *name = strtok_r((char *)controllers.p, " \n", &at); name; name = strtok_r(NULL, " \n", &at)) {
		snprintf(change, sizeof(change), "+%s", name);
		if (cgroup_write(parent, "cgroup.subtree_control", change, NULL) < 0)
			continue;
	}
}

static int make_one(const struct cgroup *cgroup, const struct cgroup_hierarchy *in, int parent, const char *name, struct error *err)
{
	if (cgroup->unified)
		pass_controllers(parent);
	if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST)
		return error_errno(err, errno, "cannot make it");
	if (!mountinfo_has_option(slice_string(in->options), "cpuset") || cgroup->unified)
		return 0;
	_cleanup_close_ int made = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (made < 0)
		return error_errno(err, errno, "cannot open it");
	return settle_cpuset(parent, made, err);
}

/* Step by step down cgroup->path, so that no name of it can be a link. */
static int open_directory(const struct cgroup *cgroup, struct cgroup_hierarchy *in, bool make, struct error *err)
{
	_cleanup_close_ int at = open(in->mount, O_PATH | O_DIRECTORY | O_CLOEXEC);
	_cleanup_free_ char *path = strdup(cgroup->path);
	char *rest = NULL;

	if (!path)
		return error_nomem(err);
	if (at < 0)
		return error_errno(err, errno, "cannot open it");
	for (const char *name = strtok_r(path, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
		int r = make ? make_one(cgroup, in, at, name, err) : 0;
		if (r < 0)
			return r;
		int next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (next < 0 && errno == ENOENT && !make)
			return 0;
		if (next < 0)
			return error_errno(err, errno, "cannot open it");
		close(at);
		at = next;
	}
	in->directory = TAKE_FD(at);
	return 0;
}

int cgroup_open(const char *path, bool make, struct cgroup **ret, struct error *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = calloc(1, sizeof(*cgroup));

	if (!cgroup || !(cgroup->path = strdup(path)))
		return error_nomem(err);
	int r = find_hierarchies(cgroup, err);
	if (r < 0)
		return r;
	for (size_t i = 0; i < cgroup->n; i++) {
		r = open_directory(cgroup, &cgroup->hierarchies[i], make, err);
		if (r < 0)
			return error_wrap(err, "cgroup %s%s", cgroup->hierarchies[i].mount, path);
	}
	*ret = TAKE_PTR(cgroup);
	return 0;
}

static int remove_directory(const char *mount, const char *path, struct error *err)
{
	_cleanup_free_ char *directory = NULL;

	if (asprintf(&directory, "%s%s", mount, path) < 0)
		return error_nomem(err);
	if (rmdir(directory) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove cgroup %s", directory);
	return 0;
}

int cgroup_remove(const struct cgroup *cgroup, struct error *err)
{
	int worst = 0;

	for (size_t i = 0; i < cgroup->n; i++) {
		int r = remove_directory(cgroup->hierarchies[i].mount, cgroup->path, err);
		if (r < 0)
			worst = r;
	}
	return worst;
}

/* ── who is in it ── */

static int put(const struct cgroup *cgroup, pid_t pid, struct error *err)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	for (size_t i = 0; i < cgroup->n; i++) {
		const struct cgroup_hierarchy *in = &cgroup->hierarchies[i];
		int r = in->directory >= 0 ? cgroup_write(in->directory, "cgroup.procs", text, err) : 0;
		if (r < 0)
			return error_wrap(err, "cgroup %s%s", in->mount, cgroup->path);
	}
	return 0;
}

int cgroup_add(const struct cgroup *cgroup, pid_t pid, struct error *err)
{
	return put(cgroup, pid, err);
}

int cgroup_enter(const struct cgroup *cgroup, struct error *err)
{
	return cgroup->unified ? 0 : put(cgroup, 0, err);
}

int cgroup_directory(const struct cgroup *cgroup)
{
	return cgroup->unified ? cgroup->hierarchies[0].directory : -1;
}
