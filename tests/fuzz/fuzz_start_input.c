// SPDX-License-Identifier: Apache-2.0
/* Whatever stands on standard input: it is refused with a reason, or every text in it can be read, and only who names us has sent
 * parameters. */
#include <string.h>

#include "kata-shim/task/start_answer.h"
#include "tests/fuzz/fuzz.h"

static void check_options(const struct start_options *options)
{
	ABORT_ON(options->kind != OPTIONS_NONE && !*options->type_url);
	ABORT_ON(options->kind != OPTIONS_RUNC && (*options->runc_binary || *options->runc_root || options->systemd_cgroup));
	ABORT_ON(options->kind != OPTIONS_RUNTIME && (*options->config_path || options->config_body.n > 0));
	for (size_t i = 0; i < options->config_body.n; i++)
		ABORT_ON(!options->config_body.p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(start_input_clear) struct start_input input = {};
	_cleanup_(buf_free) struct buf answer = BUF_MAX(1024);
	struct error err = {};

	int r = start_input_parse(slice_from(data, size), "sb1", "k8s.io", &input, &err);
	ABORT_ON(r > 0 || (r < 0 && (!err.message[0] || input.messages)));
	if (r < 0)
		return 0;
	check_options(&input.options);
	ABORT_ON(!input.bootstrap && (*input.ttrpc_address || *input.grpc_address || *input.socket_directory || input.log_level));
	ABORT_ON(input.bootstrap && (!memmem(data, size, "sb1", 3) || !memmem(data, size, "k8s.io", 6)));
	start_answer(&input, "unix:///run/s", &answer);
	ABORT_ON(answer.failed || answer.n == 0 || (answer.p[0] == 'u') == input.bootstrap);
	return 0;
}
