// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/guest/details.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/file.h"
#include "kata-shim/guest/files.h"

#define CPUS "/sys/devices/system/cpu"
#define MEMORY "/sys/devices/system/memory"

/* "8000000\n", hexadecimal: the kernel's word. */
uint64_t details_memory_block_size(void)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	struct error ignored;

	return file_read(MEMORY "/block_size_bytes", &text, &ignored) == 0 ? strtoull(buf_text(&text), NULL, 16) : 0;
}

bool details_memory_probe(void)
{
	return access(MEMORY "/probe", F_OK) == 0;
}

bool details_seccomp(void)
{
	return access("/proc/sys/kernel/seccomp/actions_avail", F_OK) == 0;
}

/* 1: it was off and is on; 0: it is on. */
static int switch_on(const char *folder, const char *name, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	char path[300];

	snprintf(path, sizeof(path), "%s/%.200s/online", folder, name);
	if (access(path, F_OK) < 0)
		return 0; /* the first CPU cannot be switched off */
	int r = file_read(path, &text, err);
	if (r < 0 || buf_text(&text)[0] != '0')
		return r;
	r = file_put(path, "1", err);
	return r < 0 ? r : 1;
}

static int is_cpu(const struct dirent *entry)
{
	unsigned number;
	char rest;

	return sscanf(entry->d_name, "cpu%u%c", &number, &rest) == 1;
}

static int is_memory(const struct dirent *entry)
{
	unsigned number;
	char rest;

	return sscanf(entry->d_name, "memory%u%c", &number, &rest) == 1;
}

/* The kernel puts memory of a device on where it finds it; CPUs wait to be asked. */
static int switch_all_on(const char *folder, int (*is_one)(const struct dirent *), uint32_t limit, uint32_t *ret, struct error *err)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_one, versionsort), r = 0;

	*ret = 0;
	for (int i = 0; i < n; i++) {
		if (r >= 0 && *ret < limit) {
			r = switch_on(folder, entries[i]->d_name, err);
			*ret += r > 0;
		}
		free(entries[i]);
	}
	free(entries);
	return r < 0 ? r : 0;
}

int details_bring_online(uint32_t n, bool memory, struct error *err)
{
	uint32_t done, ignored;

	int r = switch_all_on(CPUS, is_cpu, n ? n : UINT32_MAX, &done, err);
	if (r == 0 && memory)
		r = switch_all_on(MEMORY, is_memory, UINT32_MAX, &ignored, err);
	if (r == 0 && done < n)
		r = error_set(err, EAGAIN, "%u CPUs were off in the guest, and %u are to be switched on", done, n);
	return r;
}
