// SPDX-License-Identifier: Apache-2.0
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <malloc.h>
#include <string.h>

#include "common/kube/store.h"
#include "tests/unit/kube/print.h"

/* Hears of every change as one line of `log`. */
struct fixture {
	struct kube_store *store;
	struct buf log;
	unsigned synced;
};

static void hear_change(void *context, const struct kube_object *before, const struct kube_object *after)
{
	struct fixture *f = context;
	const struct kube_object *object = after ? after : before;

	buf_printf(&f->log, "%s %s/%s\n", !before ? "added" : after ? "changed" : "removed", object->namespace, object->name);
}

static void hear_synced(void *context)
{
	((struct fixture *)context)->synced++;
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->log = BUF_MAX(1 << 20);
	f->store = kube_store_new(1u << KUBE_POD | 1u << KUBE_NAMESPACE,
				  &(struct kube_store_observer){ .changed = hear_change, .synced = hear_synced, .context = f });
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	kube_store_free(f->store);
	buf_free(&f->log);
	free(f);
	return 0;
}

static struct kube_object *make(const char *kind, const char *namespace, const char *name, const char *version)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	buf_printf(&text,
		   "{\"kind\":\"%s\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"labels\":{\"v\":\"%s\"}}}",
		   kind, name, namespace, version);
	return object_of(buf_text(&text));
}

static struct kube_object *make_sealed(const char *name)
{
	char text[256];

	snprintf(text, sizeof(text),
		 "{\"kind\":\"TPMSecret\",\"apiVersion\":\"tpm.holdfast/v1alpha1\",\"metadata\":{\"name\":\"%s\"},\"spec\":{}}", name);
	return object_of(text);
}

static void put_pod(struct fixture *f, const char *namespace, const char *name, const char *version)
{
	struct error err;

	assert_int_equal(kube_store_put(f->store, make("Pod", namespace, name, version), &err), 0);
}

static void expect_log(struct fixture *f, const char *expected)
{
	assert_string_equal(buf_text(&f->log), expected);
	buf_clear(&f->log);
}

static void test_tells_of_each_real_change_once(void **state)
{
	struct fixture *f = *state;

	put_pod(f, "shop", "web", "1");
	put_pod(f, "shop", "web", "1");
	put_pod(f, "shop", "web", "2");
	kube_store_remove(f->store, KUBE_POD, "shop", "web");
	kube_store_remove(f->store, KUBE_POD, "shop", "web");
	expect_log(f, "added shop/web\nchanged shop/web\nremoved shop/web\n");
}

static void test_an_equal_object_does_not_take_the_place_of_the_old_one(void **state)
{
	struct fixture *f = *state;

	put_pod(f, "shop", "web", "1");
	const struct kube_object *before = kube_store_get(f->store, KUBE_POD, "shop", "web");
	put_pod(f, "shop", "web", "1");
	assert_ptr_equal(kube_store_get(f->store, KUBE_POD, "shop", "web"), before);
}

static void test_the_key_survives_a_replaced_object(void **state)
{
	struct fixture *f = *state;

	put_pod(f, "shop", "web", "1");
	put_pod(f, "shop", "web", "2");
	put_pod(f, "shop", "web", "3");
	assert_string_equal(kube_labels_get(&kube_store_get(f->store, KUBE_POD, "shop", "web")->labels, "v"), "3");
	assert_int_equal(kube_store_count(f->store, KUBE_POD), 1);
}

static void test_namespace_and_name_do_not_run_into_each_other(void **state)
{
	struct fixture *f = *state;

	put_pod(f, "ab", "c", "1");
	put_pod(f, "a", "bc", "1");
	assert_int_equal(kube_store_count(f->store, KUBE_POD), 2);
	assert_null(kube_store_get(f->store, KUBE_POD, "abc", ""));
}

static void test_a_list_removes_what_it_did_not_see_at_its_end(void **state)
{
	struct fixture *f = *state;

	put_pod(f, "shop", "gone", "1");
	put_pod(f, "shop", "kept", "1");
	put_pod(f, "shop", "seen", "1");
	buf_clear(&f->log);
	kube_store_begin(f->store, KUBE_POD);
	put_pod(f, "shop", "seen", "1");
	put_pod(f, "shop", "new", "1");
	assert_true(kube_store_keep(f->store, KUBE_POD, "shop", "kept"));
	assert_false(kube_store_keep(f->store, KUBE_POD, "shop", "never"));
	assert_non_null(kube_store_get(f->store, KUBE_POD, "shop", "gone"));
	expect_log(f, "added shop/new\n");
	kube_store_end(f->store, KUBE_POD);
	expect_log(f, "removed shop/gone\n");
}

static void test_a_list_that_starts_again_counts_from_there(void **state)
{
	struct fixture *f = *state;

	kube_store_begin(f->store, KUBE_POD);
	put_pod(f, "shop", "first", "1");
	kube_store_begin(f->store, KUBE_POD);
	put_pod(f, "shop", "second", "1");
	kube_store_end(f->store, KUBE_POD);
	expect_log(f, "added shop/first\nadded shop/second\nremoved shop/first\n");
}

