// SPDX-License-Identifier: Apache-2.0
/* What QEMU, virtiofsd and any program have and can see in a pod's jail: the real programs, looked at through /proc. */
#include "tests/net/jail_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/vm/jail/mountinfo.h"

static const char *const sleeper[] = { "/usr/bin/sleep", "1000", NULL };

#define NO_CAPABILITIES "0000000000000000"
#define FILE_SERVER "00000000880000db" /* chown, dac_override, fowner, fsetid, setgid, setuid, mknod, setfcap */

static void assert_ids(pid_t pid, uint32_t id)
{
	char four[64];

	snprintf(four, sizeof(four), "%u\t%u\t%u\t%u", id, id, id, id);
	assert_status(pid, "Uid", four);
	assert_status(pid, "Gid", four);
	assert_status(pid, "Groups", "");
}

static void assert_namespaces_of_its_own(pid_t pid)
{
	static const char *const kinds[] = { "mnt", "pid", "ipc", "uts", "net" };
	char twice[64];

	for (size_t i = 0; i < ELEMENTS_OF(kinds); i++)
		if (shares_namespace(pid, kinds[i]))
			fail_msg("it shares our %s namespace", kinds[i]);
	snprintf(twice, sizeof(twice), "%d\t1", pid);
	assert_status(pid, "NSpid", twice);
}

static void assert_no_network(pid_t pid)
{
	_cleanup_(buf_free) struct buf devices = BUF_MAX(64 * 1024);
	size_t lines = 0;

	read_proc(pid, "net/dev", &devices);
	for (const char *at = buf_text(&devices); (at = strchr(at, '\n')); at++)
		lines++;
	assert_int_equal(lines, 3); /* two of headings, and lo */
	assert_non_null(strstr(buf_text(&devices), "lo:"));
}

/* In each hierarchy of version 1, or in version 2's. */
static void assert_in_cgroup(const struct lab *lab, pid_t pid)
{
	_cleanup_(buf_free) struct buf cgroups = BUF_MAX(64 * 1024);
	bool unified = cgroup_directory(lab->cgroup) >= 0;
	char *line, *rest;
	size_t there = 0;

	read_proc(pid, "cgroup", &cgroups);
	for (line = strtok_r((char *)cgroups.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		const char *path = strchr(strchr(line, ':') + 1, ':') + 1;
		if (unified != (strncmp(line, "0::", 3) == 0))
			continue;
		if (strcmp(path, lab->cgroup_path) != 0)
			fail_msg("it is in %s", line);
		there++;
	}
	assert_true(there > 0);
}

static void assert_oom_score(pid_t pid, const char *value)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);

	read_proc(pid, "oom_score_adj", &text);
	assert_string_equal(buf_text(&text), value);
}

static void assert_lists(pid_t pid, const char *directory, const char *expected)
{
	_cleanup_(buf_free) struct buf list = BUF_MAX(64 * 1024);
	char path[64];

	snprintf(path, sizeof(path), "root/%s", directory);
	list_proc(pid, path, &list);
	assert_string_equal(buf_text(&list), expected);
}

static bool has_words(struct slice text, const char *a, const char *b)
{
	char line[512];

	snprintf(line, sizeof(line), SLICE_FORMAT, SLICE_ARGS(text));
	return strstr(line, a) && strstr(line, b);
}

/* Each line of its mount table: nosuid and read-only. */
static void assert_mounts_are_harmless(pid_t pid)
{
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(1024 * 1024);
	size_t n = 0;
	char *rest;

	read_proc(pid, "mountinfo", &mounts);
	for (char *line = strtok_r((char *)mounts.p, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest), n++) {
		if (!has_words(slice_string(line), " ro,", "nosuid"))
			fail_msg("%s", line);
		if (strstr(line, " shared:") || strstr(line, " master:"))
			fail_msg("it is tied to the host's mounts: %s", line);
	}
	assert_true(n > 0);
}

/* ── QEMU ── */

