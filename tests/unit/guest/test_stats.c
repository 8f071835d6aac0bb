// SPDX-License-Identifier: Apache-2.0
/* The kernel's texts, from which a container's statistics are read. */
#include "tests/unit/common/cmocka_all.h"

#include <string.h>

#include "common/base/array.h"
#include "kata-shim/guest/cgroup.h"
#include "kata-shim/guest/stats.h"
#include "kata-shim/guest/sysctl.h"

static void test_networks_are_read_without_the_loopback(void **state)
{
	char text[] = "Inter-|   Receive                                                |  Transmit\n"
		      " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier "
		      "compressed\n"
		      "    lo:    1000      10    0    0    0     0          0         0     1000      10    0    0    0     0       0     "
		      "     0\n"
		      "  eth0:18446744073709551615 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
		      "broken: 1 2 3\n";
	Agent__NetworkStats networks[STATS_NETWORKS_MAX];

	assert_int_equal(stats_parse_networks(text, networks), 1);
	assert_string_equal(networks[0].name, "eth0");
	assert_true(networks[0].rx_bytes == UINT64_MAX);
	assert_int_equal(networks[0].rx_packets, 2);
	assert_int_equal(networks[0].rx_errors, 3);
	assert_int_equal(networks[0].rx_dropped, 4);
	assert_int_equal(networks[0].tx_bytes, 9);
	assert_int_equal(networks[0].tx_packets, 10);
	assert_int_equal(networks[0].tx_errors, 11);
	assert_int_equal(networks[0].tx_dropped, 12);
}

static void test_no_more_networks_and_entries_than_there_is_room_for(void **state)
{
	_cleanup_(buf_free) struct buf networks = BUF_MAX(64 * 1024), entries = BUF_MAX(64 * 1024);
	Agent__NetworkStats network[STATS_NETWORKS_MAX];
	Agent__NumberEntry entry[STATS_ENTRIES_MAX];

	for (int i = 0; i < 1000; i++) {
		buf_printf(&networks, " eth%d: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n", i);
		buf_printf(&entries, "key%d %d\n", i, i);
	}
	assert_int_equal(stats_parse_networks((char *)networks.p, network), STATS_NETWORKS_MAX);
	assert_int_equal(stats_parse_entries((char *)entries.p, entry), STATS_ENTRIES_MAX);
}

static void test_entries_are_read_and_what_is_none_is_skipped(void **state)
{
	char text[] = "anon 4096\nfile 0\nbroken\n 5\nnegative -1\n\nlast 18446744073709551615";
	Agent__NumberEntry entries[STATS_ENTRIES_MAX];

	assert_int_equal(stats_parse_entries(text, entries), 3);
	assert_string_equal(entries[0].key, "anon");
	assert_int_equal(entries[0].value, 4096);
	assert_string_equal(entries[1].key, "file");
	assert_string_equal(entries[2].key, "last");
	assert_true(entries[2].value == UINT64_MAX);
}

static void test_a_value_is_found_by_its_whole_key(void **state)
{
	const struct slice lines = slice_string("oom_kill_other 7\noom 1\noom_kill 2\nempty \nmax max\n");
	uint64_t value = 0;

	assert_true(cgroup_value(lines, "oom_kill", &value));
	assert_int_equal(value, 2);
	assert_true(cgroup_value(lines, "max", &value));
	assert_true(value == UINT64_MAX);
	assert_false(cgroup_value(lines, "oom_", &value));
	assert_false(cgroup_value(lines, "empty", &value));
	assert_false(cgroup_value(slice_string(""), "oom", &value));
}

static void test_a_sysctl_is_a_path_of_a_namespace_or_refused(void **state)
{
	static const struct {
		const char *name, *path; /* NULL: refused */
		bool ipc;
	} cases[] = {
		{ "net.ipv4.ip_forward", "net/ipv4/ip_forward", false },
		{ "net/ipv4/conf/eth0.1/forwarding", "net/ipv4/conf/eth0.1/forwarding", false },
		{ "net.ipv4.conf.eth0/1.forwarding", "net/ipv4/conf/eth0.1/forwarding", false },
		{ "fs.mqueue.msg_max", "fs/mqueue/msg_max", true },
		{ "kernel.shmmni", "kernel/shmmni", true },
		{ "kernel.sem", "kernel/sem", true },
		{ "kernel.semaphore" },
		{ "kernel.shmmni.x" },
		{ "net." },
		{ "net" },
		{ "" },
		{ "net..ipv4" },
		{ "net/../kernel/panic" },
		{ "net/./ipv4" },
		{ "../net/ipv4" },
		{ "/net/ipv4" },
		{ "vm.swappiness" },
		{ "kernel.hostname" },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		char path[SYSCTL_PATH_MAX];
		struct error err;
		bool ipc;

		int r = sysctl_path(cases[i].name, path, &ipc, &err);
		if ((r == 0) != (cases[i].path != NULL))
			fail_msg("%s", cases[i].name);
		if (r == 0) {
			assert_string_equal(path, cases[i].path);
			assert_int_equal(ipc, cases[i].ipc);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_networks_are_read_without_the_loopback),
		cmocka_unit_test(test_no_more_networks_and_entries_than_there_is_room_for),
		cmocka_unit_test(test_entries_are_read_and_what_is_none_is_skipped),
		cmocka_unit_test(test_a_value_is_found_by_its_whole_key),
		cmocka_unit_test(test_a_sysctl_is_a_path_of_a_namespace_or_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
