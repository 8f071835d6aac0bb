// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "kata-shim/vm/jail/virtiofsd.h"

static void test_both_kinds_are_told_by_their_version(void **state)
{
	static const struct {
		const char *version;
		enum virtiofsd_kind kind;
	} cases[] = {
		{ "virtiofsd version 7.2.22 (Debian 1:7.2+dfsg-7+deb12u18+b3)\nCopyright (c) 2003-2022 Fabrice Bellard\n", VIRTIOFSD_C },
		{ "virtiofsd version 5.0.0\n", VIRTIOFSD_C },
		{ "virtiofsd 1.13.3\n", VIRTIOFSD_RUST },
		{ "virtiofsd backend 1.1.0\n", VIRTIOFSD_RUST },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		enum virtiofsd_kind kind;
		assert_int_equal(virtiofsd_kind_of(cases[i].version, &kind, NULL), 0);
		assert_int_equal(kind, cases[i].kind);
	}
}

static void test_another_program_is_refused_with_what_it_said(void **state)
{
	enum virtiofsd_kind kind;
	struct error err;

	assert_int_equal(virtiofsd_kind_of("sleep (GNU coreutils) 9.1\n", &kind, &err), -EINVAL);
	assert_non_null(strstr(err.message, "sleep (GNU coreutils)"));
	assert_int_equal(virtiofsd_kind_of("", &kind, &err), -EINVAL);
}

static void assert_arguments(enum virtiofsd_kind kind, enum virtiofsd_cache cache, const char *expected)
{
	_cleanup_(buf_free) struct buf line = BUF_MAX(4096);
	const char *arguments[VIRTIOFSD_ARGUMENTS_MAX];

	virtiofsd_arguments("/v", kind, cache, arguments);
	for (size_t i = 0; arguments[i]; i++)
		buf_printf(&line, "%s%s", i ? " " : "", arguments[i]);
	assert_string_equal(buf_text(&line), expected);
}

static void test_each_kind_is_told_the_same_in_its_own_options(void **state)
{
	assert_arguments(VIRTIOFSD_C, VIRTIOFSD_CACHE_NEVER,
			 "/v -f --fd=3 --thread-pool-size=1 --rlimit-nofile=0 "
			 "-o source=/share,sandbox=chroot,announce_submounts,xattr,no_posix_lock,no_flock,log_level=warn -o cache=none");
	assert_arguments(VIRTIOFSD_RUST, VIRTIOFSD_CACHE_NEVER,
			 "/v --fd=3 --thread-pool-size=1 --rlimit-nofile=0 --shared-dir=/share --sandbox=chroot --announce-submounts "
			 "--xattr --inode-file-handles=never --log-level=warn --cache=never");
	assert_arguments(VIRTIOFSD_RUST, VIRTIOFSD_CACHE_AUTO,
			 "/v --fd=3 --thread-pool-size=1 --rlimit-nofile=0 --shared-dir=/share --sandbox=chroot --announce-submounts "
			 "--xattr --inode-file-handles=never --log-level=warn --cache=auto");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_kinds_are_told_by_their_version),
		cmocka_unit_test(test_another_program_is_refused_with_what_it_said),
		cmocka_unit_test(test_each_kind_is_told_the_same_in_its_own_options),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
