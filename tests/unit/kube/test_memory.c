// SPDX-License-Identifier: Apache-2.0
/* The i-th allocation fails, for every i: an object is read or refused with -ENOMEM, a store keeps what it had. */
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/base/array.h"
#include "common/base/file.h"
#include "common/kube/directory.h"
#include "common/kube/snapshot_file.h"
#include "common/kube/source_internal.h"
#include "common/kube/store.h"
#include "tests/unit/kube/print.h"

static long allocations_left = -1; /* -1: as many as are asked for */

static bool refuse(void)
{
	if (allocations_left < 0)
		return false;
	return allocations_left == 0 || allocations_left-- == 0;
}

/* The linker puts these in the place of malloc, calloc and realloc (--wrap). */
void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t n);

void *__wrap_malloc(size_t n)
{
	return refuse() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t n)
{
	return refuse() ? NULL : __real_realloc(p, n);
}

static const char *const files[] = {
	"pod-complete", "namespace", "node", "tpm-secret", "policy-peers", "policy-invalid-rule-keeps-selector"
};

static cJSON *tree_of(const char *name)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20);
	struct error err;
	char path[256];
	cJSON *tree = NULL;

	snprintf(path, sizeof(path), TEST_DATA "/golden/kube/accept/%s.json", name);
	if (file_read(path, &text, &err) < 0 || json_parse(buf_view(&text), &json_limits_object, &tree, &err) < 0)
		fail_msg("%s", err.message);
	return tree;
}

/* How many allocations had to be allowed until it worked. */
static long read_with_failures(const cJSON *tree)
{
	struct json_view root = json_root(tree);

	for (long i = 0;; i++) {
		struct kube_object *object;
		struct error err = {};
		allocations_left = i;
		int r = kube_object_read(&root, &object, &err);
		allocations_left = -1;
		if (r == 0) {
			kube_object_free(object);
			return i;
		}
		assert_int_equal(r, -ENOMEM);
		assert_int_equal(err.code, ENOMEM);
	}
}

static void test_reading_an_object_survives_every_failed_allocation(void **state)
{
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		_cleanup_(json_freep) cJSON *tree = tree_of(files[i]);
		assert_true(read_with_failures(tree) >= 2);
	}
}

static void hear_nothing(void *context, const struct kube_object *before, const struct kube_object *after)
{
}

static struct kube_object *pod(const char *name, const char *label)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"shop\",\"labels\":{\"a\":\"%s\"}}}",
		 name, label);
	return object_of(text);
}

/* Puts pods until one needed no failure; enough of them that the hash table has to grow. */
static void test_a_store_keeps_what_it_had_when_memory_is_out(void **state)
{
	const struct kube_store_observer observer = { .changed = hear_nothing };
	_cleanup_(kube_store_freep) struct kube_store *store = kube_store_new(1u << KUBE_POD, &observer);
	unsigned failures = 0;
	char name[16];

	for (unsigned i = 0; i < 2000; i++) {
		int r = -ENOMEM;
		snprintf(name, sizeof(name), "p%u", i);
		for (long allowed = 0; r < 0; allowed++) {
			struct kube_object *object = pod(name, "x");
			struct error err;
			allocations_left = allowed;
			r = kube_store_put(store, object, &err);
			allocations_left = -1;
			failures += r < 0;
			assert_true(r == 0 || r == -ENOMEM);
			assert_int_equal(kube_store_count(store, KUBE_POD), r < 0 ? i : i + 1);
		}
		assert_non_null(kube_store_get(store, KUBE_POD, "shop", name));
	}
	assert_true(failures > 2000); /* one for each entry, and some where the table grew */
}

static void test_replacing_an_object_needs_no_memory(void **state)
{
	const struct kube_store_observer observer = { .changed = hear_nothing };
	_cleanup_(kube_store_freep) struct kube_store *store = kube_store_new(1u << KUBE_POD, &observer);
	struct kube_object *old = pod("a", "1"), *new = pod("a", "2");
	struct error err;

	assert_int_equal(kube_store_put(store, old, &err), 0);
	allocations_left = 0;
	int r = kube_store_put(store, new, &err);
	allocations_left = -1;
	assert_int_equal(r, 0);
	assert_string_equal(kube_labels_get(&kube_store_get(store, KUBE_POD, "shop", "a")->labels, "a"), "2");
}

