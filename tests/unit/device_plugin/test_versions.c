// SPDX-License-Identifier: Apache-2.0
/* What the node remembers of versions survives whatever happens to it, or it says that it does not. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

#include "common/base/array.h"
#include "common/base/buf.h"
#include "common/base/file.h"
#include "device-plugin/daemon/versions.h"
#include "device-plugin/seal/digest.h"

static char directory[64];

/* ── a power cut: the n-th call that changes the disk does not happen, half a write does, and nothing after it ── */

static unsigned calls, cut_at; /* cut_at 0: never */
static struct buf order;

static bool is_cut(const char *call)
{
	buf_printf(&order, "%s ", call);
	return cut_at > 0 && ++calls == cut_at;
}

static void cut(void)
{
	kill(getpid(), SIGKILL);
}

ssize_t __real_write(int fd, const void *p, size_t n);
ssize_t __wrap_write(int fd, const void *p, size_t n);
int __real_mkostemp(char *path, int flags);
int __wrap_mkostemp(char *path, int flags);
int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

ssize_t __wrap_write(int fd, const void *p, size_t n)
{
	if (!is_cut("write"))
		return __real_write(fd, p, n);
	__real_write(fd, p, n / 2);
	cut();
	return -1;
}

int __wrap_mkostemp(char *path, int flags)
{
	if (is_cut("make"))
		cut();
	return __real_mkostemp(path, flags);
}

int __wrap_fsync(int fd)
{
	if (is_cut("sync"))
		cut();
	return __real_fsync(fd);
}

int __wrap_fchmod(int fd, mode_t mode)
{
	if (is_cut("mode"))
		cut();
	return __real_fchmod(fd, mode);
}

int __wrap_rename(const char *from, const char *to)
{
	if (is_cut("rename"))
		cut();
	return __real_rename(from, to);
}

/* ── the files ── */

static int set_up(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/holdfast-test-XXXXXX");
	calls = cut_at = 0;
	order = BUF_MAX(1 << 16);
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	buf_free(&order);
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void read_file(const char *name, struct buf *ret)
{
	struct error err;

	*ret = BUF_MAX(1 << 20);
	if (file_read(path_of(name), ret, &err) < 0)
		fail_msg("%s", err.message);
}

static void write_file(const char *name, struct slice text)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(__real_write(fd, text.p, text.n), text.n);
	close(fd);
}

static bool exists(const char *name)
{
	return access(path_of(name), F_OK) == 0;
}

static struct versions *open_expecting(bool damaged)
{
	bool was_damaged = !damaged;
	struct versions *versions;
	struct error err;

	if (versions_open(directory, &versions, &was_damaged, &err) < 0)
		fail_msg("%s", err.message);
	assert_int_equal(was_damaged, damaged);
	return versions;
}

static void note(struct versions *versions, const char *secret, uint64_t version)
{
	struct error err;

	if (versions_note(versions, secret, version, &err) < 0)
		fail_msg("%s", err.message);
}

static int check(const struct versions *versions, const char *secret, uint64_t version)
{
	struct error err;

	return versions_check(versions, secret, version, &err);
}

static void note_three(void)
{
	struct versions *versions = open_expecting(false);

	note(versions, "db-password", 7);
	note(versions, "a.tls", 18446744073709551615u);
	note(versions, "token", 1);
	versions_free(versions);
}

static void expect_three(bool damaged)
{
	struct versions *versions = open_expecting(damaged);

	assert_int_equal(check(versions, "db-password", 6), -ESTALE);
	assert_int_equal(check(versions, "db-password", 7), 0);
	assert_int_equal(check(versions, "a.tls", 18446744073709551614u), -ESTALE);
	assert_int_equal(check(versions, "token", 1), 0);
	versions_free(versions);
}

/* ── the promises ── */

static void an_earlier_version_is_refused_with_a_sentence_also_after_a_restart(void **state)
{
	struct versions *versions = open_expecting(false);
	struct error err;

	assert_int_equal(versions_check(versions, "db-password", 1, &err), 0);
	note(versions, "db-password", 7);
	note(versions, "db-password", 5);
	versions_free(versions);
	versions = open_expecting(false);
	assert_int_equal(versions_check(versions, "db-password", 6, &err), -ESTALE);
	assert_string_equal(err.message,
			    "secret \"db-password\" has version 6, and version 7 was here before: seal it again with a later one");
	assert_int_equal(check(versions, "db-password", 7), 0);
	assert_int_equal(check(versions, "db-passwor", 1), 0);
	assert_int_equal(check(versions, "db-password2", 1), 0);
	versions_free(versions);
}

/* What is in the files is on the disk before it has its name, and its name before anybody relies on it. */
static void a_version_is_on_the_disk_when_it_counts_and_nothing_is_written_for_one_that_is_known(void **state)
{
	struct versions *versions = open_expecting(false);

	note(versions, "db-password", 7);
	assert_string_equal(buf_text(&order), "make write sync mode rename sync make write sync mode rename sync ");
	buf_clear(&order);
	note(versions, "db-password", 7);
	note(versions, "db-password", 6);
	assert_int_equal(order.n, 0);
	versions_free(versions);
}

