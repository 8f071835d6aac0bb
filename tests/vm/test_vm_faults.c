// SPDX-License-Identifier: Apache-2.0
/* How VMs end that nobody has asked to: with a reason, and with nothing left. Each boots one. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "tests/vm/machine.h"

static struct machine machine;
static struct machine_count before;

static int set_up(void **state)
{
	before = machine_count();
	machine_prepare(&machine, false);
	return 0;
}

static int tear_down(void **state)
{
	if (machine_stop(&machine) < 0)
		fail_msg("%s", machine.err.message);
	machine_clear(&machine);
	machine_expect_count(&before);
	return 0;
}

static void must(int r)
{
	if (r < 0)
		fail_msg("%s", machine.err.message);
}

static void boot_and_run(void)
{
	must(machine_boot(&machine));
	must(machine_create(&machine, "app", "echo ready; sleep 1000", NULL));
	must(machine_start(&machine, "app", ""));
	machine_wait_output(&machine, "app", "", "ready");
	must(machine_create(&machine, "idle", "echo never", NULL));
}

/* Of the pod's VM. */
static pid_t find_process(const char *name)
{
	char command[160];
	pid_t pid = 0;

	snprintf(command, sizeof(command), "pgrep -n -P %d -x %s", getpid(), name);
	FILE *pipe = popen(command, "r");
	assert_int_equal(fscanf(pipe, "%d", &pid), 1);
	pclose(pipe);
	return pid;
}

static void expect_lost(const char *reason)
{
	machine_wait_lost(&machine);
	assert_int_equal(machine_wait(&machine, "app", ""), 137);
	assert_int_equal(machine_process(&machine, "app", "")->n_exits, 1);
	if (!strstr(machine.lost, reason))
		fail_msg("\"%s\" does not say \"%s\"", machine.lost, reason);
	assert_int_equal(machine_start(&machine, "idle", ""), -ECONNRESET);
	assert_non_null(strstr(machine.err.message, reason));
	assert_int_equal(machine_kill(&machine, "app", "", SIGKILL, true), -ESRCH);
	must(machine_remove(&machine, "app", ""));
	assert_int_equal(machine.n_lost, 1);
}

/* From now, while something is asked of it. */
static pid_t kill_qemu_soon(void)
{
	pid_t qemu = vm_pid(machine.vm), killer = fork();

	if (killer == 0) {
		usleep(100000);
		_exit(kill(qemu, SIGKILL) < 0);
	}
	assert_true(killer > 0);
	return killer;
}

/* What is under way ends with the connection, which may be seen before the end of QEMU. */
static void qemu_is_killed(void **state)
{
	boot_and_run();
	assert_int_equal(kill(vm_pid(machine.vm), SIGSTOP), 0);
	pid_t killer = kill_qemu_soon();
	assert_int_equal(machine_stats(&machine, "app"), -ECONNRESET);
	if (!strstr(machine.err.message, "QEMU was killed"))
		fail_msg("%s", machine.err.message);
	assert_int_equal(waitpid(killer, NULL, 0), killer);
	expect_lost("QEMU was killed");
	assert_int_equal(vm_pid(machine.vm), 0);
}

static void virtiofsd_is_killed(void **state)
{
	boot_and_run();
	assert_int_equal(kill(find_process("virtiofsd"), SIGKILL), 0);
	expect_lost("virtiofsd was killed by signal 9");
}

/* A kernel without an initial file system. */
static void the_guests_kernel_panics(void **state)
{
	machine.settings.kernel_parameters = "rdinit=/none root=/dev/none";
	assert_true(machine_boot(&machine) < 0);
	assert_non_null(strstr(machine.err.message, "panic"));
}

static void a_vm_that_hangs_is_found_and_ended(void **state)
{
	boot_and_run();
	assert_int_equal(kill(vm_pid(machine.vm), SIGSTOP), 0);
	expect_lost("has not answered for 15 s");
}

/* Even a process that is killed waits for a file server that has begun to answer it. */
static void a_container_that_cannot_be_killed_takes_its_vm_along(void **state)
{
	must(machine_boot(&machine));
	must(machine_create(&machine, "app", "echo ready; while :; do echo x > /file; done", NULL));
	must(machine_start(&machine, "app", ""));
	machine_wait_output(&machine, "app", "", "ready");
	must(machine_create(&machine, "idle", "echo never", NULL));
	assert_int_equal(kill(find_process("virtiofsd"), SIGSTOP), 0);
	must(machine_kill(&machine, "app", "", SIGKILL, true));
	expect_lost("did not end within 15 s of SIGKILL");
}

/* Nobody stops the pod, and what has ended before does not wait for it. */
static void a_virtiofsd_that_hangs_is_found_and_ended(void **state)
{
	machine.settings.share_timeout_ms = 1000;
	boot_and_run();
	must(machine_create(&machine, "done", "echo done", NULL));
	must(machine_start(&machine, "done", ""));
	assert_int_equal(machine_wait(&machine, "done", ""), 0);
	assert_int_equal(kill(find_process("virtiofsd"), SIGSTOP), 0);
	uint64_t begin = uv_hrtime();
	must(machine_remove(&machine, "done", ""));
	assert_true(uv_hrtime() - begin < 10000000000);
	expect_lost("its virtiofsd has not answered the guest for 1 s");
}

