// SPDX-License-Identifier: Apache-2.0
/*
 * Reads /file by its pages, from the beginning again and again. The kernel reads ahead of it, and opening the file anew makes it forget what
 * it has, so that there is nearly always a request under way. Without a descriptor, whose closing would wait for that.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (16 * 1024 * 1024)
#define PAGE 4096

int main(void)
{
	unsigned sum = 0;

	puts("reads");
	fflush(stdout);
	for (;;) {
		int fd = open("/file", O_RDONLY);
		const volatile char *bytes = mmap(NULL, SIZE, PROT_READ, MAP_PRIVATE, fd, 0);

		close(fd);
		if (bytes == MAP_FAILED)
			return 1;
		for (size_t at = 0; at < SIZE; at += PAGE)
			sum += (unsigned char)bytes[at];
		munmap((void *)bytes, SIZE);
	}
	return sum > 0;
}
