// SPDX-License-Identifier: Apache-2.0
/* The host: commands of its shell, and by them what there is of VMs on it. */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "common/base/file.h"
#include "kata-shim/vm/jail/harden.h"
#include "tests/vm/machine_internal.h"

bool machine_is_confined;

/* A confined process starts no program; one that was forked before does it. */
static int commands = -1;

static _Noreturn void do_commands(int from)
{
	char command[1024];
	ssize_t n;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((n = recv(from, command, sizeof(command) - 1, 0)) > 0) {
		command[n] = '\0';
		const int status = system(command);
		if (send(from, &status, sizeof(status), 0) < 0)
			break;
	}
	_exit(0);
}

static int do_command(const char *command)
{
	int status = -1;

	if (commands < 0)
		return system(command);
	if (send(commands, command, strlen(command), 0) < 0 || recv(commands, &status, sizeof(status), 0) != sizeof(status))
		return -1;
	return status;
}

void machine_shell(const char *format, ...)
{
	char command[1024];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (do_command(command) != 0)
		fail_msg("%s", command);
}

void machine_confine(void)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
	if (fork() == 0) {
		close(ends[0]);
		do_commands(ends[1]);
	}
	close(ends[1]);
	commands = ends[0];
	machine_is_confined = sandbox_is_complete();
}

/* ── What is left ── */

static unsigned count_entries(const char *path)
{
	DIR *directory = opendir(path);
	unsigned n = 0;

	if (!directory)
		return 0;
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static unsigned run_number(const char *command)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64);
	char path[64];

	snprintf(path, sizeof(path), "/tmp/holdfast-number.%d", getpid());
	machine_shell("%s >%s", command, path);
	assert_int_equal(file_read(path, &text, NULL), 0);
	unlink(path);
	return (unsigned)strtoul(buf_text(&text), NULL, 10);
}

struct machine_count machine_count(void)
{
	char children[96], cgroups[96], states[96];
	uv_loop_t loop;

	/* libuv keeps what it needs once. */
	assert_int_equal(uv_loop_init(&loop), 0);
	uv_loop_close(&loop);
	snprintf(children, sizeof(children), "cat /proc/%d/task/*/children | wc -w", getpid());
	snprintf(cgroups, sizeof(cgroups), "find /sys/fs/cgroup -type d -name sb%d | wc -l", getpid());
	snprintf(states, sizeof(states), "ls -d /run/holdfast-machine.%d 2>/dev/null | wc -l", getpid());
	return (struct machine_count){
		.descriptors = count_entries("/proc/self/fd"),
		.mounts = run_number("grep holdfast-machine /proc/self/mountinfo | wc -l"),
		.children = run_number(children),
		.cgroups = run_number(cgroups),
		.states = run_number(states),
	};
}

void machine_expect_count(const struct machine_count *before)
{
	const struct machine_count after = machine_count();
	char command[96];

	if (after.children != before->children || after.descriptors != before->descriptors) {
		snprintf(command, sizeof(command), "ps -o pid,stat,args --ppid %d; ls -l /proc/%d/fd", getpid(), getpid());
		(void)!do_command(command);
	}
	assert_int_equal(after.children, before->children);
	assert_int_equal(after.mounts, before->mounts);
	assert_int_equal(after.cgroups, before->cgroups);
	assert_int_equal(after.descriptors, before->descriptors);
	assert_int_equal(after.states, before->states);
}
