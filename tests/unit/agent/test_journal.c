// SPDX-License-Identifier: Apache-2.0
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cni-plugin/agent/journal.h"
#include "common/base/array.h"
#include "common/base/file.h"

static char directory[64];
static int n_bad;
static char last_bad[ERROR_MESSAGE_MAX];

static int set_up(void **state)
{
	snprintf(directory, sizeof(directory), "/tmp/holdfast-test-journal.XXXXXX");
	n_bad = 0;
	return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

static void on_bad(const struct error *why)
{
	n_bad++;
	memcpy(last_bad, why->message, sizeof(last_bad));
}

static struct attachment *sample(const char *container_id)
{
	const struct attachment_names names = { container_id, "eth0", "/run/netns/x", "cluster", "shop", "web", "u-1" };
	struct attachment *attachment = attachment_new(&names);
	struct error err;

	assert_non_null(attachment);
	assert_int_equal(kube_address_parse("10.1.0.5", &attachment->addresses[0], &err), 0);
	assert_int_equal(kube_address_parse("fd00::5", &attachment->addresses[1], &err), 0);
	attachment->n_addresses = 2;
	attachment->has_mac = true;
	memcpy(attachment->mac, (uint8_t[]){ 0x0a, 0x58, 0x0a, 0x01, 0x00, 0xf5 }, sizeof(attachment->mac));
	assert_int_equal(kube_address_parse("fe80::5", &attachment->link_locals[0], &err), 0);
	attachment->n_link_locals = 1;
	attachment->host_index = 12;
	attachment->bridge_port = true;
	snprintf(attachment->host_name, sizeof(attachment->host_name), "veth1");
	return attachment;
}

static void write_sample(const char *container_id)
{
	_cleanup_(attachment_freep) struct attachment *attachment = sample(container_id);
	struct error err;

	assert_int_equal(journal_write(directory, attachment, &err), 0);
}

static void write_raw(const char *name, const char *text)
{
	char path[128];
	struct error err;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	assert_int_equal(file_write_atomic(path, slice_string(text), 0600, &err), 0);
}

static void test_what_was_written_is_read_again(void **state)
{
	_cleanup_(attachments_clear) struct attachments list = { 0 };
	_cleanup_(attachment_freep) struct attachment *wanted = sample("c1");
	struct error err;

	write_sample("c1");
	assert_int_equal(journal_read(directory, &list, on_bad, &err), 0);
	assert_int_equal(list.n, 1);
	const struct attachment *found = list.first;
	assert_string_equal(found->id, "c1/eth0");
	assert_string_equal(found->netns, "/run/netns/x");
	assert_string_equal(found->network, "cluster");
	assert_string_equal(found->namespace, "shop");
	assert_string_equal(found->pod, "web");
	assert_string_equal(found->uid, "u-1");
	assert_string_equal(found->host_name, "veth1");
	assert_int_equal(found->host_index, 12);
	assert_true(found->bridge_port);
	assert_int_equal(found->n_addresses, 2);
	assert_memory_equal(found->addresses, wanted->addresses, sizeof(wanted->addresses));
	assert_true(found->has_mac);
	assert_memory_equal(found->mac, wanted->mac, sizeof(wanted->mac));
	assert_int_equal(found->n_link_locals, 1);
	assert_memory_equal(found->link_locals, wanted->link_locals, sizeof(wanted->link_locals));
}

static void test_an_older_agents_entry_has_no_mac_address(void **state)
{
	_cleanup_(attachment_freep) struct attachment *attachment = sample("c1"), *read = NULL;
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	struct error err;

	attachment->has_mac = false;
	journal_print(attachment, &text);
	assert_null(strstr(buf_text(&text), "\"mac\""));
	assert_int_equal(journal_parse(buf_view(&text), &read, &err), 0);
	assert_false(read->has_mac);
}

static void test_an_entry_says_whether_its_pod_is_leaving(void **state)
{
	_cleanup_(attachment_freep) struct attachment *attachment = sample("c1");
	struct error err;

	for (int leaving = 0; leaving < 2; leaving++) {
		_cleanup_(attachment_freep) struct attachment *read = NULL;
		_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

		attachment->leaving = leaving;
		journal_print(attachment, &text);
		assert_int_equal(strstr(buf_text(&text), "\"leaving\"") != NULL, leaving); /* older agents' entries have no such member */
		assert_int_equal(journal_parse(buf_view(&text), &read, &err), 0);
		assert_int_equal(read->leaving, leaving);
	}
}

static void test_a_mac_address_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = { "0a:58:0a:01:00:f", "0a:58:0a:01:00:fg", "0a-58-0a-01-00-f5", "0A:58:0a:01:00:f5" };
	_cleanup_(attachment_freep) struct attachment *attachment = sample("c1");
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(bad); i++) {
		_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
		struct attachment *read = NULL;

		journal_print(attachment, &text);
		char *at = strstr(buf_text(&text), "0a:58:0a:01:00:f5");
		memset(at, ' ', strlen("0a:58:0a:01:00:f5\""));
		memcpy(at, bad[i], strlen(bad[i]));
		at[strlen(bad[i])] = '"';
		assert_int_equal(journal_parse(buf_view(&text), &read, &err), -EINVAL);
		assert_non_null(strstr(err.message, "is no MAC address"));
	}
}

