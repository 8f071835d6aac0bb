// SPDX-License-Identifier: Apache-2.0
/* Runs a fuzz target over every file of its corpus, in the ordinary test run and without libFuzzer. Prints TAP. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>

#include "common/base/buf.h"
#include "common/base/file.h"

#define INPUT_MAX (16 * 1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay_file(const char *directory, const char *name)
{
	_cleanup_(buf_free) struct buf input = BUF_MAX(INPUT_MAX);
	struct error err;
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	if (file_read(path, &input, &err) < 0) {
		printf("# %s\n", err.message);
		return -1;
	}
	LLVMFuzzerTestOneInput(input.p ? input.p : (const uint8_t *)"", input.n);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	unsigned n = 0;
	int failed = 0;

	if (!directory) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(directory))) {
		if (entry->d_name[0] == '.')
			continue;
		int r = replay_file(argv[1], entry->d_name);
		failed |= r;
		printf("%sok %u - survives corpus input %s\n", r < 0 ? "not " : "", ++n, entry->d_name);
		fflush(stdout);
	}
	closedir(directory);
	printf("1..%u\n", n);
	return failed || n == 0 ? 1 : 0;
}
