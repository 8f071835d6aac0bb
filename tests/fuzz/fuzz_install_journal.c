// SPDX-License-Identifier: Apache-2.0
/* What is read prints as what is read as the same. The checksum is made to fit, or nothing would come through. The manifest's text too. */
#include <string.h>

#include "deploy/install/files/hash.h"
#include "deploy/install/journal.h"
#include "tests/fuzz/fuzz.h"

static void try_journal(struct slice body)
{
	_cleanup_(buf_free) struct buf text = BUF_MAX(JOURNAL_BYTES_MAX), printed = BUF_MAX(JOURNAL_BYTES_MAX), again = BUF_MAX(JOURNAL_BYTES_MAX);
	static struct journal journal, copy;
	char hash[LISTING_HASH_TEXT];
	struct error err = {};

	hash_text(body, hash);
	buf_printf(&text, "sha256:%s\n", hash);
	buf_slice(&text, body);
	int r = journal_parse(buf_view(&text), &journal, &err);
	ABORT_ON(r < 0 && !err.message[0]);
	if (r == 0) {
		journal_print(&journal, &printed);
		if (!printed.failed) {
			ABORT_ON(journal_parse(buf_view(&printed), &copy, &err) < 0);
			journal_print(&copy, &again);
			ABORT_ON(!slice_equals(buf_view(&printed), buf_view(&again)));
			journal_clear(&copy);
		}
	}
	journal_clear(&journal);
}

static void try_manifest(struct slice text)
{
	_cleanup_(buf_free) struct buf printed = BUF_MAX(2 * LISTING_BYTES_MAX);
	struct listing manifest;
	struct error err = {};

	int r = listing_parse(text, &manifest, &err);
	ABORT_ON(r < 0 && !err.message[0]);
	if (r < 0)
		return;
	listing_print(&manifest, &printed);
	ABORT_ON(!slice_equals(buf_view(&printed), text));
	listing_clear(&manifest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_from(data, size);
	struct error err = {};
	static struct journal journal;

	(void)!journal_parse(text, &journal, &err);
	journal_clear(&journal);
	try_journal(text);
	try_manifest(text);
	return 0;
}
