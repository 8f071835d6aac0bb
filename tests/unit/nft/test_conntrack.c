// SPDX-License-Identifier: Apache-2.0
/* A dump of a real kernel (tests/fuzz/corpus/conntrack/dump): TCP and UDP of both families, one through a translation, one closed, a ping.
 */
/* clang-format off: cmocka needs this order */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
/* clang-format on */
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <stdio.h>

#include "cni-plugin/nft/conntrack.h"
#include "common/base/buf.h"
#include "common/base/file.h"

static void print_end(uint8_t family, const uint8_t *address, uint16_t port, struct buf *out)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(family, address, text, sizeof(text));
	buf_printf(out, "%s %s", text, port >= 32768 ? "any" : port == 8080 ? "8080" : port == 5353 ? "5353" : port == 80 ? "80" : "-");
}

static void print_entry(const struct conntrack_entry *entry, struct buf *out)
{
	buf_printf(out, "%u ", entry->protocol);
	print_end(entry->family, entry->original.source, entry->original.source_port, out);
	buf_string(out, " > ");
	print_end(entry->family, entry->original.destination, entry->original.destination_port, out);
	buf_string(out, ", answered by ");
	print_end(entry->family, entry->reply.source, entry->reply.source_port, out);
	buf_printf(out, ": %s%s\n", conntrack_state_name(entry), conntrack_is_over(entry) ? ", over" : "");
}

static void test_reads_both_tuples_and_the_state_of_every_connection(void **state)
{
	_cleanup_(buf_free) struct buf dump = BUF_MAX(64 * 1024), text = BUF_MAX(64 * 1024);
	struct conntrack_entry entry;
	struct error err;

	if (file_read(TEST_DATA "/fuzz/corpus/conntrack/dump", &dump, &err) < 0)
		fail_msg("%s", err.message);
	int left = (int)dump.n;
	for (const struct nlmsghdr *message = (const void *)dump.p; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (conntrack_parse(message, &entry))
			print_entry(&entry, &text);
	}
	assert_string_equal(buf_text(&text), "1 127.0.0.1 - > 127.0.0.1 -, answered by 127.0.0.1 -: REPLIED\n"
					     "17 127.0.0.1 any > 127.0.0.1 5353, answered by 127.0.0.1 5353: UNREPLIED\n"
					     "6 10.96.0.1 any > 10.96.0.7 80, answered by 127.0.0.1 8080: ESTABLISHED\n"
					     "6 127.0.0.1 any > 127.0.0.1 8080, answered by 127.0.0.1 8080: CLOSE_WAIT\n"
					     "17 ::1 any > ::1 5353, answered by ::1 5353: UNREPLIED\n"
					     "6 127.0.0.1 any > 127.0.0.1 8080, answered by 127.0.0.1 8080: ESTABLISHED\n"
					     "6 ::1 any > ::1 8080, answered by ::1 8080: ESTABLISHED\n");
}

static void test_a_message_that_is_cut_is_no_entry(void **state)
{
	static const char *const files[] = { "cut-tuple", "cut-header", "other-family" };
	struct conntrack_entry entry;

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		_cleanup_(buf_free) struct buf bytes = BUF_MAX(64 * 1024);
		char path[256];
		snprintf(path, sizeof(path), TEST_DATA "/fuzz/corpus/conntrack/%s", files[i]);
		assert_int_equal(file_read(path, &bytes, NULL), 0);
		assert_false(conntrack_parse((const void *)bytes.p, &entry));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_both_tuples_and_the_state_of_every_connection),
		cmocka_unit_test(test_a_message_that_is_cut_is_no_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
