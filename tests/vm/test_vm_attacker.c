// SPDX-License-Identifier: Apache-2.0
/*
 * A guest whose root is malicious, and the host's files. guest_attacker.c tries; what it was answered is here, and what became of the
 * host's side. What a kernel of the guest's would ask past its own checks is in tests/net/test_vm_fuse.c.
 */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "tests/vm/machine.h"

static struct machine machine;
static int hosts_socket;
static const char *hosts_user; /* what the host answers to its own users who set a security attribute */

static void must(int r)
{
	if (r < 0)
		fail_msg("%s", machine.err.message);
}

/* What the attempt `name` was answered. */
static void expect(const char *name, const char *answer)
{
	const char *text = buf_text(&machine_process(&machine, "attacker", "")->out_text);
	char line[128], seen[128];
	size_t n = (size_t)snprintf(line, sizeof(line), "\n%s ", name);

	const char *at = strstr(text, line);
	if (!at)
		fail_msg("%s was not tried: %s", name, text);
	snprintf(seen, sizeof(seen), "%.*s", (int)strcspn(at + n, "\n"), at + n);
	if (strcmp(seen, answer) != 0)
		fail_msg("%s: %s, not %s", name, seen, answer);
}

/* Of a file on the host, below the machine's directory: kind and mode, owner and group, as stat prints them. */
static void expect_on_host(const char *path, const char *status)
{
	machine_shell("cd %s && seen=$(stat -c '%%F %%a %%u %%g' %s) && { test \"$seen\" = '%s' || { echo \"%s: $seen\" >&2; false; }; }",
		      machine.directory, path, status, path);
}

static void expect_none_on_host(const char *path)
{
	machine_shell("! test -e %s/%s -o -L %s/%s", machine.directory, path, machine.directory, path);
}

/* ── The host, and the attack ── */

