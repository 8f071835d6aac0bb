// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/common/cmocka_all.h"

#include <errno.h>

#include "common/base/array.h"
#include "kata-shim/guest/channel.h"

static void the_command_line_says_which_channel(void **state)
{
	static const struct {
		const char *line;
		enum channel channel;
	} cases[] = {
		{ "console=ttyS0 holdfast.channel=port quiet\n", CHANNEL_PORT },
		{ "holdfast.channel=vsock", CHANNEL_VSOCK },
		{ "holdfast.channel=port\n", CHANNEL_PORT },
		{ "holdfast.channel=port holdfast.channel=vsock\n", CHANNEL_VSOCK },
		{ "xholdfast.channel=port holdfast.channels=port\n", CHANNEL_VSOCK },
		{ "  \n", CHANNEL_VSOCK },
		{ "", CHANNEL_VSOCK },
	};

	for (size_t i = 0; i < ELEMENTS_OF(cases); i++) {
		enum channel channel;
		struct error err;

		assert_int_equal(channel_read(slice_string(cases[i].line), &channel, &err), 0);
		assert_int_equal(channel, cases[i].channel);
	}
}

static void another_channel_is_refused_by_its_value(void **state)
{
	static const char *const lines[] = { "a holdfast.channel=tcp b", "holdfast.channel=", "holdfast.channel=ports\n" };
	enum channel channel;
	struct error err;

	for (size_t i = 0; i < ELEMENTS_OF(lines); i++)
		assert_int_equal(channel_read(slice_string(lines[i]), &channel, &err), -EINVAL);
	assert_int_equal(channel_read(slice_string(lines[0]), &channel, &err), -EINVAL);
	assert_string_equal(err.message, "kernel command line: holdfast.channel=tcp: must be port or vsock");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_command_line_says_which_channel),
		cmocka_unit_test(another_channel_is_refused_by_its_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
