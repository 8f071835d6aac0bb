// SPDX-License-Identifier: Apache-2.0
/* One real VM, and the volumes of its pod: in directories that look as kubelet's do, in a mount namespace of the test. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/unit/vm_copies/volume.h"
#include "tests/vm/machine.h"

static struct machine machine;
static char pod[PATH_MAX - 512]; /* kubelet's directory of it */

static void must(int r)
{
	if (r < 0)
		fail_msg("%s", machine.err.message);
}

static const char *out_of(const char *container)
{
	return buf_text(&machine_process(&machine, container, "")->out_text);
}

/* <pod>/<path>, a new directory. */
static const char *make_place(char ret[static PATH_MAX], const char *path)
{
	struct error err = {};

	snprintf(ret, PATH_MAX, "%s/%s", pod, path);
	if (file_make_directory(ret, 0755, &err) < 0)
		fail_msg("%s", err.message);
	return ret;
}

/* An element of `mounts`. */
static const char *mount_of(const char *source, const char *destination, const char *how)
{
	static char text[PATH_MAX + 256];

	snprintf(text, sizeof(text),
		 "{\"destination\": \"%s\", \"type\": \"bind\", \"source\": \"%s\", \"options\": [\"rbind\", \"rprivate\", \"%s\"]},",
		 destination, source, how);
	return text;
}

static void start(const char *container, const char *script, const char *mounts)
{
	must(machine_create(&machine, container, script, &(struct machine_wishes){ .mounts = mounts }));
	must(machine_start(&machine, container, ""));
}

static void run(const char *container, const char *script, const char *mounts)
{
	start(container, script, mounts);
	assert_int_equal(machine_wait(&machine, container, ""), 0);
	must(machine_remove(&machine, container, ""));
}

static int boot(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	machine_prepare(&machine, false);
	snprintf(pod, sizeof(pod), "%s/kubelet/pods/" MACHINE_UID, machine.directory);
	must(machine_boot(&machine));
	return 0;
}

static int stop(void **state)
{
	must(machine_stop(&machine));
	machine_clear(&machine);
	return 0;
}

/* ── Promises ── */

static void a_secret_is_read_only_and_a_new_version_is_seen(void **state)
{
	static const struct file one[] = { { "a", "first\n", 0400 } }, two[] = { { "a", "second\n", 0400 }, { "b", "more\n", 0444 } };
	char place[PATH_MAX];

	make_place(place, "volumes/kubernetes.io~secret/password");
	volume_prepare(place, "..1", one, 1);
	volume_switch(place, "..1", NULL, one, 1);
	start("secret",
	      "cat /s/a; stat -L -c '%a %u %g' /s/a; echo x 2>/dev/null >/s/x || echo read-only; "
	      "until [ -e /s/b ]; do sleep 0.1; done; cat /s/a /s/b; until [ ! -e /s/..1 ]; do sleep 0.1; done; ls -A /s",
	      mount_of(place, "/s", "rw"));
	machine_wait_output(&machine, "secret", "", "read-only\n");
	assert_string_equal(out_of("secret"), "first\n400 0 0\nread-only\n");
	volume_prepare(place, "..2", two, 2);
	volume_switch(place, "..2", "..1", two, 2);
	assert_int_equal(machine_wait(&machine, "secret", ""), 0);
	assert_string_equal(out_of("secret") + strlen("first\n400 0 0\nread-only\n"), "second\nmore\n..2\n..data\na\nb\n");
	must(machine_remove(&machine, "secret", ""));
}