static void test_an_older_agents_entry_has_no_network(void **state)
{
	_cleanup_(attachment_freep) struct attachment *attachment = sample("c1"), *read = NULL;
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);
	struct error err;

	journal_print(attachment, &text);
	memcpy(strstr(buf_text(&text), "\"network\""), "\"notwork\"", strlen("\"network\""));
	assert_int_equal(journal_parse(buf_view(&text), &read, &err), 0);
	assert_string_equal(read->network, "");
}

static void test_an_entry_is_replaced_and_removed_by_its_id(void **state)
{
	_cleanup_(attachments_clear) struct attachments list = { 0 };
	_cleanup_(attachment_freep) struct attachment *second = sample("c2");
	struct error err;

	write_sample("c1");
	write_sample("c2");
	write_sample("c2");
	assert_int_equal(journal_remove(directory, second, &err), 0);
	assert_int_equal(journal_remove(directory, second, &err), 0);
	assert_int_equal(journal_read(directory, &list, on_bad, &err), 0);
	assert_int_equal(list.n, 1);
	assert_string_equal(list.first->container_id, "c1");
}

static void test_a_bad_entry_is_reported_and_does_not_hide_the_others(void **state)
{
	_cleanup_(attachments_clear) struct attachments list = { 0 };
	struct error err;

	write_sample("c1");
	write_raw("c2:eth0.json", "{\"containerID\":\"c2\"");
	assert_int_equal(journal_read(directory, &list, on_bad, &err), 0);
	assert_int_equal(list.n, 1);
	assert_int_equal(n_bad, 1);
	assert_non_null(strstr(last_bad, "c2:eth0.json"));
}

static void test_a_bad_entry_is_set_aside_and_reported_once(void **state)
{
	_cleanup_(attachments_clear) struct attachments list = { 0 };
	struct error err;
	char path[128];

	write_raw("c2:eth0.json", "{\"containerID\":\"c2\"");
	assert_int_equal(journal_read(directory, &list, on_bad, &err), 0);
	assert_non_null(strstr(last_bad, "set aside"));
	assert_int_equal(journal_read(directory, &list, on_bad, &err), 0);
	assert_int_equal(n_bad, 1);
	snprintf(path, sizeof(path), "%s/c2:eth0.json.bad", directory);
	assert_int_equal(access(path, R_OK), 0);
}

static void test_the_rest_of_an_interrupted_write_is_no_entry(void **state)
{
	_cleanup_(attachments_clear) struct attachments list = { 0 };
	struct error err;

	write_raw("c1:eth0.json.AbCdEf", "{");
	assert_int_equal(journal_read(directory, &list, on_bad, &err), 0);
	assert_int_equal(list.n, 0);
	assert_int_equal(n_bad, 0);
}

static void test_entries_are_roots_alone(void **state)
{
	struct stat found;
	char path[128];

	write_sample("c1");
	snprintf(path, sizeof(path), "%s/c1:eth0.json", directory);
	assert_int_equal(stat(path, &found), 0);
	assert_int_equal(found.st_mode & 0777, 0600);
}

static void test_refuses_an_entry_that_is_not_whole(void **state)
{
	static const char *const members[] = { "containerID", "ifname",   "netns",     "namespace",  "pod",
					       "uid",         "hostName", "hostIndex", "bridgePort", "addresses" };
	_cleanup_(attachment_freep) struct attachment *attachment = sample("c1");
	_cleanup_(buf_free) struct buf text = BUF_MAX(4096);

	journal_print(attachment, &text);
	for (size_t i = 0; i < ELEMENTS_OF(members); i++) {
		_cleanup_free_ char *broken = strdup(buf_text(&text));
		struct attachment *read;
		struct error err = { 0 };
		char quoted[32];
		snprintf(quoted, sizeof(quoted), "\"%s\"", members[i]);
		strstr(broken, quoted)[1] = 'X';
		if (journal_parse(slice_string(broken), &read, &err) == 0)
			fail_msg("taken without %s", members[i]);
		assert_non_null(strstr(err.message, quoted));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_what_was_written_is_read_again, set_up, tear_down),
		cmocka_unit_test(test_an_older_agents_entry_has_no_network),
		cmocka_unit_test(test_an_older_agents_entry_has_no_mac_address),
		cmocka_unit_test(test_an_entry_says_whether_its_pod_is_leaving),
		cmocka_unit_test(test_a_mac_address_that_is_none_is_refused),
		cmocka_unit_test_setup_teardown(test_an_entry_is_replaced_and_removed_by_its_id, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_bad_entry_is_set_aside_and_reported_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_bad_entry_is_reported_and_does_not_hide_the_others, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_the_rest_of_an_interrupted_write_is_no_entry, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_entries_are_roots_alone, set_up, tear_down),
		cmocka_unit_test(test_refuses_an_entry_that_is_not_whole),
	};

	return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