/* For a second from now; it is waited for by its pid. */
static pid_t slow_down(pid_t server)
{
	pid_t brake = fork();

	for (unsigned i = 0; brake == 0 && i < 50; i++) {
		kill(server, SIGSTOP);
		usleep(20000);
		kill(server, SIGCONT);
		usleep(200);
	}
	if (brake == 0)
		_exit(0);
	assert_true(brake > 0);
	return brake;
}

/* The build may be on an overlay (tests/nested/machine), which cannot be shared with a VM. */
static void start_reader(const char *name)
{
	_cleanup_(buf_free) struct buf mounts = BUF_MAX(4096);

	machine_shell("cp %s/tests/support/guest_reader %s/reader", getenv("HOLDFAST_BUILD"), machine.directory);
	buf_printf(&mounts,
		   "{\"destination\": \"/reader\", \"type\": \"bind\", \"source\": \"%s/reader\", "
		   "\"options\": [\"rbind\", \"ro\"]},"
		   "{\"destination\": \"/tmp\", \"type\": \"tmpfs\", \"source\": \"tmpfs\", \"options\": [\"nosuid\"]},",
		   machine.directory);
	must(machine_create(&machine, name,
			    "dd if=/dev/zero of=/file bs=64k count=256 2>/dev/null; cat /reader >/tmp/reader; chmod 755 /tmp/reader; "
			    "exec /tmp/reader",
			    &(struct machine_wishes){ .mounts = buf_text(&mounts) }));
	must(machine_start(&machine, name, ""));
	machine_wait_output(&machine, name, "", "reads");
}

/*
 * Who dies while a file is being read ahead for it does not wait until that is closed, and Linux 6.1 dies of a file system that ends before.
 * (The reader's program is not in that file system, for it would wait for the closing of its program.) One time in two it is close enough.
 */
static void readers_that_are_killed_leave_requests_that_harm_nobody(void **state)
{
	static const char *const names[] = { "app-1", "app-2", "app-3", "app-4" };

	must(machine_boot(&machine));
	for (size_t i = 0; i < ELEMENTS_OF(names); i++) {
		start_reader(names[i]);
		pid_t brake = slow_down(find_process("virtiofsd"));
		must(machine_kill(&machine, names[i], "", SIGKILL, true));
		assert_int_equal(machine_wait(&machine, names[i], ""), 137);
		must(machine_remove(&machine, names[i], ""));
		assert_int_equal(waitpid(brake, NULL, 0), brake);
	}
	assert_int_equal(machine_run(&machine, "last", "echo lives"), 0);
	assert_string_equal(machine.lost, "");
}

static void a_guest_that_is_not_there_is_named(void **state)
{
	machine.settings.guest = "/no/such/guest";
	assert_true(machine_boot(&machine) < 0);
	assert_non_null(strstr(machine.err.message, "/no/such/guest"));
	assert_non_null(strstr(machine.err.message, machine.id));
}

static void a_guest_that_does_not_answer_in_time_is_ended(void **state)
{
	machine.settings.boot_timeout_ms = 1000;
	assert_int_equal(machine_boot(&machine), -ETIMEDOUT);
	if (!strstr(machine.err.message, "sandbox.vm.bootTimeout"))
		fail_msg("%s", machine.err.message);
}

static void a_vm_is_stopped_while_it_boots(void **state)
{
	machine_boot_half(&machine);
	must(machine_stop(&machine));
	assert_int_equal(machine.boot_err.code, ECANCELED);
	machine_clear(&machine);
	machine_expect_count(&before);
	set_up(NULL); /* for the next, and to be stopped before it boots */
}

static void what_a_killed_shim_leaves_is_taken_away(void **state)
{
	struct error err;
	int status;

	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		uv_loop_fork(&machine.loop);
		if (machine_boot(&machine) < 0 || machine_create(&machine, "app", "sleep 1000", NULL) < 0 ||
		    machine_start(&machine, "app", "") < 0)
			fprintf(stderr, "%s\n", machine.err.message);
		kill(getpid(), SIGKILL);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(machine_count().states, before.states + 1);
	uint64_t begin = uv_hrtime();
	if (vm_clean_up(machine.id, &machine.settings, &err) < 0)
		fail_msg("%s", err.message);
	assert_true(uv_hrtime() - begin < 5000000000);
	assert_int_equal(vm_clean_up(machine.id, &machine.settings, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(qemu_is_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(virtiofsd_is_killed, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_guests_kernel_panics, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_vm_that_hangs_is_found_and_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_container_that_cannot_be_killed_takes_its_vm_along, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_virtiofsd_that_hangs_is_found_and_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(readers_that_are_killed_leave_requests_that_harm_nobody, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guest_that_is_not_there_is_named, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_guest_that_does_not_answer_in_time_is_ended, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_vm_is_stopped_while_it_boots, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_a_killed_shim_leaves_is_taken_away, set_up, tear_down),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
