// SPDX-License-Identifier: Apache-2.0
/*
 * The real QEMU, on a software CPU, with the kernel and modules of our guest and a process 1 of these tests (guest_init.c): what ends it is
 * told, and what it is asked to do is done. Each VM leaves no process and no descriptor.
 */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/array.h"
#include "tests/support/plain_spawn.h"
#include "tests/support/vm_environment.h"

#define PATIENCE_MS (60000 * vm_environment_slowness()) /* a software CPU on a busy machine */

static char directory[64];

struct machine {
	struct vm_settings settings;
	struct vm_size size;
	struct vmm_tap tap;
	size_t n_taps;
	uv_loop_t loop;
	struct vmm *vmm;
	unsigned ready, gone, answers;
	int channel;
	bool reason;
	char why[ERROR_MESSAGE_MAX], answer[ERROR_MESSAGE_MAX];
	unsigned descriptors; /* before */
};

static unsigned count_descriptors(void)
{
	DIR *fds = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(fds);
	while (readdir(fds))
		n++;
	closedir(fds);
	return n;
}

static void ready(void *context, int channel)
{
	struct machine *machine = context;

	machine->ready++;
	machine->channel = channel;
}

static void gone(void *context, const struct error *why)
{
	struct machine *machine = context;

	machine->gone++;
	machine->reason = why != NULL;
	snprintf(machine->why, sizeof(machine->why), "%s", why ? why->message : "");
}

static const struct vmm_listener listener = { ready, gone };

static void answered(void *context, const struct error *err)
{
	struct machine *machine = context;

	machine->answers++;
	snprintf(machine->answer, sizeof(machine->answer), "%s", err ? err->message : "well");
}

static void prepare(struct machine *machine, const char *parameters)
{
	*machine = (struct machine){
		.descriptors = count_descriptors(),
		.channel = -1,
		.size = { 128, 128, 1, 1 },
		.settings = {
			.accelerator = vm_environment_accelerator(),
			.guest = directory,
			.state = directory,
			.kernel_parameters = parameters,
			.boot_timeout_ms = PATIENCE_MS,
		},
	};
	assert_int_equal(uv_loop_init(&machine->loop), 0);
}

static void launch(struct machine *machine)
{
	struct error err;
	const struct vmm_options options = {
		.id = "test",
		.settings = &machine->settings,
		.size = machine->size,
		.taps = &machine->tap,
		.n_taps = machine->n_taps,
		.share = -1,
		.spawn = plain_spawn,
	};

	if (vmm_start(&machine->loop, &options, &listener, machine, &machine->vmm, &err) < 0)
		fail_msg("%s", err.message);
}

static void run(struct machine *machine, const char *parameters)
{
	prepare(machine, parameters);
	launch(machine);
}

static void on_nothing(uv_timer_t *timer)
{
}

/* Runs the loop until `*counter` is more than `before`; the timer is only to look again. */
static void wait_for(struct machine *machine, const unsigned *counter, unsigned before, const char *what)
{
	uv_timer_t timer;
	const uint64_t end = uv_now(&machine->loop) + PATIENCE_MS;

	uv_timer_init(&machine->loop, &timer);
	uv_timer_start(&timer, on_nothing, 20, 20);
	while (*counter == before && uv_now(&machine->loop) < end && (machine->gone == 0 || counter == &machine->gone))
		uv_run(&machine->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&machine->loop, UV_RUN_NOWAIT);
	if (*counter == before)
		fail_msg("%s did not happen; gone: %s", what, machine->gone ? machine->why : "no");
}

static void go_on_for(struct machine *machine, uint64_t ms)
{
	uv_timer_t timer;
	const uint64_t end = uv_now(&machine->loop) + ms;

	uv_timer_init(&machine->loop, &timer);
	uv_timer_start(&timer, on_nothing, 10, 10);
	while (uv_now(&machine->loop) < end)
		uv_run(&machine->loop, UV_RUN_ONCE);
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&machine->loop, UV_RUN_NOWAIT);
}

/* The last lines of the console. */
static void read_console(const struct machine *machine, struct error *ret)
{
	error_set(ret, EIO, ".");
	vmm_add_console(machine->vmm, ret);
}

static void wait_for_console(struct machine *machine, const char *words)
{
	const uint64_t end = uv_now(&machine->loop) + PATIENCE_MS;
	struct error said;

	for (read_console(machine, &said); !strstr(said.message, words); read_console(machine, &said)) {
		if (machine->gone || uv_now(&machine->loop) > end)
			fail_msg("the guest does not say \"%s\" but: %s %s", words, said.message, machine->why);
		go_on_for(machine, 20);
	}
}

