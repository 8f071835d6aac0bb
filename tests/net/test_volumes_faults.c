// SPDX-License-Identifier: Apache-2.0
/*
 * At every system call of writing, replacing, sweeping, clearing and removing: the process is killed, as by a power cut, or the call fails.
 * Readers have the old version or the new one as a whole, or nothing where something was to go; and the next start, or the next try, gets
 * there. The calls are counted by the linker's --wrap; the file system is real.
 */
#include "tests/net/volumes_support.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/array.h"

#define KILL (-1)

static bool armed, happened;
static int fault; /* an errno value, or KILL */
static size_t fault_at, calls;

static const char *only; /* the calls of this name are counted; NULL: all */

static bool strikes(const char *call)
{
	if (!armed || (only && strcmp(call, only) != 0) || calls++ != fault_at)
		return false;
	happened = true;
	if (fault == KILL)
		kill(getpid(), SIGKILL);
	errno = fault;
	return true;
}

static void arm(int what, size_t at)
{
	fault = what;
	fault_at = at;
	calls = 0;
	happened = false;
	armed = true;
}

/* WRAP(type of the result, failure, call, (parameters), (arguments)) */
#define WRAP(type, failure, call, parameters, arguments)                                                                                   \
	type __real_##call parameters;                                                                                                     \
	type __wrap_##call parameters;                                                                                                     \
	type __wrap_##call parameters                                                                                                      \
	{                                                                                                                                  \
		return strikes(#call) ? (failure) : __real_##call arguments;                                                               \
	}                                                                                                                                  \
	struct call##_needs_a_semicolon

WRAP(int, -1, openat, (int at, const char *path, int flags, mode_t mode), (at, path, flags, mode));
WRAP(int, -1, open, (const char *path, int flags, mode_t mode), (path, flags, mode));
WRAP(int, -1, mkdirat, (int at, const char *path, mode_t mode), (at, path, mode));
WRAP(ssize_t, -1, write, (int fd, const void *p, size_t n), (fd, p, n));
WRAP(ssize_t, -1, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at));
WRAP(int, -1, fchmod, (int fd, mode_t mode), (fd, mode));
WRAP(int, -1, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid));
WRAP(int, -1, fchmodat, (int at, const char *path, mode_t mode, int flags), (at, path, mode, flags));
WRAP(int, -1, fchownat, (int at, const char *path, uid_t uid, gid_t gid, int flags), (at, path, uid, gid, flags));
WRAP(int, -1, fstat, (int fd, struct stat *status), (fd, status));
WRAP(int, -1, fstatat, (int at, const char *path, struct stat *status, int flags), (at, path, status, flags));
WRAP(int, -1, symlinkat, (const char *target, int at, const char *path), (target, at, path));
WRAP(ssize_t, -1, readlinkat, (int at, const char *path, char *to, size_t n), (at, path, to, n));
WRAP(int, -1, renameat, (int from, const char *old, int to, const char *new), (from, old, to, new));
WRAP(int, -1, unlinkat, (int at, const char *path, int flags), (at, path, flags));
WRAP(int, -1, fcntl, (int fd, int command, long argument), (fd, command, argument));
WRAP(ssize_t, -1, read, (int fd, void *p, size_t n), (fd, p, n));

/* Looks whether every byte was overwritten before they are given back; that is what truncating does. */
int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);

int __wrap_ftruncate(int fd, off_t size)
{
	uint8_t byte;

	if (strikes("ftruncate"))
		return -1;
	for (off_t at = size; pread(fd, &byte, 1, at) == 1; at++)
		if (byte != 0)
			fail_msg("byte %lld was not overwritten", (long long)at);
	return __real_ftruncate(fd, size);
}

/* ── what is done ── */

static const struct volume_file first[] = { FILE_OF("password", "one"), FILE_OF("user", "shop"), FILE_OF("tls/key", "k1") };
static const struct volume_file second[] = { FILE_OF("password", "two"), FILE_OF("certificate", "pem"), FILE_OF("tls/key", "k2") };

static int write_first(struct volumes *volumes, struct error *err)
{
	return volumes_write(volumes, DEVICE, SECRET, first, ELEMENTS_OF(first), err);
}

