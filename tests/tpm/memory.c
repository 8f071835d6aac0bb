// SPDX-License-Identifier: Apache-2.0
#include "tests/tpm/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/unit/common/cmocka_all.h"

/* Not by memcmp: what it has in vector registers is found on the stack, where the dynamic linker has put them away. */
static bool is_at(const uint8_t *at, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] != bytes[i])
			return false;
	return true;
}

static size_t count_in(int memory, unsigned long begin, unsigned long end, const void *bytes, size_t n)
{
	size_t size = end - begin, found = 0;
	uint8_t *copy = malloc(size);

	assert_non_null(copy);
	ssize_t got = pread(memory, copy, size, (off_t)begin);
	for (size_t i = 0; got > 0 && i + n <= (size_t)got; i++)
		found += is_at(copy + i, bytes, n);
	explicit_bzero(copy, size);
	free(copy);
	return found;
}

size_t memory_count(pid_t pid, const void *bytes, size_t n)
{
	_cleanup_(buf_free) struct buf maps = BUF_MAX(4 * 1024 * 1024);
	char path[64];
	size_t found = 0;
	struct error err;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	_cleanup_close_ int memory = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(memory >= 0);
	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	if (file_read(path, &maps, &err) < 0)
		fail_msg("%s", err.message);
	for (const char *line = buf_text(&maps); *line; line += strcspn(line, "\n") + 1) {
		unsigned long begin, end;
		char rights[5];

		assert_int_equal(sscanf(line, "%lx-%lx %4s", &begin, &end, rights), 3);
		size_t here = strncmp(rights, "rw", 2) == 0 ? count_in(memory, begin, end, bytes, n) : 0;
		if (here)
			print_message("# %zu in %.*s\n", here, (int)strcspn(line, "\n"), line);
		found += here;
	}
	return found;
}