static void test_an_end_without_a_begin_removes_nothing(void **state)
{
	struct fixture *f = *state;

	put_pod(f, "shop", "web", "1");
	kube_store_end(f->store, KUBE_POD);
	assert_int_equal(kube_store_count(f->store, KUBE_POD), 1);
	assert_false(kube_store_synced(f->store));
}

static void test_is_synced_once_when_every_kind_was_listed(void **state)
{
	struct fixture *f = *state;

	kube_store_begin(f->store, KUBE_POD);
	kube_store_end(f->store, KUBE_POD);
	assert_false(kube_store_synced(f->store));
	kube_store_begin(f->store, KUBE_NAMESPACE);
	assert_int_equal(f->synced, 0);
	kube_store_end(f->store, KUBE_NAMESPACE);
	assert_int_equal(f->synced, 1);
	kube_store_begin(f->store, KUBE_NAMESPACE);
	kube_store_end(f->store, KUBE_NAMESPACE);
	assert_int_equal(f->synced, 1);
	assert_true(kube_store_synced(f->store));
}

static void test_is_synced_without_a_kind_that_only_explains(void **state)
{
	struct kube_store *store = kube_store_new(1u << KUBE_POD | 1u << KUBE_SERVICE, &(struct kube_store_observer){});

	kube_store_begin(store, KUBE_POD);
	kube_store_end(store, KUBE_POD);
	assert_true(kube_store_synced(store));
	assert_false(kube_store_listed(store, KUBE_SERVICE));
	kube_store_begin(store, KUBE_SERVICE);
	kube_store_end(store, KUBE_SERVICE);
	assert_true(kube_store_listed(store, KUBE_SERVICE));
	kube_store_free(store);
}

static void test_ignores_kinds_that_it_does_not_follow(void **state)
{
	struct fixture *f = *state;
	struct error err;

	assert_int_equal(kube_store_put(f->store, make("Node", "", "n1", "1"), &err), 0);
	assert_int_equal(kube_store_count(f->store, KUBE_NODE), 0);
	expect_log(f, "");
}

static void test_is_synced_without_a_kind_that_nobody_knows_and_keeps_what_it_had(void **state)
{
	struct kube_store *store = kube_store_new(1u << KUBE_POD | 1u << KUBE_TPM_SECRET, &(struct kube_store_observer){});
	struct error err;

	assert_int_equal(kube_store_put(store, make_sealed("a"), &err), 0);
	kube_store_begin(store, KUBE_POD);
	kube_store_end(store, KUBE_POD);
	assert_false(kube_store_synced(store));
	kube_store_begin(store, KUBE_TPM_SECRET);
	kube_store_excuse(store, KUBE_TPM_SECRET);
	assert_true(kube_store_synced(store));
	assert_false(kube_store_listed(store, KUBE_TPM_SECRET));
	assert_int_equal(kube_store_count(store, KUBE_TPM_SECRET), 1);
	kube_store_free(store);
}

static void test_keeps_identities_of_pods_only_where_they_are_asked_for(void **state)
{
	static const char text[] =
		"{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\",\"namespace\":\"shop\",\"annotations\":"
		"{\"holdfast/secrets\":\"x\"}},\"spec\":{\"serviceAccountName\":\"db\"}}";
	struct kube_store *store = kube_store_new(1u << KUBE_POD | KUBE_POD_IDENTITIES, &(struct kube_store_observer){});
	struct fixture *f = *state;
	struct error err;

	assert_int_equal(kube_store_put(store, object_of(text), &err), 0);
	assert_string_equal(kube_store_get(store, KUBE_POD, "shop", "a")->pod.service_account, "db");
	assert_string_equal(kube_store_get(store, KUBE_POD, "shop", "a")->pod.secrets, "x");
	assert_int_equal(kube_store_put(f->store, object_of(text), &err), 0);
	assert_null(kube_store_get(f->store, KUBE_POD, "shop", "a")->pod.service_account);
	assert_null(kube_store_get(f->store, KUBE_POD, "shop", "a")->pod.secrets);
	kube_store_free(store);
}

static int count_until(void *context, const struct kube_object *object)
{
	size_t *n = context;

	return ++*n == 3 ? 42 : 0;
}

static void test_a_visit_ends_when_its_visitor_says_so(void **state)
{
	struct fixture *f = *state;
	size_t n = 0;

	for (int i = 0; i < 5; i++)
		put_pod(f, "shop", (char[]){ 'a', (char)('a' + i), 0 }, "1");
	assert_int_equal(kube_store_each(f->store, KUBE_POD, count_until, &n), 42);
	assert_int_equal(n, 3);
}