static int write_second(struct volumes *volumes, struct error *err)
{
	return volumes_write(volumes, DEVICE, SECRET, second, ELEMENTS_OF(second), err);
}

static int sweep(struct volumes *volumes, struct error *err)
{
	int r = volumes_sweep(volumes, err);

	return r < 0 ? r : volumes_sweep(volumes, err);
}

static int clear(struct volumes *volumes, struct error *err)
{
	return volumes_clear(volumes, DEVICE, err);
}

static int remove_all(struct volumes *volumes, struct error *err)
{
	return volumes_remove(volumes, DEVICE, err);
}

static int nothing(struct volumes *volumes, struct error *err)
{
	return 0;
}

static int write_both(struct volumes *volumes, struct error *err)
{
	int r = write_first(volumes, err);

	return r < 0 ? r : write_second(volumes, err);
}

/* ── what readers see ── */

enum view { NOTHING, FIRST, SECOND, A_PART };

static bool reads(const struct volume_file *file)
{
	char path[256];

	snprintf(path, sizeof(path), VOLUME "/%s", file->name);
	_cleanup_free_ char *text = content_of(path);
	return text && slice_equals_string(file->content, text);
}

static bool reads_all(const struct volume_file *files, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!reads(&files[i]))
			return false;
	return true;
}

static enum view view(void)
{
	if (!exists(VOLUME "/..data"))
		return NOTHING;
	if (reads_all(first, ELEMENTS_OF(first)))
		return FIRST;
	return reads_all(second, ELEMENTS_OF(second)) ? SECOND : A_PART;
}

/* Nothing but what `view` has: `..data`, a version, a link for each name. */
static void assert_clean(void)
{
	size_t wanted = view() == NOTHING ? 0 : 5;

	if (!exists(VOLUME))
		return;
	assert_int_equal(entries_of(VOLUME), wanted);
	assert_int_equal(versions_of(VOLUME), wanted ? 1 : 0);
}

/* ── the steps, each from a state to another ── */

struct step {
	const char *name;
	int (*before)(struct volumes *volumes, struct error *err);
	int (*what)(struct volumes *volumes, struct error *err);
	enum view from, to;
};

static const struct step steps[] = {
	{ "write", nothing, write_first, NOTHING, FIRST },
	{ "replace", write_first, write_second, FIRST, SECOND },
	{ "write the same", write_first, write_first, FIRST, FIRST },
	{ "sweep", write_both, sweep, SECOND, SECOND },
	{ "clear", write_first, clear, FIRST, NOTHING },
	{ "clear two versions", write_both, clear, SECOND, NOTHING },
	{ "remove", write_first, remove_all, FIRST, NOTHING },
	{ "remove two versions", write_both, remove_all, SECOND, NOTHING },
};

static void must(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->message);
}

static void *prepare(const struct step *step)
{
	void *volumes = NULL;
	struct error err;

	volumes_setup(&volumes);
	must(step->before(volumes, &err), &err);
	return volumes;
}

static void assert_view(const struct step *step, size_t at, const char *what)
{
	enum view seen = view();

	if (seen != step->from && seen != step->to)
		fail_msg("%s, %s at call %zu: readers see %d, not %d or %d", step->name, what, at, (int)seen, (int)step->from,
			 (int)step->to);
}

/* ── killed ── */

