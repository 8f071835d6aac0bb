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

/* 1: it is off; 0: it is on, as what has no switch, the first CPU. */
static int is_off(const char *its_switch, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);

	if (access(its_switch, F_OK) < 0)
		return 0;
	int r = file_read(its_switch, &text, err);
	return r < 0 ? r : buf_text(&text)[0] == '0';
}

static int is_on(const char *its_switch, struct error *err)
{
	int r = is_off(its_switch, err);

	return r < 0 ? r : !r;
}

/* 1: it was off and is on; 0: it is on. */
static int switch_on(const char *its_switch, struct error *err)
{
	int r = is_off(its_switch, err);
	if (r <= 0)
		return r;
	r = file_put(its_switch, "1", err);
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

/* Does it to the switch of each, the lowest first, until it has counted to `limit`. */
static int count_all(const char *folder, int (*is_one)(const struct dirent *), int (*count)(const char *, struct error *), uint32_t limit,
		     uint32_t *ret, struct error *err)
{
	struct dirent **entries = NULL;
	char its_switch[300];
	int n = scandir(folder, &entries, is_one, versionsort), r = 0;

	*ret = 0;
	for (int i = 0; i < n; i++) {
		if (r >= 0 && *ret < limit) {
			snprintf(its_switch, sizeof(its_switch), "%s/%.200s/online", folder, entries[i]->d_name);
			r = count(its_switch, err);
			*ret += r > 0;
		}
		free(entries[i]);
	}
	free(entries);
	return r < 0 ? r : 0;
}

/* The kernel puts memory of a device on where it finds it; CPUs wait to be asked. */
int details_bring_online(uint32_t n, bool memory, struct error *err)
{
	uint32_t on = 0, done = 0, ignored;

	int r = n ? count_all(CPUS, is_cpu, is_on, UINT32_MAX, &on, err) : 0;
	if (r == 0)
		r = count_all(CPUS, is_cpu, switch_on, n ? n - (on < n ? on : n) : UINT32_MAX, &done, err);
	if (r == 0 && memory)
		r = count_all(MEMORY, is_memory, switch_on, UINT32_MAX, &ignored, err);
	if (r == 0 && on + done < n)
		r = error_set(err, EAGAIN, "the guest has %u CPUs, and %u are to be on", on + done, n);
	return r;
}