static void test_a_store_that_is_to_be_listed_again_keeps_all_and_says_once_more_when_it_was(void **state)
{
	struct fixture *f = *state;

	put_pod(f, "shop", "a", "1");
	for (int i = 0; i < 2; i++) {
		for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++) {
			kube_store_begin(f->store, kind);
			kube_store_keep(f->store, kind, "shop", "a");
		}
		assert_int_equal(f->synced, i);
		for (enum kube_kind kind = 0; kind < KUBE_KIND_COUNT; kind++)
			kube_store_end(f->store, kind);
		assert_int_equal(f->synced, i + 1);
		kube_store_list_again(f->store);
		assert_false(kube_store_synced(f->store));
		assert_non_null(kube_store_get(f->store, KUBE_POD, "shop", "a"));
	}
}

/* Everything that is there from its begin to its end, whatever goes or is replaced in between. */
static void test_a_walk_meets_each_object_once_while_the_store_changes(void **state)
{
	const struct kube_object *object;
	struct fixture *f = *state;
	unsigned met[100] = {}, steps = 0;
	char name[16];

	for (unsigned i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "p%u", i);
		put_pod(f, "shop", name, "1");
	}
	kube_store_walk(f->store, KUBE_POD);
	while ((object = kube_store_walk_next(f->store))) {
		unsigned at = (unsigned)atoi(object->name + 1);
		assert_in_range(at, 0, 99);
		met[at]++;
		steps++;
		snprintf(name, sizeof(name), "p%u", at);
		if (at % 3 == 0) /* itself, and the next one */
			kube_store_remove(f->store, KUBE_POD, "shop", name);
		snprintf(name, sizeof(name), "p%u", at + 1);
		if (at % 3 == 0)
			kube_store_remove(f->store, KUBE_POD, "shop", name);
		else
			put_pod(f, "shop", name, "2");
		kube_store_remove(f->store, KUBE_POD, "shop", "p100");
	}
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(met[i], i % 3 == 1 ? met[i] : 1);
	assert_true(steps < 200);
	assert_null(kube_store_walk_next(f->store));
}

static struct kube_object *usual_pod(unsigned i)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	buf_printf(&text,
		   "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"checkout-6d4b75cb6d-%05u\",\"namespace\":\"team-%u\","
		   "\"uid\":\"0f3c9f64-7d5e-4b0c-9a43-%012u\",\"resourceVersion\":\"%u\",\"labels\":{\"app\":\"checkout\",\"tier\":"
		   "\"backend\","
		   "\"pod-template-hash\":\"6d4b75cb6d\"}},\"spec\":{\"nodeName\":\"edge-node-%u\",\"containers\":[{\"ports\":[{\"name\":"
		   "\"http\","
		   "\"containerPort\":8080}]}]},\"status\":{\"phase\":\"Running\",\"podIPs\":[{\"ip\":\"10.%u.%u.7\"},{\"ip\":\"fd00::%x\"}"
		   "]}}",
		   i, i % 50, i, 1000 + i, i % 200, i / 256, i % 256, i);
	return object_of(buf_text(&text));
}

static void test_10000_pods_cost_less_than_6_mib(void **state)
{
	struct fixture *f = *state;
	struct error err;
	size_t before = mallinfo2().uordblks;

	for (unsigned i = 0; i < 10000; i++)
		assert_int_equal(kube_store_put(f->store, usual_pod(i), &err), 0);
	size_t used = mallinfo2().uordblks - before;
	print_message("10,000 pods take %zu KiB, %zu bytes each\n", used / 1024, used / 10000);
	assert_int_equal(kube_store_count(f->store, KUBE_POD), 10000);
	assert_true(used < 6u * 1024 * 1024);
}

#define STORE_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(test_tells_of_each_real_change_once),
		STORE_TEST(test_an_equal_object_does_not_take_the_place_of_the_old_one),
		STORE_TEST(test_the_key_survives_a_replaced_object),
		STORE_TEST(test_namespace_and_name_do_not_run_into_each_other),
		STORE_TEST(test_a_list_removes_what_it_did_not_see_at_its_end),
		STORE_TEST(test_a_list_that_starts_again_counts_from_there),
		STORE_TEST(test_an_end_without_a_begin_removes_nothing),
		STORE_TEST(test_is_synced_once_when_every_kind_was_listed),
		STORE_TEST(test_is_synced_without_a_kind_that_only_explains),
		STORE_TEST(test_is_synced_without_a_kind_that_nobody_knows_and_keeps_what_it_had),
		STORE_TEST(test_keeps_identities_of_pods_only_where_they_are_asked_for),
		STORE_TEST(test_ignores_kinds_that_it_does_not_follow),
		STORE_TEST(test_a_store_that_is_to_be_listed_again_keeps_all_and_says_once_more_when_it_was),
		STORE_TEST(test_a_walk_meets_each_object_once_while_the_store_changes),
		STORE_TEST(test_a_visit_ends_when_its_visitor_says_so),
		STORE_TEST(test_10000_pods_cost_less_than_6_mib),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
