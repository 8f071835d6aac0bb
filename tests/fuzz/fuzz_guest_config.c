// SPDX-License-Identifier: Apache-2.0
/* Whatever the host's message is: it is refused with a reason, or becomes JSON that crun can read. */
#include "common/json/json.h"
#include "common/proto/message.h"
#include "kata-shim/guest/crun_config.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct crun_world world = { "/web", "/ns/ipc", "/ns/uts", NULL, false };
	static const struct json_limits limits = { .bytes = CRUN_JSON_MAX, .depth = 16, .values = 1000 * 1000 };
	_cleanup_(message_freep) Oci__Spec *spec = NULL;
	_cleanup_(buf_free) struct buf out = BUF_MAX(CRUN_JSON_MAX);
	struct error err = {};

	if (message_read(&oci__spec__descriptor, slice_from(data, size), &spec, &err) < 0)
		return 0;
	int r = crun_write_config(spec, &world, &out, &err);
	ABORT_ON(r > 0 || (r < 0 && !err.message[0]));
	ABORT_ON(r == 0 && buf_check(&out, "configuration", &err) == 0 && json_check(buf_view(&out), &limits, &err) < 0);
	return 0;
}
