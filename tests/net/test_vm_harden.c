// SPDX-License-Identifier: Apache-2.0
/* The shim when its VM runs, call by call: what ends it, and that all it has to do until the pod's end still works. */
#include "tests/net/share_lab.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "kata-shim/vm/jail/harden.h"
#include "tests/support/confinement.h"

/* What waitpid says of a hardened child that does `work`: its exit status is what that returned. */
static int hardened(int (*work)(const void *context), const void *context)
{
	struct error err;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (harden_shim(SANDBOX_ENFORCE, &err) < 0) {
			fprintf(stderr, "%s\n", err.message);
			_exit(255);
		}
		_exit(work(context));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static void assert_works(int (*work)(const void *context), const void *context)
{
	int status = hardened(work, context);

	if (status != 0)
		fail_msg("a hardened shim ended with wait status %#x", (unsigned)status);
}

/* ── what it cannot do ── */

static const struct confinement_call forbidden[] = {
	{ "start a program", SYS_execve, { 0 } },
	{ "start a program by descriptor", SYS_execveat, { -1 } },
	{ "make a process in a user namespace", SYS_clone, { SIGCHLD | CLONE_NEWUSER } },
	{ "make a process in a mount namespace", SYS_clone, { SIGCHLD | CLONE_NEWNS } },
	{ "share its memory with a process", SYS_clone, { SIGCHLD | CLONE_VM } },
	{ "leave a namespace", SYS_unshare, { CLONE_NEWNS } },
	{ "enter a user namespace", SYS_setns, { -1, CLONE_NEWUSER } },
	{ "enter a pid namespace", SYS_setns, { -1, CLONE_NEWPID } },
	{ "enter any namespace", SYS_setns, { -1, 0 } },
	{ "trace", SYS_ptrace, { PTRACE_ATTACH, 1 } },
	{ "read another's memory", SYS_process_vm_readv, { 0 } },
	{ "write another's memory", SYS_process_vm_writev, { 0 } },
	{ "take another's descriptor", SYS_pidfd_getfd, { -1 } },
	{ "stop a process", SYS_kill, { 1, SIGSTOP } },
	{ "signal by descriptor", SYS_pidfd_send_signal, { -1, SIGTERM } },
	{ "signal a thread of another process", SYS_tgkill, { 1, 1, 0 } },
	{ "mount with set-user-id programs", SYS_mount, { 0, 0, 0, MS_NODEV } },
	{ "mount with devices", SYS_mount, { 0, 0, 0, MS_NOSUID } },
	{ "remount", SYS_mount, { 0, 0, 0, MS_NOSUID | MS_NODEV | MS_REMOUNT } },
	{ "bind", SYS_mount, { 0, 0, 0, MS_NOSUID | MS_NODEV | MS_BIND } },
	{ "move a mount by its path", SYS_mount, { 0, 0, 0, MS_NOSUID | MS_NODEV | MS_MOVE } },
	{ "open a file system", SYS_fsopen, { 0 } },
	{ "change the root", SYS_chroot, { 0 } },
	{ "pivot the root", SYS_pivot_root, { 0 } },
	{ "make a device node", SYS_mknodat, { -1, 0, S_IFCHR } },
	{ "make a block device", SYS_mknodat, { -1, 0, S_IFBLK } },
	{ "load a module", SYS_init_module, { 0 } },
	{ "load a module by descriptor", SYS_finit_module, { -1 } },
	{ "load a kernel", SYS_kexec_load, { 0, 0, 0, -1 } },
	{ "restart the machine", SYS_reboot, { 0 } },
	{ "load BPF", SYS_bpf, { -1 } },
	{ "measure the kernel", SYS_perf_event_open, { 0 } },
	{ "handle page faults", SYS_userfaultfd, { -1 } },
	{ "use the kernel's keys", SYS_keyctl, { -1 } },
	{ "open by handle", SYS_open_by_handle_at, { -1 } },
	{ "open what a filter cannot see", SYS_openat2, { -1 } },
	{ "make a file without a name", SYS_memfd_create, { 0 } },
	{ "set an attribute", SYS_fsetxattr, { -1 } },
	{ "give a file away", SYS_fchown, { -1, 0, 0 } },
	{ "link a file", SYS_linkat, { -1, 0, -1, 0, 0 } },
	{ "become another user", SYS_setuid, { 0 } },
	{ "raise a limit", SYS_prlimit64, { 0, 7, 8 } },
	{ "set the clock", SYS_settimeofday, { 0 } },
	{ "make memory executable", SYS_mprotect, { 0, 0, PROT_READ | PROT_EXEC } },
	{ "become dumpable", SYS_prctl, { PR_SET_DUMPABLE, 1 } },
	{ "send packets past all rules", SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
	{ "change an interface", SYS_ioctl, { 0, 0x8914 } },
	{ "make a tap", SYS_ioctl, { 0, 0x400454ca } },
};

static int make(const void *context)
{
	const struct confinement_call *call = context;
	const long *a = call->arguments;

	syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
	return 0;
}

static void each_forbidden_call_ends_it(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(forbidden); i++) {
		int status = hardened(make, &forbidden[i]);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("it can %s: wait status %#x", forbidden[i].what, (unsigned)status);
	}
}

static int status_says_so(const void *context)
{
	static const char *const wanted[] = { "CapInh:\t0000000000000000\n",
					      "CapPrm:\t00000000882410ff\n",
					      "CapEff:\t00000000882410ff\n",
					      "CapBnd:\t00000000882410ff\n",
					      "CapAmb:\t0000000000000000\n",
					      "NoNewPrivs:\t1\n",
					      "Seccomp:\t2\n" };

	return confinement_proc_says(0, "status", wanted, ELEMENTS_OF(wanted)) ? 0 : 1;
}

static void its_capabilities_are_those_that_the_filter_leaves_a_use_for(void **state)
{
	assert_works(status_says_so, NULL);
}

/* ── what it must do ── */

/* There is none of that number: the kernel says so, and the filter nothing. */
static int put_off_its_end(const void *context)
{
	return syscall(SYS_timer_settime, -1, 0, NULL, NULL) < 0 && errno == EINVAL ? 0 : 1;
}

static void the_timer_that_ends_one_that_hangs_can_be_put_off(void **state)
{
	assert_works(put_off_its_end, NULL);
}

static int bring_in_and_take_away(const void *context)
{
	const struct share_lab *lab = context;
	struct error err;
	char options[3][256];
	const char *const list[] = { options[0], options[1], options[2] };
	const struct share_mount overlay = { "overlay", "overlay", NULL, list, 3 };

	snprintf(options[0], sizeof(options[0]), "lowerdir=%s", on_host(lab, "1"));
	snprintf(options[1], sizeof(options[1]), "upperdir=%s", on_host(lab, "2/fs"));
	snprintf(options[2], sizeof(options[2]), "workdir=%s", on_host(lab, "2/work"));
	if (share_bind(lab->share, "v", on_host(lab, "1"), SHARE_RECURSIVE, &err) < 0 ||
	    share_bind(lab->share, "f", on_host(lab, "1/file"), SHARE_READ_ONLY, &err) < 0 ||
	    share_rootfs(lab->share, "c", &overlay, 1, NULL, &err) < 0 || share_remove(lab->share, "v", &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 1;
	}
	/* And a refusal, which is looked for in the mount table. */
	return share_bind(lab->share, "s", "/sys/kernel", 0, &err) == -EOPNOTSUPP ? 0 : 2;
}

static int remove_file(const char *path)
{
	return unlink(path) < 0 ? errno : 0;
}

static int overwrite(const char *path)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	return fd < 0 || write(fd, "written", 7) != 7 ? errno : 0;
}

static int make_file_of_a_user(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);

	return fd < 0 || fchown(fd, 1000, 1000) < 0 || fchmod(fd, 04755) < 0 ? errno : 0;
}

