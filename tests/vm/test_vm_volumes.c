// SPDX-License-Identifier: Apache-2.0
/* One real VM, and the volumes of its pod: in directories that look as kubelet's do, in a mount namespace of the test. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>

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

/* A directory of the pod. */
static const char *make_place(const char *path)
{
	static char place[PATH_MAX];

	snprintf(place, sizeof(place), "%s/%s", pod, path);
	machine_shell("mkdir -p %s", place);
	return place;
}

/* An element of `mounts`. */
static const char *mount_of(const char *source, const char *destination, const char *how)
{
	static char text[PATH_MAX + 256];

	snprintf(text, sizeof(text),
		 "{\"destination\": \"%s\", \"type\": \"bind\", \"source\": \"%s\", \"options\": [\"rbind\", \"%s\", \"%s\"]},",
		 destination, source, strcmp(how, "rslave") == 0 ? "rw" : "rprivate", how);
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
	machine_confine();
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
	const char *place = make_place("volumes/kubernetes.io~secret/password");
	const bool katas = machine_has_katas(); /* it cannot remove: what is secret becomes empty */
	char script[512];

	snprintf(script, sizeof(script),
		 "cat /s/a; stat -L -c '%%a %%u %%g' /s/a; echo x 2>/dev/null >/s/x || echo read-only; "
		 "until [ -e /s/b ]; do sleep 0.1; done; cat /s/a /s/b; while [ %s /s/..1/a ]; do sleep 0.1; done; ls -A /s",
		 katas ? "-s" : "-e");
	machine_shell("cd %s && mkdir ..1 && echo first >..1/a && chmod 400 ..1/a && ln -s ..1 ..data && ln -s ..data/a a", place);
	start("secret", script, mount_of(place, "/s", "rw"));
	machine_wait_output(&machine, "secret", "", "read-only\n");
	assert_string_equal(out_of("secret"), "first\n400 0 0\nread-only\n");
	machine_shell("cd %s && mkdir ..2 && echo second >..2/a && echo more >..2/b && ln -s ..2 ..data_tmp && mv -T ..data_tmp ..data && "
		      "ln -s ..data/b b && rm -r ..1",
		      place);
	assert_int_equal(machine_wait(&machine, "secret", ""), 0);
	assert_string_equal(out_of("secret") + strlen("first\n400 0 0\nread-only\n"),
			    katas ? "second\nmore\n..1\n..2\n..data\na\nb\n" : "second\nmore\n..2\n..data\na\nb\n");
	must(machine_remove(&machine, "secret", ""));
}

static void an_empty_dir_in_memory_is_the_guests_and_one_for_all_containers(void **state)
{
	const char *place = make_place("volumes/kubernetes.io~empty-dir/memory");

	machine_shell("mount -t tmpfs -o size=1m,mode=0777 tmpfs %s", place);
	run("memory-1", "echo hello >/m/hello; mount | while read what on where as type rest; do [ $where != /m ] || echo $type; done",
	    mount_of(place, "/m", "rw"));
	assert_string_equal(out_of("memory-1"), "tmpfs\n");
	run("memory-2", "cat /m/hello; head -c 2000000 /dev/zero 2>/dev/null >/m/large && echo fits || echo full",
	    mount_of(place, "/m", "rw"));
	/* Kata's takes no size */
	assert_string_equal(out_of("memory-2"), machine_has_katas() ? "hello\nfits\n" : "hello\nfull\n");
	machine_shell("test ! -e %s/hello && umount %s", place, place);
}

/* The host's emptyDir, and what kubelet makes of its subPath: a bind mount, whose path is returned. */
static const char *mount_sub_path(const char *volume, const char *sub_path)
{
	const char *place = make_place("volume-subpaths/sub/main/0");

	machine_shell("mkdir -p '%s/%s' && chmod 750 '%s/%s' && mount --bind '%s/%s' %s", volume, sub_path, volume, sub_path, volume,
		      sub_path, place);
	return place;
}

static void a_sub_path_of_an_empty_dir_in_memory_is_a_directory_of_the_guests(void **state)
{
	char volume[PATH_MAX];

	machine_needs_ours("knows no such storage, and says so");
	snprintf(volume, sizeof(volume), "%s", make_place("volumes/kubernetes.io~empty-dir/sub"));
	machine_shell("mount -t tmpfs -o size=1m,mode=0777 tmpfs %s", volume);
	run("below", "stat -c %a /m; echo below >/m/file", mount_of(mount_sub_path(volume, "a b/c"), "/m", "rw"));
	assert_string_equal(out_of("below"), "750\n");
	run("above", "cat '/m/a b/c/file'; mv '/m/a b' /m/d; ln -s / '/m/a b'", mount_of(volume, "/m", "rw"));
	assert_string_equal(out_of("above"), "below\n");
	assert_true(machine_create(&machine, "misled", "true",
				   &(struct machine_wishes){ .mounts = mount_of(make_place("volume-subpaths/sub/main/0"), "/m", "rw") }) <
		    0);
	assert_non_null(strstr(machine.err.message, "cannot have directory \"a b\" on its way (no link is followed)"));
	machine_shell("test ! -e '%s/a b/c/file' && umount %s/volume-subpaths/sub/main/0 %s", volume, pod, volume);
}

static void an_empty_dir_on_disk_is_the_hosts(void **state)
{
	const char *place = make_place("volumes/kubernetes.io~empty-dir/disk");

	machine_shell("chmod 777 %s", place);
	run("disk", "echo hello >/d/hello", mount_of(place, "/d", "rslave")); /* HostToContainer: mounted all the same */
	machine_shell("test \"$(cat %s/hello) $(stat -c %%u %s/hello)\" = 'hello 0'", place, place);
}

static void a_sub_path_of_a_secret_is_one_file(void **state)
{
	char place[PATH_MAX + 2];

	make_place("volumes/kubernetes.io~secret/other");
	snprintf(place, sizeof(place), "%s/0", make_place("volume-subpaths/other/main"));
	machine_shell("cd %s/volumes/kubernetes.io~secret && mount -t tmpfs -o size=1m tmpfs other && echo of a secret >other/key && "
		      "chmod 440 other/key && touch %s && mount --bind other/key %s",
		      pod, place, place);
	run("sub-path", "cat /etc/key; stat -c %a /etc/key", mount_of(place, "/etc/key", "ro"));
	assert_string_equal(out_of("sub-path"), "of a secret\n440\n");
	machine_shell("umount %s %s/volumes/kubernetes.io~secret/other", place, pod);
}

static void too_large_a_config_map_is_shared(void **state)
{
	const char *place = make_place("volumes/kubernetes.io~configmap/large");

	machine_shell("printf begins >%s/large && truncate -s 9M %s/large", place, place);
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
		cmocka_unit_test(a_sub_path_of_an_empty_dir_in_memory_is_a_directory_of_the_guests),
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
