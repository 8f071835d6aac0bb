// SPDX-License-Identifier: Apache-2.0
/* The search for secrets that must be nowhere: what it would find if it were there. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>

#include "common/base/base64.h"
#include "common/base/file.h"
#include "common/sandbox/sandbox.h"
#include "tests/support/remnants.h"

#define SECRET_SIZE 32
#define MASK 0x5a
#define FRAGMENT 16

static uint8_t secret[SECRET_SIZE];
static struct remnants *remnants;
static char path[] = "/tmp/holdfast-remnants.XXXXXX";

static void make_remnants(void)
{
	struct error err;

	remnants = remnants_new(NULL);
	assert_non_null(remnants);
	assert_int_equal(remnants_add(remnants, "secret", slice_from(secret, sizeof(secret)), &err), 0);
}

static int set_up(void **state)
{
	assert_int_equal(getrandom(secret, sizeof(secret), 0), sizeof(secret));
	make_remnants();
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	close(fd);
	return 0;
}

static int tear_down(void **state)
{
	remnants_free(remnants);
	return unlink(path);
}

/* ── files ── */

static size_t count_in_file(const char *where)
{
	size_t found = 0;
	struct error err;

	if (remnants_in_files(remnants, where, &found, &err) < 0)
		fail_msg("%s", err.message);
	return found;
}

static bool is_found_at(off_t at, struct slice bytes)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fseeko(file, at, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes.p, 1, bytes.n, file), bytes.n);
	assert_int_equal(fclose(file), 0);
	return count_in_file(path) == 1;
}

static void every_sixteen_bytes_are_found_as_they_are(void **state)
{
	for (size_t i = 0; i + FRAGMENT <= SECRET_SIZE; i++)
		assert_true(is_found_at((off_t)i, slice_from(secret + i, FRAGMENT)));
}

static void every_sixteen_bytes_are_found_in_hexadecimal_digits(void **state)
{
	for (size_t i = 0; i + FRAGMENT <= SECRET_SIZE; i++) {
		for (size_t upper = 0; upper < 2; upper++) {
			char text[2 * FRAGMENT + 1];

			for (size_t j = 0; j < FRAGMENT; j++)
				snprintf(text + 2 * j, 3, upper ? "%02X" : "%02x", secret[i + j]);
			assert_true(is_found_at(0, slice_string(text)));
		}
	}
}

static void every_sixteen_bytes_are_found_in_base64_of_anything_around_them(void **state)
{
	for (size_t i = 0; i + FRAGMENT <= SECRET_SIZE; i++) {
		for (size_t before = 0; before < 6; before++) {
			_cleanup_(buf_free) struct buf text = BUF_MAX(1024);
			uint8_t around[6 + FRAGMENT + 5];

			memset(around, 'x', sizeof(around));
			memcpy(around + before, secret + i, FRAGMENT);
			base64_encode(slice_from(around, before + FRAGMENT + 5), &text);
			assert_true(is_found_at(0, buf_view(&text)));
		}
	}
}

static void it_is_found_wherever_a_piece_ends_and_behind_a_hole(void **state)
{
	for (off_t i = -40; i < 10; i++)
		assert_true(is_found_at(REMNANTS_PIECE + i, slice_from(secret, SECRET_SIZE)));
	assert_true(is_found_at((off_t)1 << 33, slice_from(secret, SECRET_SIZE)));
}

static void it_is_found_in_a_piece_that_is_read_byte_by_byte(void **state)
{
	uint8_t buffer[REMNANTS_KEPT + 1];
	struct remnants_stream stream = { .remnants = remnants };
	const char *what = NULL;

	for (size_t i = 0; i < SECRET_SIZE && !what; i++) {
		buffer[REMNANTS_KEPT] = secret[i];
		what = remnants_in_piece(&stream, buffer, 1);
	}
	assert_string_equal(what, "secret, as it is");
}

static void what_is_not_there_is_not_found(void **state)
{
	uint8_t other[SECRET_SIZE];

	memcpy(other, secret, sizeof(other));
	for (size_t i = 0; i < SECRET_SIZE; i += 7)
		other[i] ^= 1;
	assert_false(is_found_at(0, slice_from(other, sizeof(other))));
	assert_false(is_found_at(0, slice_from(secret + 1, 7)));
}