static void an_empty_dir_in_memory_is_the_guests_and_one_for_all_containers(void **state)
{
	char place[PATH_MAX], path[PATH_MAX + 8];
	struct stat status;

	make_place(place, "volumes/kubernetes.io~empty-dir/memory");
	assert_int_equal(mount("tmpfs", place, "tmpfs", 0, "size=1m,mode=0777"), 0);
	run("memory-1", "echo hello >/m/hello; mount | while read what on where as type rest; do [ $where != /m ] || echo $type; done",
	    mount_of(place, "/m", "rw"));
	assert_string_equal(out_of("memory-1"), "tmpfs\n");
	run("memory-2", "cat /m/hello; head -c 2000000 /dev/zero 2>/dev/null >/m/large && echo fits || echo full",
	    mount_of(place, "/m", "rw"));
	assert_string_equal(out_of("memory-2"), "hello\nfull\n");
	snprintf(path, sizeof(path), "%s/hello", place);
	assert_int_equal(stat(path, &status), -1);
	assert_int_equal(umount(place), 0);
}

static void an_empty_dir_on_disk_is_the_hosts(void **state)
{
	char place[PATH_MAX], path[PATH_MAX + 8];
	struct stat status;

	make_place(place, "volumes/kubernetes.io~empty-dir/disk");
	assert_int_equal(chmod(place, 0777), 0);
	run("disk", "echo hello >/d/hello", mount_of(place, "/d", "rw"));
	snprintf(path, sizeof(path), "%s/hello", place);
	assert_int_equal(stat(path, &status), 0);
	assert_int_equal(status.st_uid, 0);
}

static void a_sub_path_of_a_secret_is_one_file(void **state)
{
	char volume[PATH_MAX], place[PATH_MAX], file[PATH_MAX + 8], sub_path[PATH_MAX + 8];

	make_place(volume, "volumes/kubernetes.io~secret/other");
	make_place(place, "volume-subpaths/other/main");
	assert_int_equal(mount("tmpfs", volume, "tmpfs", 0, "size=1m"), 0);
	make_file(volume, "key", "of a secret\n", 0440);
	make_file(place, "0", "", 0600);
	snprintf(file, sizeof(file), "%s/key", volume);
	snprintf(sub_path, sizeof(sub_path), "%s/0", place);
	assert_int_equal(mount(file, sub_path, NULL, MS_BIND, NULL), 0);
	run("sub-path", "cat /etc/key; stat -c %a /etc/key", mount_of(sub_path, "/etc/key", "ro"));
	assert_string_equal(out_of("sub-path"), "of a secret\n440\n");
	assert_int_equal(umount(sub_path), 0);
	assert_int_equal(umount(volume), 0);
}

static void too_large_a_config_map_is_shared(void **state)
{
	char place[PATH_MAX], path[PATH_MAX + 8];

	make_place(place, "volumes/kubernetes.io~configmap/large");
	make_file(place, "large", "begins", 0644);
	snprintf(path, sizeof(path), "%s/large", place);
	assert_int_equal(truncate(path, 9 * 1024 * 1024), 0);
	run("large", "head -c 6 /c/large; stat -c ' %s' /c/large", mount_of(place, "/c", "ro"));
	assert_string_equal(out_of("large"), "begins 9437184\n");
}

static void what_cannot_be_in_a_vm_is_refused_and_leaves_nothing(void **state)
{
	assert_int_equal(
		machine_create(&machine, "devices", "true", &(struct machine_wishes){ .mounts = mount_of("/dev", "/host-dev", "rw") }),
		-EOPNOTSUPP);
	assert_non_null(strstr(machine.err.message, "mount /host-dev: /dev is a device of the host, or all of them"));
	assert_int_equal(machine_kill(&machine, "devices", "", SIGKILL, true), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_read_only_and_a_new_version_is_seen),
		cmocka_unit_test(an_empty_dir_in_memory_is_the_guests_and_one_for_all_containers),
		cmocka_unit_test(an_empty_dir_on_disk_is_the_hosts),
		cmocka_unit_test(a_sub_path_of_a_secret_is_one_file),
		cmocka_unit_test(too_large_a_config_map_is_shared),
		cmocka_unit_test(what_cannot_be_in_a_vm_is_refused_and_leaves_nothing),
	};

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		printf("1..0 # SKIP\ncannot make a mount namespace: run as root\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, boot, stop);
}
