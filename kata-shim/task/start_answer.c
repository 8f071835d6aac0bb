// SPDX-License-Identifier: Apache-2.0
#include "kata-shim/task/start_answer.h"

#include "common/proto/message.h"
#include "kata-shim/task/start.pb-c.h"

void start_answer(const struct start_input *input, const char *address, struct buf *out)
{
	Start__BootstrapResult result = START__BOOTSTRAP_RESULT__INIT;

	if (!input->bootstrap) {
		buf_string(out, address);
		return;
	}
	result.version = 3;
	result.address = (char *)address;
	result.protocol = (char *)"ttrpc";
	message_write(&result.base, out);
}
