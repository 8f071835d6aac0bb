// SPDX-License-Identifier: Apache-2.0
/* The agent's own profile, call by call: each forbidden one ends a process that is confined as the agent is, and what the agent does works.
 */
#include "cni-plugin/agent/confine.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "tests/unit/common/cmocka_all.h"

#define RW (PROT_READ | PROT_WRITE)
#define MAP (MAP_PRIVATE | MAP_ANONYMOUS)

struct call {
	const char *what;
	long number;
	long arguments[6];
};

/* Arguments that would do nothing or little if the call were let through. */
static const struct call forbidden[] = {
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
	{ "give a file away", SYS_fchown, { -1, 0, 0 } },
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

static void confine(void)
{
	struct error err;

	if (confine_enter(SANDBOX_ENFORCE, &err) == 0)
		return;
	fprintf(stderr, "%s\n", err.message);
	_exit(1);
}

static long make(const struct call *call)
{
	const long *a = call->arguments;

	return syscall(call->number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int wait_for(pid_t child)
{
	int status;

	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void test_each_forbidden_call_ends_the_process(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(forbidden); i++) {
		pid_t child = fork();
		if (child == 0) {
			confine();
			make(&forbidden[i]);
			_exit(0);
		}
		int status = wait_for(child);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("%s: status %#x instead of SIGSYS", forbidden[i].what, (unsigned)status);
	}
}

static void *make_forbidden_call(void *nothing)
{
	syscall(SYS_chroot, NULL);
	return NULL;
}

static void test_a_thread_that_was_started_later_is_confined_too_and_takes_all_with_it(void **state)
{
	pid_t child = fork();
	pthread_t thread;

	if (child == 0) {
		confine();
		if (pthread_create(&thread, NULL, make_forbidden_call, NULL) == 0)
			pthread_join(thread, NULL);
		_exit(0);
	}
	int status = wait_for(child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void test_an_abort_is_still_an_abort(void **state)
{
	pid_t child = fork();

	if (child == 0) {
		confine();
		abort();
	}
	int status = wait_for(child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

/* ── what works ── */

static bool calls_that_a_filter_cannot_look_into_are_unknown(void)
{
	return syscall(SYS_clone3, NULL, 0) < 0 && errno == ENOSYS && syscall(SYS_io_uring_setup, 0, NULL) < 0 && errno == ENOSYS;
}

static void *resolve(void *ret)
{
	struct addrinfo *list = NULL;

	*(bool *)ret = getaddrinfo("localhost", "443", NULL, &list) == 0;
	if (list)
		freeaddrinfo(list);
	return NULL;
}

/* As libcurl does: it loads libraries, reads files, and asks for addresses over netlink. */
static bool a_thread_resolves_a_name(void)
{
	pthread_t thread;
	bool good = false;

	return pthread_create(&thread, NULL, resolve, &good) == 0 && pthread_join(thread, NULL) == 0 && good;
}

static bool files_are_written_watched_and_removed(void)
{
	char directory[] = "/tmp/holdfast-confine-XXXXXX", path[64];
	struct error err;

	if (!mkdtemp(directory))
		return false;
	snprintf(path, sizeof(path), "%s/file", directory);
	int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	return watch >= 0 && inotify_add_watch(watch, directory, IN_MOVED_TO) >= 0 &&
	       file_write_atomic(path, slice_string("text"), 0600, &err) == 0 && unlink(path) == 0 && rmdir(directory) == 0;
}

static bool netfilter_and_routes_are_there(void)
{
	return socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER) >= 0 &&
	       socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE) >= 0 && if_nametoindex("lo") > 0;
}

static bool clients_and_servers_are_there(void)
{
	const struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int pair[2], fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0 && listen(fd, 1) == 0 && socket(AF_INET6, SOCK_STREAM, 0) >= 0 &&
	       socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0;
}

static void *fill(void *nothing)
{
	size_t n = 64 * 1024;
	char *text = malloc(n);

	for (; text && n < 64 * 1024 * 1024; n *= 4) {
		char *grown = realloc(text, 4 * n);
		if (!grown)
			break;
		text = grown;
		memset(text + n, 'x', 3 * n);
	}
	free(text);
	return nothing;
}

/* By brk, by mmap and mremap, and from a thread's own arena. */
static bool memory_grows_and_is_given_back(void)
{
	pthread_t thread;

	fill(NULL);
	return pthread_create(&thread, NULL, fill, NULL) == 0 && pthread_join(thread, NULL) == 0;
}

static const struct {
	const char *what;
	bool (*works)(void);
} allowed[] = {
	{ "memory grows and is given back", memory_grows_and_is_given_back },
	{ "calls that a filter cannot look into are unknown", calls_that_a_filter_cannot_look_into_are_unknown },
	{ "a thread resolves a name", a_thread_resolves_a_name },
	{ "files are written, watched and removed", files_are_written_watched_and_removed },
	{ "netfilter and routes are there", netfilter_and_routes_are_there },
	{ "clients and servers are there", clients_and_servers_are_there },
};

static void test_what_the_agent_does_works(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(allowed); i++) {
		pid_t child = fork();
		if (child == 0) {
			confine();
			_exit(allowed[i].works() ? 0 : 1);
		}
		int status = wait_for(child);
		if (status != 0)
			fail_msg("%s: status %#x", allowed[i].what, (unsigned)status);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_forbidden_call_ends_the_process),
		cmocka_unit_test(test_a_thread_that_was_started_later_is_confined_too_and_takes_all_with_it),
		cmocka_unit_test(test_an_abort_is_still_an_abort),
		cmocka_unit_test(test_what_the_agent_does_works),
	};

	if (geteuid() != 0 || !sandbox_is_complete()) {
		puts(geteuid() != 0 ? "needs root" : "a build with a sanitizer has no filter");
		return 77;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
