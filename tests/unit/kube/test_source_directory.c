// SPDX-License-Identifier: Apache-2.0
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/kube/manifest.h"
#include "tests/unit/kube/source_fixture.h"

#define POLICY(name, types)                                                                                                                \
	"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: " name                                                  \
	"\n  namespace: shop\nspec:\n  podSelector: {}\n"                                                                                  \
	"  policyTypes: [" types "]\n"
#define POD(name) "apiVersion: v1\nkind: Pod\nmetadata:\n  name: " name "\n  namespace: shop\n"

/* inotify is what is tested: the slow timer only helps where a test says so. */
static const struct directory_tuning by_events = { .settle_ms = 5, .rescan_ms = 3600 * 1000 };
static const struct directory_tuning by_timer = { .settle_ms = 5, .rescan_ms = 20 };

static void start(struct source_fixture *f, const struct directory_tuning *tuning)
{
	struct error err;

	const struct kube_source_options options = { .directory = f->directory };
	if (kube_source_directory_start(&f->loop, &options, tuning, f->store, &f->source, &err) < 0)
		fail_msg("%s", err.message);
}

static void start_with_file(struct source_fixture *f, const char *name, const char *content)
{
	fixture_open(f, POD_KIND | POLICY_KIND);
	fixture_write(f, name, content);
	start(f, &by_events);
}

static struct kube_source_status status_of(struct source_fixture *f)
{
	struct kube_source_status status;

	kube_source_status(f->source, &status);
	return status;
}

static void expect_log(struct source_fixture *f, const char *text)
{
	assert_string_equal(buf_text(&f->log), text);
}

/* Two scans have passed: what did not happen until then does not happen. */
static void wait_for_a_marker(struct source_fixture *f, const char *name)
{
	char content[256], line[64], file[64];

	snprintf(content, sizeof(content), POD("%s"), name);
	snprintf(file, sizeof(file), "zz-%s.yaml", name);
	snprintf(line, sizeof(line), "+ shop/%s\n", name);
	fixture_write(f, file, content);
	fixture_wait_log(f, line);
}

static void test_an_empty_directory_is_synced(void **state)
{
	struct source_fixture f;

	fixture_open(&f, POD_KIND | POLICY_KIND);
	start(&f, &by_events);
	expect_log(&f, "");
	fixture_wait_log(&f, "synced\n");
	assert_true(status_of(&f).connected);
	fixture_close(&f);
}

static void test_reads_documents_lists_and_json_in_the_order_of_names(void **state)
{
	struct source_fixture f;

	fixture_open(&f, POD_KIND | POLICY_KIND);
	fixture_write(&f, "c.json", "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"json\",\"namespace\":\"shop\"}}");
	fixture_write(&f, "a.yaml", POLICY("one", "Ingress") "---\n" POLICY("two", "Egress"));
	fixture_write(&f, "b.yml", "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: listed}}\n");
	fixture_write(&f, "d.yaml", "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: typed, namespace: shop}\n");
	fixture_write(&f, "notes.txt", "no manifest");
	fixture_write(&f, ".hidden.yaml", POD("hidden"));
	start(&f, &by_events);
	fixture_wait_log(&f, "synced\n");
	expect_log(&f, "+ shop/one\n+ shop/two\n+ default/listed\n+ shop/json\n+ shop/typed\nsynced\n");
	fixture_close(&f);
}

static void test_follows_files_that_come_change_and_go(void **state)
{
	struct source_fixture f;

	start_with_file(&f, "a.yaml", POLICY("one", "Ingress"));
	fixture_wait_log(&f, "synced\n");
	fixture_write(&f, "b.yaml", POD("web"));
	fixture_wait_log(&f, "+ shop/web\n");
	fixture_write(&f, "a.yaml", POLICY("one", "Egress"));
	fixture_wait_log(&f, "~ shop/one\n");
	fixture_unlink(&f, "b.yaml");
	fixture_wait_log(&f, "- shop/web\n");
	fixture_close(&f);
}

