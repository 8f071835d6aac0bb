// SPDX-License-Identifier: Apache-2.0
/* What `holdfast-tpm serve` may do while it runs; test_serve_nosy has what whoever could look into it would find. */
#include "tests/unit/common/cmocka_all.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/sandbox/sandbox.h"
#include "tests/support/confinement.h"
#include "tests/tpm/serving.h"

#define CONTENT "correct horse battery staple"

static struct serving serving;

static int set_up(void **state)
{
	serving_make(&serving);
	return 0;
}

static int tear_down(void **state)
{
	serving_remove(&serving);
	return 0;
}

static void deliver(void)
{
	serving_seal(&serving, "db", CONTENT, "--allow shop/web --version 1");
	serving_pod(&serving, "shop", "web", "web", NULL);
	const char *device = serving_give(&serving, "shop", "web", "db", 0);
	serving_start(&serving);
	serving_wait_offered(&serving, "db", 16);
	serving_hands_out(&serving, "db", device);
	serving_wait_reads(&serving, "db", device, "value", CONTENT);
}

static void a_daemon_that_has_delivered_has_cap_chown_alone_and_a_filter(void **state)
{
	static const char *const status[] = { CONFINEMENT_CHOWN_ALONE };
	static const char *const limits[] = {
		"Max core file size        0                    0  ",
		"Max locked memory         8388608              8388608  ",
		"Max address space         1073741824           1073741824  ",
	};

	deliver();
	assert_true(confinement_proc_says(serving.daemon, "status", status, ELEMENTS_OF(status)));
	assert_true(confinement_proc_says(serving.daemon, "limits", limits, ELEMENTS_OF(limits)));
}

#define TSS_GID 113

static bool has_ended(int *ret_status)
{
	if (waitpid(serving.daemon, ret_status, WNOHANG) != serving.daemon)
		return false;
	serving.daemon = 0;
	return true;
}

/* As udev makes it when the driver is loaded at last, but with the numbers of /dev/zero. */
static void a_device_that_comes_late_with_a_group_ends_the_daemon_which_then_has_it(void **state)
{
	static const char *const groups[] = { "Groups:\t113 \n" };
	char tcti[128];
	int status;

	snprintf(tcti, sizeof(tcti), "device:%s/tpmrm0", serving.directory);
	const char *device = tcti + strlen("device:");
	serving.tcti = tcti;
	serving_start(&serving);
	serving_wait_log(&serving, "there is no TPM at");
	assert_int_equal(mknod(device, S_IFCHR, makedev(1, 5)), 0);
	assert_int_equal(chown(device, TSS_GID, TSS_GID), 0);
	assert_int_equal(chmod(device, 0660), 0);
	SERVING_WAIT(&serving, has_ended(&status));
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
		fail_msg("status %d", status);
	serving_wait_log(&serving, "only a new process can join its group 113: start the daemon again");
	serving_start(&serving);
	serving_wait_offered(&serving, "secrets", 0);
	assert_true(confinement_proc_says(serving.daemon, "status", groups, ELEMENTS_OF(groups)));
	unlink(device);
	serving_end(&serving, SIGTERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_daemon_that_has_delivered_has_cap_chown_alone_and_a_filter, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_device_that_comes_late_with_a_group_ends_the_daemon_which_then_has_it, set_up, tear_down),
	};

	if (!sandbox_is_complete()) {
		puts("a build with a sanitizer has no filter, and memory of its own");
		return 77;
	}
	serving_isolate();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
