// SPDX-License-Identifier: Apache-2.0
/*
 *	test ── between ── agent        between: who process 1 of a pid namespace needs as its parent; it goes when that does
 *
 * Control groups are the machine's, and other tests have some: so the agent's root is a group of its own. It sits in one below, because a
 * group with processes gives its controllers to no other.
 */
#include "tests/vm/agent_launch.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/vm/agent_world.h"

static struct {
	pid_t between;
	char all[160], root[224], own[256]; /* cgroups: the machine's root, the agent's root, where the agent is */
} started;

static void must(bool good, const char *what)
{
	if (good)
		return;
	perror(what);
	_exit(EXIT_FAILURE);
}

static void enter_cgroup(const char *path)
{
	char file[300];

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	int fd = open(file, O_WRONLY | O_CLOEXEC);
	must(fd >= 0 && write(fd, "0", 1) == 1, file);
	close(fd);
}

/* The namespace of cgroups begins where its maker is. */
static void make_cgroups(const char *directory)
{
	snprintf(started.all, sizeof(started.all), "%s/cgroup", directory);
	snprintf(started.root, sizeof(started.root), "%s/hf-agent-%d", started.all, (int)getpid());
	snprintf(started.own, sizeof(started.own), "%s/.agent", started.root);
	must(mkdir(started.all, 0700) == 0 && mount("cgroup2", started.all, "cgroup2", 0, NULL) == 0, started.all);
	must(mkdir(started.root, 0755) == 0 && mkdir(started.own, 0755) == 0, started.own);
	enter_cgroup(started.root);
	must(unshare(CLONE_NEWCGROUP) == 0, "cgroup namespace");
}

/* A file system whose server never answers, as a host's may. */
static void mount_stuck(const char *directory)
{
	char path[160], options[64];
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	must(fd >= 0, "/dev/fuse");
	snprintf(path, sizeof(path), "%s/stuck", directory);
	snprintf(options, sizeof(options), "fd=%d,rootmode=40000,user_id=0,group_id=0", fd);
	must(mkdir(path, 0755) == 0 && mount("stuck", path, "fuse", 0, options) == 0, path);
}

/* That of a build with sanitizers is not the one that boots. */
static const char *program(void)
{
	static char path[256];
	const char *build = getenv("HOLDFAST_BUILD");

	build = build ? build : "build/dev";
	snprintf(path, sizeof(path), "%s/tests/support/holdfast-guest", build);
	if (access(path, X_OK) < 0)
		snprintf(path, sizeof(path), "%s/bin/holdfast-guest", build);
	return path;
}

static _Noreturn void be_process_1(const char *socket)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter_cgroup(started.own);
	must(mount("proc", "/proc", "proc", 0, NULL) == 0, "/proc");
	must(mount("run", "/run", "tmpfs", 0, "mode=755") == 0, "/run");
	must(mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL) == 0, "/sys/fs/cgroup");
	execl(program(), "holdfast-guest", "--listen", socket, NULL);
	must(false, program());
	_exit(EXIT_FAILURE);
}

static _Noreturn void be_between(const char *directory, const char *socket, int ready)
{
	int status = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	must(unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC) == 0, "namespaces");
	must(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0, "private mounts");
	make_cgroups(directory);
	mount_stuck(directory);
	const pid_t pid = fork();
	if (pid == 0)
		be_process_1(socket);
	enter_cgroup(started.all);
	must(write(ready, &pid, sizeof(pid)) == sizeof(pid), "pid");
	waitpid(pid, &status, 0);
	must(rmdir(started.own) == 0 && rmdir(started.root) == 0, "a cgroup is left behind");
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

pid_t agent_launch(const char *directory, const char *socket)
{
	int ready[2];
	pid_t agent;

	assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
	started.between = fork();
	if (started.between == 0)
		be_between(directory, socket, ready[1]);
	close(ready[1]);
	assert_int_equal(read(ready[0], &agent, sizeof(agent)), sizeof(agent));
	close(ready[0]);
	return agent;
}

void agent_expect_end(void)
{
	int status;

	assert_int_equal(waitpid(started.between, &status, 0), started.between);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the agent ended with wait status %#x, or has left a cgroup behind", (unsigned)status);
}
