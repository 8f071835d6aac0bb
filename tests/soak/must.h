// SPDX-License-Identifier: Apache-2.0
#ifndef HOLDFAST_TESTS_SOAK_MUST_H
#define HOLDFAST_TESTS_SOAK_MUST_H

#include <stdio.h>

#include "tests/net/nft_support.h"
#include "tests/soak/node.h"

/* Calls that must succeed; a failure prints the error, and the test fails. */
static inline void must(int r, const struct error *err)
{
	if (r < 0)
		fail_msg("%s", err->message);
}

/* Objects as YAML, to the node's API server. */
static inline void put(struct node *node, const char *format, ...) __attribute__((format(printf, 2, 3)));
static inline void put(struct node *node, const char *format, ...)
{
	char text[1024];
	struct error err;
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	must(api_put(node->api, slice_string(text), &err), &err);
}

#endif
