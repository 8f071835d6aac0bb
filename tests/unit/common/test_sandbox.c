// SPDX-License-Identifier: Apache-2.0
#include "common/sandbox/sandbox.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/base/file.h"
#include "tests/unit/common/cmocka_all.h"

#define ADDRESS_SPACE (UINT64_C(256) << 20)
#define OPEN_FILES 40

/* What waitpid says of a child that does `work` in the sandbox. */
static int in_child(void (*work)(const struct sandbox *), const struct sandbox *sandbox)
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		work(sandbox);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static void must(bool good)
{
	if (!good)
		_exit(1);
}

static void enter(const struct sandbox *sandbox)
{
	struct error err;

	if (sandbox_enter(sandbox, &err) < 0) {
		fprintf(stderr, "%s\n", err.message);
		_exit(1);
	}
}

static struct sandbox plain(void)
{
	return (struct sandbox){ .address_space = ADDRESS_SPACE, .open_files = OPEN_FILES };
}

static bool ended_well(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool was_killed_by_filter(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

/* A line of /proc/self/status, which may be read although the process is not dumpable: it is about oneself. */
static void must_say(const char *line)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(64 * 1024);
	struct error err;

	must(file_read("/proc/self/status", &text, &err) == 0);
	if (strstr(buf_text(&text), line))
		return;
	fprintf(stderr, "no \"%s\" in\n%s", line, buf_text(&text));
	_exit(1);
}

static void look_at_status(const struct sandbox *sandbox)
{
	bool root = geteuid() == 0;

	enter(sandbox);
	must_say("\nCapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n");
	must_say("\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\n");
	must_say(sandbox_is_complete() ? "\nSeccomp:\t2\n" : "\nSeccomp:\t0\n");
	if (root) /* nobody else may narrow the bounding set */
		must_say("\nCapBnd:\t0000000000000000\n");
}

static void test_no_capability_is_left_in_any_set(void **state)
{
	struct sandbox sandbox = plain();

	assert_true(ended_well(in_child(look_at_status, &sandbox)));
}

static void test_a_capability_that_is_to_stay_must_be_there(void **state)
{
	struct sandbox sandbox = plain();
	struct error err;

	sandbox.capabilities = UINT64_C(1) << 63; /* no kernel has so many */
	assert_int_equal(sandbox_enter(&sandbox, &err), -EPERM);
	assert_non_null(strstr(err.message, "capability 63 is missing"));
}

static void *wait_for_end(void *lock)
{
	pthread_mutex_lock(lock);
	pthread_mutex_unlock(lock);
	return NULL;
}

static void test_it_is_refused_once_there_is_a_second_thread(void **state)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	struct sandbox sandbox = plain();
	struct error err;
	pthread_t thread;

	pthread_mutex_lock(&lock);
	assert_int_equal(pthread_create(&thread, NULL, wait_for_end, &lock), 0);
	int r = sandbox_enter(&sandbox, &err);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
	assert_int_equal(r, -EBUSY);
}

static void use_all(const struct sandbox *sandbox)
{
	enter(sandbox);
	int fd = 0;
	while (fd >= 0 && fd <= OPEN_FILES)
		fd = dup(0);
	must(fd < 0 && errno == EMFILE);
	must(setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }) == 0 || !sandbox_is_complete());
}