static void test_follows_a_file_that_is_written_in_place(void **state)
{
	struct source_fixture f;

	start_with_file(&f, "a.yaml", POD("web"));
	fixture_wait_log(&f, "synced\n");
	fixture_write_in_place(&f, "a.yaml", POD("api"));
	fixture_wait_log(&f, "+ shop/api\n- shop/web\n");
	fixture_write_in_place(&f, "a.yaml", POD("web")); /* as long as before, perhaps in the same tick of the clock */
	fixture_wait_log(&f, "+ shop/web\n- shop/api\n");
	fixture_close(&f);
}

static void link_data(struct source_fixture *f, const char *version)
{
	char target[256], temporary[256], link[256];

	snprintf(target, sizeof(target), "..%s", version);
	snprintf(temporary, sizeof(temporary), "%s/..data_tmp", f->directory);
	snprintf(link, sizeof(link), "%s/..data", f->directory);
	assert_int_equal(symlink(target, temporary), 0);
	assert_int_equal(rename(temporary, link), 0);
}

static void make_version(struct source_fixture *f, const char *version, const char *content)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/..%s", f->directory, version);
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "..%s/a.yaml", version);
	fixture_write(f, path, content);
}

/* As the kubelet updates a mounted ConfigMap: files are links into ..data, which is a link that is replaced. */
static void test_follows_the_swap_of_a_config_map_volume(void **state)
{
	struct source_fixture f;
	char link[256];

	fixture_open(&f, POD_KIND | POLICY_KIND);
	make_version(&f, "v1", POD("web"));
	link_data(&f, "v1");
	snprintf(link, sizeof(link), "%s/a.yaml", f.directory);
	assert_int_equal(symlink("..data/a.yaml", link), 0);
	start(&f, &by_events);
	fixture_wait_log(&f, "+ shop/web\nsynced\n");
	make_version(&f, "v2", POD("api"));
	link_data(&f, "v2");
	fixture_wait_log(&f, "+ shop/api\n- shop/web\n");
	fixture_close(&f);
}

static void test_a_broken_file_keeps_its_last_good_objects_and_says_where(void **state)
{
	struct source_fixture f;

	start_with_file(&f, "a.yaml", POLICY("one", "Ingress") "---\n" POLICY("two", "Ingress"));
	fixture_wait_log(&f, "synced\n");
	fixture_write(&f, "a.yaml", POLICY("one", "Egress") "---\nkind: [\n");
	fixture_wait_error(&f, "a.yaml: line 1");
	wait_for_a_marker(&f, "marker");
	expect_log(&f, "+ shop/one\n+ shop/two\nsynced\n+ shop/marker\n");
	assert_int_equal(status_of(&f).refused, 1);
	fixture_write(&f, "a.yaml", POLICY("one", "Egress"));
	fixture_wait_log(&f, "~ shop/one\n- shop/two\n");
	fixture_wait_error(&f, "");
	fixture_close(&f);
}

/* The store as a snapshot has filled it before the first scan. */
static void start_with_known(struct source_fixture *f, const char *const *yaml, size_t n)
{
	struct manifest manifest;
	struct error err;

	for (size_t i = 0; i < n; i++) {
		assert_int_equal(manifest_read(slice_string(yaml[i]), false, &manifest, &err), 0);
		assert_int_equal(kube_store_put(f->store, TAKE_PTR(manifest.items[0].object), &err), 0);
		manifest_clear(&manifest);
	}
	start(f, &by_events);
}

static const char *const known[] = { POLICY("one", "Ingress"), POLICY("two", "Ingress"), POD("web") };
#define KNOWN "+ shop/one\n+ shop/two\n+ shop/web\n"