/* An overlay goes on with what its mounter had: the mounter is a hardened shim's child. */
static void mounts_of_a_hardened_shim_are_as_good_as_any(void **state)
{
	const struct share_lab *lab = *state;

	put_directory(lab, "1", 0, 0755);
	put_file(lab, "1/file", "base", 1000, 0600);
	put_file(lab, "1/other", "base", 0, 0600);
	put_directory(lab, "2", 0, 0700);
	put_directory(lab, "2/fs", 0, 0755);
	put_directory(lab, "2/work", 0, 0711);
	assert_works(bring_in_and_take_away, lab);
	assert_text(in_share(lab, "f"), "base");
	assert_int_equal(access(in_share(lab, "v"), F_OK), -1);
	assert_int_equal(as_virtiofsd(lab, overwrite, "c/rootfs/file"), 0);
	assert_int_equal(as_virtiofsd(lab, remove_file, "c/rootfs/other"), 0);
	assert_int_equal(as_virtiofsd(lab, make_file_of_a_user, "c/rootfs/new"), 0);
	assert_owner(on_host(lab, "2/fs/file"), 1000);
	assert_owner(on_host(lab, "2/fs/new"), 1000);
	assert_text(on_host(lab, "1/file"), "base");
}

/* Its own children; the share is cleaned up by share_teardown. */
struct ending {
	struct lab *lab;
	int pidfd;
};

static int end_all(const void *context)
{
	const struct ending *ending = context;
	struct error err;

	if (syscall(SYS_pidfd_send_signal, ending->pidfd, SIGKILL, NULL, 0) < 0)
		return 1;
	if (cgroup_clear(ending->lab->cgroup, 5000, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return 2;
	}
	return 0;
}

static void what_it_has_started_can_be_killed_and_its_cgroup_removed(void **state)
{
	struct share_lab *lab = *state;
	const struct ending ending = { lab->lab, lab->virtiofsd.pidfd };

	assert_works(end_all, &ending);
	assert_true(has_ended(&lab->virtiofsd, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_forbidden_call_ends_it),
		cmocka_unit_test(its_capabilities_are_those_that_the_filter_leaves_a_use_for),
		cmocka_unit_test(the_timer_that_ends_one_that_hangs_can_be_put_off),
		SHARE(mounts_of_a_hardened_shim_are_as_good_as_any),
		SHARE(what_it_has_started_can_be_killed_and_its_cgroup_removed),
	};

	need_confinement();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
