// SPDX-License-Identifier: Apache-2.0
/*
 * The child does in order what needs the host's root or the host's files (cgroup, limits, network namespace, root), then gives up what it
 * is (user namespace, ids, capabilities), and then asks once more to be killed with its parent, because a change of ids forgets that wish.
 * Descriptors come last, so that none of the steps can take a number that the program wants.
 */
#include "kata-shim/vm/jail/jail.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/close_range.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/cleanup.h"
#include "common/base/number.h"
#include "kata-shim/vm/jail/cgroup.h"
#include "kata-shim/vm/jail/child.h"
#include "kata-shim/vm/jail/root.h"

#define DESCRIPTORS_MAX 64
#define DESCRIPTORS_FROM 256 /* where they wait; `to` is below */

struct start {
	const struct jail *jail;
	int parent; /* pidfd */
};

/* ── on the host ── */

/* The hard limit is raised for it if that is allowed; if not, it is what there is. */
static int limit(int resource, const char *name, uint64_t value, struct error *err)
{
	struct rlimit now;

	if (setrlimit(resource, &(struct rlimit){ value, value }) == 0)
		return 0;
	if (errno != EPERM || getrlimit(resource, &now) < 0)
		return error_errno(err, errno, "cannot limit %s", name);
	now.rlim_cur = now.rlim_max;
	return setrlimit(resource, &now) < 0 ? error_errno(err, errno, "cannot limit %s", name) : 0;
}

static int limit_all(const struct jail *jail, struct error *err)
{
	int r = limit(RLIMIT_CORE, "core dumps", 0, err);

	if (r == 0 && jail->open_files > 0)
		r = limit(RLIMIT_NOFILE, "open files", jail->open_files, err);
	if (r == 0 && jail->locked_memory > 0)
		r = limit(RLIMIT_MEMLOCK, "locked memory", jail->locked_memory, err);
	return r;
}

/* Without CAP_SYS_RESOURCE it cannot go below what root once gave us: then it stays ours. */
static int set_oom_score(int value, struct error *err)
{
	_cleanup_close_ int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || (dprintf(fd, "%d", value) < 0 && errno != EACCES))
		return error_errno(err, errno, "cannot set oom_score_adj to %d", value);
	return 0;
}

/* Of root's keys there are none in there. A kernel without them says ENOSYS. */
static int leave_keyring(struct error *err)
{
	if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
		return error_errno(err, errno, "cannot have a keyring of its own");
	return 0;
}

static int leave_host(const struct jail *jail, struct error *err)
{
	int r = jail->cgroup ? cgroup_enter(jail->cgroup, err) : 0;

	if (r == 0)
		r = set_oom_score(jail->oom_score_adj, err);
	if (r == 0)
		r = limit_all(jail, err);
	if (r == 0)
		r = leave_keyring(err);
	if (r == 0 && jail->network_namespace >= 0 && setns(jail->network_namespace, CLONE_NEWNET) < 0)
		r = error_errno(err, errno, "cannot enter the network namespace");
	return r == 0 ? root_enter(jail, err) : r;
}

/* ── who it is ── */

static int bound_capabilities(uint64_t keep, struct error *err)
{
	for (int i = 0; i < 64 && prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(keep & UINT64_C(1) << i) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) < 0)
			return error_errno(err, errno, "cannot take capability %d out of the bounding set", i);
	return 0;
}

/* By system calls: glibc's functions are for all threads, of which there is one. */
static int change_ids(uint32_t id, struct error *err)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, id, id, id) < 0 || syscall(SYS_setresuid, id, id, id) < 0)
		return error_errno(err, errno, "cannot become user and group %u", id);
	return 0;
}

static int set_capabilities(uint64_t keep, struct error *err)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct words[_LINUX_CAPABILITY_U32S_3] = { 0 };

	for (size_t i = 0; i < ELEMENTS_OF(words); i++)
		words[i].effective = words[i].permitted = (uint32_t)(keep >> 32 * i);
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &header, words) < 0)
		return error_errno(err, errno, "cannot give up capabilities");
	return 0;
}

static int become_nobody(const struct jail *jail, struct error *err)
{
	bool inside = jail->user_namespace >= 0;
	uint64_t keep = inside ? jail->capabilities : 0;

	if (!inside && jail->id == 0)
		return error_set(err, EINVAL, "root of the host is nobody to put into a jail");
	if (inside && setns(jail->user_namespace, CLONE_NEWUSER) < 0)
		return error_errno(err, errno, "cannot enter the user namespace");
	int r = bound_capabilities(keep, err);
	if (r == 0)
		r = change_ids(inside ? 0 : jail->id, err);
	if (r == 0)
		r = set_capabilities(keep, err);
	if (r == 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		r = error_errno(err, errno, "cannot set no_new_privs");
	return r;
}

/* ── what it has ── */

static int check_descriptors(const struct jail *jail, struct error *err)
{
	if (jail->n_descriptors > DESCRIPTORS_MAX)
		return error_set(err, E2BIG, "more than %d descriptors", DESCRIPTORS_MAX);
	for (size_t i = 0; i < jail->n_descriptors; i++)
		if (jail->descriptors[i].to < 0 || jail->descriptors[i].to >= DESCRIPTORS_FROM)
			return error_set(err, EINVAL, "descriptor %d is not in 0..%d", jail->descriptors[i].to, DESCRIPTORS_FROM - 1);
	return 0;
}

/* A copy out of the way of all numbers that are wanted. */
static int step_aside(int fd, int *ret, struct error *err)
{
	*ret = fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTORS_FROM);
	return *ret < 0 ? error_errno(err, errno, "cannot pass descriptor %d", fd) : 0;
}

