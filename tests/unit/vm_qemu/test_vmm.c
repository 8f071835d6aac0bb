// SPDX-License-Identifier: Apache-2.0
/*
 * What becomes of a VM when its QEMU is not well or not QEMU at all: a shell script in its place says nothing, nonsense, too much, or ends.
 * Each time it is told once, with a reason, and no process and no descriptor is left. (The real QEMU: tests/vm.)
 */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/base/file.h"
#include "tests/support/plain_spawn.h"

#define GREETING "echo '{\"QMP\": {\"version\": {}, \"capabilities\": []}}' >&3; read -r line <&3; echo '{\"return\": {}, \"id\": 0}' >&3; "
#define RUNNING GREETING "read -r line <&3; echo '{\"return\": {\"status\": \"running\"}, \"id\": 1}' >&3; "

struct test {
	char directory[64], program[96];
	struct vm_settings settings;
	uv_loop_t loop;
	struct vmm *vmm;
	unsigned ready, gone, done;
	int channel;
	bool reason, kvm;
	char why[ERROR_MESSAGE_MAX], answer[ERROR_MESSAGE_MAX];
	void (*on_ready)(struct test *test);
};

static unsigned count_descriptors(void)
{
	DIR *directory = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(directory);
	while (readdir(directory))
		n++;
	closedir(directory);
	return n;
}

static void ready(void *context, int channel)
{
	struct test *test = context;

	test->ready++;
	test->channel = channel;
	if (test->on_ready)
		test->on_ready(test);
}

static void gone(void *context, const struct error *why)
{
	struct test *test = context;

	test->gone++;
	test->reason = why != NULL;
	snprintf(test->why, sizeof(test->why), "%s", why ? why->message : "");
	vmm_free(test->vmm);
}

static const struct vmm_listener listener = { ready, gone };

static void put(const struct test *test, const char *name, const char *text, mode_t mode)
{
	char path[256];
	struct error err;

	snprintf(path, sizeof(path), "%s/%s", test->directory, name);
	if (file_write_atomic(path, slice_string(text), mode, &err) < 0)
		fail_msg("%s", err.message);
}

/* A kernel and an initrd of one byte, and a script for QEMU. */
static void set_up(struct test *test, const char *script)
{
	char text[2048];

	*test = (struct test){ .channel = -1 };
	snprintf(test->directory, sizeof(test->directory), "/tmp/test-vmm.XXXXXX");
	assert_non_null(mkdtemp(test->directory));
	snprintf(test->program, sizeof(test->program), "%s/qemu", test->directory);
	snprintf(text, sizeof(text), "#!/bin/sh\n%s\n", script);
	put(test, "qemu", text, 0755);
	put(test, "vmlinuz", "x", 0644);
	put(test, "initramfs.zst", "x", 0644);
#define X_SHA "\"2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881\""
	put(test, "guest.json",
	    "{\"format\": 1, \"kernel\": {\"file\": \"vmlinuz\", \"size\": 1, \"sha256\": " X_SHA
	    "}, \"initrd\": {\"file\": \"initramfs.zst\", \"size\": 1, \"sha256\": " X_SHA "}, \"commandLine\": \"quiet\"}",
	    0644);
	test->settings = (struct vm_settings){
		.qemu = test->program, .accelerator = VM_TCG, .guest = test->directory, .state = test->directory, .boot_timeout_ms = 10000
	};
	assert_int_equal(uv_loop_init(&test->loop), 0);
}

static int start(struct test *test, struct error *err)
{
	const struct vmm_options options = {
		.id = "sb1",
		.settings = &test->settings,
		.size = { 128, 128, 1, 1 },
		.share = -1,
		.spawn = plain_spawn,
	};

	return vmm_start(&test->loop, &options, &listener, test, &test->vmm, err);
}

static void tear_down(struct test *test)
{
	char command[128];

	if (test->channel >= 0)
		close(test->channel);
	assert_int_equal(uv_run(&test->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&test->loop), 0);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	snprintf(command, sizeof(command), "rm -rf '%s'", test->directory);
	assert_int_equal(system(command), 0);
}

