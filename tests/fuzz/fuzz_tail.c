// SPDX-License-Identifier: Apache-2.0
/* A console of a hostile guest: what is kept is text, and does not depend on how it was cut. */
#include <string.h>

#include "kata-shim/vm/qemu/tail.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tail whole, bytes;
	const char *line;

	whole = bytes = (struct tail){ .keep = "Kernel panic" };
	tail_feed(&whole, slice_from(data, size));
	for (size_t i = 0; i < size; i++)
		tail_feed(&bytes, slice_from(data + i, 1));
	for (unsigned i = 0; (line = tail_line(&whole, i)); i++) {
		ABORT_ON(!*line || strlen(line) > TAIL_LINE_MAX || strcmp(line, tail_line(&bytes, i)) != 0);
		for (; *line; line++)
			ABORT_ON(*line < 0x20 || *line > 0x7e);
	}
	ABORT_ON(!tail_kept(&whole) != !tail_kept(&bytes) || strcmp(whole.kept, bytes.kept) != 0);
	return 0;
}
