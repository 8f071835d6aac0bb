// SPDX-License-Identifier: Apache-2.0
/* What containerd gives to `start`, in its own bytes: those of 1.6.20 and 2.4.2 were recorded (tests/fuzz/corpus/start_input). */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "kata-shim/task/start_answer.h"

struct recorded {
	struct buf text;
	struct start_input input;
};

static void recorded_clear(struct recorded *recorded)
{
	start_input_clear(&recorded->input);
	buf_free(&recorded->text);
}

static int parse_file(const char *name, const char *id, struct recorded *ret, struct error *err)
{
	char path[256];

	snprintf(path, sizeof(path), TEST_DATA "/fuzz/corpus/start_input/%s", name);
	ret->text = BUF_MAX(4096);
	if (file_read(path, &ret->text, err) < 0)
		fail_msg("%s", err->message);
	return start_input_parse(buf_view(&ret->text), id, "k8s.io", &ret->input, err);
}

static void expect(const char *name, const char *id, struct recorded *ret)
{
	struct error err;

	if (parse_file(name, id, ret, &err) < 0)
		fail_msg("%s: %s", name, err.message);
}

static void expect_refusal(const char *name, const char *id, const char *words)
{
	_cleanup_(recorded_clear) struct recorded recorded = {};
	struct error err = {};

	assert_int_equal(parse_file(name, id, &recorded, &err), -EINVAL);
	if (!strstr(err.message, words))
		fail_msg("\"%s\" is not in: %s", words, err.message);
}

static void test_containerd_2_4_gives_parameters_with_the_options_among_them(void **state)
{
	_cleanup_(recorded_clear) struct recorded runc = {}, runtime = {};

	expect("containerd-2.4-runc", "sb1", &runc);
	assert_true(runc.input.bootstrap);
	assert_string_equal(runc.input.containerd_version, "v2.4.2");
	assert_string_equal(runc.input.ttrpc_address, "/run/c.sock.ttrpc");
	assert_string_equal(runc.input.grpc_address, "/run/c.sock");
	assert_string_equal(runc.input.socket_directory, "/run/containerd/s");
	assert_int_equal(runc.input.options.kind, OPTIONS_RUNC);
	assert_string_equal(runc.input.options.runc_binary, "/bin/myrunc");
	assert_true(runc.input.options.systemd_cgroup);
	expect("containerd-2.4-runtime", "sb2", &runtime);
	assert_int_equal(runtime.input.options.kind, OPTIONS_RUNTIME);
	assert_string_equal(runtime.input.options.config_path, "/etc/x.toml");
}

static void test_containerd_1_6_gives_the_options_alone(void **state)
{
	_cleanup_(recorded_clear) struct recorded runc = {}, runtime = {};

	expect("containerd-1.6-runc", "sb1", &runc);
	assert_false(runc.input.bootstrap);
	assert_string_equal(runc.input.ttrpc_address, "");
	assert_int_equal(runc.input.options.kind, OPTIONS_RUNC);
	assert_string_equal(runc.input.options.runc_binary, "/bin/myrunc");
	assert_true(runc.input.options.systemd_cgroup);
	expect("containerd-1.6-runtime", "sb1", &runtime);
	assert_int_equal(runtime.input.options.kind, OPTIONS_RUNTIME);
	assert_string_equal(runtime.input.options.config_path, "/etc/x.toml");
}

static void test_nothing_is_no_options(void **state)
{
	_cleanup_(recorded_clear) struct recorded nothing = {}, bare = {};

	expect("nothing", "sb1", &nothing);
	assert_false(nothing.input.bootstrap);
	assert_int_equal(nothing.input.options.kind, OPTIONS_NONE);
	expect("bootstrap-bare", "sb1", &bare);
	assert_true(bare.input.bootstrap);
	assert_int_equal(bare.input.options.kind, OPTIONS_NONE);
	assert_string_equal(bare.input.socket_directory, "");
}

/* Both begin with a string: what looks like the one is the other, if it does not name us. */
static void test_options_are_told_from_parameters_by_whom_they_name(void **state)
{
	_cleanup_(recorded_clear) struct recorded other = {}, without_value = {}, prefixed = {};

	expect("bootstrap-of-another-namespace", "sb1", &other);
	assert_false(other.input.bootstrap);
	assert_int_equal(other.input.options.kind, OPTIONS_OTHER);
	expect("any-without-value", "sb1", &without_value);
	assert_string_equal(without_value.input.options.type_url, "x");
	expect("prefixed", "sb1", &prefixed);
	assert_int_equal(prefixed.input.options.kind, OPTIONS_RUNC);
	assert_true(prefixed.input.options.systemd_cgroup);
}

static void test_what_is_neither_is_refused(void **state)
{
	expect_refusal("containerd-2.4-runc", "sb2", "standard input is neither BootstrapParams of this container nor options");
	expect_refusal("any-without-type", "sb1", "there is no type");
	expect_refusal("text", "sb1", "neither");
	expect_refusal("cut", "sb1", "neither");
	expect_refusal("broken-options", "sb1", "options of type containerd.runc.v1.Options");
	expect_refusal("two-options", "sb1", "two sets of options");
}

static void test_more_than_the_limit_is_refused(void **state)
{
	static uint8_t text[START_INPUT_MAX + 1];
	struct start_input input;
	struct error err;

	assert_int_equal(start_input_parse(slice_from(text, sizeof(text)), "sb1", "k8s.io", &input, &err), -E2BIG);
}

static void test_the_answer_is_in_words_that_the_asker_knows(void **state)
{
	/* As the shim of runc answers containerd 2.4. */
	static const char result[] = "\x08\x03\x12\x0funix:///run/s/a\x1a\x05ttrpc";
	const struct start_input old = {}, new = { .bootstrap = true };
	_cleanup_(buf_free) struct buf plain = BUF_MAX(64), protobuf = BUF_MAX(64);

	start_answer(&old, "unix:///run/s/a", &plain);
	assert_string_equal(buf_text(&plain), "unix:///run/s/a");
	start_answer(&new, "unix:///run/s/a", &protobuf);
	assert_int_equal(protobuf.n, sizeof(result) - 1);
	assert_memory_equal(protobuf.p, result, protobuf.n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_containerd_2_4_gives_parameters_with_the_options_among_them),
		cmocka_unit_test(test_containerd_1_6_gives_the_options_alone),
		cmocka_unit_test(test_nothing_is_no_options),
		cmocka_unit_test(test_options_are_told_from_parameters_by_whom_they_name),
		cmocka_unit_test(test_what_is_neither_is_refused),
		cmocka_unit_test(test_more_than_the_limit_is_refused),
		cmocka_unit_test(test_the_answer_is_in_words_that_the_asker_knows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