static void finish(struct machine *machine)
{
	if (!machine->gone) {
		vmm_stop(machine->vmm);
		wait_for(machine, &machine->gone, 0, "the end");
		assert_false(machine->reason);
	}
	vmm_free(machine->vmm);
	if (machine->channel >= 0)
		close(machine->channel);
	assert_int_equal(machine->gone, 1);
	assert_int_equal(uv_run(&machine->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&machine->loop), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(count_descriptors(), machine->descriptors);
}

static void expect_end(const char *parameters, const char *words)
{
	struct machine machine;

	run(&machine, parameters);
	wait_for(&machine, &machine.gone, 0, "the end");
	if (!strstr(machine.why, words))
		fail_msg("\"%s\" is not in: %s", words, machine.why);
	assert_int_equal(machine.ready, 1);
	finish(&machine);
}

static void test_a_panic_of_the_guest_is_told_with_the_kernel_s_own_words(void **state)
{
	expect_end("mode=panic", "the guest's agent ended with status 7, and the guest with it");
	expect_end("rdinit=/missing", "the guest's kernel has panicked: VFS: Unable to mount root fs");
}

static void test_a_guest_that_switches_itself_off_or_restarts_is_told_so(void **state)
{
	expect_end("mode=off", "the guest has switched itself off");
	expect_end("mode=restart", "the guest has restarted itself");
}

static void test_a_killed_qemu_is_told_with_the_signal(void **state)
{
	struct machine machine;

	run(&machine, "mode=sleep");
	wait_for_console(&machine, "guest: sleep");
	assert_int_equal(kill(vmm_pid(machine.vmm), SIGKILL), 0);
	wait_for(&machine, &machine.gone, 0, "the end");
	assert_non_null(strstr(machine.why, "QEMU was killed by signal 9 (Killed)"));
	assert_non_null(strstr(machine.why, "the guest's console ends: "));
	finish(&machine);
}

static void test_a_qemu_that_hangs_fails_what_is_asked_and_can_still_be_ended(void **state)
{
	struct machine machine;

	run(&machine, "mode=sleep");
	wait_for(&machine, &machine.ready, 0, "readiness");
	assert_int_equal(kill(vmm_pid(machine.vmm), SIGSTOP), 0);
	vmm_pause(machine.vmm, answered, &machine);
	wait_for(&machine, &machine.answers, 0, "an answer");
	assert_string_equal(machine.answer, "QEMU does not answer \"stop\"");
	finish(&machine);
}

static void test_a_paused_guest_stands_still_until_it_is_resumed(void **state)
{
	struct machine machine;
	struct error first, second;

	run(&machine, "mode=tick");
	wait_for_console(&machine, "guest: tick 1");
	vmm_pause(machine.vmm, answered, &machine);
	wait_for(&machine, &machine.answers, 0, "an answer");
	assert_string_equal(machine.answer, "well");
	go_on_for(&machine, 100);
	read_console(&machine, &first);
	go_on_for(&machine, 300);
	read_console(&machine, &second);
	assert_string_equal(first.message, second.message);
	vmm_resume(machine.vmm, answered, &machine);
	wait_for(&machine, &machine.answers, 1, "an answer");
	assert_string_equal(machine.answer, "well");
	go_on_for(&machine, 300);
	read_console(&machine, &second);
	assert_string_not_equal(first.message, second.message);
	assert_int_equal(machine.gone, 0);
	finish(&machine);
}

static void test_a_guest_that_floods_its_console_costs_us_little(void **state)
{
	struct timespec before, after;
	struct machine machine;

	run(&machine, "mode=flood");
	wait_for_console(&machine, "as fast as it can be");
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	go_on_for(&machine, 1000);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	const long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	if (ms > 200 * (long)vm_environment_slowness())
		fail_msg("a second of console took %ld ms of CPU time", ms);
	finish(&machine);
}

static unsigned long console_memory_kib(struct machine *machine)
{
	struct error said;

	read_console(machine, &said);
	const char *at = strstr(said.message, "MemTotal:");
	return at ? strtoul(at + strlen("MemTotal:"), NULL, 10) : 0;
}

static void wait_for_memory(struct machine *machine, unsigned long above_kib, unsigned long below_kib)
{
	const uint64_t end = uv_now(&machine->loop) + PATIENCE_MS;
	unsigned long kib = 0;

	while (!machine->gone && uv_now(&machine->loop) < end) {
		kib = console_memory_kib(machine);
		if (kib > above_kib && kib < below_kib)
			return;
		go_on_for(machine, 20);
	}
	fail_msg("the guest has %lu KiB, not %lu to %lu; %s", kib, above_kib, below_kib, machine->why);
}

static void test_memory_grows_and_shrinks_while_the_guest_runs(void **state)
{
	struct machine machine;

	prepare(&machine, "mode=memory");
	machine.size = (struct vm_size){ .memory_mib = 128, .memory_maximum_mib = 256, .cpus = 1, .cpus_maximum = 1 };
	launch(&machine);
	wait_for_memory(&machine, 60 * 1024, 128 * 1024);
	vmm_resize(machine.vmm, 256, answered, &machine);
	wait_for_memory(&machine, 190 * 1024, 256 * 1024);
	vmm_resize(machine.vmm, 192, answered, &machine);
	wait_for_memory(&machine, 128 * 1024, 192 * 1024);
	assert_int_equal(machine.answers, 2);
	assert_string_equal(machine.answer, "well");
	vmm_resize(machine.vmm, 257, answered, &machine);
	assert_int_equal(machine.answers, 3);
	assert_non_null(strstr(machine.answer, "would need 257 MiB, and this one can have 256"));
	assert_non_null(strstr(machine.answer, "sandbox.vm.memory.maximum"));
	finish(&machine);
}

static void test_a_guest_starts_with_its_cpus_and_can_switch_on_the_others(void **state)
{
	struct machine machine;

	prepare(&machine, "mode=cpus");
	machine.size.cpus_maximum = 2;
	launch(&machine);
	wait_for_console(&machine, "online: 0 | guest: /sys/devices/system/cpu/online: 0-1");
	finish(&machine);
}

static int open_tap(void)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	return fd;
}

