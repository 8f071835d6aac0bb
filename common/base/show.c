// SPDX-License-Identifier: Apache-2.0
#include "common/base/show.h"

#include "common/base/utf8.h"

/* C0, DEL and, in UTF-8, C1: U+009B begins a terminal's control sequence too. */
static bool is_control(const uint8_t *p)
{
	return p[0] < 0x20 || p[0] == 0x7f || (p[0] == 0xc2 && p[1] < 0xa0);
}

void show_sentence(struct slice text, char *ret, size_t size)
{
	size_t n = 0;

	while (text.n > 0) {
		size_t length = utf8_length(text.p, text.n);
		size_t step = length ? length : 1;
		if (n + step > size - 4) {
			memcpy(ret + n, "...", 4);
			return;
		}
		if (length == 0 || is_control(text.p)) {
			ret[n++] = '?';
		} else {
			memcpy(ret + n, text.p, step);
			n += step;
		}
		text = slice_from(text.p + step, text.n - step);
	}
	ret[n] = 0;
}

struct show show_text(struct slice text)
{
	struct show show;

	show_sentence(text, show.text, sizeof(show.text));
	return show;
}
