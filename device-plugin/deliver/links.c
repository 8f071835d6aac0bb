// SPDX-License-Identifier: Apache-2.0
/*
 * A link is made before the version that has its file is switched to, and removed after the one that had it last is switched from: a name
 * may lead to nothing for a moment, but nothing that is there is ever without its name.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device-plugin/deliver/internal.h"

/* The first component: the file, or the secret that it is one of. */
static void link_name(const struct volume_file *file, char ret[static NAME_MAX + 1])
{
	snprintf(ret, NAME_MAX + 1, "%.*s", (int)strcspn(file->name, "/"), file->name);
}

int links_make(int secret, const struct volume_file *files, size_t n, struct error *err)
{
	char name[NAME_MAX + 1], target[sizeof(VOLUME_LIVE "/") + NAME_MAX];

	for (size_t i = 0; i < n; i++) {
		link_name(&files[i], name);
		snprintf(target, sizeof(target), VOLUME_LIVE "/%s", name);
		if (symlinkat(target, secret, name) < 0 && errno != EEXIST)
			return error_errno(err, errno, "cannot make the link %s", name);
	}
	return 0;
}

static int open_live(int secret, int *ret, struct error *err)
{
	struct version live;

	int r = version_live(secret, &live, err);
	return r < 0 || !live.name[0] ? r : directory_open(secret, live.name, ret, err);
}

static bool leads_to_nothing(int live, const char *name)
{
	struct stat status;

	return live < 0 || (fstatat(live, name, &status, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT);
}

int links_prune(int secret, struct error *err)
{
	_cleanup_(names_free) struct names names = {};
	_cleanup_close_ int live = -1;

	int r = open_live(secret, &live, err);
	if (r == 0)
		r = directory_list(secret, &names, err);
	for (size_t i = 0; r == 0 && i < names.n; i++) {
		const char *name = names.items[i];

		if (strncmp(name, "..", 2) != 0 && leads_to_nothing(live, name) && unlinkat(secret, name, 0) < 0)
			r = error_errno(err, errno, "cannot remove the link %s", name);
	}
	return r;
}
