// SPDX-License-Identifier: Apache-2.0
/* The table of calls is one for all processors. arm64 came later than most of them, and has none that a better one has made needless. */
#include <seccomp.h>
#include <string.h>

#include "common/base/array.h"
#include "common/sandbox/sandbox.h"
#include "tests/unit/common/cmocka_all.h"

/* What libc on arm64 calls where it calls the first one on x86-64 (glibc, sysdeps/unix/sysv/linux). */
static const struct place {
	const char *old, *arm64;
} places[] = {
	{ "open", "openat" },
	{ "stat", "newfstatat" },
	{ "lstat", "newfstatat" },
	{ "access", "faccessat" },
	{ "readlink", "readlinkat" },
	{ "rename", "renameat" },
	{ "unlink", "unlinkat" },
	{ "rmdir", "unlinkat" },
	{ "mkdir", "mkdirat" },
	{ "dup2", "dup3" },
	{ "pipe", "pipe2" },
	{ "epoll_wait", "epoll_pwait" },
	{ "poll", "ppoll" },
	{ "select", "pselect6" },
	{ "time", "clock_gettime" },
};

static bool is_allowed(const char *name)
{
	for (size_t i = 0; i < sandbox_n_base_calls; i++) {
		if (strcmp(sandbox_base_calls[i].name, name) == 0)
			return true;
	}
	return false;
}

static const char *in_place_of(const char *old)
{
	for (size_t i = 0; i < ELEMENTS_OF(places); i++) {
		if (strcmp(places[i].old, old) == 0)
			return places[i].arm64;
	}
	fail_msg("x86-64 is allowed %s, which arm64 lacks: allow what it has instead, and say so here", old);
	return NULL;
}

/* libseccomp knows a call that a processor lacks by a negative number. */
static bool has(uint32_t processor, const char *name)
{
	return seccomp_syscall_resolve_name_arch(processor, name) >= 0;
}

static void test_what_is_allowed_on_x86_64_has_its_place_on_arm64(void **state)
{
	size_t n = 0;

	for (size_t i = 0; i < sandbox_n_base_calls; i++) {
		const char *old = sandbox_base_calls[i].name;
		if (!has(SCMP_ARCH_X86_64, old) || has(SCMP_ARCH_AARCH64, old))
			continue;
		const char *arm64 = in_place_of(old);
		assert_true(has(SCMP_ARCH_AARCH64, arm64));
		if (!is_allowed(arm64))
			fail_msg("arm64 calls %s in the place of %s, and is not allowed to", arm64, old);
		n++;
	}
	assert_int_equal(n, ELEMENTS_OF(places));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_allowed_on_x86_64_has_its_place_on_arm64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