static void test_a_file_that_is_broken_at_the_start_keeps_what_was_known_until_it_can_be_read(void **state)
{
	struct source_fixture f;

	fixture_open(&f, POD_KIND | POLICY_KIND);
	fixture_write(&f, "a.yaml", POLICY("one", "Ingress"));
	fixture_write(&f, "b.yaml", "kind: [\n");
	fixture_write(&f, "c.yaml", "kind: {\n");
	start_with_known(&f, known, 3);
	fixture_wait_log(&f, "synced\n");
	expect_log(&f, KNOWN "synced\n");
	fixture_write(&f, "b.yaml", POLICY("two", "Egress"));
	fixture_wait_log(&f, "~ shop/two\n");
	wait_for_a_marker(&f, "marker");
	expect_log(&f, KNOWN "synced\n~ shop/two\n+ shop/marker\n");
	fixture_write(&f, "c.yaml", POD("api"));
	fixture_wait_log(&f, "+ shop/api\n- shop/web\n");
	fixture_close(&f);
}

static void test_what_was_known_and_is_in_no_file_goes_if_every_file_can_be_read(void **state)
{
	struct source_fixture f;

	fixture_open(&f, POD_KIND | POLICY_KIND);
	fixture_write(&f, "a.yaml", POLICY("one", "Ingress"));
	start_with_known(&f, known, 3);
	fixture_wait_log(&f, "synced\n");
	expect_log(&f, KNOWN "- shop/web\n- shop/two\nsynced\n");
	fixture_close(&f);
}

static void test_a_removed_file_that_was_never_read_takes_what_it_kept_with_it(void **state)
{
	struct source_fixture f;

	fixture_open(&f, POD_KIND | POLICY_KIND);
	fixture_write(&f, "a.yaml", POLICY("one", "Ingress"));
	fixture_write(&f, "b.yaml", "kind: [\n");
	start_with_known(&f, known, 3);
	fixture_wait_log(&f, "synced\n");
	fixture_unlink(&f, "b.yaml");
	fixture_wait_log(&f, "- shop/web\n- shop/two\n");
	fixture_close(&f);
}

static void test_an_empty_directory_is_not_believed_while_objects_are_known(void **state)
{
	struct source_fixture f;

	fixture_open(&f, POD_KIND | POLICY_KIND);
	start_with_known(&f, known, 3);
	fixture_wait_error(&f, "another directory now, and empty");
	expect_log(&f, KNOWN);
	fixture_write(&f, "a.yaml", POLICY("one", "Ingress"));
	fixture_wait_log(&f, "- shop/web\n- shop/two\nsynced\n");
	fixture_close(&f);
}

static void test_a_bad_object_names_the_line_of_its_document(void **state)
{
	struct source_fixture f;

	start_with_file(&f, "a.yaml", POD("web") "---\napiVersion: v1\nkind: Pod\nmetadata: {name: Web_1}\n");
	fixture_wait_error(&f, "a.yaml: document at line 6: metadata.name: \"Web_1\" is no object name");
	fixture_close(&f);
}

static void test_a_policy_with_a_bad_rule_isolates_and_breaks_no_file(void **state)
{
	struct source_fixture f;

	start_with_file(&f, "a.yaml", POD("web") "---\n" POLICY("one", "Ingress") "  ingress: [{ports: [{port: 0}]}]\n");
	fixture_wait_log(&f, "+ shop/web\n+ shop/one\nsynced\n");
	assert_string_equal(kube_store_get(f.store, KUBE_NETWORK_POLICY, "shop", "one")->policy.invalid,
			    "spec.ingress[0].ports[0].port: 0 is below 1");
	assert_int_equal(status_of(&f).refused, 1);
	fixture_close(&f);
}

static void test_the_first_file_by_name_wins_until_it_gives_the_object_up(void **state)
{
	struct source_fixture f;

	fixture_open(&f, POD_KIND | POLICY_KIND);
	fixture_write(&f, "b.yaml", POLICY("one", "Egress"));
	fixture_write(&f, "c.yaml", POLICY("one", "Ingress, Egress"));
	start(&f, &by_events);
	fixture_wait_log(&f, "synced\n");
	assert_false(kube_store_get(f.store, KUBE_NETWORK_POLICY, "shop", "one")->policy.isolates_ingress);
	fixture_write(&f, "a.yaml", POLICY("one", "Ingress"));
	fixture_wait_log(&f, "~ shop/one\n");
	assert_false(kube_store_get(f.store, KUBE_NETWORK_POLICY, "shop", "one")->policy.isolates_egress);
	fixture_unlink(&f, "a.yaml");
	fixture_wait_log(&f, "~ shop/one\n~ shop/one\n");
	assert_false(kube_store_get(f.store, KUBE_NETWORK_POLICY, "shop", "one")->policy.isolates_ingress);
	fixture_unlink(&f, "b.yaml");
	fixture_wait_log(&f, "~ shop/one\n~ shop/one\n~ shop/one\n");
	assert_true(kube_store_get(f.store, KUBE_NETWORK_POLICY, "shop", "one")->policy.isolates_ingress);
	fixture_close(&f);
}

