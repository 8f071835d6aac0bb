// SPDX-License-Identifier: Apache-2.0
/* A process that waits for the kernel is told from one that is stopped, and from one that sleeps. */
#include "tests/unit/common/cmocka_all.h"

#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kata-shim/vm/jail/disk_wait.h"

static void sleep_for_good(void)
{
	for (;;)
		pause();
}

/* Who waits for its vfork's child waits as for a disk. */
static void wait_for_a_child(void)
{
	const pid_t parent = getpid();

	prctl(PR_SET_NAME, "a) S 1 (name");
	if (vfork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() == parent) /* which may have been killed before that */
			poll(NULL, 0, -1);
		_exit(0);
	}
}

static pid_t begin(void (*what)(void))
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		what();
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static void end(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void who_waits_in_the_kernel_is_seen(void **state)
{
	pid_t pid = begin(wait_for_a_child);

	for (int i = 0; i < 1000 && !process_waits_for_disk(pid); i++)
		poll(NULL, 0, 5);
	assert_true(process_waits_for_disk(pid));
	end(pid);
}

static void who_is_stopped_does_not_wait(void **state)
{
	pid_t pid = begin(sleep_for_good);
	int status;

	assert_int_equal(kill(pid, SIGSTOP), 0);
	assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
	assert_true(WIFSTOPPED(status));
	assert_false(process_waits_for_disk(pid));
	end(pid);
}

static void who_runs_or_is_gone_does_not_wait(void **state)
{
	assert_false(process_waits_for_disk(getpid()));
	pid_t pid = begin(sleep_for_good);
	end(pid);
	assert_false(process_waits_for_disk(pid));
	assert_false(process_waits_for_disk(-1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_waits_in_the_kernel_is_seen),
		cmocka_unit_test(who_is_stopped_does_not_wait),
		cmocka_unit_test(who_runs_or_is_gone_does_not_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