static void qemu_is_a_user_of_its_own_that_may_do_nothing(void **state)
{
	const struct lab *lab = *state;
	struct jail_process qemu = start_qemu(lab);

	/* It forbids itself the last things when its VM is complete. */
	assert_true(wait_for_status(qemu.pid, "Seccomp", "2"));
	assert_ids(qemu.pid, FIRST_ID + 65536);
	static const char *const sets[] = { "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb" };
	for (size_t i = 0; i < ELEMENTS_OF(sets); i++)
		assert_status(qemu.pid, sets[i], NO_CAPABILITIES);
	assert_status(qemu.pid, "NoNewPrivs", "1");
	assert_true(shares_namespace(qemu.pid, "user"));
	assert_namespaces_of_its_own(qemu.pid);
	assert_no_network(qemu.pid);
	assert_in_cgroup(lab, qemu.pid);
	assert_oom_score(qemu.pid, "321\n");
	assert_false(has_ended(&qemu, 0));
	jail_end(&qemu);
}

static void qemu_finds_its_own_files_and_the_libraries(void **state)
{
	struct jail_process qemu = start_qemu(*state);

	assert_true(wait_for_status(qemu.pid, "Seccomp", "2"));
	assert_lists(qemu.pid, "dev", "null urandom");
	assert_lists(qemu.pid, "etc", "ld.so.cache");
	assert_lists(qemu.pid, "mnt", "");
	assert_lists(qemu.pid, "usr/bin", "qemu-system-x86_64");
	assert_lists(qemu.pid, "usr/share", "qemu seabios");
	assert_lists(qemu.pid, "", access("/usr/lib64", F_OK) == 0 ? "dev etc lib lib64 mnt proc usr" : "dev etc lib mnt proc usr");
	assert_mounts_are_harmless(qemu.pid);
	jail_end(&qemu);
}

/* ── virtiofsd ── */

static void check_virtiofsd(const struct lab *lab, const char *path)
{
	int connection = -1;
	struct jail_process virtiofsd = start_virtiofsd(lab, path, &connection);

	/* It gives up the bounding set last. */
	if (!wait_for_status(virtiofsd.pid, "CapBnd", NO_CAPABILITIES))
		fail_msg("%s is not ready; see %s", path, lab->output);
	assert_ids(virtiofsd.pid, FIRST_ID);
	assert_false(shares_namespace(virtiofsd.pid, "user"));
	assert_status(virtiofsd.pid, "CapInh", NO_CAPABILITIES);
	assert_status(virtiofsd.pid, "CapAmb", NO_CAPABILITIES);
	assert_status(virtiofsd.pid, "CapEff", FILE_SERVER);
	assert_status(virtiofsd.pid, "NoNewPrivs", "1");
	assert_status(virtiofsd.pid, "Seccomp", "2");
	assert_namespaces_of_its_own(virtiofsd.pid);
	assert_no_network(virtiofsd.pid);
	assert_in_cgroup(lab, virtiofsd.pid);
	assert_oom_score(virtiofsd.pid, "321\n");
	assert_lists(virtiofsd.pid, "", ""); /* its root is the share */
	assert_mounts_are_harmless(virtiofsd.pid);
	assert_false(has_ended(&virtiofsd, 0));
	close(connection);
	assert_true(has_ended(&virtiofsd, 10000));
	jail_end(&virtiofsd);
}

static void for_each_virtiofsd(const struct lab *lab, void (*check)(const struct lab *lab, const char *path))
{
	const char *own = getenv("HOLDFAST_VIRTIOFSD"); /* one more to try */
	size_t n = 0;

	for (size_t i = 0; virtiofsds[i]; i++) {
		if (!is_installed(virtiofsds[i]))
			continue;
		check(lab, virtiofsds[i]);
		n++;
	}
	if (own)
		check(lab, own);
	assert_true(n > 0 || own);
}

static void virtiofsd_is_root_of_nothing_but_the_pods_ids(void **state)
{
	for_each_virtiofsd(*state, check_virtiofsd);
}

/* It answers when its VM is complete. */
static bool answers_qmp(int fd)
{
	static const char ask[] = "{\"execute\":\"qmp_capabilities\"}{\"execute\":\"query-status\"}";
	char text[4096] = "";
	size_t n = 0;

	assert_int_equal(write(fd, ask, strlen(ask)), strlen(ask));
	while (!strstr(text, "prelaunch") && poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, 20000) == 1) {
		ssize_t more = read(fd, text + n, sizeof(text) - 1 - n);
		if (more <= 0)
			return false;
		n += (size_t)more;
	}
	return strstr(text, "prelaunch");
}

