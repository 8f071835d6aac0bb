// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/base/secret.h"
#include "common/sandbox/sandbox.h"

static const size_t sizes[] = { 0, 1, 32, 4095, 4096, 4097, 100 * 1000 };

static struct secret must_make(size_t n)
{
	struct secret secret = {};
	struct error err;

	if (secret_make(n, &secret, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(secret.n, n);
	return secret;
}

static bool is_zero(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* What is unmapped is given back to the kernel as it is. */
static const uint8_t *watched;
static size_t watched_n;
static bool was_wiped;

int __real_munmap(void *p, size_t n);
int __wrap_munmap(void *p, size_t n);

int __wrap_munmap(void *p, size_t n)
{
	if (watched && watched > (const uint8_t *)p && watched < (const uint8_t *)p + n)
		was_wiped = is_zero(watched, watched_n);
	return __real_munmap(p, n);
}

static void a_secret_is_zero_at_first_and_wiped_at_the_end(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(sizes); i++) {
		struct secret secret = must_make(sizes[i]);

		assert_true(is_zero(secret.p, secret.n));
		memset(secret.p, 0x5a, secret.n);
		watched = secret.p;
		watched_n = secret.n;
		was_wiped = false;
		secret_free(&secret);
		watched = NULL;
		assert_true(was_wiped || sizes[i] == 0);
		assert_null(secret.p);
		secret_free(&secret);
	}
}

/* What the kernel says of a mapping: from its line to the next one's. */
static void flags_of(const struct secret *secret, char *ret, size_t size)
{
	_cleanup_(buf_free) struct buf maps = BUF_MAX(4 * 1024 * 1024);
	char begin[32];
	struct error err;

	snprintf(begin, sizeof(begin), "\n%lx-", ((unsigned long)secret->p + secret->n - 1) / 4096 * 4096);
	if (file_read("/proc/self/smaps", &maps, &err) < 0)
		fail_msg("%s", err.message);
	const char *at = strstr(buf_text(&maps), begin);
	assert_non_null(at);
	at = strstr(at, "VmFlags:");
	assert_non_null(at);
	snprintf(ret, size, "%.*s", (int)strcspn(at, "\n"), at);
}

static void a_secret_is_locked_and_in_no_core_dump_and_no_child(void **state)
{
	struct secret secret = must_make(32);
	char flags[256];

	flags_of(&secret, flags, sizeof(flags));
	if (sandbox_is_complete()) /* a sanitizer makes nothing of mlock */
		assert_non_null(strstr(flags, " lo"));
	assert_non_null(strstr(flags, " dd"));
	assert_non_null(strstr(flags, " wf"));
	secret_free(&secret);
}

static void a_child_finds_zeros(void **state)
{
	struct secret secret = must_make(32);
	int status;

	memset(secret.p, 0x5a, secret.n);
	pid_t child = fork();
	if (child == 0)
		_exit(is_zero(secret.p, secret.n) ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(secret.p[31], 0x5a);
	secret_free(&secret);
}

static bool touching_ends_the_process(volatile uint8_t *p)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGSEGV, SIG_DFL);
		*p = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
}

static void who_goes_beyond_either_end_is_ended(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(sizes); i++) {
		struct secret secret = must_make(sizes[i]);
		uint8_t *begin = secret.p + secret.n + 4096 - secret.mapped;

		assert_true(touching_ends_the_process(secret.p + secret.n));
		assert_true(touching_ends_the_process(begin));
		assert_true(touching_ends_the_process(begin + 4095));
		assert_false(touching_ends_the_process(begin + 4096));
		secret_free(&secret);
	}
}

/* Root may lock more than the limit; so without capabilities. */
static int make_beyond_the_limit(void)
{
	const struct rlimit limit = { 64 * 1024, 64 * 1024 };
	struct secret secret = {};
	struct error err;

	if (sandbox_keep_capabilities(0, &err) < 0 || setrlimit(RLIMIT_MEMLOCK, &limit) < 0)
		return 1;
	if (secret_make(128 * 1024, &secret, &err) == 0 || secret.p)
		return 2;
	return strstr(err.message, "65536") && strstr(err.message, "LimitMEMLOCK") ? 0 : 3;
}

static void what_may_not_be_locked_is_refused_with_the_limit(void **state)
{
	int status;

	if (!sandbox_is_complete())
		skip();
	pid_t child = fork();
	if (child == 0)
		_exit(make_beyond_the_limit());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void a_size_that_cannot_be_is_refused(void **state)
{
	struct secret secret = {};
	struct error err;

	assert_true(secret_make(SIZE_MAX, &secret, &err) < 0);
	assert_true(secret_make(SIZE_MAX - 4096, &secret, &err) < 0);
	assert_true(secret_make(SIZE_MAX / 2, &secret, &err) < 0);
	assert_null(secret.p);
}

#ifdef __x86_64__
#define LOAD(register, bytes, move) __asm__ volatile(move " %0, %%" register : : "m"(bytes))
#define STORE(register, bytes, move) __asm__ volatile(move " %%" register ", %0" : "=m"(bytes))
#endif

static void registers_for_vectors_are_zeroed_also_those_that_the_compiler_does_not_use(void **state)
{
#ifdef __x86_64__
	uint8_t marker[64], low[64] = {}, high[64] = {};
	bool has_high = __builtin_cpu_supports("avx512f");

	memset(marker, 0x5a, sizeof(marker));
	LOAD("xmm7", marker, "movdqu");
	STORE("xmm7", low, "movdqu");
	assert_memory_equal(low, marker, 16);
	LOAD("xmm7", marker, "movdqu");
	if (has_high)
		LOAD("zmm20", marker, "vmovdqu64");
	secret_wipe_registers();
	STORE("xmm7", low, "movdqu");
	if (has_high)
		STORE("zmm20", high, "vmovdqu64");
	assert_true(is_zero(low, 16));
	assert_true(is_zero(high, sizeof(high)));
#else
	skip();
#endif
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_zero_at_first_and_wiped_at_the_end),
		cmocka_unit_test(a_secret_is_locked_and_in_no_core_dump_and_no_child),
		cmocka_unit_test(a_child_finds_zeros),
		cmocka_unit_test(who_goes_beyond_either_end_is_ended),
		cmocka_unit_test(what_may_not_be_locked_is_refused_with_the_limit),
		cmocka_unit_test(a_size_that_cannot_be_is_refused),
		cmocka_unit_test(registers_for_vectors_are_zeroed_also_those_that_the_compiler_does_not_use),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
