// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/vm/jail/disk_wait.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/file.h"

/* "pid (name) state …": the name may have any character in it, also a bracket. */
static bool thread_waits(const char *threads, const char *id)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	char path[64];
	struct error ignored;

	snprintf(path, sizeof(path), "%s/%.20s/stat", threads, id);
	if (file_read(path, &text, &ignored) < 0)
		return false;
	const char *name_end = strrchr(buf_text(&text), ')');
	return name_end && strncmp(name_end, ") D", 3) == 0;
}

bool process_waits_for_disk(pid_t pid)
{
	char threads[32];
	bool waits = false;

	snprintf(threads, sizeof(threads), "/proc/%d/task", (int)pid);
	DIR *directory = opendir(threads);
	for (const struct dirent *entry; directory && !waits && (entry = readdir(directory));)
		waits = entry->d_name[0] != '.' && thread_waits(threads, entry->d_name);
	if (directory)
		closedir(directory);
	return waits;
}
