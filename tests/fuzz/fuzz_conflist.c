// SPDX-License-Identifier: Apache-2.0
/* The entry is put in once; taken out again, it leaves what was there. */
#include "deploy/install/cni/conflist.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_cleanup_(buf_free) struct buf with = BUF_MAX(2 * CONFLIST_BYTES_MAX), without = BUF_MAX(2 * CONFLIST_BYTES_MAX);
	_cleanup_(buf_free) struct buf rest = BUF_MAX(2 * CONFLIST_BYTES_MAX);
	struct slice text = slice_from(data, size);
	struct error err = {};

	bool had = conflist_has_entry(text);
	int r = conflist_add(text, &with, &err);
	ABORT_ON(r < 0 && !err.message[0]);
	ABORT_ON(r == 1 && had);
	ABORT_ON(r != 1 && with.n > 0);
	if (r == 1) {
		ABORT_ON(conflist_remove(buf_view(&with), &without, &err) != 1);
		ABORT_ON(!slice_equals(buf_view(&without), text));
	}
	r = conflist_remove(text, &rest, &err);
	ABORT_ON((r == 1) != had);
	ABORT_ON(r == 1 && conflist_has_entry(buf_view(&rest)));
	return 0;
}
