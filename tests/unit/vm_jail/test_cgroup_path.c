// SPDX-License-Identifier: Apache-2.0
/* The paths that runc makes of the same (libcontainer/cgroups/systemd: ExpandSlice, getUnitName). */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/vm/jail/cgroup.h"

static void test_each_form_leads_to_its_directory(void **state)
{
	static const struct {
		const char *cgroups_path, *expected;
	} cases[] = {
		{ "/kubepods/burstable/pod1/abc", "/kubepods/burstable/pod1/abc" },
		{ "/kubepods//besteffort/pod1/abc/", "/kubepods/besteffort/pod1/abc" },
		{ "k8s.io/abc", "/k8s.io/abc" },
		{ "kubepods-burstable-pod1_2.slice:cri-containerd:abc",
		  "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-abc.scope" },
		{ "system.slice:cri-containerd:abc", "/system.slice/cri-containerd-abc.scope" },
		{ ":cri-containerd:abc", "/system.slice/cri-containerd-abc.scope" },
		{ "-.slice:crio:abc", "/crio-abc.scope" },
		{ "machine.slice::abc", "/machine.slice/abc.scope" },
		{ "", "/id" },
		{ NULL, "/id" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		_cleanup_free_ char *path = NULL;
		struct error err = { 0 };
		if (cgroup_path(cases[i].cgroups_path, "id", &path, &err) < 0)
			fail_msg("%s", err.message);
		assert_string_equal(path, cases[i].expected);
	}
}

static void test_what_leads_elsewhere_is_refused(void **state)
{
	static const char *const cases[] = {
		"/",         "//",         "/a/../../b",     "..",           "/a/./b",       "abc",           "a:b", "a:b:c", "a.slice:b:",
		"a.slice:b", ".slice:b:c", "a--b.slice:c:d", "-a.slice:b:c", "a-.slice:b:c", "a.service:b:c",
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		char *path = NULL;
		struct error err = { 0 };
		if (cgroup_path(cases[i], "id", &path, &err) != -EINVAL)
			fail_msg("%s is taken as %s", cases[i], path);
		assert_non_null(strstr(err.message, cases[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_form_leads_to_its_directory),
		cmocka_unit_test(test_what_leads_elsewhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
