// SPDX-License-Identifier: Apache-2.0
/*
 * upperdir and workdir must be on one mount, and we make that a copy of the mount of a directory that has both: containerd's
 * …/snapshots/7/fs and …/snapshots/7/work are below …/snapshots/7.
 */
#include "kata-shim/vm/share/overlay.h"

#include <errno.h>
#include <stdlib.h>

#include "common/base/array.h"
#include "common/base/show.h"

#define OTHERS_MAX 1024

void overlay_free(struct overlay *overlay)
{
	for (size_t i = 0; i < overlay->n_lower; i++)
		free(overlay->lower[i]);
	free(overlay->lower);
	free(overlay->upper);
	free(overlay->work);
	free(overlay->parent);
	buf_free(&overlay->others);
}

static int check_absolute(const char *path, struct error *err)
{
	return *path == '/' ? 0 : error_set(err, EINVAL, "layer \"%s\" is no absolute path", SHOW(slice_string(path)));
}

static int add_lower(struct overlay *overlay, size_t *capacity, const char *path, size_t n, struct error *err)
{
	if (overlay->n_lower == OVERLAY_LOWER_MAX)
		return error_set(err, E2BIG, "an image of more than %d layers cannot be mounted", OVERLAY_LOWER_MAX);
	if (!array_room((void **)&overlay->lower, overlay->n_lower, capacity, sizeof(*overlay->lower)))
		return error_nomem(err);
	char *copy = strndup(path, n);
	if (!copy)
		return error_nomem(err);
	overlay->lower[overlay->n_lower++] = copy;
	return check_absolute(copy, err);
}

/* An empty one is what "::" would make, which has another meaning: layers of data only. */
static int take_lower(struct overlay *overlay, const char *paths, struct error *err)
{
	size_t capacity = 0;

	if (overlay->n_lower > 0)
		return error_set(err, EINVAL, "lowerdir= is given twice");
	if (strchr(paths, '\\'))
		return error_set(err, EOPNOTSUPP, "lowerdir= with \\ in it is not supported");
	for (;;) {
		size_t n = strcspn(paths, ":");
		int r = add_lower(overlay, &capacity, paths, n, err);
		if (r < 0 || !paths[n])
			return r;
		paths += n + 1;
	}
}

static int take_path(char **to, const char *path, struct error *err)
{
	if (*to)
		return error_set(err, EINVAL, "\"%s\" is a second upperdir= or workdir=", SHOW(slice_string(path)));
	*to = strdup(path);
	return *to ? check_absolute(*to, err) : error_nomem(err);
}

/* What overlayfs(5) has that changes nothing of whose files they are. */
static bool is_kept(const char *option)
{
	static const char *const kept[] = {
		"index=", "metacopy=", "redirect_dir=", "xino=", "nfs_export=", "uuid=", "userxattr", "volatile"
	};

	for (size_t i = 0; i < ELEMENTS_OF(kept); i++)
		if (strncmp(option, kept[i], strlen(kept[i])) == 0)
			return !strchr(option, ',');
	return false;
}

/* Of SELinux, by containerd's enable_selinux: for the processes of a host's container. Here virtiofsd reads, whose label is the shim's. */
static bool is_label(const char *option)
{
	return strncmp(option, "context=", 8) == 0;
}

static int take_option(struct overlay *overlay, const char *option, struct error *err)
{
	if (strncmp(option, "lowerdir=", 9) == 0)
		return take_lower(overlay, option + 9, err);
	if (strncmp(option, "upperdir=", 9) == 0)
		return take_path(&overlay->upper, option + 9, err);
	if (strncmp(option, "workdir=", 8) == 0)
		return take_path(&overlay->work, option + 8, err);
	if (strcmp(option, "ro") == 0) {
		overlay->read_only = true;
		return 0;
	}
	if (strcmp(option, "rw") == 0 || is_label(option))
		return 0;
	if (!is_kept(option))
		return error_set(err, EOPNOTSUPP, "a VM's root cannot have the overlay option \"%s\"", SHOW(slice_string(option)));
	buf_printf(&overlay->others, ",%s", option);
	return buf_check(&overlay->others, "options of an overlay", err);
}

/* Splits both paths behind the last '/' that they have in common. */
static int split(struct overlay *overlay, struct error *err)
{
	size_t common = 0;

	for (size_t i = 0; overlay->upper[i] && overlay->upper[i] == overlay->work[i]; i++)
		if (overlay->upper[i] == '/')
			common = i + 1;
	char *upper = strdup(overlay->upper + common), *work = strdup(overlay->work + common);
	overlay->parent = strndup(overlay->upper, common);
	free(overlay->upper);
	free(overlay->work);
	overlay->upper = upper;
	overlay->work = work;
	if (!upper || !work || !overlay->parent)
		return error_nomem(err);
	if (!*upper || !*work || *upper == '/' || *work == '/' || strcspn(upper, ",:\\") != strlen(upper) ||
	    strcspn(work, ",:\\") != strlen(work))
		return error_set(err, EINVAL, "upperdir \"%s\" and workdir \"%s\" below %s cannot be of one overlay",
				 SHOW(slice_string(upper)), SHOW(slice_string(work)), overlay->parent);
	return 0;
}

int overlay_parse(const char *const *options, size_t n, struct overlay *ret, struct error *err)
{
	int r = 0;

	*ret = (struct overlay){ .others = BUF_MAX(OTHERS_MAX) };
	for (size_t i = 0; r == 0 && i < n; i++)
		r = take_option(ret, options[i], err);
	if (r < 0)
		return r;
	if (ret->n_lower == 0)
		return error_set(err, EINVAL, "an overlay without lowerdir=");
	if (!ret->upper != !ret->work)
		return error_set(err, EINVAL, "an overlay has upperdir= and workdir=, or neither");
	return ret->upper ? split(ret, err) : 0;
}