static void take_too_much_memory(const struct sandbox *sandbox)
{
	enter(sandbox);
	must(mmap(NULL, ADDRESS_SPACE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
	must(prctl(PR_SET_NAME, "still here") == 0);
}

static void test_descriptors_are_bounded_and_limits_cannot_be_set_again(void **state)
{
	struct sandbox sandbox = plain();
	int status = in_child(use_all, &sandbox);

	assert_true(sandbox_is_complete() ? was_killed_by_filter(status) : ended_well(status));
}

static void test_memory_above_the_bound_is_refused(void **state)
{
	struct sandbox sandbox = plain();

	if (!sandbox_is_complete())
		skip();
	assert_true(ended_well(in_child(take_too_much_memory, &sandbox)));
}

static void ask_for_parent(const struct sandbox *sandbox)
{
	enter(sandbox);
	must(syscall(SYS_getpgid, 0) > 0);
}

static void ask_for_own(const struct sandbox *sandbox)
{
	enter(sandbox);
	must(syscall(SYS_kill, 0, 0) == 0);
}

static void ask_for_other(const struct sandbox *sandbox)
{
	enter(sandbox);
	syscall(SYS_kill, getppid(), 0);
}

static void test_a_row_of_the_daemon_adds_a_call_under_its_conditions(void **state)
{
	static const struct sandbox_call calls[] = {
		{ "getpgid" },
		{ "no_such_call_on_this_architecture" },
		{ "kill", 2, { { SANDBOX_IS(0, 0) }, { SANDBOX_IS(1, 0) } } },
	};
	struct sandbox sandbox = plain();

	if (!sandbox_is_complete())
		skip();
	assert_true(was_killed_by_filter(in_child(ask_for_parent, &sandbox)));
	sandbox.calls = calls;
	sandbox.n_calls = ELEMENTS_OF(calls);
	assert_true(ended_well(in_child(ask_for_parent, &sandbox)));
	assert_true(ended_well(in_child(ask_for_own, &sandbox)));
	assert_true(was_killed_by_filter(in_child(ask_for_other, &sandbox)));
}

static void test_a_filter_that_only_logs_lets_the_call_through(void **state)
{
	struct sandbox sandbox = plain();

	sandbox.filter = SANDBOX_LOG;
	assert_true(ended_well(in_child(ask_for_parent, &sandbox)));
}

/* ── cores: each of the two ways to have none is enough, with the other left out ── */

static bool leaves_limit, leaves_dumpable;

int __real_setrlimit(int resource, const struct rlimit *limit);
int __wrap_setrlimit(int resource, const struct rlimit *limit);
int __real_prctl(int option, ...);
int __wrap_prctl(int option, ...);

int __wrap_setrlimit(int resource, const struct rlimit *limit)
{
	return leaves_limit && resource == RLIMIT_CORE ? 0 : __real_setrlimit(resource, limit);
}

int __wrap_prctl(int option, ...)
{
	va_list list;
	unsigned long words[4];

	va_start(list, option);
	for (size_t i = 0; i < ELEMENTS_OF(words); i++)
		words[i] = va_arg(list, unsigned long);
	va_end(list);
	return leaves_dumpable && option == PR_SET_DUMPABLE ? 0 : __real_prctl(option, words[0], words[1], words[2], words[3]);
}

/* As the filter ends it, which makes a core where there may be one. */
static void end_by_filter(const struct sandbox *sandbox)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_CORE, &limit) == 0);
	limit.rlim_cur = limit.rlim_max;
	must(__real_setrlimit(RLIMIT_CORE, &limit) == 0);
	enter(sandbox);
	syscall(SYS_getpgid, 0);
}

static bool leaves_core(void)
{
	char directory[] = "/tmp/holdfast-core.XXXXXX", command[64];
	struct sandbox sandbox = plain();
	_cleanup_free_ char *before = getcwd(NULL, 0);

	assert_non_null(before);
	assert_non_null(mkdtemp(directory));
	assert_int_equal(chdir(directory), 0);
	int status = in_child(end_by_filter, &sandbox);
	assert_int_equal(chdir(before), 0);
	snprintf(command, sizeof(command), "rm -r %s", directory);
	assert_int_equal(system(command), 0);
	assert_true(was_killed_by_filter(status));
	return WCOREDUMP(status);
}

/* A program that takes cores does so whatever the limit is. */
static bool pipes_cores(void)
{
	_cleanup_(buf_free) struct buf pattern = BUF_MAX(4096);
	struct error err;

	assert_int_equal(file_read("/proc/sys/kernel/core_pattern", &pattern, &err), 0);
	return *buf_text(&pattern) == '|';
}

static void test_a_process_that_is_ended_leaves_no_core_for_two_reasons(void **state)
{
	if (!sandbox_is_complete())
		skip();
	leaves_limit = leaves_dumpable = true;
	bool there_are_cores = leaves_core();
	leaves_dumpable = false;
	assert_false(leaves_core());
	leaves_limit = false;
	leaves_dumpable = !pipes_cores();
	assert_false(leaves_core());
	if (!there_are_cores)
		skip(); /* kernel.core_pattern, or a limit that we cannot raise */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_capability_is_left_in_any_set),
		cmocka_unit_test(test_a_capability_that_is_to_stay_must_be_there),
		cmocka_unit_test(test_it_is_refused_once_there_is_a_second_thread),
		cmocka_unit_test(test_descriptors_are_bounded_and_limits_cannot_be_set_again),
		cmocka_unit_test(test_memory_above_the_bound_is_refused),
		cmocka_unit_test(test_a_row_of_the_daemon_adds_a_call_under_its_conditions),
		cmocka_unit_test(test_a_filter_that_only_logs_lets_the_call_through),
		cmocka_unit_test(test_a_process_that_is_ended_leaves_no_core_for_two_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