/* True: it was; false: it came to its end before. */
static bool killed_at(const struct step *step, struct volumes *volumes, size_t at)
{
	struct error err;
	int status;
	pid_t child = fork();

	if (child == 0) {
		arm(KILL, at);
		_exit(step->what(volumes, &err) < 0);
	}
	assert_true(child > 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	if (!WIFSIGNALED(status))
		assert_int_equal(status, 0);
	return WIFSIGNALED(status);
}

static bool kill_and_go_on(const struct step *step, size_t at)
{
	void *volumes = prepare(step);
	struct error err;

	bool killed = killed_at(step, volumes, at);
	assert_view(step, at, "killed");
	reopen(&volumes);
	assert_view(step, at, "started anew after a kill");
	assert_clean();
	must(step->what(volumes, &err), &err);
	assert_int_equal(view(), step->to);
	must(sweep(volumes, &err), &err);
	assert_clean();
	volumes_teardown(&volumes);
	return killed;
}

static void a_power_cut_at_any_call_leaves_a_whole_version_and_the_next_start_cleans_up(void **state)
{
	for (size_t i = 0; i < ELEMENTS_OF(steps); i++) {
		size_t at = 0;

		while (kill_and_go_on(&steps[i], at))
			at++;
		print_message("# %s: killed at each of %zu calls\n", steps[i].name, at);
		assert_true(at > 5);
	}
}

/* ── failed ── */

static void assert_use_is_right(struct volumes *volumes, size_t at)
{
	struct volumes_use counted = volumes_use(volumes);
	void *state = volumes;

	reopen(&state);
	struct volumes_use real = volumes_use(state);
	volumes_close(state);
	if (counted.bytes != real.bytes || counted.volumes != real.volumes)
		fail_msg("after a failure at call %zu: %llu bytes in %zu volumes are counted, there are %llu in %zu", at,
			 (unsigned long long)counted.bytes, counted.volumes, (unsigned long long)real.bytes, real.volumes);
}

static bool fail_and_try_again(const struct step *step, int code, size_t at)
{
	struct volumes *volumes = prepare(step);
	struct error err = {};
	void *none = NULL;

	arm(code, at);
	int r = step->what(volumes, &err);
	armed = false;
	assert_view(step, at, strerror(code));
	if (r == 0)
		assert_int_equal(view(), step->to);
	else
		assert_true(err.message[0] && err.code == -r && (step->to == NOTHING || view() == step->from));
	must(step->what(volumes, &err), &err);
	assert_int_equal(view(), step->to);
	must(sweep(volumes, &err), &err);
	must(sweep(volumes, &err), &err);
	assert_clean();
	assert_use_is_right(volumes, at);
	volumes_teardown(&none);
	return happened;
}

static void whatever_call_fails_readers_have_a_whole_version_and_the_next_try_gets_there(void **state)
{
	static const int codes[] = { ENOSPC, EIO, EMFILE, ENOMEM };

	for (size_t i = 0; i < ELEMENTS_OF(steps); i++)
		for (size_t j = 0; j < ELEMENTS_OF(codes); j++)
			for (size_t at = 0; fail_and_try_again(&steps[i], codes[j], at); at++)
				;
}

static void what_cannot_be_overwritten_does_not_keep_the_rest(void **state)
{
	void *volumes = NULL;
	struct error err;

	volumes_setup(&volumes);
	must(write_first(volumes, &err), &err);
	only = "pwrite";
	arm(EIO, 0);
	assert_int_equal(volumes_remove(volumes, DEVICE, &err), -EIO);
	armed = false;
	only = NULL;
	assert_true(happened);
	assert_int_equal(view(), NOTHING);
	assert_int_equal(volumes_use(volumes).bytes, 4096);
	assert_int_equal(volumes_remove(volumes, DEVICE, &err), 0);
	assert_false(exists(DIRECTORY "/" DEVICE));
	volumes_teardown(&volumes);
}

/* ── the start itself ── */

static bool fail_to_open(int code, size_t at)
{
	struct volumes *volumes = prepare(&steps[3]);
	struct error err = {};
	void *state = NULL;

	volumes_close(volumes);
	volumes = NULL;
	arm(code, at);
	int r = volumes_open(DIRECTORY, &volumes, &err);
	armed = false;
	assert_int_equal(view(), SECOND);
	if (r < 0)
		assert_true(!volumes && err.message[0]);
	state = volumes;
	reopen(&state);
	assert_clean();
	volumes_teardown(&state);
	return happened;
}

static void a_start_that_fails_says_why_and_takes_nothing_from_readers(void **state)
{
	for (size_t at = 0; fail_to_open(EMFILE, at); at++)
		;
	for (size_t at = 0; fail_to_open(EIO, at); at++)
		;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_power_cut_at_any_call_leaves_a_whole_version_and_the_next_start_cleans_up),
		cmocka_unit_test(whatever_call_fails_readers_have_a_whole_version_and_the_next_try_gets_there),
		cmocka_unit_test(what_cannot_be_overwritten_does_not_keep_the_rest),
		cmocka_unit_test(a_start_that_fails_says_why_and_takes_nothing_from_readers),
	};

	need_mounts();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
