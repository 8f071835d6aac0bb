// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_JSON_TOML_SCAN_H
#define HOLDFAST_JSON_TOML_SCAN_H

#include "common/base/buf.h"
#include "common/base/error.h"
#include "common/base/slice.h"

/* The words of TOML: blanks, keys, strings, and what stands plain. Internal to common/json. */

struct toml_scan {
	const uint8_t *p, *end;
	unsigned line;   /* from 1 */
	struct buf text; /* the last key or string; no NUL in it but the one behind */
};

/* The next byte, or 0 at the end (the text itself has no NUL). */
static inline uint8_t toml_peek(const struct toml_scan *scan)
{
	return scan->p < scan->end ? *scan->p : 0;
}

/* Takes `byte` if it is next. */
bool toml_take(struct toml_scan *scan, char byte);

void toml_skip_blanks(struct toml_scan *scan);

/* Blanks, comments and ends of lines. */
void toml_skip_lines(struct toml_scan *scan);

/* What must stand behind a header and a value: blanks, perhaps a comment, the end of the line or of the text. */
int toml_end_line(struct toml_scan *scan, struct error *err) must_check;

/* Each sets scan->text. */
int toml_scan_key(struct toml_scan *scan, struct error *err) must_check;
int toml_scan_string(struct toml_scan *scan, struct error *err) must_check;

/* A boolean, number or date, as it stands. */
int toml_scan_plain(struct toml_scan *scan, struct error *err) must_check;

/* "line 12: <text>". Returns -EINVAL. */
int toml_fail(const struct toml_scan *scan, struct error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
