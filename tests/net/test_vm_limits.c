// SPDX-License-Identifier: Apache-2.0
/* How large a VM is made whose pod has limits of kubelet's, on the real control groups. Nothing is started. */
#include "tests/net/jail_lab.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "kata-shim/vm/sandbox/vm.h"

#define UID "8e1f0b2c-5c7e-4f0e"
#define KUBEPODS "/holdfast-limits-test"
#define POD KUBEPODS "/pod" UID
#define ID "sandbox1"

static const struct vm_settings settings = { .memory_base_mib = 128, .memory_unlimited_mib = 1024, .cpus_base = 1 };

static void write_config(const char *directory, const char *cgroup)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	char path[128];
	struct error err;

	buf_printf(&text,
		   "{\"ociVersion\": \"1.0.2\", \"root\": {\"path\": \"rootfs\"}, \"process\": {\"cwd\": \"/\", \"args\": [\"/pause\"]},"
		   "\"annotations\": {\"io.kubernetes.cri.container-type\": \"sandbox\", \"io.kubernetes.cri.sandbox-id\": \"" ID "\","
		   "\"io.kubernetes.cri.sandbox-uid\": \"" UID "\", \"io.kubernetes.cri.sandbox-memory\": \"67108864\"},"
		   "\"linux\": {\"cgroupsPath\": \"%s\", \"namespaces\": [{\"type\": \"mount\"}, {\"type\": \"pid\"}, {\"type\": \"ipc\"},"
		   "{\"type\": \"uts\"}, {\"type\": \"network\"}]}}",
		   cgroup);
	snprintf(path, sizeof(path), "%s/config.json", directory);
	must(file_write_atomic(path, buf_view(&text), 0600, &err), &err);
}

static uint32_t memory_of(const char *cgroup)
{
	static const struct vm_listener listener = {};
	char directory[] = "/tmp/holdfast-limits.XXXXXX", path[128];
	struct vm *vm = NULL;
	struct error err;
	uv_loop_t loop;

	assert_non_null(mkdtemp(directory));
	write_config(directory, cgroup);
	uv_loop_init(&loop);
	int r = vm_new(&loop, ID, directory, &settings, &listener, NULL, &vm, &err);
	const uint32_t mib = r == 0 ? vm->size.memory_mib : 0;
	vm_free(vm);
	uv_loop_close(&loop);
	snprintf(path, sizeof(path), "%s/config.json", directory);
	unlink(path);
	rmdir(directory);
	must(r, &err);
	return mib;
}

static void make_pod(void)
{
	struct cgroup *cgroup;
	struct error err;

	must(cgroup_open(POD, true, &cgroup, &err), &err);
	cgroup_free(cgroup);
}

static int teardown(void **state)
{
	clear_cgroup(POD);
	clear_cgroup(KUBEPODS);
	return 0;
}

static const char *limit_file(void)
{
	static const char v1[] = "/sys/fs/cgroup/memory" POD "/memory.limit_in_bytes", v2[] = "/sys/fs/cgroup" POD "/memory.max";

	return access(v1, F_OK) == 0 ? v1 : v2;
}

static void a_pod_in_which_only_some_containers_have_a_limit_has_memory_for_the_others(void **state)
{
	make_pod();
	if (access(limit_file(), F_OK) < 0)
		skip(); /* nobody counts memory here */
	assert_int_equal(memory_of(POD "/" ID), 64 + 1024 + 128 - 4); /* see size.c */
}

static void one_that_kubelet_has_limited_has_just_that(void **state)
{
	struct error err;

	make_pod();
	if (access(limit_file(), F_OK) < 0)
		skip();
	_cleanup_close_ int fd = open(limit_file(), O_WRONLY | O_CLOEXEC);
	must(file_write_fd(fd, slice_string("251658240"), limit_file(), &err), &err);
	assert_int_equal(memory_of(POD "/" ID), 64 + 128);
}

static void where_kubelet_has_made_no_cgroup_containerds_word_counts(void **state)
{
	assert_int_equal(memory_of(POD "/" ID), 64 + 128);
	assert_int_equal(memory_of("/k8s.io/" ID), 64 + 128);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_pod_in_which_only_some_containers_have_a_limit_has_memory_for_the_others),
		TEST(one_that_kubelet_has_limited_has_just_that),
		TEST(where_kubelet_has_made_no_cgroup_containerds_word_counts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