static void test_both_machines_take_a_network_card(void **state)
{
	for (int kind = VM_MICROVM; kind <= VM_Q35; kind++) {
		struct machine machine;
		prepare(&machine, "mode=sleep");
		machine.settings.machine = kind;
		machine.tap = (struct vmm_tap){ open_tap(), "02:00:00:00:00:01" };
		machine.n_taps = 1;
		launch(&machine);
		close(machine.tap.fd);
		wait_for_console(&machine, "guest: sleep");
		assert_int_equal(machine.ready, 1);
		finish(&machine);
	}
}

static void test_a_qemu_that_refuses_its_command_line_is_told_with_its_words(void **state)
{
	struct machine machine;

	prepare(&machine, NULL);
	machine.size.memory_mib = machine.size.memory_maximum_mib = 1 << 30;
	launch(&machine);
	wait_for(&machine, &machine.gone, 0, "the end");
	assert_non_null(strstr(machine.why, "QEMU ended with status 1: "));
	finish(&machine);
}

static int make_guest(void **state)
{
	char command[256];
	uv_loop_t loop;

	/* The first loop of a process opens what libuv never closes. */
	if (uv_loop_init(&loop) < 0 || uv_loop_close(&loop) < 0)
		return -1;
	signal(SIGPIPE, SIG_IGN);
	snprintf(directory, sizeof(directory), "/tmp/test-qemu.XXXXXX");
	if (!mkdtemp(directory))
		return -1;
	snprintf(command, sizeof(command), "tests/vm/make_guest \"$HOLDFAST_BUILD/tests/support/guest_init\" %s", directory);
	return system(command);
}

static int remove_guest(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_panic_of_the_guest_is_told_with_the_kernel_s_own_words),
		cmocka_unit_test(test_a_guest_that_switches_itself_off_or_restarts_is_told_so),
		cmocka_unit_test(test_a_killed_qemu_is_told_with_the_signal),
		cmocka_unit_test(test_a_qemu_that_hangs_fails_what_is_asked_and_can_still_be_ended),
		cmocka_unit_test(test_a_paused_guest_stands_still_until_it_is_resumed),
		cmocka_unit_test(test_a_guest_that_floods_its_console_costs_us_little),
		cmocka_unit_test(test_memory_grows_and_shrinks_while_the_guest_runs),
		cmocka_unit_test(test_a_guest_starts_with_its_cpus_and_can_switch_on_the_others),
		cmocka_unit_test(test_both_machines_take_a_network_card),
		cmocka_unit_test(test_a_qemu_that_refuses_its_command_line_is_told_with_its_words),
	};

	return cmocka_run_group_tests(tests, make_guest, remove_guest);
}
