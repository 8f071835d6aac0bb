// SPDX-License-Identifier: Apache-2.0
/*
 * Two lines: the cgroup, the network namespace. The file is written before either is touched and goes when both are gone, so that clearing
 * can be cut off and repeated.
 */
#include "kata-shim/vm/sandbox/remains.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "kata-shim/vm/jail/cgroup.h"
#include "kata-shim/vm/jail/ids.h"
#include "kata-shim/vm/net/net.h"
#include "kata-shim/vm/share/share.h"

#define NAME "remains"
#define KILL_MS 2000

/* ── The file ── */

static int check_line(const char *path, struct error *err)
{
	return strchr(path, '\n') ? error_set(err, EINVAL, "a path has a line break: %s", path) : 0;
}

int remains_write(const char *directory, const struct remains *remains, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(2 * PATH_MAX + 2);
	char path[PATH_MAX];

	int r = check_line(remains->cgroup, err);
	if (r == 0)
		r = check_line(remains->network, err);
	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/" NAME, directory);
	buf_printf(&text, "%s\n%s\n", remains->cgroup, remains->network);
	r = buf_check(&text, path, err);
	return r < 0 ? r : file_write_atomic(path, buf_view(&text), 0600, err);
}

static bool take_line(struct slice *rest, char ret[static PATH_MAX])
{
	const uint8_t *end = rest->n ? memchr(rest->p, '\n', rest->n) : NULL;
	size_t n = end ? (size_t)(end - rest->p) : 0;

	if (!end || n >= PATH_MAX)
		return false;
	memcpy(ret, rest->p, n);
	ret[n] = 0;
	*rest = slice_from(end + 1, rest->n - n - 1);
	return true;
}

static int read_remains(const char *directory, struct remains *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(2 * PATH_MAX + 2);
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/" NAME, directory);
	int r = file_read(path, &text, err);
	if (r < 0)
		return r;
	struct slice rest = buf_view(&text);
	if (!take_line(&rest, ret->cgroup) || !take_line(&rest, ret->network))
		return error_set(err, EINVAL, "%s is cut: remove it, the cgroup of the sandbox and what redirects its network by hand",
				 path);
	return 0;
}

/* ── Clearing ── */

/* Keeps the first error and goes on. */
static void note(int *first, struct error *err, int r, const struct error *now)
{
	if (r >= 0 || *first < 0)
		return;
	*first = r;
	*err = *now;
}

static int clear_cgroup(const char *path, struct error *err)
{
	_cleanup_(cgroup_freep) struct cgroup *cgroup = NULL;

	int r = cgroup_open(path, false, &cgroup, err);
	return r == 0 ? cgroup_clear(cgroup, KILL_MS, err) : r;
}

static int remove_at(const char *directory, const char *name, struct error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (remove(path) < 0 && errno != ENOENT)
		return error_errno(err, errno, "cannot remove %s", path);
	return 0;
}

static int clear_directory(const char *directory, const char *id, const struct vm_settings *settings, struct error *err)
{
	char share[PATH_MAX];

	snprintf(share, sizeof(share), "%s/share", directory);
	int r = share_clean_up(share, err);
	if (r == 0)
		r = remove_at(directory, NAME, err);
	return r < 0 ? r : ids_release(settings->state, id, err);
}

int remains_clear(const char *id, const struct vm_settings *settings, struct error *err)
{
	struct remains remains;
	char directory[PATH_MAX - 64];
	struct error now;
	int first = 0;

	snprintf(directory, sizeof(directory), "%s/%s", settings->state, id);
	int r = read_remains(directory, &remains, &now);
	if (r == 0) {
		note(&first, err, clear_cgroup(remains.cgroup, &now), &now);
		note(&first, err, net_leave(remains.network, &now), &now);
	} else if (r != -ENOENT) {
		note(&first, err, r, &now);
	}
	if (first == 0)
		note(&first, err, clear_directory(directory, id, settings, &now), &now);
	return first < 0 ? error_wrap(err, "what is left of sandbox %s", id) : 0;
}
