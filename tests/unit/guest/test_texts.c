// SPDX-License-Identifier: Apache-2.0
/* What the agent reads of texts: addresses and mount options. */
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>

#include "common/base/array.h"
#include "kata-shim/guest/address.h"
#include "kata-shim/guest/mount_options.h"

static struct error err;

static void addresses_are_of_either_family(void **state)
{
	static const struct {
		const char *text;
		uint8_t family, prefix, first, last;
	} cases[] = {
		{ "10.0.0.5", AF_INET, 32, 10, 5 },         { "10.0.0.0/8", AF_INET, 8, 10, 0 },    { "0.0.0.0/0", AF_INET, 0, 0, 0 },
		{ "fd00::5", AF_INET6, 128, 0xfd, 5 },      { "fe80::/10", AF_INET6, 10, 0xfe, 0 }, { "::/0", AF_INET6, 0, 0, 0 },
		{ "::ffff:10.0.0.5", AF_INET6, 128, 0, 5 },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		struct guest_address address;

		assert_int_equal(address_read_cidr(cases[i].text, &address, &err), 0);
		assert_int_equal(address.family, cases[i].family);
		assert_int_equal(address.prefix, cases[i].prefix);
		assert_int_equal(address.bytes[0], cases[i].first);
		assert_int_equal(address.bytes[address_size(&address) - 1], cases[i].last);
	}
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const texts[] = {
		"",
		"/",
		"/8",
		"10",
		"10.0.0",
		"10.0.0.256",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/+1",
		"10.0.0.0/08",
		"10.0.0.0/8/8",
		" 10.0.0.5",
		"10.0.0.5 ",
		"fd00",
		"fd00:::5",
		"fd00::/129",
		"fe80::1%eth0",
		"host",
		"1234567890123456789012345678901234567890123456789012345678901234567890/8",
	};

	for (size_t i = 0; i < ELEMENTS_OF(texts); i++) {
		struct guest_address address;

		if (address_read_cidr(texts[i], &address, &err) != -EINVAL)
			fail_msg("\"%s\"", texts[i]);
	}
}

static void mac_addresses_have_six_bytes(void **state)
{
	static const char *const texts[] = {
		"", "02:00:00:00:00", "02:00:00:00:00:0g", "02-00-00-00-00-0a", "02:00:00:00:00:0a:", "0200:0000:0000:0a"
	};
	static const uint8_t expected[MAC_SIZE] = { 0x02, 0xab, 0xcd, 0xef, 0x00, 0x0a };
	uint8_t mac[MAC_SIZE];

	assert_int_equal(mac_read("02:ab:CD:eF:00:0a", mac, &err), 0);
	assert_memory_equal(mac, expected, MAC_SIZE);
	for (size_t i = 0; i < ELEMENTS_OF(texts); i++)
		assert_int_equal(mac_read(texts[i], mac, &err), -EINVAL);
}

static void link_local_is_fe80_to_febf(void **state)
{
	struct guest_address address;

	assert_int_equal(address_read("febf::1", &address, &err), 0);
	assert_true(address_is_link_local(&address));
	assert_int_equal(address_read("fec0::1", &address, &err), 0);
	assert_false(address_is_link_local(&address));
	assert_int_equal(address_read("254.128.0.1", &address, &err), 0);
	assert_false(address_is_link_local(&address));
}

static int read_options(const char *const *words, size_t n, struct mount_options *ret)
{
	return mount_options_read((char *const *)words, n, ret, &err);
}

static void options_are_flags_and_what_the_file_system_understands(void **state)
{
	static const char *const words[] = { "ro", "nosuid", "size=1m", "noexec", "mode=1777", "rw", "fsgid=0", "relatime" };
	struct mount_options options;

	assert_int_equal(read_options(words, ELEMENTS_OF(words), &options), 0);
	assert_int_equal(options.flags, MS_NOSUID | MS_NOEXEC | MS_RELATIME);
	assert_string_equal(options.data, "size=1m,mode=1777");
	assert_true(options.has_group);
	assert_int_equal(options.group, 0);
	assert_int_equal(read_options(NULL, 0, &options), 0);
	assert_string_equal(options.data, "");
	assert_false(options.has_group);
}

static void options_that_make_no_sense_are_refused(void **state)
{
	static const char *const words[] = { "", "size=1m,ro", "fsgid=", "fsgid=-1", "fsgid=4294967295" };
	const char *many[MOUNT_DATA_MAX / 4];
	struct mount_options options;

	for (size_t i = 0; i < ELEMENTS_OF(words); i++)
		assert_true(read_options(&words[i], 1, &options) < 0);
	for (size_t i = 0; i < ELEMENTS_OF(many); i++)
		many[i] = "a=b";
	assert_int_equal(read_options(many, ELEMENTS_OF(many) - 1, &options), 0);
	assert_int_equal(read_options(many, ELEMENTS_OF(many), &options), 0);
	assert_int_equal(strlen(options.data), MOUNT_DATA_MAX - 1);
	many[0] = "a=bc";
	assert_int_equal(read_options(many, ELEMENTS_OF(many), &options), -E2BIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_are_of_either_family),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(mac_addresses_have_six_bytes),
		cmocka_unit_test(link_local_is_fe80_to_febf),
		cmocka_unit_test(options_are_flags_and_what_the_file_system_understands),
		cmocka_unit_test(options_that_make_no_sense_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
