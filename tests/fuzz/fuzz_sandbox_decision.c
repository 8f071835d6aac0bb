// SPDX-License-Identifier: Apache-2.0
/* Whatever stands in a holdfast.json: it is refused with a reason, or comes back the same when it is printed. */
#include <string.h>

#include "kata-shim/record/decision.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(8 * DECISION_BYTES_MAX);
	struct decision decision = {}, again = {};
	struct error err = {};

	int r = decision_parse(slice_from(data, size), &decision, &err);
	ABORT_ON(r > 0 || (r < 0 && !err.message[0]));
	if (r < 0)
		return 0;
	ABORT_ON((unsigned)decision.backend >= BACKENDS || (*decision.shim && *decision.shim != '/'));
	decision_print(&decision, &text);
	if (text.n > DECISION_BYTES_MAX) /* escapes */
		return 0;
	ABORT_ON(decision_parse(buf_view(&text), &again, &err) < 0 || memcmp(&decision, &again, sizeof(decision)) != 0);
	return 0;
}
