// SPDX-License-Identifier: Apache-2.0
/* What comes next: `wanted` from its beginning, once for each phase; then `there` from its end. */
#include <string.h>

#include "kata-shim/vm/copies/internal.h"

static bool is_of_phase(enum phase phase, const struct entry *entry)
{
	const bool link = S_ISLNK(entry->mode), live = strcmp(entry->path, TREE_LIVE) == 0;

	switch (phase) {
	case PHASE_FILES:
		return !link || strchr(entry->path, '/');
	case PHASE_SWITCH:
		return link && live;
	case PHASE_LINKS:
		return link && !live && !strchr(entry->path, '/');
	case PHASE_REMOVALS:
	case PHASE_RESTING:
		return false;
	}
	return false;
}

static bool is_to_be_sent(const struct copy *copy, const struct entry *entry)
{
	const struct entry *there = tree_find(&copy->there, entry->path);

	return is_of_phase(copy->phase, entry) && (!there || !entry_equals(there, entry));
}

void copy_begin_phase(struct copy *copy, enum phase phase)
{
	copy->phase = phase;
	copy->next = phase == PHASE_REMOVALS ? copy->there.n : 0;
}

/* What is in a directory is removed before it. Directories and links cannot be made empty: they stay, and are forgotten. */
static const struct entry *find_removal(struct copy *copy)
{
	for (; copy->next > 0; copy->next--) {
		const struct entry *entry = &copy->there.items[copy->next - 1];

		if (tree_find(&copy->wanted, entry->path))
			continue;
		if (!copy->removals_fail || S_ISREG(entry->mode))
			return entry;
		tree_remove(&copy->there, entry->path);
	}
	return NULL;
}

/* The next thing of this phase; NULL: there is none. */
const struct entry *copy_find_next(struct copy *copy)
{
	if (copy->phase == PHASE_REMOVALS)
		return find_removal(copy);
	for (; copy->next < copy->wanted.n; copy->next++) {
		if (is_to_be_sent(copy, &copy->wanted.items[copy->next]))
			return &copy->wanted.items[copy->next];
	}
	return NULL;
}
