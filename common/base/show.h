// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_BASE_SHOW_H
#define HOLDFAST_BASE_SHOW_H

#include "common/base/slice.h"

/*
 * Text that a peer sent, made fit for a message: control bytes and broken UTF-8 become '?', and what is longer than SHOW_MAX bytes
 * is cut and ends in "...". So no message can steer a terminal or break a log line.
 *
 *	return error_set(err, EINVAL, "\"%s\" is no label", SHOW(slice_string(text)));
 */
#define SHOW_MAX 64

struct show {
	char text[SHOW_MAX + 4];
};

struct show show_text(struct slice text);

#define SHOW(slice) (show_text(slice).text)

/* The same, of a sentence: into `ret` of `size` bytes, at least 4, that always holds a C string afterwards. */
void show_sentence(struct slice text, char *ret, size_t size);

#endif
