// SPDX-License-Identifier: Apache-2.0
/* A VM whose agent is reached by vsock, which all processes of the node have, whoever they are. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <linux/vm_sockets.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "common/base/cleanup.h"
#include "kata-shim/guest/channel.h"
#include "tests/vm/machine.h"

#define SKIPPED 77

static struct machine machine;

static int boot(void **state)
{
	signal(SIGPIPE, SIG_IGN);
	machine_prepare(&machine, false);
	machine.settings.channel = VM_VSOCK;
	if (machine_boot(&machine) < 0)
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

/* The address of the only VM, from QEMU's command line, where any process finds it. */
static unsigned find_cid(void)
{
	FILE *answer = popen("cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n' | sed -n 's/.*guest-cid=\\([0-9]*\\),.*/\\1/p'", "re");
	unsigned cid = 0;

	assert_non_null(answer);
	assert_int_equal(fscanf(answer, "%u", &cid), 1);
	pclose(answer);
	return cid;
}

static void nobody_but_the_shim_is_served(void **state)
{
	const struct sockaddr_vm agent = { .svm_family = AF_VSOCK, .svm_cid = find_cid(), .svm_port = CHANNEL_VSOCK_PORT };
	_cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
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
		cmocka_unit_test(nobody_but_the_shim_is_served),
		cmocka_unit_test(the_pod_does_not_notice),
	};

	if (access("/dev/vhost-vsock", F_OK) < 0) {
		puts("needs /dev/vhost-vsock, which the machine of tests/run vm-nested has");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, boot, end);
}
