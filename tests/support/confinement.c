// SPDX-License-Identifier: Apache-2.0
#include "tests/support/confinement.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/sandbox/sandbox.h"
#include "tests/unit/common/cmocka_all.h"

#define RW (PROT_READ | PROT_WRITE)
#define MAP (MAP_PRIVATE | MAP_ANONYMOUS)

bool confinement_proc_says(pid_t pid, const char *file, const char *const *wanted, size_t n)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	char path[64];
	struct error err;

	snprintf(path, sizeof(path), "/proc/%d/%s", (int)(pid ? pid : getpid()), file);
	if (file_read(path, &text, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		if (strstr(buf_text(&text), wanted[i]))
			continue;
		fprintf(stderr, "no \"%s\" in\n%s", wanted[i], buf_text(&text));
		return false;
	}
	return true;
}

static const struct confinement_call forbidden[] = {
	{ "start a program", SYS_execve, { 0 } },
	{ "start a program by descriptor", SYS_execveat, { -1 } },
	{ "make a process", SYS_clone, { SIGCHLD } },
	{ "make a process in new namespaces", SYS_clone, { SIGCHLD | CLONE_NEWUSER | CLONE_NEWNET } },
	{ "make a thread in new namespaces", SYS_clone, { CLONE_THREAD | CLONE_SIGHAND | CLONE_VM | CLONE_NEWNET } },
#ifdef SYS_fork
	{ "fork", SYS_fork, { 0 } },
	{ "vfork", SYS_vfork, { 0 } },
#endif
	{ "enter a namespace", SYS_setns, { -1, CLONE_NEWNET } },
	{ "leave a namespace", SYS_unshare, { CLONE_NEWNET } },
	{ "trace", SYS_ptrace, { -1 } },
	{ "read another's memory", SYS_process_vm_readv, { 0 } },
	{ "write another's memory", SYS_process_vm_writev, { 0 } },
	{ "get hold of a process", SYS_pidfd_open, { -1 } },
	{ "signal a process", SYS_kill, { INT_MAX, 0 } },
	{ "signal a thread of another process", SYS_tgkill, { 1, 1, 0 } },
	{ "mount", SYS_mount, { 0 } },
	{ "have another process signalled", SYS_fcntl, { 0, F_SETOWN, 1 } },
	{ "have another process signalled by its thread", SYS_fcntl, { 0, F_SETOWN_EX, 0 } },
	{ "choose the signal for it", SYS_fcntl, { 0, F_SETSIG, SIGKILL } },
	{ "unmount", SYS_umount2, { 0 } },
	{ "move a mount", SYS_move_mount, { -1 } },
	{ "open a file system", SYS_fsopen, { 0 } },
	{ "change the root", SYS_chroot, { 0 } },
	{ "pivot the root", SYS_pivot_root, { 0 } },
	{ "load a module", SYS_init_module, { 0 } },
	{ "load a module by descriptor", SYS_finit_module, { -1 } },
	{ "remove a module", SYS_delete_module, { 0 } },
	{ "load a kernel", SYS_kexec_load, { 0, 0, 0, -1 } },
	{ "restart the machine", SYS_reboot, { 0 } },
	{ "load BPF", SYS_bpf, { -1 } },
	{ "measure the kernel", SYS_perf_event_open, { 0 } },
	{ "handle page faults", SYS_userfaultfd, { -1 } },
	{ "use the kernel's keys", SYS_keyctl, { -1 } },
	{ "add a key", SYS_add_key, { 0 } },
	{ "open by handle", SYS_open_by_handle_at, { -1 } },
	{ "make a file without a name", SYS_memfd_create, { 0 } },
	{ "make a device node", SYS_mknodat, { -1 } },
	{ "set an attribute", SYS_fsetxattr, { -1 } },
	{ "link a file", SYS_linkat, { -1, 0, -1, 0, 0 } },
	{ "become another user", SYS_setuid, { 0 } },
	{ "become another group", SYS_setgid, { 0 } },
	{ "take capabilities", SYS_capset, { 0 } },
	{ "put a filter over the filter", SYS_seccomp, { -1 } },
	{ "raise a limit", SYS_prlimit64, { 0, 7, 8 } },
	{ "set the clock", SYS_settimeofday, { 0 } },
	{ "make writable memory executable", SYS_mprotect, { 0, 0, PROT_READ | PROT_EXEC } },
	{ "map memory to write and execute", SYS_mmap, { 0, 4096, RW | PROT_EXEC, MAP, -1, 0 } },
	{ "become dumpable", SYS_prctl, { PR_SET_DUMPABLE, 1 } },
	{ "send packets past all rules", SYS_socket, { AF_PACKET, SOCK_RAW, 0 } },
	{ "talk to the audit system", SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_AUDIT } },
	{ "talk to udev", SYS_socket, { AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT } },
	{ "use the kernel's ciphers", SYS_socket, { AF_ALG, SOCK_SEQPACKET, 0 } },
	{ "talk to a hypervisor", SYS_socket, { AF_VSOCK, SOCK_STREAM, 0 } },
	{ "type into a terminal", SYS_ioctl, { 0, TIOCSTI } },
	{ "change an interface", SYS_ioctl, { 0, SIOCSIFFLAGS } },
};

void need_confinement(void)
{
	if (geteuid() == 0 && sandbox_is_complete())
		return;
	puts(geteuid() != 0 ? "needs root" : "a build with a sanitizer has no filter");
	exit(77);
}

static void confine(confinement *enter)
{
	struct error err;

	if (enter(&err) == 0)
		return;
	fprintf(stderr, "%s\n", err.message);
	_exit(1);
}

static int wait_for(pid_t child)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void make(const struct confinement_call *call)
{
	const long *a = call->arguments;

	syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void assert_ends_process(confinement *enter, const struct confinement_call *call)
{
	pid_t child = fork();

	if (child == 0) {
		confine(enter);
		make(call);
		_exit(0);
	}
	int status = wait_for(child);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("%s: status %#x instead of SIGSYS", call->what, (unsigned)status);
}

void confinement_assert_forbidden(confinement *enter, const struct confinement_call *more, size_t n)
{
	for (size_t i = 0; i < ELEMENTS_OF(forbidden); i++)
		assert_ends_process(enter, &forbidden[i]);
	for (size_t i = 0; i < n; i++)
		assert_ends_process(enter, &more[i]);
}

static void *make_forbidden_call(void *nothing)
{
	syscall(SYS_chroot, NULL);
	return NULL;
}

void confinement_assert_of_threads(confinement *enter)
{
	pid_t child = fork();
	pthread_t thread;

	if (child == 0) {
		confine(enter);
		if (pthread_create(&thread, NULL, make_forbidden_call, NULL) == 0)
			pthread_join(thread, NULL);
		_exit(0);
	}
	int status = wait_for(child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

void confinement_assert_abort(confinement *enter)
{
	pid_t child = fork();

	if (child == 0) {
		confine(enter);
		abort();
	}
	int status = wait_for(child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

void confinement_assert_works(confinement *enter, const struct confinement_use *uses, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pid_t child = fork();
		if (child == 0) {
			confine(enter);
			_exit(uses[i].works() ? 0 : 1);
		}
		int status = wait_for(child);
		if (status != 0)
			fail_msg("%s: status %#x", uses[i].what, (unsigned)status);
	}
}
