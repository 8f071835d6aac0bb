// SPDX-License-Identifier: Apache-2.0
/* A VM whose agent is reached by vsock, which all processes of the node have, whoever they are. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
/* After that, which older ones of its versions need. */
#include <linux/vm_sockets.h>

#include "common/base/cleanup.h"
#include "kata-shim/guest/channel.h"
#include "tests/vm/machine.h"

#define SKIPPED 77

static struct machine machine;
static int knocked;

/* The agent's address in the only VM, from QEMU's command line, where any process finds it. */
static bool find_agent(struct sockaddr_vm *ret)
{
	FILE *answer = popen("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | sed -n 's/.*guest-cid=\\([0-9]*\\),.*/\\1/p'", "re");

	*ret = (struct sockaddr_vm){ .svm_family = AF_VSOCK, .svm_port = CHANNEL_VSOCK_PORT };
	const bool found = answer && fscanf(answer, "%u", &ret->svm_cid) == 1;
	if (answer)
		pclose(answer);
	return found;
}

/* A process of the node that is quicker than the shim if it can be, and goes without a word; as the shim's own try that it has given up. */
static pid_t knock(void)
{
	const pid_t child = fork();
	struct sockaddr_vm agent;

	if (child != 0)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (!find_agent(&agent))
		usleep(1000);
	for (;;) {
		const int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (connect(fd, (const struct sockaddr *)&agent, sizeof(agent)) == 0)
			_exit(EXIT_SUCCESS);
		close(fd);
	}
}

static int boot(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	machine_prepare(&machine, false);
	machine.settings.channel = VM_VSOCK;
	const pid_t child = knock();
	assert_true(child > 0);
	const int r = machine_boot(&machine);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &knocked, 0), child);
	if (r < 0)
		fail_msg("%s", machine.err.message);
	return 0;
}

static int end(void **state)
{
	if (machine_stop(&machine) < 0)
		fail_msg("%s", machine.err.message);
	machine_clear(&machine);
	return 0;
}

static void who_connects_and_says_nothing_is_not_taken_for_the_shim(void **state)
{
	if (WIFEXITED(knocked))
		print_message("# it had a connection\n");
	assert_int_equal(machine_run(&machine, "first", "true"), 0);
}

static void nobody_but_the_shim_is_served(void **state)
{
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_vm agent;

	assert_true(fd >= 0);
	assert_true(find_agent(&agent));
	assert_int_equal(connect(fd, (const struct sockaddr *)&agent, sizeof(agent)), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void the_pod_does_not_notice(void **state)
{
	assert_int_equal(machine_run(&machine, "after", "echo well"), 0);
	assert_string_equal(buf_text(&machine_process(&machine, "after", "")->out_text), "well\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_connects_and_says_nothing_is_not_taken_for_the_shim),
		cmocka_unit_test(nobody_but_the_shim_is_served),
		cmocka_unit_test(the_pod_does_not_notice),
	};

	if (access("/dev/vhost-vsock", F_OK) < 0) {
		puts("needs /dev/vhost-vsock, which the machine of tests/run vm-nested has");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, boot, end);
}