/* Runs it to its end, which must be told with these words (NULL: without a reason). */
static void expect_end_after(struct test *test, const char *script, void (*on_ready)(struct test *test), const char *words)
{
	const unsigned before = count_descriptors();
	struct error err;
	const uint64_t timeout = test->settings.boot_timeout_ms;
	const bool kvm = test->kvm;

	set_up(test, script);
	if (kvm)
		test->settings.accelerator = VM_KVM;
	test->on_ready = on_ready;
	if (timeout)
		test->settings.boot_timeout_ms = timeout;
	if (start(test, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(uv_run(&test->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(test->gone, 1);
	assert_true(test->reason == (words != NULL));
	if (words && !strstr(test->why, words))
		fail_msg("\"%s\" is not in: %s", words, test->why);
	tear_down(test);
	assert_int_equal(count_descriptors(), before);
}

static void expect_end(const char *script, const char *words)
{
	struct test test = {};

	expect_end_after(&test, script, NULL, words);
	assert_int_equal(test.ready, 0);
}

static void test_a_qemu_that_ends_is_told_with_the_last_that_it_said(void **state)
{
	expect_end("echo first >&2; echo 'qemu: no such machine' >&2; exit 1", "QEMU ended with status 1: qemu: no such machine");
	expect_end("exit 3", "QEMU ended with status 3 and said nothing");
	expect_end("kill -SEGV $$", "QEMU was killed by signal 11 (Segmentation fault)");
	expect_end("kill -KILL $$", "out of memory");
	expect_end("kill -SYS $$", "a system call that its -sandbox forbids");
	expect_end("exit 0", "QEMU has ended by itself");
}

static void expect_kvm_is_named(const char *script, bool expected)
{
	struct test test = { .kvm = true };

	expect_end_after(&test, script, NULL, "QEMU was killed by signal ");
	assert_int_equal(strstr(test.why, "KVM seems not to work here; enable virtualisation on this node") != NULL, expected);
}

static void crash(struct test *test)
{
	vmm_note_guest(test->vmm);
	kill(vmm_pid(test->vmm), SIGSEGV);
}

static void test_a_qemu_that_kvm_has_crashed_is_told_with_what_to_do(void **state)
{
	struct test software = {}, later = { .kvm = true };

	expect_kvm_is_named("kill -SEGV $$", true);
	expect_kvm_is_named("kill -ABRT $$", true);
	expect_kvm_is_named("kill -KILL $$", false);
	expect_end_after(&software, "kill -SEGV $$", NULL, "QEMU was killed by signal 11 (Segmentation fault)");
	assert_null(strstr(software.why, "KVM"));
	expect_end_after(&later, RUNNING "sleep 60", crash, "QEMU was killed by signal 11 (Segmentation fault)");
	assert_null(strstr(later.why, "KVM"));
}

static void test_the_console_s_last_lines_are_in_the_reason_without_what_steers_a_terminal(void **state)
{
	expect_end("printf 'one\\ntwo\\n\\033[31mthree\\033[0m\\nfour' >&4; exit 0",
		   "QEMU has ended by itself; the guest's console ends: two | three | four");
	expect_end("printf '[ 1.0] Kernel panic - not syncing: VFS: no root\\n[ 1.0] CPU: 0\\n' >&4; exit 0",
		   "the guest's kernel has panicked: VFS: no root");
}

static void test_the_end_of_the_guest_s_agent_is_told_in_words(void **state)
{
#define PANIC(code) "printf '[ 1.0] Kernel panic - not syncing: Attempted to kill init! exitcode=" code "\\n[ 1.0] CPU: 0\\n' >&4; exit 0"
	expect_end(PANIC("0x00000005"), "the guest's agent was killed by signal 5 (Trace/breakpoint trap), and the guest with it");
	expect_end(PANIC("0x0000008b"), "the guest's agent was killed by signal 11 (Segmentation fault)");
	expect_end(PANIC("0x00000100"), "the guest's agent ended with status 1, and the guest with it");
}

static void test_nonsense_on_the_control_connection_ends_the_vm(void **state)
{
	expect_end("echo garbage >&3; sleep 60", "QEMU's control connection makes no sense: line 1, column 1");
	expect_end(GREETING "echo '{\"return\": 1, \"id\": 99}' >&3; sleep 60", "it answers what was not asked");
	expect_end(GREETING "while :; do printf 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'; done >&3",
		   "a line above 65536 bytes");
}

static void test_a_qemu_that_does_not_run_the_guest_is_ended(void **state)
{
	expect_end(GREETING "read -r line <&3; echo '{\"return\": {\"status\": \"internal-error\"}, \"id\": 1}' >&3; sleep 60",
		   "QEMU does not run the guest: internal-error");
	expect_end(GREETING "read -r line <&3; echo '{\"error\": {\"desc\": \"busy\"}, \"id\": 1}' >&3; sleep 60",
		   "QEMU refuses \"query-status\": busy");
	expect_end(GREETING "echo '{\"event\": \"STOP\"}' >&3; sleep 60", "has stopped the guest's CPUs by itself");
}

static void test_a_qemu_that_never_answers_is_ended_when_its_time_is_over(void **state)
{
	struct test test = { .settings = { .boot_timeout_ms = 300 } };

	expect_end_after(&test, "sleep 60", NULL, "QEMU does not answer after 300 ms");
}

static void test_a_qemu_that_closes_its_control_connection_and_goes_on_is_ended(void **state)
{
	expect_end("exec 3>&-; sleep 60", "QEMU has closed its control connection, and goes on");
}

static void answered(void *context, const struct error *err)
{
	struct test *test = context;

	test->done++;
	snprintf(test->answer, sizeof(test->answer), "%s", err ? err->message : "well");
}

static void pause_it(struct test *test)
{
	vmm_pause(test->vmm, answered, test);
}

static void test_who_waits_for_an_answer_is_told_when_qemu_ends(void **state)
{
	struct test test = {};

	expect_end_after(&test, RUNNING "read -r line <&3; exit 5", pause_it, "QEMU ended with status 5");
	assert_int_equal(test.ready, 1);
	assert_int_equal(test.done, 1);
	assert_string_equal(test.answer, "QEMU has closed its control connection");
}

static void stop_it(struct test *test)
{
	vmm_stop(test->vmm);
	vmm_stop(test->vmm);
}

static void test_a_vm_that_is_stopped_ends_without_a_reason_also_if_it_does_not_want_to(void **state)
{
	struct test test = {}, stubborn = {};

	expect_end_after(&test, RUNNING "read -r line <&3; exit 0", stop_it, NULL);
	expect_end_after(&stubborn, RUNNING "sleep 60", stop_it, NULL);
}

static void free_it(struct test *test)
{
	vmm_free(test->vmm);
}

static void test_a_vm_can_be_freed_while_it_runs(void **state)
{
	const unsigned before = count_descriptors();
	struct test test;
	struct error err;

	set_up(&test, RUNNING "sleep 60");
	test.on_ready = free_it;
	assert_int_equal(start(&test, &err), 0);
	assert_int_equal(uv_run(&test.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(test.ready, 1);
	assert_int_equal(test.gone, 0);
	tear_down(&test);
	assert_int_equal(count_descriptors(), before);
}

static void test_floods_cost_little_and_end_nothing(void **state)
{
	struct test test;
	struct error err;
	struct timespec before, after;
	uint64_t until;

	/* As fast as it can, on its console, its stderr, and with events. */
	set_up(&test, RUNNING "yes x >&4 & yes y >&2 & yes '{\"event\": \"NOISE\", \"data\": {}}' >&3");
	assert_int_equal(start(&test, &err), 0);
	until = uv_now(&test.loop) + 1000;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
	while (uv_now(&test.loop) < until)
		uv_run(&test.loop, UV_RUN_ONCE);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
	const long ms = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000;
	assert_int_equal(test.ready, 1);
	assert_int_equal(test.gone, 0);
	if (ms > 500)
		fail_msg("a second of floods took %ld ms of CPU time", ms);
	vmm_free(test.vmm);
	tear_down(&test);
}

/* ── Whatever happens whenever ── */

/* Answers what it is asked, as far as these tests go. */
#define OBEDIENT                                                                                                                           \
	GREETING "while read -r line <&3; do id=${line##*\\\"id\\\":}; id=${id%%[,\\}]*}; echo working >&4; case $line in "                \
		 "*query-status*) echo \"{\\\"return\\\": {\\\"status\\\": \\\"running\\\"}, \\\"id\\\": $id}\" >&3 ;; "                   \
		 "*) echo \"{\\\"return\\\": {}, \\\"id\\\": $id}\" >&3 ;; esac; case $line in *quit*) exit 0 ;; esac; done"

enum act { STOP, KILL, FREE, PAUSE_AND_STOP, RESUME_AND_KILL, HANG, ACTS }; /* HANG, last, takes two seconds */

struct chance {
	struct test *test;
	uv_timer_t timer;
	enum act act;
	unsigned asked;
};

static void do_it(uv_timer_t *timer)
{
	struct chance *chance = timer->data;
	struct vmm *vmm = chance->test->vmm;

	uv_close((uv_handle_t *)timer, NULL);
	if (chance->test->gone)
		return;
	if (chance->act == HANG)
		kill(vmm_pid(vmm), SIGSTOP);
	if (chance->act == PAUSE_AND_STOP || chance->act == RESUME_AND_KILL) {
		chance->asked++;
		(chance->act == PAUSE_AND_STOP ? vmm_pause : vmm_resume)(vmm, answered, chance->test);
	}
	if (chance->act == KILL || chance->act == RESUME_AND_KILL)
		kill(vmm_pid(vmm), SIGKILL);
	else if (chance->act == FREE)
		vmm_free(vmm);
	else
		vmm_stop(vmm);
}

static void run_one(unsigned i)
{
	const unsigned before = count_descriptors();
	struct test test;
	struct chance chance = { .test = &test, .act = (enum act)(i < ACTS ? i : i % HANG) };
	struct error err;

	set_up(&test, OBEDIENT);
	assert_int_equal(start(&test, &err), 0);
	uv_timer_init(&test.loop, &chance.timer);
	chance.timer.data = &chance;
	uv_timer_start(&chance.timer, do_it, (uint64_t)rand() % 30, 0);
	assert_int_equal(uv_run(&test.loop, UV_RUN_DEFAULT), 0);
	if (test.gone != (chance.act == FREE ? 0 : 1))
		fail_msg("told %u times: %s", test.gone, test.why);
	assert_int_equal(test.done, chance.asked);
	assert_true(test.ready <= 1);
	tear_down(&test);
	assert_int_equal(count_descriptors(), before);
}

static void test_whenever_it_is_stopped_killed_hung_freed_or_asked_nothing_is_left(void **state)
{
	const unsigned seed = (unsigned)time(NULL);

	printf("# seed %u\n", seed);
	srand(seed);
	for (unsigned i = 0; i < 10 * ACTS; i++)
		run_one(i);
}

static void test_what_cannot_be_started_leaves_nothing(void **state)
{
	const unsigned before = count_descriptors();
	struct test test;
	struct error err;

	set_up(&test, "exit 0");
	put(&test, "vmlinuz", "y", 0644);
	assert_int_equal(start(&test, &err), -EBADMSG);
	assert_non_null(strstr(err.message, "vmlinuz is not what the guest's manifest says"));
	put(&test, "vmlinuz", "x", 0644);
	test.settings.qemu = "/nowhere/qemu";
	assert_int_equal(start(&test, &err), -ENOENT);
	test.settings.qemu = NULL;
	test.settings.channel = VM_VSOCK;
	if (access("/dev/vhost-vsock", F_OK) < 0) {
		assert_true(start(&test, &err) < 0);
		assert_non_null(strstr(err.message, "sandbox.vm.channel is vsock, but /dev/vhost-vsock cannot be opened"));
	}
	test.settings.kernel = test.program;
	test.settings.initrd = test.program;
	if (access("/dev/vhost-vsock", F_OK) < 0) {
		assert_true(start(&test, &err) < 0);
		assert_non_null(strstr(err.message, "can only be reached by vsock"));
	}
	tear_down(&test);
	assert_int_equal(count_descriptors(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_qemu_that_ends_is_told_with_the_last_that_it_said),
		cmocka_unit_test(test_a_qemu_that_kvm_has_crashed_is_told_with_what_to_do),
		cmocka_unit_test(test_the_console_s_last_lines_are_in_the_reason_without_what_steers_a_terminal),
		cmocka_unit_test(test_the_end_of_the_guest_s_agent_is_told_in_words),
		cmocka_unit_test(test_nonsense_on_the_control_connection_ends_the_vm),
		cmocka_unit_test(test_a_qemu_that_does_not_run_the_guest_is_ended),
		cmocka_unit_test(test_a_qemu_that_never_answers_is_ended_when_its_time_is_over),
		cmocka_unit_test(test_a_qemu_that_closes_its_control_connection_and_goes_on_is_ended),
		cmocka_unit_test(test_who_waits_for_an_answer_is_told_when_qemu_ends),
		cmocka_unit_test(test_a_vm_that_is_stopped_ends_without_a_reason_also_if_it_does_not_want_to),
		cmocka_unit_test(test_a_vm_can_be_freed_while_it_runs),
		cmocka_unit_test(test_floods_cost_little_and_end_nothing),
		cmocka_unit_test(test_whenever_it_is_stopped_killed_hung_freed_or_asked_nothing_is_left),
		cmocka_unit_test(test_what_cannot_be_started_leaves_nothing),
	};

	uv_loop_t loop;

	signal(SIGPIPE, SIG_IGN);
	/* The first loop of a process opens what libuv never closes. */
	if (uv_loop_init(&loop) < 0 || uv_loop_close(&loop) < 0)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