static void directories_are_walked(void **state)
{
	char directory[] = "/tmp/holdfast-remnants.XXXXXX", file[64];
	struct error err;

	assert_non_null(mkdtemp(directory));
	snprintf(file, sizeof(file), "%s/deep", directory);
	assert_int_equal(file_make_directory(file, 0700, &err), 0);
	snprintf(file, sizeof(file), "%s/deep/file", directory);
	assert_int_equal(file_write_atomic(file, slice_from(secret, SECRET_SIZE), 0600, &err), 0);
	assert_int_equal(count_in_file(directory), 1);
	unlink(file);
	assert_int_equal(count_in_file(directory), 0);
	snprintf(file, sizeof(file), "%s/deep", directory);
	rmdir(file);
	rmdir(directory);
}

static void what_cannot_be_searched_is_an_error(void **state)
{
	size_t found = 0;
	struct error err;

	assert_int_equal(remnants_in_files(remnants, "/nonexistent", &found, &err), -ENOENT);
	assert_int_equal(remnants_in_process(remnants, 0x7fffffff, &found, &err), -ENOENT);
	assert_int_equal(remnants_add(remnants, "short", slice_from(secret, 7), &err), -EINVAL);
}

/* ── processes: their children know the secret under a mask only, so that it is where they put it and nowhere else ── */

static uint8_t masked[SECRET_SIZE];
static volatile int *is_there; /* shared with the child */

typedef void hider(void);

/* Not in the child, which would have it on its stack. */
static void toggle_mask(uint8_t *bytes)
{
	for (size_t i = 0; i < SECRET_SIZE; i++)
		bytes[i] ^= MASK;
}

static size_t count_in_child(hider *hide)
{
	size_t found = 0;
	struct error err;

	remnants_free(TAKE_PTR(remnants));
	assert_int_equal(getrandom(masked, sizeof(masked), 0), sizeof(masked));
	explicit_bzero(secret, sizeof(secret));
	*is_there = 0;
	pid_t child = fork();
	if (child == 0) {
		hide();
		*is_there = 1;
		for (;;)
			pause();
	}
	memcpy(secret, masked, sizeof(secret));
	toggle_mask(secret);
	make_remnants();
	while (!*is_there)
		sched_yield();
	int r = remnants_in_process(remnants, child, &found, &err);
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	if (r < 0)
		fail_msg("%s", err.message);
	return found;
}

static void nowhere(void)
{
}

static void on_the_heap(void)
{
	uint8_t *p = malloc(SECRET_SIZE);

	memcpy(p, masked, SECRET_SIZE);
	toggle_mask(p);
}

static void in_a_page_that_nobody_may_read(void)
{
	uint8_t *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p + 4096 - SECRET_SIZE, masked, SECRET_SIZE);
	toggle_mask(p + 4096 - SECRET_SIZE);
	mprotect(p, 4096, PROT_NONE);
}

#ifdef __x86_64__
static void in_registers(void)
{
	static uint8_t mask[16] __attribute__((aligned(16)));

	memset(mask, MASK, sizeof(mask));
	__asm__ volatile("movdqu (%0), %%xmm7\n\tpxor (%1), %%xmm7\n\tmovl $1, (%2)\n1:\tpause\n\tjmp 1b"
			 :
			 : "r"(masked), "r"(mask), "r"(is_there)
			 : "xmm7", "memory");
}
#endif

static void a_process_is_searched_in_memory_of_any_rights_and_in_registers(void **state)
{
	if (!sandbox_is_complete())
		skip(); /* a sanitizer has terabytes of address space */
	is_there = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(is_there != MAP_FAILED);
	assert_int_equal(count_in_child(nowhere), 0);
	assert_true(count_in_child(on_the_heap) >= 1);
	assert_true(count_in_child(in_a_page_that_nobody_may_read) >= 1);
#ifdef __x86_64__
	assert_true(count_in_child(in_registers) >= 1);
#endif
	munmap((void *)is_there, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_sixteen_bytes_are_found_as_they_are),
		cmocka_unit_test(every_sixteen_bytes_are_found_in_hexadecimal_digits),
		cmocka_unit_test(every_sixteen_bytes_are_found_in_base64_of_anything_around_them),
		cmocka_unit_test(it_is_found_wherever_a_piece_ends_and_behind_a_hole),
		cmocka_unit_test(it_is_found_in_a_piece_that_is_read_byte_by_byte),
		cmocka_unit_test(what_is_not_there_is_not_found),
		cmocka_unit_test(directories_are_walked),
		cmocka_unit_test(what_cannot_be_searched_is_an_error),
		cmocka_unit_test(a_process_is_searched_in_memory_of_any_rights_and_in_registers),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