/* QEMU speaks with it before its VM is complete: one that got no answer does not come so far. */
static void check_they_meet(const struct lab *lab, const char *virtiofsd_path)
{
	static const char *const arguments[] = { "/usr/bin/qemu-system-x86_64",
						 "-M",
						 "microvm,accel=tcg,pcie=on,memory-backend=ram",
						 "-m",
						 "64",
						 "-object",
						 "memory-backend-memfd,id=ram,size=64M,share=on",
						 "-chardev",
						 "socket,id=share,fd=9",
						 "-device",
						 "vhost-user-fs-pci,chardev=share,tag=kataShared",
						 "-chardev",
						 "socket,id=qmp,fd=10",
						 "-mon",
						 "chardev=qmp,mode=control",
						 "-S",
						 "-nodefaults",
						 "-display",
						 "none",
						 "-sandbox",
						 "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
						 NULL };
	static const char *const paths[] = { "/usr/bin/qemu-system-x86_64", "/usr/share/qemu", "/usr/share/seabios" };
	struct jail_descriptor descriptors[] = { { -1, 9 }, { -1, 10 } };
	struct jail jail = jail_for(lab, arguments);
	int qmp[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, qmp), 0);
	struct jail_process virtiofsd = start_virtiofsd(lab, virtiofsd_path, &descriptors[0].from);
	descriptors[1].from = qmp[1];
	jail.paths = paths;
	jail.n_paths = ELEMENTS_OF(paths);
	jail.proc = true;
	jail.descriptors = descriptors;
	jail.n_descriptors = ELEMENTS_OF(descriptors);
	struct jail_process qemu = start(lab, &jail);
	close(qmp[1]);
	close(descriptors[0].from);
	assert_true(answers_qmp(qmp[0]));
	close(qmp[0]);
	jail_end(&qemu);
	assert_true(has_ended(&virtiofsd, 10000));
	jail_end(&virtiofsd);
}

static void qemu_and_virtiofsd_find_each_other(void **state)
{
	for_each_virtiofsd(*state, check_they_meet);
}

static const char *some_virtiofsd(void)
{
	for (size_t i = 0; virtiofsds[i]; i++)
		if (is_installed(virtiofsds[i]))
			return virtiofsds[i];
	return getenv("HOLDFAST_VIRTIOFSD");
}

static void copy_program(const char *from, const char *to)
{
	_cleanup_(buf_free) struct buf program = BUF_MAX(64 * 1024 * 1024);
	struct error err;

	must(file_read(from, &program, &err), &err);
	must(file_write_atomic(to, buf_view(&program), 0755, &err), &err);
}

/* The second start asks nothing; after a change it does, and another program does not pass for it. */
static void what_it_said_of_itself_is_kept_until_the_program_changes(void **state)
{
	const struct lab *lab = *state;
	char copy[128], record[128];
	struct stat written[2];
	struct virtiofsd virtiofsd = { .path = copy, .directory = lab->pod, .user_namespace = lab->user_namespace, .output = -1 };
	struct jail_process process = JAIL_PROCESS_NONE;
	struct error err;
	int connection = -1;

	/* Where a user of the pod's can execute it, as any installed program. */
	snprintf(copy, sizeof(copy), "/usr/local/bin/holdfast-test-%d", getpid());
	snprintf(record, sizeof(record), "%s/.virtiofsd", lab->state);
	copy_program(some_virtiofsd(), copy);
	for (int i = 0; i < 2; i++) {
		must(virtiofsd_spawn(&virtiofsd, &process, &connection, &err), &err);
		close(connection);
		jail_end(&process);
		assert_int_equal(lstat(record, &written[i]), 0);
	}
	assert_memory_equal(&written[0].st_ctim, &written[1].st_ctim, sizeof(written[0].st_ctim));
	copy_program("/usr/bin/env", copy);
	int r = virtiofsd_spawn(&virtiofsd, &process, &connection, &err);
	unlink(copy);
	assert_int_equal(r, -EINVAL);
	assert_non_null(strstr(err.message, "env (GNU coreutils)"));
}

/* ── any program ── */