static void a_power_cut_at_any_write_leaves_the_version_before_or_the_one_after(void **state)
{
	for (unsigned at = 1;; at++) {
		struct versions *versions;
		int status;

		note_three();
		pid_t child = fork();
		if (child == 0) {
			versions = open_expecting(false);
			calls = 0;
			cut_at = at;
			note(versions, "db-password", 8);
			_exit(0);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		versions = open_expecting(false);
		assert_int_equal(check(versions, "db-password", 6), -ESTALE);
		assert_int_equal(check(versions, "a.tls", 1), -ESTALE);
		if (WIFEXITED(status)) {
			assert_int_equal(WEXITSTATUS(status), 0);
			assert_int_equal(check(versions, "db-password", 7), -ESTALE);
			versions_free(versions);
			assert_int_equal(at, 13);
			return;
		}
		note(versions, "db-password", 8);
		versions_free(versions);
		versions = open_expecting(false);
		assert_int_equal(check(versions, "db-password", 7), -ESTALE);
		versions_free(versions);
		assert_int_equal(unlink(path_of("versions")) | unlink(path_of("versions.copy")), 0);
	}
}

static void damage_each_byte(const char *name)
{
	_cleanup_(buf_free) struct buf text = {};

	note_three();
	read_file(name, &text);
	for (size_t i = 0; i < text.n; i++) {
		text.p[i] ^= 1;
		write_file(name, buf_view(&text));
		text.p[i] ^= 1;
		expect_three(true);
		expect_three(false);
	}
	for (size_t n = 0; n < text.n; n++) {
		write_file(name, slice_from(text.p, n));
		expect_three(true);
	}
}

static void a_damaged_file_costs_nothing_and_is_set_aside(void **state)
{
	damage_each_byte("versions");
	assert_true(exists("versions.damaged"));
	assert_false(exists("versions.copy.damaged"));
	damage_each_byte("versions.copy");
	assert_true(exists("versions.copy.damaged"));
}

static void a_file_that_is_gone_costs_nothing(void **state)
{
	note_three();
	assert_int_equal(unlink(path_of("versions")), 0);
	expect_three(false);
	assert_true(exists("versions"));
	assert_int_equal(unlink(path_of("versions.copy")), 0);
	expect_three(false);
	assert_true(exists("versions.copy"));
}

static void refuses(const char *words)
{
	struct versions *versions;
	struct error err;
	bool damaged;

	assert_int_equal(versions_open(directory, &versions, &damaged, &err), -EBADMSG);
	if (!strstr(err.message, words))
		fail_msg("%s", err.message);
}

/* Nobody then knows which versions were here; to go on as if there had been none is what an attacker would want. */
static void without_a_good_file_nothing_is_taken_for_new_until_somebody_says_so(void **state)
{
	note_three();
	write_file("versions", slice_string("db-password 7\n"));
	assert_int_equal(unlink(path_of("versions.copy")), 0);
	refuses("remove both and start again");
	write_file("versions.copy", slice_string(""));
	refuses("remove both and start again");
	assert_int_equal(unlink(path_of("versions")), 0);
	refuses("nobody would notice an earlier one");
	refuses("nobody would notice an earlier one");
	assert_int_equal(unlink(path_of("versions.copy")), 0);
	versions_free(open_expecting(false));
}

static void what_the_disk_did_not_take_is_tried_again(void **state)
{
	struct versions *versions = open_expecting(false);
	char away[80];
	struct error err;

	snprintf(away, sizeof(away), "%s.away", directory);
	assert_int_equal(__real_rename(directory, away), 0);
	assert_int_equal(versions_note(versions, "db-password", 7, &err), -ENOENT);
	assert_int_equal(check(versions, "db-password", 6), -ESTALE);
	assert_int_equal(__real_rename(away, directory), 0);
	note(versions, "db-password", 7);
	versions_free(versions);
	versions = open_expecting(false);
	assert_int_equal(check(versions, "db-password", 6), -ESTALE);
	versions_free(versions);
}

static void write_many(unsigned n)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20);
	uint8_t digest[32];
	struct error err;

	for (unsigned i = 0; i < n; i++)
		buf_printf(&text, "secret-%05u 1\n", i);
	struct slice lines = buf_view(&text);
	assert_int_equal(digest_sha256(&lines, 1, digest, &err), 0);
	buf_string(&text, "sha256 ");
	for (size_t i = 0; i < sizeof(digest); i++)
		buf_printf(&text, "%02x", digest[i]);
	buf_byte(&text, '\n');
	write_file("versions", buf_view(&text));
	write_file("versions.copy", buf_view(&text));
}

static void there_is_a_limit_that_stops_only_what_is_new(void **state)
{
	struct versions *versions;
	struct error err;

	write_many(VERSIONS_MAX);
	versions = open_expecting(false);
	assert_int_equal(versions_note(versions, "one-more", 1, &err), -E2BIG);
	assert_non_null(strstr(err.message, "stop holdfast-tpm and remove"));
	note(versions, "secret-00007", 9);
	assert_int_equal(check(versions, "secret-00007", 8), -ESTALE);
	versions_free(versions);
	write_many(VERSIONS_MAX + 1);
	refuses("damaged");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_earlier_version_is_refused_with_a_sentence_also_after_a_restart),
		TEST(a_version_is_on_the_disk_when_it_counts_and_nothing_is_written_for_one_that_is_known),
		TEST(a_power_cut_at_any_write_leaves_the_version_before_or_the_one_after),
		TEST(a_damaged_file_costs_nothing_and_is_set_aside),
		TEST(a_file_that_is_gone_costs_nothing),
		TEST(without_a_good_file_nothing_is_taken_for_new_until_somebody_says_so),
		TEST(what_the_disk_did_not_take_is_tried_again),
		TEST(there_is_a_limit_that_stops_only_what_is_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
