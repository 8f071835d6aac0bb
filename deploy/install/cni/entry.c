// SPDX-License-Identifier: Apache-2.0
#include "deploy/install/cni/entry.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cni-plugin/plugin/bridged.h"
#include "common/base/array.h"
#include "common/base/file.h"
#include "deploy/install/cni/conflist.h"
#include "deploy/install/cni/swap.h"
#include "deploy/install/host/host.h"

static bool ends_in(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n > m && strcmp(name + n - m, end) == 0;
}

static bool is_list_name(const char *name)
{
	return ends_in(name, ".conf") || ends_in(name, ".conflist") || ends_in(name, ".json");
}

/* Calls `visit` with each name; the order is the directory's. */
static int each_name(const char *directory, int (*visit)(void *context, const char *name, struct error *err), void *context,
		     struct error *err)
{
	struct dirent *entry;
	int r = 0;

	DIR *dir = opendir(directory);
	if (!dir)
		return error_errno(err, errno, "cannot look into %s", directory);
	while (r == 0 && (entry = readdir(dir))) {
		if (entry->d_type != DT_DIR)
			r = visit(context, entry->d_name, err);
	}
	closedir(dir);
	return r;
}

static int take_first(void *context, const char *name, struct error *err)
{
	char *first = context;

	if (is_list_name(name) && (!*first || strcmp(name, first) < 0))
		snprintf(first, NAME_MAX + 1, "%s", name);
	return 0;
}

/* The file that containerd takes: `ret_path` is the real one, a link followed. `ret_name` "": none. */
static int find_active(const char *root, const char *lists, char ret_name[static NAME_MAX + 1], char ret_path[static PATH_MAX],
		       struct error *err)
{
	char directory[PATH_MAX], whole[PATH_MAX];

	*ret_name = 0;
	int r = host_find(root, lists, directory, err);
	if (r == -ENOENT)
		return 0;
	r = r < 0 ? r : each_name(directory, take_first, ret_name, err);
	if (r < 0 || !*ret_name)
		return r;
	if (snprintf(whole, sizeof(whole), "%s/%s", lists, ret_name) >= (int)sizeof(whole))
		return error_set(err, ENAMETOOLONG, "the path of %.64s is too long", ret_name);
	return host_find(root, whole, ret_path, err);
}

static int expect_list(const char *name, const char *path, struct error *err)
{
	if (ends_in(name, ".conflist"))
		return 0;
	return error_set(err, ENOTSUP,
			 "%s holds a single plugin, to which nothing can be chained: write it as a list, {\"cniVersion\", \"name\", "
			 "\"plugins\": [it]}, into a .conflist, and remove it",
			 path);
}

int cni_entry_look(const char *root, const char *lists, enum cni_entry *ret, char ret_name[static NAME_MAX + 1], struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CONFLIST_BYTES_MAX), out = BUF_MAX(CONFLIST_BYTES_MAX + 4096);
	char path[PATH_MAX];

	int r = find_active(root, lists, ret_name, path, err);
	if (r == 0 && !*ret_name)
		*ret = CNI_ENTRY_NO_LIST;
	if (r < 0 || !*ret_name)
		return r;
	r = expect_list(ret_name, path, err);
	r = r < 0 ? r : file_read(path, &text, err);
	if (r < 0)
		return r;
	r = conflist_add(buf_view(&text), &out, err);
	if (r < 0)
		return error_wrap(err, "%s", path);
	*ret = r == 1 ? CNI_ENTRY_PUT : CNI_ENTRY_THERE;
	return 0;
}

int cni_entry_put(const char *root, const char *lists, enum cni_entry *ret, char ret_name[static NAME_MAX + 1], struct error *err)
{
	char path[PATH_MAX];

	int r = find_active(root, lists, ret_name, path, err);
	if (r == 0 && !*ret_name)
		*ret = CNI_ENTRY_NO_LIST;
	if (r < 0 || !*ret_name)
		return r;
	r = expect_list(ret_name, path, err);
	if (r < 0)
		return r;
	r = swap_edit(path, conflist_add, err);
	if (r == -EINVAL || r == -ENOTSUP)
		return error_wrap(err, "%s", path);
	if (r >= 0)
		*ret = r == 1 ? CNI_ENTRY_PUT : CNI_ENTRY_THERE;
	return r < 0 ? r : 0;
}

int cni_entry_is_bridged(const char *root, const char *lists, bool *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CONFLIST_BYTES_MAX);
	char name[NAME_MAX + 1], path[PATH_MAX];

	*ret = false;
	int r = find_active(root, lists, name, path, err);
	if (r < 0 || !*name)
		return r;
	r = file_read(path, &text, err);
	if (r == 0)
		*ret = cni_is_bridged(buf_view(&text));
	return r;
}

struct removal {
	const char *root, *lists;
};

/* What a power cut left of an edit of ours. */
static int remove_remnant(const char *root, const char *path, struct error *err)
{
	char name[PATH_MAX];

	int r = host_name(root, path, name, err);
	return r < 0 ? r : host_remove(name, err);
}

static int remove_from(void *context, const char *name, struct error *err)
{
	const struct removal *removal = context;
	char whole[PATH_MAX], path[PATH_MAX];

	if (snprintf(whole, sizeof(whole), "%s/%s", removal->lists, name) >= (int)sizeof(whole))
		return error_set(err, ENAMETOOLONG, "the path of %.64s is too long", name);
	if (*name == '.' && ends_in(name, HOST_NEW))
		return remove_remnant(removal->root, whole, err);
	if (!is_list_name(name))
		return 0;
	int r = host_find(removal->root, whole, path, err);
	if (r == -ENOENT)
		return 0; /* a link to nothing, or it is gone */
	r = r < 0 ? r : swap_edit(path, conflist_remove, err);
	return r == -EINVAL || r > 0 ? 0 : r; /* what is no JSON has no entry that anyone would obey */
}

int cni_entry_remove(const char *root, const char *lists, struct error *err)
{
	struct removal removal = { root, lists };
	char directory[PATH_MAX];

	int r = host_find(root, lists, directory, err);
	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : each_name(directory, remove_from, &removal, err);
}