static void only_the_descriptors_that_were_given_are_open(void **state)
{
	const struct lab *lab = *state;
	const struct jail_descriptor given[] = { { lab->output_fd, 9 }, { lab->user_namespace, 4 } };
	_cleanup_close_ int inherited = open("/etc/passwd", O_RDONLY); /* without O_CLOEXEC */
	struct jail jail = jail_for(lab, sleeper);
	_cleanup_(buf_free) struct buf list = BUF_MAX(4096);

	assert_true(inherited >= 0);
	jail.descriptors = given;
	jail.n_descriptors = ELEMENTS_OF(given);
	struct jail_process process = start(lab, &jail);
	assert_true(wait_for_status(process.pid, "State", "S (sleeping)")); /* until then its libraries are open */
	list_proc(process.pid, "fd", &list);
	assert_string_equal(buf_text(&list), "0 1 2 4 9");
	jail_end(&process);
}

static void descriptors_may_change_places(void **state)
{
	const struct lab *lab = *state;
	_cleanup_close_ int a = open("/etc/passwd", O_RDONLY | O_CLOEXEC), b = open("/etc/group", O_RDONLY | O_CLOEXEC);
	const struct jail_descriptor given[] = { { a, b }, { b, a } };
	struct jail jail = jail_for(lab, sleeper);
	char path[64], target[64] = "";

	jail.descriptors = given;
	jail.n_descriptors = ELEMENTS_OF(given);
	struct jail_process process = start(lab, &jail);
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", process.pid, a);
	assert_true(readlink(path, target, sizeof(target) - 1) > 0);
	assert_string_equal(target, "/etc/group");
	jail_end(&process);
}

static void a_program_inherits_no_environment_and_no_signals(void **state)
{
	struct jail jail = jail_for(*state, sleeper);
	_cleanup_(buf_free) struct buf environment = BUF_MAX(4096);

	signal(SIGPIPE, SIG_IGN);
	struct jail_process process = start(*state, &jail);
	signal(SIGPIPE, SIG_DFL);
	read_proc(process.pid, "environ", &environment);
	assert_int_equal(environment.n, 0);
	assert_status(process.pid, "SigIgn", "0000000000000000");
	assert_status(process.pid, "SigBlk", "0000000000000000");
	jail_end(&process);
}

static void a_device_is_its_users_alone(void **state)
{
	static const char *const devices[] = { "/dev/zero" };
	const struct lab *lab = *state;
	struct jail jail = jail_for(lab, sleeper);
	struct stat node, host;
	char path[64];

	jail.devices = devices;
	jail.n_devices = 1;
	struct jail_process process = start(lab, &jail);
	snprintf(path, sizeof(path), "/proc/%d/root/dev/zero", process.pid);
	assert_int_equal(stat(path, &node) | stat("/dev/zero", &host), 0);
	assert_int_equal(node.st_rdev, host.st_rdev);
	assert_int_equal(node.st_mode, S_IFCHR | 0600);
	assert_int_equal(node.st_uid, lab->ids.vmm);
	jail_end(&process);
}

static bool has_capability(int capability)
{
	_cleanup_(buf_free) struct buf status = BUF_MAX(64 * 1024);

	read_proc(getpid(), "status", &status);
	return strtoull(strstr(buf_text(&status), "CapEff:") + 7, NULL, 16) & UINT64_C(1) << capability;
}

/* In a process of its own, which may never get it back. Exit status 0: as wished; 1: as ours; else neither. */
static _Noreturn void start_with_a_lower_score(struct jail *jail)
{
	struct jail_process process;
	char path[64], text[16] = "";
	int own = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

	jail->oom_score_adj = -100;
	if (own < 0 || write(own, "500", 3) != 3 || jail_spawn(jail, &process, NULL) < 0)
		_exit(2);
	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", process.pid);
	int its = open(path, O_RDONLY | O_CLOEXEC);
	if (its < 0 || read(its, text, sizeof(text) - 1) < 0)
		_exit(3);
	jail_end(&process);
	_exit(strcmp(text, "-100\n") == 0 ? 0 : strcmp(text, "500\n") == 0 ? 1 : 4);
}

static void its_place_before_the_oom_killer_is_ours_at_worst(void **state)
{
	struct jail jail = jail_for(*state, sleeper);
	int status;

	pid_t pid = fork();
	if (pid == 0)
		start_with_a_lower_score(&jail);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == (has_capability(CAP_SYS_RESOURCE) ? 0 : 1));
}

static void its_place_before_the_oom_killer_can_be_made_worse_only(void **state)
{
	struct jail jail = jail_for(*state, sleeper);
	struct jail_process process = start(*state, &jail);
	struct error err;

	assert_oom_score(process.pid, "321\n");
	must(jail_raise_oom_score(process.pid, 1000, &err), &err);
	assert_oom_score(process.pid, "1000\n");
	must(jail_raise_oom_score(process.pid, -500, &err), &err);
	assert_oom_score(process.pid, "1000\n");
	jail_end(&process);
}

