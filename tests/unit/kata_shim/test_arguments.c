// SPDX-License-Identifier: Apache-2.0
/* Every form in which containerd calls a shim, and will. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>

#include "common/base/array.h"
#include "kata-shim/cli/arguments.h"

#define WORDS_MAX 20

struct row {
	const char *name;
	const char *words[WORDS_MAX];
	struct arguments wanted;
};

static int read_words(const char *const *words, struct arguments *ret, struct error *err)
{
	char *argv[WORDS_MAX + 2] = { (char *)"shim" };
	int argc = 1;

	for (; *words; words++)
		argv[argc++] = (char *)*words;
	return arguments_read(argc, argv, ret, err);
}

static bool same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

static void test_every_form_of_every_version_is_understood(void **state)
{
	static const struct arguments start = { ACTION_START, "5f3a", "k8s.io", NULL, "/usr/bin/containerd", false };
	static const struct arguments debug = { ACTION_START, "5f3a", "k8s.io", NULL, "/usr/bin/containerd", true };
	const struct row rows[] = {
		{ "containerd 1.6 to 2.4, start",
		  { "-namespace", "k8s.io", "-address", "/run/containerd/containerd.sock", "-publish-binary", "/usr/bin/containerd", "-id",
		    "5f3a", "start" },
		  start },
		{ "with -debug",
		  { "-namespace", "k8s.io", "-address", "/c.sock", "-publish-binary", "/usr/bin/containerd", "-id", "5f3a", "-debug",
		    "start" },
		  debug },
		{ "delete",
		  { "-namespace", "k8s.io", "-address", "/c.sock", "-publish-binary", "", "-id", "5f3a", "-bundle", "/b", "delete" },
		  { ACTION_DELETE, "5f3a", "k8s.io", "/b", "" } },
		{ "two dashes", { "--namespace", "k8s.io", "--publish-binary", "/usr/bin/containerd", "--id", "5f3a", "start" }, start },
		{ "equals signs",
		  { "-namespace=k8s.io", "--publish-binary=/usr/bin/containerd", "-id=5f3a", "-debug=true", "start" },
		  debug },
		{ "-debug=false",
		  { "-namespace=k8s.io", "--publish-binary=/usr/bin/containerd", "-id=5f3a", "-debug", "-debug=false", "start" },
		  start },
		{ "end of flags", { "-namespace=k8s.io", "-publish-binary=/usr/bin/containerd", "-id=5f3a", "--", "start" }, start },
		{ "a value that looks like a flag", { "-id", "-debug", "start" }, { ACTION_START, "-debug" } },
		{ "an empty value", { "-id=", "start" }, { ACTION_START, "" } },
		{ "the last of two", { "-id", "a", "-id", "b", "start" }, { ACTION_START, "b" } },
		{ "-v", { "-v" }, { ACTION_VERSION } },
		{ "--v=true", { "--v=true" }, { ACTION_VERSION } },
		{ "--version", { "--version" }, { ACTION_VERSION } },
		{ "-v=false", { "-v=false", "start" }, { ACTION_START } },
		{ "-info", { "-info" }, { ACTION_INFO } },
		{ "-info among others",
		  { "-namespace", "k8s.io", "-address", "/c", "-publish-binary", "/p", "-info" },
		  { ACTION_INFO, NULL, "k8s.io", NULL, "/p" } },
		{ "an unknown truth before a flag", { "-new", "-id", "a", "start" }, { ACTION_START, "a" } },
		{ "an unknown truth before the action", { "-id", "a", "-new", "start" }, { ACTION_START, "a" } },
		{ "an unknown flag with a value", { "-new", "value", "-id", "a", "start" }, { ACTION_START, "a" } },
		{ "an unknown flag with equals sign", { "-new=value", "-id", "a", "start" }, { ACTION_START, "a" } },
		{ "nothing", { NULL }, { ACTION_NONE } },
		{ "flags only: a shim that is to serve",
		  { "-namespace", "k8s.io", "-id", "a", "-address", "/c" },
		  { ACTION_NONE, "a", "k8s.io" } },
	};

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		const struct arguments *wanted = &rows[i].wanted;
		struct arguments got;
		struct error err;
		if (read_words(rows[i].words, &got, &err) < 0)
			fail_msg("%s: %s", rows[i].name, err.message);
		if (got.action != wanted->action || !same(got.id, wanted->id) || !same(got.namespace, wanted->namespace) ||
		    !same(got.bundle, wanted->bundle) || !same(got.containerd, wanted->containerd) ||
		    got.debug != wanted->debug)
			fail_msg("%s: action %d, id %s, namespace %s, bundle %s, containerd %s, debug %d", rows[i].name, got.action, got.id,
				 got.namespace, got.bundle, got.containerd, got.debug);
	}
}

static void test_what_makes_no_sense_is_refused(void **state)
{
	static const char *const rows[][WORDS_MAX] = { { "stop" }, { "-id" }, { "-id", "a", "-bundle" }, { "-" }, { "-id", "a", "" } };

	for (size_t i = 0; i < ELEMENTS_OF(rows); i++) {
		struct arguments got;
		struct error err = {};
		assert_int_equal(read_words(rows[i], &got, &err), -EINVAL);
		assert_true(err.message[0]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form_of_every_version_is_understood),
		cmocka_unit_test(test_what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
