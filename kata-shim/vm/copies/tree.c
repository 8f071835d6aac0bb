// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/copies/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/array.h"

static void entry_clear(struct entry *entry)
{
	free(entry->path);
	free(entry->target);
	*entry = (struct entry){};
}

void tree_clear(struct tree *tree)
{
	for (size_t i = 0; i < tree->n; i++)
		entry_clear(&tree->items[i]);
	free(tree->items);
	*tree = (struct tree){};
}

static int compare(const void *item, const void *path, size_t size)
{
	return strcmp(((const struct entry *)item)->path, path);
}

static bool find(const struct tree *tree, const char *path, size_t *ret)
{
	return array_search(tree->items, tree->n, sizeof(*tree->items), path, compare, ret);
}

const struct entry *tree_find(const struct tree *tree, const char *path)
{
	size_t at;

	return find(tree, path, &at) ? &tree->items[at] : NULL;
}

int tree_put(struct tree *tree, const struct entry *entry, struct error *err)
{
	struct entry copy = *entry;
	size_t at;

	copy.path = strdup(entry->path);
	copy.target = entry->target ? strdup(entry->target) : NULL;
	if (!copy.path || (entry->target && !copy.target) ||
	    !array_room((void **)&tree->items, tree->n, &tree->capacity, sizeof(*tree->items))) {
		entry_clear(&copy);
		return error_nomem(err);
	}
	if (find(tree, entry->path, &at)) {
		entry_clear(&tree->items[at]);
	} else {
		memmove(&tree->items[at + 1], &tree->items[at], (tree->n - at) * sizeof(*tree->items));
		tree->n++;
	}
	tree->items[at] = copy;
	return 0;
}

void tree_remove(struct tree *tree, const char *path)
{
	size_t at;

	if (!find(tree, path, &at))
		return;
	entry_clear(&tree->items[at]);
	tree->n--;
	memmove(&tree->items[at], &tree->items[at + 1], (tree->n - at) * sizeof(*tree->items));
}

static bool same_time(struct timespec a, struct timespec b)
{
	return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool entry_equals(const struct entry *a, const struct entry *b)
{
	if (a->mode != b->mode || a->uid != b->uid || a->gid != b->gid)
		return false;
	if (S_ISLNK(a->mode))
		return strcmp(a->target, b->target) == 0;
	if (S_ISDIR(a->mode))
		return true;
	return a->size == b->size && a->inode == b->inode && same_time(a->modified, b->modified) && same_time(a->changed, b->changed);
}
