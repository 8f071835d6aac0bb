// SPDX-License-Identifier: Apache-2.0
/*
 * How fast a directory's files are, from within a container. Prints a line of JSON, in MiB and small files a second.
 *
 *	file_rates DIRECTORY ROUND
 *
 * It writes DIRECTORY/written, and reads what somebody has put there: big.ROUND, and the files small.ROUND/0, 1, … .
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define BLOCK (1024 * 1024)

static char block[BLOCK], path[512];

static void die(void)
{
	perror(path);
	exit(EXIT_FAILURE);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Bytes; 0: there is none. */
static double read_all(void)
{
	const int fd = open(path, O_RDONLY);
	double bytes = 0;
	ssize_t n;

	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0)
		die();
	while ((n = read(fd, block, BLOCK)) > 0)
		bytes += (double)n;
	if (n < 0)
		die();
	close(fd);
	return bytes;
}

static void write_all(double bytes)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		die();
	for (double written = 0; written < bytes; written += BLOCK) {
		if (write(fd, block, BLOCK) != BLOCK)
			die();
	}
	if (fsync(fd) < 0)
		die();
	close(fd);
}

int main(int argc, char **argv)
{
	unsigned small = 0;

	if (argc != 3)
		return 64;
	double began = now();
	snprintf(path, sizeof(path), "%s/big.%s", argv[1], argv[2]);
	const double bytes = read_all();
	const double read_s = now() - began;
	began = now();
	snprintf(path, sizeof(path), "%s/written", argv[1]);
	write_all(bytes);
	const double write_s = now() - began;
	began = now();
	do
		snprintf(path, sizeof(path), "%s/small.%s/%u", argv[1], argv[2], small);
	while (read_all() > 0 && ++small);
	const double small_s = now() - began;
	printf("{\"read_mib_s\": %.0f, \"written_mib_s\": %.0f, \"small_files_s\": %.0f}\n", bytes / BLOCK / read_s, bytes / BLOCK / write_s,
	       small / small_s);
	return 0;
}