static void test_objects_of_other_kinds_are_passed_over(void **state)
{
	struct source_fixture f;

	start_with_file(&f, "a.yaml", "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\n" POD("web"));
	fixture_wait_log(&f, "+ shop/web\nsynced\n");
	assert_int_equal(status_of(&f).refused, 0);
	fixture_close(&f);
}

static void test_refuses_a_file_above_4_mib(void **state)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(MANIFEST_BYTES_MAX + 4096);
	struct source_fixture f;

	buf_string(&text, POD("web"));
	while (text.n <= MANIFEST_BYTES_MAX)
		buf_string(&text, "# sixty-four bytes of a comment that fills the file to its limit..\n");
	start_with_file(&f, "a.yaml", buf_text(&text));
	fixture_wait_error(&f, "a.yaml: ");
	fixture_wait_log(&f, "synced\n");
	expect_log(&f, "synced\n");
	fixture_close(&f);
}

static void test_a_fifo_among_the_files_blocks_nothing(void **state)
{
	struct source_fixture f;
	char path[256];

	fixture_open(&f, POD_KIND | POLICY_KIND);
	snprintf(path, sizeof(path), "%s/a.yaml", f.directory);
	assert_int_equal(mkfifo(path, 0600), 0);
	start(&f, &by_events);
	fixture_wait_error(&f, "a.yaml: is no regular file");
	fixture_close(&f);
}

static void move_directory(const char *from, const char *to)
{
	assert_int_equal(rename(from, to), 0);
}

static void test_a_directory_that_is_away_keeps_everything(void **state)
{
	struct source_fixture f;
	char away[80];

	fixture_open(&f, POD_KIND | POLICY_KIND);
	snprintf(away, sizeof(away), "%s.away", f.directory);
	fixture_write(&f, "a.yaml", POD("web"));
	start(&f, &by_timer);
	fixture_wait_log(&f, "+ shop/web\nsynced\n");
	move_directory(f.directory, away);
	fixture_wait_error(&f, "cannot open it: No such file or directory");
	assert_false(status_of(&f).connected);
	assert_int_equal(mkdir(f.directory, 0700), 0);
	fixture_wait_error(&f, "another directory now, and empty");
	assert_int_equal(kube_store_count(f.store, KUBE_POD), 1);
	assert_int_equal(rmdir(f.directory), 0);
	move_directory(away, f.directory);
	fixture_wait_error(&f, "");
	fixture_write(&f, "b.yaml", POD("api"));
	fixture_wait_log(&f, "synced\n+ shop/api\n");
	fixture_close(&f);
}

static void test_a_new_directory_with_files_is_believed(void **state)
{
	struct source_fixture f;
	char away[80];

	fixture_open(&f, POD_KIND | POLICY_KIND);
	snprintf(away, sizeof(away), "%s.away", f.directory);
	fixture_write(&f, "a.yaml", POD("web"));
	start(&f, &by_timer);
	fixture_wait_log(&f, "synced\n");
	move_directory(f.directory, away);
	assert_int_equal(mkdir(f.directory, 0700), 0);
	fixture_write(&f, "a.yaml", POD("api"));
	fixture_wait_log(&f, "+ shop/api\n- shop/web\n");
	char path[128];
	snprintf(path, sizeof(path), "%s/a.yaml", away);
	unlink(path);
	rmdir(away);
	fixture_close(&f);
}