/* As the agent calls it: what failed is tried again later, with the same file. */
static void test_a_scan_that_ran_out_of_memory_loses_no_object(void **state)
{
	static const char text[] = "{kind: Pod, apiVersion: v1, metadata: {name: a}}\n---\n"
				   "{kind: Pod, apiVersion: v1, metadata: {name: b}}\n---\n"
				   "{kind: Pod, apiVersion: v1, metadata: {name: c}}\n";
	const struct kube_store_observer observer = { .changed = hear_nothing };
	_cleanup_(kube_store_freep) struct kube_store *store = kube_store_new(1u << KUBE_POD, &observer);
	char path[] = "/tmp/holdfast-test-scan.XXXXXX", file[64];
	struct refusals refusals = {};
	struct error err;
	int r = -ENOMEM;

	assert_non_null(mkdtemp(path));
	snprintf(file, sizeof(file), "%s/pods.yaml", path);
	assert_int_equal(file_write_atomic(file, slice_string(text), 0600, &err), 0);
	struct directory *directory = directory_new(path, NULL, store, &refusals);
	assert_non_null(directory);
	assert_int_equal(directory_scan(directory, &err), 0);
	for (long allowed = 0; r < 0; allowed++) {
		directory_touch(directory, NULL);
		allocations_left = allowed;
		r = directory_scan(directory, &err);
		allocations_left = -1;
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(directory_scan(directory, &err), 0);
		assert_int_equal(kube_store_count(store, KUBE_POD), 3);
	}
	directory_free(directory);
	unlink(file);
	rmdir(path);
}

/* Objects as a snapshot's text, in a file that has no name. */
static int write_snapshot(void)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(1 << 20), tail = BUF_MAX(256);
	EVP_MD_CTX *digest = snapshot_digest_new();
	int fd = memfd_create("snapshot", MFD_CLOEXEC);
	struct error err;

	assert_non_null(digest);
	buf_string(&text, "{\"holdfastSnapshot\":1,\"time\":1,\"boot\":\"b\",\"source\":\"s\"}\n");
	for (size_t i = 0; i < ELEMENTS_OF(files); i++) {
		_cleanup_(json_freep) cJSON *tree = tree_of(files[i]);
		struct json_view root = json_root(tree);
		struct kube_object *object;
		assert_int_equal(kube_object_read(&root, &object, &err), 0);
		kube_object_print(object, &text);
		buf_byte(&text, '\n');
		kube_object_free(object);
	}
	EVP_DigestUpdate(digest, text.p, text.n);
	snapshot_print_tail(digest, ELEMENTS_OF(files), &tail);
	EVP_MD_CTX_free(digest);
	assert_int_equal(file_write_fd(fd, buf_view(&text), "it", &err), 0);
	assert_int_equal(file_write_fd(fd, buf_view(&tail), "it", &err), 0);
	return fd;
}

static void hear_synced(void *context)
{
	++*(unsigned *)context;
}

/* A store that could not take all of it never says that it is synced. */
static void test_a_snapshot_is_read_whole_or_not_at_all(void **state)
{
	_cleanup_close_ int fd = write_snapshot();
	char path[64];
	int r = -ENOMEM;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	for (long allowed = 0; r < 0; allowed++) {
		unsigned synced = 0;
		const struct kube_store_observer observer = { .changed = hear_nothing, .synced = hear_synced, .context = &synced };
		_cleanup_(kube_store_freep) struct kube_store *store = kube_store_new((1u << KUBE_KIND_COUNT) - 1, &observer);
		_cleanup_(kube_snapshot_clear) struct kube_snapshot_content content = {};
		struct error err = {};
		assert_non_null(store);
		allocations_left = allowed;
		r = kube_snapshot_read(path, &content, &err);
		if (r == 0)
			r = kube_snapshot_fill(&content, store, true, &err);
		allocations_left = -1;
		assert_true(r == 0 || r == -ENOMEM);
		assert_int_equal(synced, r == 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reading_an_object_survives_every_failed_allocation),
		cmocka_unit_test(test_a_scan_that_ran_out_of_memory_loses_no_object),
		cmocka_unit_test(test_a_snapshot_is_read_whole_or_not_at_all),
		cmocka_unit_test(test_a_store_keeps_what_it_had_when_memory_is_out),
		cmocka_unit_test(test_replacing_an_object_needs_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