/* Some kernels let everybody set it on a file of their own (Debian's 6.1 does): then the guest's root may, who is nobody on the host. */
static const char *ask_as_a_user(void)
{
	char path[] = "/tmp/holdfast-attribute.XXXXXX";
	_cleanup_close_ int fd = mkostemp(path, O_CLOEXEC);
	int status = 0;

	assert_true(fd >= 0);
	assert_int_equal(fchown(fd, 1000, 1000), 0);
	pid_t child = fork();
	if (child == 0) {
		if (setresuid(1000, 1000, 1000) < 0)
			_exit(255);
		_exit(fsetxattr(fd, "security.x", "x", 1, 0) < 0 ? errno : 0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	unlink(path);
	assert_true(WIFEXITED(status) && (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == EPERM));
	return WEXITSTATUS(status) == 0 ? "done" : "EPERM";
}

/* With the time of each inode's last change, whatever it was. */
static void list_outside(const char *file)
{
	machine_shell("cd %s && find outside fixed layer own/foreign -printf '%%p %%y %%m %%u %%g %%s %%T@ %%C@\\n' | sort >%s",
		      machine.directory, file);
}

static void listen_in(const char *directory)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	hosts_socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/own/socket", directory);
	assert_int_equal(bind(hosts_socket, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(hosts_socket, 1), 0);
}

static void make_host(void)
{
	machine_shell("cd %s && mkdir -m 755 own other fixed outside layer snapshot snapshot/fs snapshot/work && "
		      "echo secret >outside/secret && echo fixed >fixed/file && chmod 666 fixed/file",
		      machine.directory);
	machine_shell(
		"cd %s/own && mkfifo -m 666 pipe && mknod -m 666 device c 1 1 && ln -s %s/outside/secret out && ln -s ../outside up && "
		"echo foreign >foreign && chmod 666 foreign && chown 70000:70000 foreign",
		machine.directory, machine.directory);
	machine_shell("cp ${HOLDFAST_BUILD:-build/dev}/tests/support/guest_attacker %s/layer/attacker && cd %s/layer && "
		      "mkdir bin proc sys dev own other fixed again directory && cp /usr/bin/busybox bin/sh && echo image >image-file",
		      machine.directory, machine.directory);
	listen_in(machine.directory);
	list_outside("before");
}

/* As containerd's overlay snapshotter says it. */
static struct vm_rootfs overlay(void)
{
	static char lower[128], upper[128], work[128];
	static const char *const options[] = { lower, upper, work };

	snprintf(lower, sizeof(lower), "lowerdir=%s/layer", machine.directory);
	snprintf(upper, sizeof(upper), "upperdir=%s/snapshot/fs", machine.directory);
	snprintf(work, sizeof(work), "workdir=%s/snapshot/work", machine.directory);
	return (struct vm_rootfs){ .type = "overlay", .source = "overlay", .options = options, .n_options = ELEMENTS_OF(options) };
}

static void attack(void)
{
	static const char *const volumes[] = { "own", "other", "fixed" };
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(4096);
	const struct vm_rootfs rootfs = overlay();

	for (size_t i = 0; i < ELEMENTS_OF(volumes); i++)
		buf_printf(&mounts,
			   "{\"destination\": \"/%s\", \"type\": \"bind\", \"source\": \"%s/%s\", \"options\": [\"rbind\", \"%s\"]},",
			   volumes[i], machine.directory, volumes[i], strcmp(volumes[i], "fixed") == 0 ? "ro" : "rw");
	must(machine_create(&machine, "attacker", "echo; exec /attacker",
			    &(struct machine_wishes){ .mounts = buf_text(&mounts), .rootfs = &rootfs, .all_capabilities = true }));
	must(machine_start(&machine, "attacker", ""));
	assert_int_equal(machine_wait(&machine, "attacker", ""), 0);
}

static int set_up(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	hosts_user = ask_as_a_user();
	machine_confine();
	machine_prepare(&machine, false);
	make_host();
	must(machine_boot(&machine));
	attack();
	return 0;
}

static int tear_down(void **state)
{
	close(hosts_socket);
	must(machine_stop(&machine));
	machine_clear(&machine);
	return 0;
}

/* ── Promises ── */

static void no_file_is_given_to_an_id_outside_of_the_pods(void **state)
{
	expect("make-a-file", "done");
	expect("give-to-the-last-id", "done");
	expect("give-beyond-the-last-id", "EINVAL");
	expect("give-to-the-id-on-the-host", "EINVAL");
	expect("give-to-an-id-that-wraps-to-0", "EINVAL");
	expect("give-to-a-large-id", "EINVAL");
	expect_on_host("own/mine", "regular file 600 65535 65535");
}

static void a_file_of_an_id_outside_of_the_pods_stays_whose_it_is(void **state)
{
	expect("read-a-foreign-file", "done"); /* it is open to all */
	expect("write-a-foreign-file", "EACCES");
	expect("take-a-foreign-file", "EPERM");
	expect("open-a-foreign-file-to-all", "EOVERFLOW");
	expect_on_host("own/foreign", "regular file 666 70000 70000");
}

/* As from a container without a VM: who shares a directory of the host for writing lets the pod's root put such a file there. */
static void a_set_user_id_bit_is_kept_on_disk(void **state)
{
	expect("set-its-user-id", "done");
	expect_on_host("own/program", "regular file 6755 0 0");
}

static void no_device_is_made(void **state)
{
	expect("make-a-character-device", "EPERM");
	expect("make-a-disk", "EPERM");
	expect("make-a-device-in-the-root", "EPERM");
	expect_none_on_host("own/made-device");
	expect_none_on_host("own/made-disk");
	expect_none_on_host("snapshot/fs/made-device");
	expect("make-a-pipe", "done");
	expect("make-a-socket", "done");
}

static void no_link_and_no_way_up_leads_out_of_the_share(void **state)
{
	expect("make-a-link-to-the-host", "done");
	expect("follow-it", "ENOENT");
	expect("follow-the-hosts-link", "ENOENT");
	expect("write-through-the-hosts-link", "ENOENT");
	expect("go-up", "ENOENT");
	expect("go-up-from-the-share", "ENOENT");
}

static void nothing_crosses_from_one_volume_to_another(void **state)
{
	expect("link-to-another-volume", "EXDEV");
	expect("link-from-a-read-only-volume", "EXDEV");
	expect("link-into-the-root", "EXDEV");
	expect("move-to-another-volume", "EXDEV");
	expect("move-into-a-read-only-volume", "EXDEV");
	expect("exchange-volumes", "EBUSY");
	machine_shell("test -z \"$(ls -A %s/other)\"", machine.directory);
}

static void a_guessed_handle_opens_nothing_outside(void **state)
{
	expect("handles-of-the-share", "some");
	expect("handles-of-what-is-outside", "0");
	expect("a-handle-that-nobody-gave", "ESTALE");
}

static void attributes_that_mean_something_to_the_host_are_refused(void **state)
{
	expect("user-attribute", "done");
	expect("trusted-attribute", "EPERM");
	expect("security-attribute", hosts_user);
	expect("overlay-attribute", "EPERM");
}

static void what_is_read_only_stays_so_for_the_guests_root(void **state)
{
	static const char *const attempts[] = {
		"write", "write-again", "make", "remove", "chmod", "chown", "attribute", "times", "truncate"
	};

	expect("remount-the-volume", "done"); /* in the guest */
	for (size_t i = 0; i < ELEMENTS_OF(attempts); i++)
		expect(attempts[i], "EROFS");
}

static void what_is_written_over_an_image_is_the_containers(void **state)
{
	expect("write-the-images-file", "done");
	expect("remove-the-images-directory", "done");
	expect_on_host("layer/directory", "directory 755 0 0");
	machine_shell("test \"$(cat %s/layer/image-file) $(cat %s/snapshot/fs/image-file)\" = 'image attacked'", machine.directory,
		      machine.directory);
}

static void the_hosts_pipes_devices_and_sockets_are_only_names(void **state)
{
	struct pollfd connected = { .fd = hosts_socket, .events = POLLIN };

	expect("read-the-hosts-pipe", "done"); /* a pipe of the guest's */
	expect("the-hosts-device", "EPERM");   /* a device of the guest's, which no container may open */
	expect("the-hosts-socket", "ECONNREFUSED");
	assert_int_equal(poll(&connected, 1, 0), 0);
}

static void nothing_outside_has_changed(void **state)
{
	list_outside("after");
	machine_shell("cd %s && diff before after >&2", machine.directory);
}

static void the_host_serves_as_before(void **state)
{
	expect("is-served", "done");
	assert_int_equal(machine_run(&machine, "next", "echo well >/tmp/file; cat /tmp/file"), 0);
	assert_string_equal(buf_text(&machine_process(&machine, "next", "")->out_text), "well\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_file_is_given_to_an_id_outside_of_the_pods),
		cmocka_unit_test(a_file_of_an_id_outside_of_the_pods_stays_whose_it_is),
		cmocka_unit_test(a_set_user_id_bit_is_kept_on_disk),
		cmocka_unit_test(no_device_is_made),
		cmocka_unit_test(no_link_and_no_way_up_leads_out_of_the_share),
		cmocka_unit_test(nothing_crosses_from_one_volume_to_another),
		cmocka_unit_test(a_guessed_handle_opens_nothing_outside),
		cmocka_unit_test(attributes_that_mean_something_to_the_host_are_refused),
		cmocka_unit_test(what_is_read_only_stays_so_for_the_guests_root),
		cmocka_unit_test(what_is_written_over_an_image_is_the_containers),
		cmocka_unit_test(the_hosts_pipes_devices_and_sockets_are_only_names),
		cmocka_unit_test(nothing_outside_has_changed),
		cmocka_unit_test(the_host_serves_as_before),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