static void it_dies_with_its_shim(void **state)
{
	struct jail jail = jail_for(*state, sleeper);
	struct jail_process *process = test_malloc(sizeof(*process));
	struct error err;
	int ends[2];
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid_t shim = fork();
	if (shim == 0) {
		int r = jail_spawn(&jail, process, &err);
		if (r < 0 || write(ends[1], &process->pid, sizeof(pid)) < 0)
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ends[0], &pid, sizeof(pid)), sizeof(pid));
	assert_int_equal(kill(pid, 0), 0);
	kill(shim, SIGKILL);
	assert_int_equal(waitpid(shim, NULL, 0), shim);
	/* It became init's child, or ours if we are a subreaper; either way the cgroup is empty at once, without a kill of ours. */
	for (int i = 0; kill(pid, 0) == 0; i++) {
		assert_true(i < 5000);
		usleep(1000);
	}
	close(ends[0]);
	close(ends[1]);
	test_free(process);
}

static void an_error_names_the_step_and_the_file(void **state)
{
	static const char *const gone[] = { "/usr/bin/no-such-program", NULL };
	static const char *const no_program[] = { "/usr/bin/env", NULL };
	struct jail_process process = JAIL_PROCESS_NONE;
	struct jail jail = jail_for(*state, gone);
	struct error err;

	assert_int_equal(jail_spawn(&jail, &process, &err), -ENOENT);
	assert_non_null(strstr(err.message, "cannot start /usr/bin/no-such-program"));

	jail = jail_for(*state, no_program);
	jail.n_paths = 0;
	assert_int_equal(jail_spawn(&jail, &process, &err), -ENOENT);
	assert_non_null(strstr(err.message, "cannot execute it"));

	jail = jail_for(*state, no_program);
	jail.root = "/no/such/directory";
	assert_int_equal(jail_spawn(&jail, &process, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/no/such/directory"));
	assert_int_equal(process.pid, -1);
}

static void the_hosts_root_is_never_the_user(void **state)
{
	struct jail_process process = JAIL_PROCESS_NONE;
	struct jail jail = jail_for(*state, sleeper);

	struct error err;

	jail.id = 0;
	assert_int_equal(jail_spawn(&jail, &process, &err), -EINVAL);
}

static void the_host_sees_no_mount_of_it(void **state)
{
	_cleanup_(buf_free) struct buf before = BUF_MAX(MOUNTINFO_MAX), after = BUF_MAX(MOUNTINFO_MAX);
	struct jail jail = jail_for(*state, sleeper);

	read_proc(getpid(), "mountinfo", &before);
	struct jail_process process = start(*state, &jail);
	read_proc(getpid(), "mountinfo", &after);
	assert_string_equal(buf_text(&before), buf_text(&after));
	jail_end(&process);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LAB(qemu_is_a_user_of_its_own_that_may_do_nothing),
		LAB(qemu_finds_its_own_files_and_the_libraries),
		LAB(virtiofsd_is_root_of_nothing_but_the_pods_ids),
		LAB(qemu_and_virtiofsd_find_each_other),
		LAB(what_it_said_of_itself_is_kept_until_the_program_changes),
		LAB(only_the_descriptors_that_were_given_are_open),
		LAB(descriptors_may_change_places),
		LAB(a_program_inherits_no_environment_and_no_signals),
		LAB(a_device_is_its_users_alone),
		LAB(it_dies_with_its_shim),
		LAB(its_place_before_the_oom_killer_is_ours_at_worst),
		LAB(its_place_before_the_oom_killer_can_be_made_worse_only),
		LAB(an_error_names_the_step_and_the_file),
		LAB(the_hosts_root_is_never_the_user),
		LAB(the_host_sees_no_mount_of_it),
	};
	const struct CMUnitTest in_version_2[] = {
		LAB(qemu_is_a_user_of_its_own_that_may_do_nothing),
		LAB(virtiofsd_is_root_of_nothing_but_the_pods_ids),
		LAB(it_dies_with_its_shim),
	};
	int failed = cmocka_run_group_tests(tests, NULL, NULL);

	return failed + cmocka_run_group_tests(in_version_2, leave_version_2_alone, NULL);
}
