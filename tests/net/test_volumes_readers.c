// SPDX-License-Identifier: Apache-2.0
/*
 * Who reads while secrets are rotated: by the names in the volume, and by a directory that was opened once for several files. Between two
 * sweeps the rotation waits until each reader has come round, as seconds pass between them in the daemon.
 */
#include "tests/net/volumes_support.h"

#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"

#define ROTATIONS 1000
#define READERS 3
#define READER_UID 999
#define POD "/run/pod"
#define SIZE (5 * 4096 + 17)

struct shared {
	atomic_bool stop;
	atomic_uint rounds[READERS];
};

/* All of it says which version it is of. */
static void fill(char *text, unsigned version)
{
	for (size_t i = 0; i < SIZE; i++)
		text[i] = (char)('a' + (version + i / 4096) % 26);
}

static void must(bool is_true, const char *what)
{
	if (is_true)
		return;
	perror(what);
	_exit(1);
}

/* Which version (of 26) the file is of; it must be that one as a whole. */
static int read_version(int at, const char *name)
{
	char text[SIZE + 1], wanted[SIZE];
	int fd = openat(at, name, O_RDONLY | O_CLOEXEC);
	size_t n = 0;
	ssize_t r = 1;

	must(fd >= 0, name);
	while (r > 0 && n < sizeof(text)) {
		r = read(fd, text + n, sizeof(text) - n < 1000 ? sizeof(text) - n : 1000);
		n += r > 0 ? (size_t)r : 0;
	}
	close(fd);
	must(n == SIZE, "a file of another length");
	fill(wanted, (unsigned)(text[0] - 'a'));
	must(memcmp(text, wanted, SIZE) == 0, "a file of two versions");
	return text[0];
}

static void read_once(void)
{
	int live = open(POD "/..data", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	must(live >= 0, "..data");
	must(read_version(live, "a") == read_version(live, "b"), "a directory of two versions");
	close(live);
	read_version(AT_FDCWD, POD "/a");
	read_version(AT_FDCWD, POD "/b");
}

static pid_t start_reader(struct shared *shared, size_t i)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child > 0)
		return child;
	must(setgid(READER_UID) == 0 && setuid(READER_UID) == 0, "setuid");
	while (!atomic_load(&shared->stop)) {
		read_once();
		atomic_fetch_add(&shared->rounds[i], 1);
	}
	_exit(0);
}

static bool is_running(pid_t reader)
{
	siginfo_t info = {};

	return waitid(P_PID, (id_t)reader, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == 0;
}

/* A round may have begun before; two have not. */
static void wait_until_all_came_round(struct shared *shared, const pid_t *readers)
{
	for (size_t i = 0; i < READERS; i++) {
		unsigned begin = atomic_load(&shared->rounds[i]);

		while (atomic_load(&shared->rounds[i]) - begin < 2 && is_running(readers[i]))
			sched_yield();
	}
}

static void write_version(struct volumes *volumes, unsigned version)
{
	static char text[SIZE];
	struct volume_file files[] = {
		{ .name = "a", .content = slice_from(text, SIZE), .mode = 0400, .uid = READER_UID },
		{ .name = "b", .content = slice_from(text, SIZE), .mode = 0400, .uid = READER_UID },
	};

	fill(text, version);
	must_write(volumes, files, ELEMENTS_OF(files));
}

static void must_sweep(struct volumes *volumes)
{
	struct error err;

	if (volumes_sweep(volumes, &err) < 0)
		fail_msg("%s", err.message);
}

static void readers_see_one_version_or_the_next_and_never_a_part_through_a_thousand_rotations(void **state)
{
	struct shared *shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t readers[READERS];

	assert_ptr_not_equal(shared, MAP_FAILED);
	write_version(*state, 0);
	assert_int_equal(mkdir(POD, 0755), 0);
	assert_int_equal(mount(VOLUME, POD, NULL, MS_BIND, NULL), 0);
	for (size_t i = 0; i < READERS; i++)
		readers[i] = start_reader(shared, i);
	for (unsigned version = 1; version <= ROTATIONS; version++) {
		write_version(*state, version);
		must_sweep(*state);
		wait_until_all_came_round(shared, readers);
		must_sweep(*state);
	}
	atomic_store(&shared->stop, true);
	for (size_t i = 0; i < READERS; i++) {
		int status;
		assert_int_equal(waitpid(readers[i], &status, 0), readers[i]);
		assert_int_equal(status, 0);
		print_message("# reader %zu came round %u times\n", i, atomic_load(&shared->rounds[i]));
	}
	must_sweep(*state);
	assert_int_equal(versions_of(VOLUME), 1);
	munmap(shared, sizeof(*shared));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(readers_see_one_version_or_the_next_and_never_a_part_through_a_thousand_rotations,
						volumes_setup, volumes_teardown),
	};

	need_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
