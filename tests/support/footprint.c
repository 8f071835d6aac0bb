// SPDX-License-Identifier: Apache-2.0
#include "tests/support/footprint.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/file.h"

static int count_descriptors(pid_t pid, size_t *ret, struct error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	DIR *directory = opendir(path);
	if (!directory)
		return error_errno(err, errno, "cannot open %s", path);
	*ret = 0;
	while (readdir(directory))
		(*ret)++;
	closedir(directory);
	return 0;
}

static int read_rss(pid_t pid, size_t *ret, struct error *err)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	int r = file_read(path, &text, err);
	const char *line = r == 0 ? strstr(buf_text(&text), "VmRSS:") : NULL;
	if (!line || sscanf(line, "VmRSS: %zu", ret) != 1)
		return error_set(err, ESRCH, "%s does not say VmRSS", path);
	return 0;
}

int footprint_read(pid_t pid, struct footprint *ret, struct error *err)
{
	int r = count_descriptors(pid, &ret->descriptors, err);

	return r == 0 ? read_rss(pid, &ret->rss_kib, err) : r;
}

void footprints_add(struct footprints *footprints, const struct footprint *footprint)
{
	size_t n = footprint->descriptors;

	if (footprints->n == 0 || n < footprints->descriptors_min)
		footprints->descriptors_min = n;
	if (n > footprints->descriptors_max)
		footprints->descriptors_max = n;
	footprints->sum += (double)footprint->rss_kib;
	footprints->weighted += (double)footprints->n++ * (double)footprint->rss_kib;
}

/* The samples stand at x = 0, 1, … n - 1, whose mean is (n - 1) / 2 and whose squared distances from it sum up to (n³ - n) / 12. */
double footprints_growth_kib(const struct footprints *footprints)
{
	double n = (double)footprints->n;

	if (footprints->n < 2)
		return 0;
	double slope = (footprints->weighted - footprints->sum * (n - 1) / 2) * 12 / (n * n * n - n);
	return slope * (n - 1);
}
