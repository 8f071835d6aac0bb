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

#define UID "8e1f0b2c-5c7e-4f0e"

static void test_the_pods_own_is_known_by_its_name(void **state)
{
	static const struct {
		const char *path, *pod;
	} cases[] = {
		{ "/kubepods/burstable/pod" UID "/5f3a", "/kubepods/burstable/pod" UID },
		{ "/kubepods/pod" UID "/5f3a", "/kubepods/pod" UID },
		{ "/a/kubepods-burstable.slice/kubepods-burstable-pod8e1f0b2c_5c7e_4f0e.slice/cri-containerd-5f3a.scope",
		  "/a/kubepods-burstable.slice/kubepods-burstable-pod8e1f0b2c_5c7e_4f0e.slice" },
		{ "/k8s.io/5f3a", NULL },
		{ "/5f3a", NULL },
		{ "/kubepods/pod" UID, NULL },
		{ "/kubepods/pod" UID "/deeper/5f3a", NULL },
		{ "/kubepods/pod8e1f0b2c-5c7e-4f0f/5f3a", NULL },
		{ "/kubepods/xpod" UID "/5f3a", NULL },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *pod = NULL;
		if (cgroup_is_in_pod(cases[i].path, UID, &pod) != (cases[i].pod != NULL) || (pod && strcmp(pod, cases[i].pod) != 0))
			fail_msg("%s: %s", cases[i].path, pod ? pod : "none");
		free(pod);
	}
	char *pod = NULL;
	assert_false(cgroup_is_in_pod("/kubepods/pod/5f3a", "", &pod));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_pods_own_is_known_by_its_name),
		cmocka_unit_test(test_each_form_leads_to_its_directory),
		cmocka_unit_test(test_what_leads_elsewhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