static void test_the_last_file_may_be_removed(void **state)
{
	struct source_fixture f;

	start_with_file(&f, "a.yaml", POD("web"));
	fixture_wait_log(&f, "synced\n");
	fixture_unlink(&f, "a.yaml");
	fixture_wait_log(&f, "- shop/web\n");
	fixture_close(&f);
}

static void test_takes_only_what_belongs_to_the_node(void **state)
{
	struct source_fixture f;
	struct error err;

	fixture_open(&f, POD_KIND | 1u << KUBE_TPM_NODE);
	fixture_write(&f, "a.yaml",
		      POD("here") "spec: {nodeName: edge-1}\n---\n" POD("there") "spec: {nodeName: edge-2}\n---\n" POD(
			      "nowhere") "---\n"
					 "{apiVersion: tpm.holdfast/v1alpha1, kind: TPMNode, metadata: {name: edge-1}, spec: {}}\n---\n"
					 "{apiVersion: tpm.holdfast/v1alpha1, kind: TPMNode, metadata: {name: edge-2}, spec: {}}\n");
	const struct kube_source_options options = { .directory = f.directory, .node = "edge-1" };
	assert_int_equal(kube_source_directory_start(&f.loop, &options, &by_events, f.store, &f.source, &err), 0);
	fixture_wait_log(&f, "+ shop/here\n+ /edge-1\nsynced\n");
	assert_int_equal(kube_store_count(f.store, KUBE_POD) + kube_store_count(f.store, KUBE_TPM_NODE), 2);
	fixture_write(&f, "a.yaml", POD("here") "spec: {nodeName: edge-2}\n");
	fixture_wait_log(&f, "- shop/here\n- /edge-1\n");
	fixture_close(&f);
}

static void test_does_not_start_without_a_directory(void **state)
{
	const struct kube_source_options nowhere = { .directory = "/nowhere/at/all" }, file = { .directory = "/proc/self/exe" };
	struct kube_source *source;
	struct source_fixture f;
	struct error err;

	fixture_open(&f, POD_KIND);
	assert_int_equal(kube_source_directory_start(&f.loop, &nowhere, &by_events, f.store, &source, &err), -ENOENT);
	assert_int_equal(kube_source_directory_start(&f.loop, &file, &by_events, f.store, &source, &err), -ENOTDIR);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_directory_is_synced),
		cmocka_unit_test(test_reads_documents_lists_and_json_in_the_order_of_names),
		cmocka_unit_test(test_follows_files_that_come_change_and_go),
		cmocka_unit_test(test_follows_a_file_that_is_written_in_place),
		cmocka_unit_test(test_follows_the_swap_of_a_config_map_volume),
		cmocka_unit_test(test_a_broken_file_keeps_its_last_good_objects_and_says_where),
		cmocka_unit_test(test_a_file_that_is_broken_at_the_start_keeps_what_was_known_until_it_can_be_read),
		cmocka_unit_test(test_what_was_known_and_is_in_no_file_goes_if_every_file_can_be_read),
		cmocka_unit_test(test_a_removed_file_that_was_never_read_takes_what_it_kept_with_it),
		cmocka_unit_test(test_an_empty_directory_is_not_believed_while_objects_are_known),
		cmocka_unit_test(test_a_bad_object_names_the_line_of_its_document),
		cmocka_unit_test(test_a_policy_with_a_bad_rule_isolates_and_breaks_no_file),
		cmocka_unit_test(test_the_first_file_by_name_wins_until_it_gives_the_object_up),
		cmocka_unit_test(test_objects_of_other_kinds_are_passed_over),
		cmocka_unit_test(test_refuses_a_file_above_4_mib),
		cmocka_unit_test(test_a_fifo_among_the_files_blocks_nothing),
		cmocka_unit_test(test_a_directory_that_is_away_keeps_everything),
		cmocka_unit_test(test_a_new_directory_with_files_is_believed),
		cmocka_unit_test(test_the_last_file_may_be_removed),
		cmocka_unit_test(test_takes_only_what_belongs_to_the_node),
		cmocka_unit_test(test_does_not_start_without_a_directory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