static int place(int fd, int to, struct error *err)
{
	return dup2(fd, to) < 0 ? error_errno(err, errno, "cannot pass descriptor %d", to) : 0;
}

/* All others are closed by execve. So is the pipe for an error, which has one of those numbers that nobody wants. */
static int pass_descriptors(const struct jail *jail, struct error *err)
{
	int waiting[DESCRIPTORS_MAX], null, output;
	int r = step_aside(open("/dev/null", O_RDWR | O_CLOEXEC), &null, err);

	if (r == 0)
		r = step_aside(jail->output >= 0 ? jail->output : null, &output, err);
	for (size_t i = 0; r == 0 && i < jail->n_descriptors; i++)
		r = step_aside(jail->descriptors[i].from, &waiting[i], err);
	if (r == 0 && syscall(SYS_close_range, 0, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		r = error_errno(err, errno, "cannot close all descriptors");
	if (r == 0)
		r = place(null, 0, err);
	for (int to = 1; r == 0 && to <= 2; to++)
		r = place(output, to, err);
	for (size_t i = 0; r == 0 && i < jail->n_descriptors; i++)
		r = place(waiting[i], jail->descriptors[i].to, err);
	return r;
}

static int set_signals(struct error *err)
{
	const struct sigaction plain = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int i = 1; i < NSIG; i++)
		if (i != SIGKILL && i != SIGSTOP && sigaction(i, &plain, NULL) < 0 && errno != EINVAL)
			return error_errno(err, errno, "cannot reset signal %d", i);
	sigemptyset(&none);
	return sigprocmask(SIG_SETMASK, &none, NULL) < 0 ? error_errno(err, errno, "cannot unblock signals") : 0;
}

static int begin(void *context, struct error *err)
{
	const struct start *start = context;
	const struct jail *jail = start->jail;
	char *const no_environment[] = { NULL };

	if (setsid() < 0)
		return error_errno(err, errno, "cannot have a session of its own");
	int r = child_die_with(start->parent, err);
	if (r == 0)
		r = leave_host(jail, err);
	if (r == 0)
		r = become_nobody(jail, err);
	if (r == 0)
		r = child_die_with(start->parent, err);
	if (r == 0)
		r = pass_descriptors(jail, err);
	if (r == 0)
		r = set_signals(err);
	if (r < 0)
		return r;
	execve(jail->arguments[0], (char *const *)(uintptr_t)jail->arguments, no_environment);
	return error_errno(err, errno, "cannot execute it as user %u", jail->id);
}

/* ── the parent ── */

/* One that has ended has none. */
static int open_mount_namespace(pid_t pid, int *ret, struct error *err)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	*ret = open(path, O_RDONLY | O_CLOEXEC);
	return *ret < 0 && errno != ENOENT ? error_errno(err, errno, "cannot open its mount namespace") : 0;
}

static int spawn(const struct jail *jail, struct jail_process *ret, struct error *err)
{
	const uint64_t flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS | (jail->network_namespace < 0 ? CLONE_NEWNET : 0);
	_cleanup_close_ int self = -1;
	struct start start = { .jail = jail };
	struct child child;

	int r = check_descriptors(jail, err);
	if (r == 0)
		r = child_open_self(&self, err);
	if (r < 0)
		return r;
	start.parent = self;
	r = child_start(flags, jail->cgroup ? cgroup_directory(jail->cgroup) : -1, begin, &start, &child, err);
	if (r < 0)
		return r;
	struct jail_process process = { .pid = child.pid, .pidfd = child.pidfd, .mount_namespace = -1 };
	r = open_mount_namespace(process.pid, &process.mount_namespace, err);
	if (r < 0) {
		jail_end(&process);
		return r;
	}
	*ret = process;
	return 0;
}

int jail_spawn(const struct jail *jail, struct jail_process *ret, struct error *err)
{
	int r = spawn(jail, ret, err);

	return r < 0 ? error_wrap(err, "cannot start %s", jail->arguments[0]) : 0;
}

void jail_end(struct jail_process *process)
{
	siginfo_t ignored;

	if (process->pidfd >= 0) {
		syscall(SYS_pidfd_send_signal, process->pidfd, SIGKILL, NULL, 0);
		/* Who watches it in an event loop has made it O_NONBLOCK, and then waitid does not wait. */
		while (poll(&(struct pollfd){ .fd = process->pidfd, .events = POLLIN }, 1, -1) < 0 && errno == EINTR)
			;
		while (waitid(P_PIDFD, (id_t)process->pidfd, &ignored, WEXITED) < 0 && errno == EINTR)
			;
	}
	cleanup_close(&process->pidfd);
	cleanup_close(&process->mount_namespace);
	*process = JAIL_PROCESS_NONE;
}

/* "-998\n" */
static int parse_score(struct slice text, int *ret, struct error *err)
{
	bool negative = text.n > 0 && text.p[0] == '-';
	uint32_t value;

	int r = number_parse_u32(slice_from(text.p + negative, text.n - negative), 0, 1000, &value, err);
	if (r == 0)
		*ret = negative ? -(int)value : (int)value;
	return r;
}

int jail_raise_oom_score(pid_t pid, int value, struct error *err)
{
	char path[64], text[16];
	int now;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	_cleanup_close_ int fd = open(path, O_RDWR | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n < 0)
		return error_errno(err, errno, "cannot read %s", path);
	int r = parse_score(slice_from(text, n > 0 ? (size_t)n - 1 : 0), &now, err);
	if (r < 0)
		return error_wrap(err, "%s", path);
	if (now < value && dprintf(fd, "%d", value) < 0)
		return error_errno(err, errno, "cannot set %s to %d", path, value);
	return 0;
}
