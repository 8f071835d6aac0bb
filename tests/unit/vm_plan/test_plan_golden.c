// SPDX-License-Identifier: Apache-2.0
/*
 * Each tests/golden/bundle/<who>/<name>.json is a config.json that a real containerd wrote; what we make of it is <name>.plan, or the
 * reason for which it is refused. What is not refused the guest's side understands. UPDATE=1 writes them anew: read the difference before
 * it is committed.
 */
#include "tests/unit/common/cmocka_all.h"

#include <dirent.h>
#include <stdio.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/proto/message.h"
#include "kata-shim/guest/crun_config.h"
#include "tests/unit/vm_plan/print.h"

#define FOLDER TEST_DATA "/golden/bundle"
#define BUNDLES_MAX 64

struct bundle {
	char name[NAME_MAX + 1]; /* without .json */
	struct buf text;
	struct spec spec;
};

struct folder {
	const char *name;
	struct bundle bundles[BUNDLES_MAX];
	size_t n;
};

static void load(struct folder *folder, const char *file)
{
	struct bundle *bundle = &folder->bundles[folder->n++];
	char path[1024];
	struct error err = {};

	assert_true(folder->n <= BUNDLES_MAX);
	*bundle = (struct bundle){ .text = BUF_MAX(SPEC_BYTES_MAX) };
	snprintf(bundle->name, sizeof(bundle->name), "%.*s", (int)(strlen(file) - strlen(".json")), file);
	snprintf(path, sizeof(path), FOLDER "/%s/%s", folder->name, file);
	if (file_read(path, &bundle->text, &err) < 0 || spec_parse(buf_view(&bundle->text), &bundle->spec, &err) < 0)
		fail_msg("%s: %s", path, err.message);
}

static void open_folder(struct folder *folder)
{
	char path[512];
	struct dirent *entry;

	snprintf(path, sizeof(path), FOLDER "/%s", folder->name);
	DIR *directory = opendir(path);
	assert_non_null(directory);
	while ((entry = readdir(directory))) {
		const char *end = strrchr(entry->d_name, '.');
		if (end && strcmp(end, ".json") == 0)
			load(folder, entry->d_name);
	}
	closedir(directory);
	assert_true(folder->n > 0);
}

static void close_folder(struct folder *folder)
{
	for (size_t i = 0; i < folder->n; i++) {
		buf_free(&folder->bundles[i].text);
		spec_clear(&folder->bundles[i].spec);
	}
}

static const struct bundle *sandbox_of(const struct folder *folder, const struct bundle *bundle)
{
	for (size_t i = 0; bundle->spec.kind == SPEC_CONTAINER && i < folder->n; i++) {
		const struct spec *spec = &folder->bundles[i].spec;
		if (spec->kind == SPEC_SANDBOX && strcmp(spec->sandbox_id, bundle->spec.sandbox_id) == 0)
			return &folder->bundles[i];
	}
	assert_int_not_equal(bundle->spec.kind, SPEC_CONTAINER);
	return bundle;
}

/* What the agent is sent is what it reads. */
static void expect_it_travels(const Oci__Spec *spec, struct buf *before)
{
	_cleanup_(buf_free) struct buf bytes = BUF_MAX(1024 * 1024), after = BUF_MAX(1024 * 1024);
	_cleanup_(message_freep) Oci__Spec *there = NULL;
	struct error err = {};

	message_write(&spec->base, &bytes);
	if (message_read(&oci__spec__descriptor, buf_view(&bytes), &there, &err) < 0)
		fail_msg("%s", err.message);
	print_fields(&spec->base, 0, before);
	print_fields(&there->base, 0, &after);
	assert_string_equal(buf_text(before), buf_text(&after));
}

/* And that is a container which the guest can make. */
static void expect_the_guest_knows_how(const struct plan *plan)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(CRUN_JSON_MAX);
	const struct crun_world world = { "/c1", "/run/ipc", "/run/uts", plan->shares_processes ? "/proc/2/ns/pid" : NULL, false };
	const struct json_limits limits = { .bytes = CRUN_JSON_MAX, .depth = 64, .values = PLAN_VALUES_MAX };
	struct error err = {};

	int r = crun_write_config(plan->spec, &world, &text, &err);
	if (r == 0)
		r = buf_check(&text, "crun's configuration", &err);
	if (r == 0)
		r = json_check(buf_view(&text), &limits, &err);
	if (r < 0)
		fail_msg("%s", err.message);
}

static void explain(const struct folder *folder, const struct bundle *bundle, struct buf *out)
{
	_cleanup_(plan_sandbox_clear) struct plan_sandbox sandbox = {};
	_cleanup_(plan_clear) struct plan plan = {};
	_cleanup_(buf_free) struct buf text = BUF_MAX(1024 * 1024);
	const struct plan_question question = { .container = "c1", .sandbox = &sandbox, .sealed = "/run/holdfast/vol" };
	struct error err = {};

	if (plan_read_sandbox(buf_view(&sandbox_of(folder, bundle)->text), &sandbox, &err) < 0) {
		buf_printf(out, "sandbox refused: %s: %s\n", strerrorname_np(err.code), err.message);
		return;
	}
	if (bundle->spec.kind != SPEC_CONTAINER)
		print_sandbox(&sandbox, out);
	if (plan_make(buf_view(&bundle->text), &question, &plan, &err) < 0) {
		buf_printf(out, "refused: %s: %s\n", strerrorname_np(err.code), err.message);
		return;
	}
	print_plan(&plan, out);
	expect_it_travels(plan.spec, &text);
	expect_the_guest_knows_how(&plan);
}

static void compare(const struct folder *folder, const struct bundle *bundle)
{
	_cleanup_(buf_free) struct buf got = BUF_MAX(1024 * 1024), wanted = BUF_MAX(1024 * 1024);
	char path[1024];
	struct error err = {};

	explain(folder, bundle, &got);
	snprintf(path, sizeof(path), FOLDER "/%s/%s.plan", folder->name, bundle->name);
	if (getenv("UPDATE")) {
		assert_int_equal(file_write_atomic(path, buf_view(&got), 0644, NULL), 0);
		return;
	}
	if (file_read(path, &wanted, &err) < 0)
		fail_msg("%s (UPDATE=1 writes it)", err.message);
	if (slice_equals(buf_view(&wanted), buf_view(&got)))
		return;
	fprintf(stderr, "%s is not what it was; now:\n%s", path, buf_text(&got));
	fail();
}

static void compare_all(const char *name)
{
	static struct folder folder;

	folder = (struct folder){ .name = name };
	open_folder(&folder);
	for (size_t i = 0; i < folder.n; i++)
		compare(&folder, &folder.bundles[i]);
	close_folder(&folder);
}

static void bundles_of_containerd_1_6_are_planned_as_before(void **state)
{
	compare_all("containerd-1.6");
}

static void bundles_of_containerd_1_7_are_planned_as_before(void **state)
{
	compare_all("containerd-1.7");
}

static void bundles_of_containerd_2_are_planned_as_before(void **state)
{
	compare_all("containerd-2");
}

static void bundles_of_a_kubelet_are_planned_as_before(void **state)
{
	compare_all("kubelet");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bundles_of_containerd_1_6_are_planned_as_before),
		cmocka_unit_test(bundles_of_containerd_1_7_are_planned_as_before),
		cmocka_unit_test(bundles_of_containerd_2_are_planned_as_before),
		cmocka_unit_test(bundles_of_a_kubelet_are_planned_as_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
